/*
 * Midstream: web applications that stream, in C.
 *
 * This header is the whole contract between the runtime and an application. A handler is a plain function that runs on
 * a fiber of its own: it reads as straight-line code, and the calls marked "may suspend" let other requests run
 * meanwhile. Nothing here may be called from another thread.
 *
 *     static enum mid_error hello(struct mid_request *rq)
 *     {
 *         return mid_respond_text(rq, 200, "Hello\n");
 *     }
 *
 *     static const struct mid_route routes[] = {{"GET", "/hello", hello}, {0}};
 *
 *     int main(int argc, char **argv)
 *     {
 *         return mid_main(argc, argv, routes);
 *     }
 *
 * Memory. Strings that the runtime returns belong to the request and live until its last after-response function has
 * returned, but for the values of a session, which say how long. Strings passed to the runtime are copied where they
 * are needed later.
 *
 * Errors. Results come through out-parameters, which are written only when the call returns MID_OK. An error that a
 * handler returns before the head has left becomes the response, with the HTTP status of the table below; after the
 * head, the response is cut so that the client can tell that it is not complete.
 */
#ifndef MIDSTREAM_H
#define MIDSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* name, HTTP status when a handler returns it before the head, text */
#define MID_ERRORS(X)                                                                                                  \
    X(MID_OK, 200, "no error")                                                                                         \
    X(MID_GONE, 499, "the client has left")                                                                            \
    X(MID_ENDED, 409, "the session has ended")                                                                         \
    X(MID_UNAVAILABLE, 503, "the session store did not answer in time")                                                \
    X(MID_OVERLOADED, 503, "the server is at one of its limits")                                                       \
    X(MID_STALLED, 499, "the client did not take what was sent to it in time")                                         \
    X(MID_TOO_MANY, 429, "this visitor has too many of these open")                                                    \
    X(MID_BAD_REQUEST, 400, "the request is malformed")                                                                \
    X(MID_FORBIDDEN, 403, "the request is not allowed")                                                                \
    X(MID_NOT_FOUND, 404, "there is nothing at this address")                                                          \
    X(MID_METHOD, 405, "the method is not allowed here")                                                               \
    X(MID_TOO_LARGE, 413, "the request body is too large")                                                             \
    X(MID_UNPROCESSABLE, 422, "a value is outside of its limits")                                                      \
    X(MID_HEAD_SENT, 500, "the response head has already been sent")                                                   \
    X(MID_NO_HEAD, 500, "the response has not been started")                                                           \
    X(MID_TIMEOUT, 504, "the time limit has passed")                                                                   \
    X(MID_DRAINING, 503, "the server is going away")                                                                   \
    X(MID_NO_MEMORY, 503, "out of memory")                                                                             \
    X(MID_CANCELLED, 409, "the task was cancelled")                                                                    \
    X(MID_LOST_LEASE, 409, "the task has gone to another worker")                                                      \
    X(MID_STOPPING, 503, "the worker is about to stop")                                                                \
    X(MID_FAILED, 500, "the request failed")                                                                           \
    X(MID_TOO_SLOW, 408, "the request did not arrive in time")                                                         \
    X(MID_MISDIRECTED, 421, "this host is not served here")

enum mid_error {
#define MID_ERROR_NAME(name, status, text) name,
    MID_ERRORS(MID_ERROR_NAME)
#undef MID_ERROR_NAME
};

/* The constant's name ("MID_GONE"), its sentence, and the HTTP status it becomes before the head. Never fail: a
 * number that is none of them counts as MID_FAILED, also when a handler returns it. */
MID_PUBLIC const char *mid_error_name(enum mid_error error);
MID_PUBLIC const char *mid_error_text(enum mid_error error);
MID_PUBLIC int mid_error_status(enum mid_error error);

/* Returns from the enclosing function with the error of `call`, if there is one. */
#define MID_TRY(call)                                                                                                  \
    do {                                                                                                               \
        enum mid_error mid_try_error = (call);                                                                         \
        if (mid_try_error != MID_OK)                                                                                   \
            return mid_try_error;                                                                                      \
    } while (0)

/* -------------------- application -------------------- */

struct mid_request;
struct mid_session;

typedef enum mid_error mid_handler(struct mid_request *rq);

/*
 * A route. The pattern is a decoded path whose segments may be parameters: "/api/session/{field}"; a parameter matches
 * one segment that is not empty. There is no '*', and no pattern but "/" ends with '/': a request for "/a/" is not one
 * for "/a". Of several patterns that match, a literal segment comes before a parameter. A GET route also answers HEAD,
 * and a HEAD that reaches a stream starts no work. The table ends with an all-zero row. A malformed row, or one that is
 * there twice, is an error at the start (exit code 1), which names it; `check` finds it, too.
 */
struct mid_route {
    const char *method;
    const char *pattern;
    mid_handler *handler;
};

/* The whole program: `serve`, `work`, `task`, `keygen`, `check`, `version`; see midstream(8). Returns the exit code. */
MID_PUBLIC int mid_main(int argc, char **argv, const struct mid_route *routes);

/* -------------------- request -------------------- */

/* Texts that these functions return live as long as the request, also when a stream has begun. */

MID_PUBLIC const char *mid_method(struct mid_request *rq); /* "GET"; a HEAD is reported as "HEAD" */
MID_PUBLIC const char *mid_path(struct mid_request *rq);   /* percent-decoded, without the query */

/* What identifies the request in logs: its field X-Request-Id, which nginx sets, if that is 1 to 64 letters, digits,
 * '-',
 * '_' and '.'; otherwise one of our own. A task's is its id. */
MID_PUBLIC const char *mid_request_id(struct mid_request *rq);

/* The field traceparent (W3C Trace Context, 3.2), to be handed on to other services; NULL: there is none, or it is not
 * valid. The request's log lines carry its trace-id. */
MID_PUBLIC const char *mid_trace_parent(struct mid_request *rq);

/* A parameter of the route's pattern, percent-decoded. A name that the pattern does not have is a bug, and asserts; in
 * a task, which has no route, NULL. */
MID_PUBLIC const char *mid_param(const struct mid_request *rq, const char *name);

/* A request field such as "Accept", or NULL. Names compare without case (RFC 9110, 5.1). Of several equal fields, the
 * first. */
MID_PUBLIC const char *mid_header(struct mid_request *rq, const char *name);

/* A parameter of the query string, decoded as application/x-www-form-urlencoded, or NULL. Of several equal ones, the
 * first. */
MID_PUBLIC const char *mid_query(struct mid_request *rq, const char *name);

/* A whole number of the query string, `fallback` when absent. MID_BAD_REQUEST, naming the parameter, when it is not one
 * in min..max. */
MID_PUBLIC MID_CHECK enum mid_error mid_query_int(struct mid_request *rq, const char *name, int64_t min, int64_t max,
                                                  int64_t fallback, int64_t *value);

/*
 * Reads what has come of the request body, up to `size` bytes, and waits for the first of them; 0 bytes mean its end.
 * May suspend. The body has to be read before the response begins: nginx forwards no more of it afterwards.
 * MID_TOO_LARGE: above the limit of mid_body_limit(). MID_BAD_REQUEST: it is shorter or longer than Content-Length says
 * (RFC 9112, 6.3). MID_TOO_SLOW: its time was over before its end. MID_GONE: the client left before its end.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_body_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes);

/*
 * Raises or lowers the time limit of this request to so many milliseconds from now (-1: none): for the rest of its
 * body, and for calls that wait before the response begins. The default is the setting request-timeout-ms, from its
 * first byte. No effect once a stream has begun, after the response, and in tasks.
 */
MID_PUBLIC void mid_time_limit(struct mid_request *rq, int64_t ms);

/* Reads the whole body into the request's memory, with a NUL behind it. May suspend. MID_TOO_LARGE: more than
 * `max_bytes`. */
MID_PUBLIC MID_CHECK enum mid_error mid_body_all(struct mid_request *rq, size_t max_bytes, const char **data,
                                                 size_t *bytes);

/* Raises or lowers the body limit of this request; the default is the setting body-max-bytes. Call it before reading.
 */
MID_PUBLIC void mid_body_limit(struct mid_request *rq, uint64_t max_bytes);

/*
 * A field of an application/x-www-form-urlencoded body of at most 64 KiB, or NULL in *value when absent. May suspend at
 * the first call. MID_BAD_REQUEST: another content type.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_form(struct mid_request *rq, const char *name, const char **value);

/*
 * The body, parsed: an application/json (or +json) body of at most `max_bytes`. Include <jansson.h> to read the value,
 * which is the request's and lives as long as it; it may be any JSON value, not only an object. May suspend.
 * MID_BAD_REQUEST: another content type, no JSON (the detail has line and column), a name that is there twice in an
 * object (RFC 8259, 4), or arrays and objects nested deeper than 64. MID_TOO_LARGE: more than `max_bytes`.
 */
struct json_t;
MID_PUBLIC MID_CHECK enum mid_error mid_body_json(struct mid_request *rq, size_t max_bytes, struct json_t **value);

/*
 * Calls fn(arg) when the request ends: after the response and all after-response functions, or when the task's attempt
 * has ended; the last one that was deferred is called first. For what the request must give back: a file, memory, a
 * library's handle. The function may not suspend and may not use the request. A worker that dies calls none.
 */
MID_PUBLIC void mid_defer(struct mid_request *rq, void (*fn)(void *arg), void *arg);

/* Memory that lives as long as the request; never NULL (running out ends the worker). 16-byte aligned, not zeroed. */
MID_PUBLIC void *mid_alloc(struct mid_request *rq, size_t bytes);
MID_PUBLIC char *mid_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/* -------------------- response -------------------- */

/*
 * Sets a field of the head, in the place of all of that name; or adds another of the name, as Set-Cookie and Link need
 * it. Both strings are copied. MID_HEAD_SENT: too late. MID_UNPROCESSABLE: the name is not a token, or the value holds
 * CR, LF or another control character (RFC 9110, 5.5); the field is the server's (Content-Length, Transfer-Encoding,
 * Connection, Status, X-Accel-*...); or all fields together would have more than 14 KiB, which nginx would not take. A
 * response of a request that has opened its session gets `Cache-Control: no-store`, unless the handler has set another.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_set_header(struct mid_request *rq, const char *name, const char *value);
MID_PUBLIC MID_CHECK enum mid_error mid_add_header(struct mid_request *rq, const char *name, const char *value);

/*
 * The whole response at once. It leaves when the handler returns, after the session's changes have been committed, so
 * that whoever sees the response sees the session. MID_HEAD_SENT: there is a response already. MID_UNPROCESSABLE: the
 * status is not one of 200 to 599. With 204, 205 and 304 no content leaves (RFC 9110, 15).
 */
MID_PUBLIC MID_CHECK enum mid_error mid_respond(struct mid_request *rq, int status, const char *content_type,
                                                const void *body, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_text(struct mid_request *rq, int status, const char *text);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_printf(struct mid_request *rq, int status, const char *content_type,
                                                       const char *format, ...) MID_FORMAT(4, 5);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_empty(struct mid_request *rq, int status);

/*
 * JSON that no value can break: the format is that of jansson's json_pack(), so
 *
 *     mid_respond_json(rq, 200, "{s:s, s:I}", "name", name, "number", (json_int_t)number)
 *
 * is {"name":"...","number":1} on one line, whatever the name holds. The compiler does not check the arguments: an `I`
 * takes a json_int_t (long long), an `i` an int. MID_UNPROCESSABLE: a string is not UTF-8, or is NULL where the format
 * does not have `s?`. MID_FAILED: the format is none. Otherwise as mid_respond().
 */
MID_PUBLIC MID_CHECK enum mid_error mid_respond_json(struct mid_request *rq, int status, const char *format, ...);

/* Says why: returns `error` itself, and makes the sentence the detail of the error response and of the log line. */
MID_PUBLIC MID_CHECK enum mid_error mid_fail(struct mid_request *rq, enum mid_error error, const char *format, ...)
    MID_FORMAT(3, 4);

/* -------------------- streams -------------------- */

/*
 * A server that is to stop, or was replaced by one with new settings, lets handlers go on for half of the setting
 * drain-timeout-ms. Then the calls of this part and the next that would suspend, or send, return MID_DRAINING: return
 * it as any other error. Clients are told to come back: an event stream ends, without the event "end", after the event
 * "reconnect" with a `retry` time; rows after {"reconnect":true,"retry_ms":2000}; bytes are cut. What has no head yet
 * is answered with 503. After-response functions go on until the end of the timeout.
 */

/*
 * Sends the head and begins a stream; the session's cookie, if it has to be sent, goes out with it. May suspend.
 * MID_GONE: the client has left, or asked for the head only (HEAD): return, there is nothing to do. A handler that goes
 * on all the same gets MID_GONE from every call that sends; one that outlives its client (see below) gets MID_OK here,
 * too, if the client has left.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_stream_begin(struct mid_request *rq, int status, const char *content_type);

/*
 * Sends bytes at once. May suspend while the client is slow. MID_GONE: the client has left. MID_STALLED: it took
 * nothing for the setting stall-timeout-ms. MID_NO_HEAD: no stream has begun.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_stream_write(struct mid_request *rq, const void *data, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_stream_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/*
 * Server-sent events (WHATWG HTML, 9.2). Absent members are not sent. CR, LF and NUL cannot be smuggled in: `data` of
 * several lines becomes several data fields; an `id` or `name` with one of them is MID_UNPROCESSABLE. While nothing is
 * sent a comment goes out every heartbeat-ms. The stream ends with an event named "end"; a handler's error is told by
 * an event named "failed"; one named "reconnect" says that the server went away and the stream is to be asked for
 * again.
 *
 * EventSource opens its connection again whenever it ends, after a `retry` time that the first piece has told. After
 * "end" it is answered 204, which stops it, and the handler does not run. After anything else the handler runs again,
 * and mid_header(rq, "Last-Event-ID") is the id of the last event that has arrived, or NULL. Any status but 200 ends an
 * EventSource for good: so errors of 429, 503 and 504 leave as an event "reconnect" to a request that accepts
 * text/event-stream before all others.
 */
struct mid_event {
    const char *name;
    const char *id;
    const char *data;
    int retry_ms; /* 0: not sent */
};

/* Both may suspend. Errors as of mid_stream_begin() and mid_stream_write(). */
MID_PUBLIC MID_CHECK enum mid_error mid_events_begin(struct mid_request *rq);
MID_PUBLIC MID_CHECK enum mid_error mid_event_send(struct mid_request *rq, const struct mid_event *event);

/* The same with data that is formatted: by printf, or as JSON (see mid_respond_json()). The event's `data` is ignored.
 * May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_event_printf(struct mid_request *rq, const struct mid_event *event,
                                                     const char *format, ...) MID_FORMAT(3, 4);
MID_PUBLIC MID_CHECK enum mid_error mid_event_json(struct mid_request *rq, const struct mid_event *event,
                                                   const char *format, ...);

/*
 * Newline-delimited JSON (application/x-ndjson). The text is one JSON value without line breaks (MID_UNPROCESSABLE
 * otherwise). Blank lines are heartbeats. The stream ends with the row {"end":true}, or {"error":"..."} when the
 * handler fails, or {"reconnect":true,...} when the server goes away. Both may suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_rows_begin(struct mid_request *rq);
MID_PUBLIC MID_CHECK enum mid_error mid_row_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/* A row that is packed: see mid_respond_json(). May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_row_json(struct mid_request *rq, const char *format, ...);

/*
 * Carry on when the client leaves: what is sent afterwards is dropped with MID_OK, and sleeps are not cut short.
 * Without it (the default) the next call after the client has left returns MID_GONE, and sleeping calls wake with it.
 * MID_DRAINING comes all the same.
 */
MID_PUBLIC void mid_stream_outlive_client(struct mid_request *rq);

/* -------------------- time and threads -------------------- */

/* Suspends the fiber. MID_GONE: the client has left meanwhile, at most 100 ms ago. MID_DRAINING: see "streams". */
MID_PUBLIC MID_CHECK enum mid_error mid_sleep_ms(struct mid_request *rq, int64_t ms);

/*
 * Suspends until the descriptor is readable and/or writable (poll(2)'s POLLIN, POLLOUT) or the time is over
 * (MID_TIMEOUT; -1: no limit). MID_GONE: the client has left meanwhile. MID_FAILED: the descriptor cannot be polled.
 * The descriptor stays the caller's.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_wait(struct mid_request *rq, int fd, short poll_events, int64_t timeout_ms);

/*
 * Runs `work` on a thread of the pool (offload-threads of them; what exceeds them waits) and suspends until it has
 * returned: for code that must block. `work` may call nothing of this header. A thread cannot be stopped, and it uses
 * what `arg` points to: so this call returns when `work` has, however late. MID_TIMEOUT: that was later than the time
 * limit of the request. Code that may block for longer has to have a limit of its own: a connect timeout, SO_RCVTIMEO,
 * alarm(2) in a child process.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_offload(struct mid_request *rq, void (*work)(void *arg), void *arg);

MID_PUBLIC int64_t mid_unix_ms(void);

/* -------------------- after the response -------------------- */

enum mid_outcome {
    MID_COMPLETE, /* the last byte was handed to nginx */
    MID_LEFT,     /* the client left before the end */
    MID_CUT,      /* the handler failed, before or after the head, or the server went away */
};

typedef void mid_after(struct mid_request *rq, enum mid_outcome outcome, void *arg);

/*
 * Calls `fn` once when the response is over, whatever its outcome, in the order of registration. It runs on its own
 * time: the client has the response and the connection serves the next request. What a handler that failed has recorded
 * is dropped before; a commit of its that was not answered may still arrive, also after those made here. The session
 * can still be changed and its changes are committed when `fn` returns; calls that suspend return MID_TIMEOUT once
 * after-timeout-ms has passed. Shutdown waits for it. MID_FAILED: this is a task, which has no response; nothing is
 * registered.
 */
MID_PUBLIC enum mid_error mid_after_response(struct mid_request *rq, mid_after *fn, void *arg);

/* -------------------- sessions -------------------- */

/*
 * The visitor's session. Cheap: the signed cookie is verified, Redis is asked on the first use. A visitor without a
 * session gets one when the first change is committed, or with the head of a stream, whichever is first. MID_HEAD_SENT:
 * too late to send a cookie. In a task, as mid_task_session(): the first call may suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_open(struct mid_request *rq, struct mid_session **session);

/*
 * The request may use a session although it says nothing of where it comes from: an unsafe one (all but GET, HEAD and
 * OPTIONS) with neither Sec-Fetch-Site nor Origin, as from a program that keeps cookies. Before mid_session_open(),
 * which otherwise fails with MID_FORBIDDEN if the request has the session's cookie: every browser sends one of the two.
 */
MID_PUBLIC void mid_allow_untold_origin(struct mid_request *rq);

/* The same, but gives NULL in *session to a visitor without one, and never creates any. Every function that takes a
 * session returns MID_ENDED for NULL. May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_find(struct mid_request *rq, struct mid_session **session);

/*
 * Reading. The first use loads the session and may suspend (MID_UNAVAILABLE: Redis did not answer; MID_ENDED: the
 * session has ended). The view is the session as last loaded plus the operations recorded since. An absent field is
 * NULL, or `fallback`. Of a large session (8 KiB) only what is asked for is loaded; a later use that finds it changed
 * meanwhile loads it all anew. MID_UNPROCESSABLE: the field is not a number. MID_FAILED: what is in Redis is no
 * session's record.
 *
 * A value that was read stays where it is, unchanged, through the session's next commit or refresh (and every call that
 * commits), until the one after: what is needed for longer is copied, with mid_printf(). So a stream that reads and
 * commits for hours holds no more than a session's worth.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_get(struct mid_session *session, const char *field, const char **value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_get_int(struct mid_session *session, const char *field,
                                                        int64_t fallback, int64_t *value);

/* Calls `visit` for each field. It may change the session, but neither commit nor refresh it, nor suspend; the call
 * itself may suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error
mid_session_each(struct mid_session *session,
                 void (*visit)(const char *field, const char *value, size_t bytes, void *arg), void *arg);

/* Reads the session again, as other requests have changed it. Recorded operations stay recorded. May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_refresh(struct mid_session *session);

struct mid_session_info {
    int64_t revision; /* raised by every commit */
    int64_t created_ms;
    int64_t expires_ms; /* the absolute end, whatever the activity */
    int64_t renewed_ms; /* the last mid_session_renew(), or the beginning */
    const char *user;   /* NULL: not logged in. A value, as above. */
};

/* May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_info(struct mid_session *session, struct mid_session_info *info);

/*
 * Changing. Operations are recorded, not sent; mid_session_commit() applies all of them in one atomic step, so two
 * writers only meet on a field that both of them touched. Field names are 1 to 64 bytes of printable UTF-8 that do not
 * begin with '@'; a value has at most session-value-max-bytes. What is outside of the limits is MID_UNPROCESSABLE,
 * here and at the next commit, which then changes nothing: what was refused is not forgotten.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_set(struct mid_session *session, const char *field, const char *value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_bytes(struct mid_session *session, const char *field,
                                                          const void *value, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_int(struct mid_session *session, const char *field, int64_t value);

/* The same, for `ms` milliseconds (at most 365 days): then the field is gone, for every reader. Setting or deleting it
 * ends that; an increment or an append leaves it. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_for(struct mid_session *session, const char *field,
                                                        const char *value, int64_t ms);
MID_PUBLIC MID_CHECK enum mid_error mid_session_delete(struct mid_session *session, const char *field);
MID_PUBLIC MID_CHECK enum mid_error mid_session_increment(struct mid_session *session, const char *field, int64_t by);

/* Appends; when the field would grow past `max_bytes`, its oldest bytes are dropped. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_append(struct mid_session *session, const char *field, const char *text,
                                                       size_t max_bytes);

/*
 * Applies the recorded operations. May suspend. MID_OK: stored, and visible to every later request. MID_ENDED: the
 * session has ended (logout, expiry, a login of somebody else since this handle was opened) and nothing was written.
 * MID_UNAVAILABLE: Redis did not answer by the deadline. Then the operations stay together and are the first thing that
 * the next commit sends, without being applied twice; what is recorded meanwhile follows them. MID_UNPROCESSABLE: a
 * limit; nothing was written, the operations are dropped. MID_FAILED: nobody can tell any more whether they were
 * stored. When a commit in doubt ends in such an error, what was recorded behind it is dropped as well. MID_ENDED after
 * a logout leaves open whether a commit whose answer was lost was stored before it.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_commit(struct mid_session *session);

/*
 * Operations with an answer. Each commits what is recorded together with itself, in one atomic step, and may suspend.
 * The answer is the true one, however often Redis's was lost; where that cannot be, the call returns MID_FAILED, and
 * what was sent may still be carried out, also behind later commits. After MID_UNAVAILABLE the question stays with its
 * commit: asked again at once, in the same words, it gets its answer; a later commit carries it out without telling. A
 * value that was taken lives as long as one that was read.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_take(struct mid_session *session, const char *field,
                                                     const char **value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_if_absent(struct mid_session *session, const char *field,
                                                              const char *value, bool *was_set);
MID_PUBLIC MID_CHECK enum mid_error mid_session_compare_and_set(struct mid_session *session, const char *field,
                                                                const char *expected, const char *value, bool *was_set);

/*
 * Login and every change of privilege: raises the session's generation, so that older cookies are refused, records
 * `user` (NULL: none) and sends a new cookie with the head. Commits what is recorded. May suspend. MID_HEAD_SENT: no
 * cookie can be sent any more. MID_ENDED: the request's cookie is from before another login.
 *
 * The absolute lifetime begins anew, as that of visitors who are logged in, or not. When the user changes, handles that
 * were opened before end: open streams, tasks and after-response functions get MID_ENDED when they next ask Redis (to
 * commit, to refresh, to read what they have not loaded), and the clients of event streams and rows are told to come
 * back. When the user stays the same (he has given his password once more), they go on.
 *
 * A login that was stored, but whose answer came too late, may be repeated with the old cookie for 30 seconds: the same
 * renewal then gets the new cookie, if the handler uses the session for nothing else before.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_renew(struct mid_session *session, const char *user);

/*
 * A token for a form of this session, to be sent back with it and checked: for forms that have to hold against more
 * than the check of the request's origin, which every unsafe request passes anyway. It lives in the request's memory
 * and holds until the session is renewed or ends. A visitor who has no session gets one, for the form to be sent back
 * with. May suspend. MID_ENDED, MID_UNAVAILABLE, MID_HEAD_SENT.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_form_token(struct mid_session *session, const char **token);

/* MID_FORBIDDEN: it is not a token of this session (NULL is none), which is compared with Redis. In constant time. May
 * suspend. MID_ENDED: the session has ended, or was renewed, since the cookie was made. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_form_token_check(struct mid_session *session, const char *token);

/* Logout: removes the session; every later commit of anybody reports MID_ENDED. Clears the cookie if the head is not
 * out. May suspend. MID_ENDED: the handle is from before a login, and the session goes on. MID_LOST_LEASE: the task is
 * another worker's by now. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_destroy(struct mid_session *session);

/* -------------------- Redis -------------------- */

/*
 * The application's own data in the Redis of the sessions, over the worker's connection, which all fibers share. Keys
 * that begin with "mid:" belong to the runtime.
 */
enum mid_redis_type {
    MID_REDIS_NIL,
    MID_REDIS_INTEGER,
    MID_REDIS_TEXT, /* bytes, or the status "OK" */
    MID_REDIS_LIST,
    MID_REDIS_ERROR, /* an element of a list only; its text is Redis's sentence */
};

/* An answer. Members that are not of its type are 0, "" or NULL. */
struct mid_redis_value {
    enum mid_redis_type type;
    int64_t integer;
    const char *text; /* with a NUL behind its bytes */
    size_t bytes;
    const struct mid_redis_value *elements;
    size_t count;
};

/* One argument: bytes, which may be any. */
struct mid_redis_argument {
    const void *data;
    size_t bytes;
};

/*
 * Sends a command ({"GET", 3}, {key, key_bytes}) and suspends until its answer, which lives in the request's memory.
 * For handlers, after-response functions and tasks. MID_FORBIDDEN: a command that blocks or changes the connection
 * (BLPOP, SUBSCRIBE, MULTI...; a script does what MULTI would). MID_BAD_REQUEST: no arguments. MID_UNAVAILABLE: no
 * answer in time, so it may have been carried out; or Redis says that it cannot serve now. MID_OVERLOADED: too many
 * commands are under way. MID_FAILED: Redis refused it. What Redis has said is the error's detail.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_redis_command(struct mid_request *rq, size_t count,
                                                      const struct mid_redis_argument arguments[],
                                                      const struct mid_redis_value **value);

/* -------------------- background tasks -------------------- */

/*
 * Work that goes on in another process, `midstream work`, and may change the visitor's session there. It is done at
 * least once: a task that was accepted ends done, dead or cancelled, whatever crashes. docs/tasks.md has the promises.
 */
struct mid_task;

/*
 * Does the work, on a fiber of its own. `rq` is no web request: it has memory, sleep, offload, log and the session, but
 * nothing to answer. MID_OK: done. MID_ENDED and MID_CANCELLED end the task as cancelled; MID_UNPROCESSABLE makes it a
 * dead letter at once; every other error is tried again later, as often as the task has attempts.
 *
 * When the task is cancelled, its lease is lost or the worker stops, calls that wait (mid_sleep_ms, mid_wait) and
 * mid_task_progress() return MID_CANCELLED, MID_LOST_LEASE or MID_STOPPING: return it. After MID_STOPPING the attempt
 * is given back. At the deadline of the attempt they return MID_TIMEOUT; an attempt that runs on for another
 * task-lease-ms has failed all the same, and whatever it does from then on is refused.
 */
typedef enum mid_error mid_task_handler(struct mid_request *rq, struct mid_task *task);

struct mid_task_type {
    const char *name; /* 1 to 64 letters, digits, '-', '_' and '.' */
    mid_task_handler *handler;
};

/* What `midstream work` can do; the table ends with an all-zero row and stays the caller's. Call it before mid_main(),
 * once. */
MID_PUBLIC void mid_task_register(const struct mid_task_type *types);

enum { MID_TASK_ID_BYTES = 68, MID_TASK_PAYLOAD_MAX = 64 * 1024 };

struct mid_task_options {
    const char *queue;     /* 1 to 32 lower-case letters, digits, '-' and '_'; NULL: "default" */
    int64_t delay_ms;      /* not before so much later; up to 30 days */
    int attempts;          /* 0: the setting task-attempts */
    int64_t deadline_ms;   /* how long an attempt may take; 0: the setting task-deadline-ms; up to 30 days */
    const char *dedup_key; /* while a task with this key is live, no other is added; 1 to 128 bytes. NULL: none */
    const char *id;        /* of mid_task_new_id(), to repeat an enqueue safely; NULL: a new one */
};

/* An id for an enqueue that may have to be repeated. `queue` as above. Never fails. */
MID_PUBLIC void mid_task_new_id(const char *queue, char id[MID_TASK_ID_BYTES]);

/*
 * Adds a task. The payload is copied; it may be NULL with 0 bytes. If the request has opened its session, the task gets
 * it too; what is recorded in it is committed first. May suspend. `options` and `id` may be NULL.
 * MID_OK: stored. `id` is its id, or that of the live task with the same deduplication key. MID_OVERLOADED: the queue
 * is full. MID_TOO_LARGE: the payload. MID_BAD_REQUEST: the id. MID_UNAVAILABLE: nobody knows whether it was stored;
 * an enqueue with the same options.id may be repeated. MID_UNPROCESSABLE: another option, or the name.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_enqueue(struct mid_request *rq, const char *name, const void *payload,
                                                     size_t bytes, const struct mid_task_options *options,
                                                     char id[MID_TASK_ID_BYTES]);

enum mid_task_state {
    MID_TASK_WAITING,
    MID_TASK_DELAYED, /* until its delay, or the pause after a failed attempt, is over */
    MID_TASK_RUNNING,
    MID_TASK_DONE,
    MID_TASK_DEAD, /* given up: a dead letter */
    MID_TASK_CANCELLED,
};

/* "waiting", "delayed"... */
MID_PUBLIC const char *mid_task_state_name(enum mid_task_state state);

/* Texts live in the request's memory, and are never NULL. */
struct mid_task_info {
    enum mid_task_state state;
    const char *name;
    int attempt;  /* begun so far */
    int attempts; /* the most */
    int64_t progress;
    int64_t total; /* 0: no progress was told */
    int64_t created_ms;
    int64_t finished_ms;   /* 0: it is live */
    const char *result;    /* of mid_task_result() */
    const char *error;     /* of the last attempt that failed: "MID_FAILED" */
    const char *detail;    /* its sentence */
    bool is_own;           /* it was added with the session of this request, as far as that has been opened */
    bool is_to_be_stopped; /* running, and cancelled */
};

/* Looks a task up; ended ones are kept for task-keep-ms, dead ones for task-dead-keep-ms. May suspend. MID_BAD_REQUEST:
 * this is no id. MID_NOT_FOUND. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_find(struct mid_request *rq, const char *id, struct mid_task_info *info);

/* Cancels a task: at once while it waits; a running one is told, and has the last word. One that has ended stays as it
 * is. May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_cancel(struct mid_request *rq, const char *id);

/* -------------------- for task handlers -------------------- */

MID_PUBLIC const char *mid_task_id(const struct mid_task *task);
MID_PUBLIC int mid_task_attempt(const struct mid_task *task); /* from 1 */
MID_PUBLIC const void *mid_task_payload(const struct mid_task *task, size_t *bytes);

/*
 * The visitor's session, with the operations it has in a request but renewal; mid_session_open() is the same. May
 * suspend. Only the owner of the task's lease can commit; others get MID_LOST_LEASE. MID_ENDED: the session has ended.
 * MID_NOT_FOUND: the task was added without one. What is recorded when the handler returns MID_OK is committed, once
 * for the task.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_session(struct mid_task *task, struct mid_session **session);

/*
 * Commits what is recorded in the task's session as the step of this name (1 to 64 bytes): once for the task, however
 * many attempts come to it, and however often answers are lost. *was_applied (may be NULL) is false when an earlier
 * attempt has done it; what is recorded is dropped then. May suspend. Errors as of mid_session_commit();
 * MID_LOST_LEASE; MID_UNPROCESSABLE: more than 1000 steps.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_commit(struct mid_task *task, const char *step, bool *was_applied);

/* Tells how far the work is, to whoever looks the task up, and renews the lease. May suspend. MID_CANCELLED,
 * MID_LOST_LEASE, MID_STOPPING; Redis being unreachable is not an error here. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_progress(struct mid_task *task, int64_t done, int64_t total);

/* Whether somebody has cancelled it, as far as is known here: at most a fifth of task-lease-ms old. */
MID_PUBLIC bool mid_task_is_cancelled(const struct mid_task *task);

/* A text of up to 4 KiB to be kept with the task when it is done. MID_UNPROCESSABLE: longer. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_result(struct mid_task *task, const char *text);

/* -------------------- log -------------------- */

enum mid_level { MID_DEBUG, MID_INFO, MID_WARN, MID_ERROR };

/*
 * One line, with the request's id: `event` is a name such as "order.paid"; the format has the form
 * `key=%d other="%s"` and gives fields, or is free text and gives a "message". Values are escaped. Never suspends nor
 * blocks. Of one event, 20 warnings or errors leave in 10 s, and then their number; lower levels are not limited. Never
 * log a cookie or a session's values.
 */
MID_PUBLIC void mid_log(struct mid_request *rq, enum mid_level level, const char *event, const char *format, ...)
    MID_FORMAT(4, 5);

#ifdef __cplusplus
}
#endif

#endif
