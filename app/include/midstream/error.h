/*
 * Error codes, and the macros that declarations are marked with.
 */
#ifndef MIDSTREAM_ERROR_H
#define MIDSTREAM_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MID_PUBLIC                               __attribute__((visibility("default")))
#define MID_CHECK                                __attribute__((warn_unused_result))
#define MID_FORMAT(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define MID_PUBLIC
#define MID_CHECK
#define MID_FORMAT(format_index, first_argument)
#endif

/* Name, HTTP status if a handler returns it before the head, text. New errors are appended: numbers do not change. */
#define MID_ERRORS(X)                                                                                                  \
    X(MID_OK, 200, "no error")                                                                                         \
    X(MID_GONE, 499, "the client has disconnected")                                                                    \
    X(MID_ENDED, 409, "the session has ended")                                                                         \
    X(MID_UNAVAILABLE, 503, "the session store did not respond in time")                                               \
    X(MID_OVERLOADED, 503, "the server has reached one of its limits")                                                 \
    X(MID_STALLED, 499, "the client did not read the response in time")                                                \
    X(MID_TOO_MANY, 429, "this visitor has too many of these")                                                         \
    X(MID_BAD_REQUEST, 400, "the request is malformed")                                                                \
    X(MID_FORBIDDEN, 403, "the request is not allowed")                                                                \
    X(MID_NOT_FOUND, 404, "there is nothing at this address")                                                          \
    X(MID_METHOD, 405, "the method is not allowed here")                                                               \
    X(MID_TOO_LARGE, 413, "the request body is too large")                                                             \
    X(MID_UNPROCESSABLE, 422, "a value is out of range")                                                               \
    X(MID_HEAD_SENT, 500, "the response head has already been sent")                                                   \
    X(MID_NO_HEAD, 500, "the response has not been started")                                                           \
    X(MID_TIMEOUT, 504, "the time limit has passed")                                                                   \
    X(MID_DRAINING, 503, "the server is shutting down")                                                                \
    X(MID_NO_MEMORY, 503, "out of memory")                                                                             \
    X(MID_CANCELLED, 409, "the task was cancelled")                                                                    \
    X(MID_LOST_LEASE, 409, "another worker has taken over the task")                                                   \
    X(MID_STOPPING, 503, "the worker is stopping")                                                                     \
    X(MID_FAILED, 500, "the request failed")                                                                           \
    X(MID_TOO_SLOW, 408, "the request did not arrive in time")                                                         \
    X(MID_MISDIRECTED, 421, "this host is not served here")                                                            \
    X(MID_UNAUTHORIZED, 401, "login required")                                                                         \
    X(MID_CONFLICT, 409, "it exists already, and otherwise")                                                           \
    X(MID_CLOSED, 409, "nothing can be appended any more")

enum mid_error {
#define MID_ERROR_NAME(name, status, text) name,
    MID_ERRORS(MID_ERROR_NAME)
#undef MID_ERROR_NAME
};

/* The constant's name ("MID_GONE"), its text, and its HTTP status. These never fail: an unknown number is treated as
 * MID_FAILED, also when a handler returns it. */
MID_PUBLIC const char *mid_error_name(enum mid_error error);
MID_PUBLIC const char *mid_error_text(enum mid_error error);
MID_PUBLIC int mid_error_status(enum mid_error error);

/* Returns from the enclosing function if `call` fails, with its error. */
#define MID_TRY(call)                                                                                                  \
    do {                                                                                                               \
        enum mid_error mid_try_error = (call);                                                                         \
        if (mid_try_error != MID_OK)                                                                                   \
            return mid_try_error;                                                                                      \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
