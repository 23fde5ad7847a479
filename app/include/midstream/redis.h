/*
 * The application's own data in Redis.
 */
#ifndef MIDSTREAM_REDIS_H
#define MIDSTREAM_REDIS_H

#include <stddef.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/*
 * Commands to the Redis server that holds the sessions, over the worker's connection, which all fibers share. Keys that
 * begin with "mid:" belong to the runtime.
 */
enum mid_redis_type {
    MID_REDIS_NIL,
    MID_REDIS_INTEGER,
    MID_REDIS_TEXT, /* a bulk string, or a status such as "OK" */
    MID_REDIS_LIST,
    MID_REDIS_ERROR, /* only as an element of a list; its text is the error message */
};

/* A reply. Members that do not belong to its type are 0, "" or NULL. */
struct mid_redis_value {
    enum mid_redis_type type;
    int64_t integer;
    const char *text; /* NUL-terminated as well */
    size_t bytes;
    const struct mid_redis_value *elements;
    size_t count;
};

/* One argument; binary-safe. */
struct mid_redis_argument {
    const void *data;
    size_t bytes;
};

/*
 * Sends a command ({"GET", 3}, {key, key_bytes}) and suspends until its reply, which lives as long as the request, or
 * until mid_release(). `value` may be NULL. MID_FORBIDDEN: a command that blocks or changes the connection's state
 * (BLPOP, SUBSCRIBE, MULTI, SCRIPT DEBUG...; use a script instead of MULTI). MID_BAD_REQUEST: no arguments.
 * MID_UNAVAILABLE: no reply in time, so the command may have been executed; or Redis cannot serve it now.
 * MID_OVERLOADED: too many commands in flight. MID_FAILED: an error reply. The detail of an error is the message of
 * Redis.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_redis_command(struct mid_request *rq, size_t count,
                                                      const struct mid_redis_argument arguments[],
                                                      const struct mid_redis_value **value);

/*
 * The same with a format, as in hiredis:
 *
 *     mid_redis(rq, &value, "HINCRBY app:visits:%s %s %lld", user, page, (long long)1)
 *
 * Spaces in the format separate arguments; an inserted value may contain any bytes and remains one argument. %s is a
 * string, %b a pointer and a size_t; %d, %i, %u, %ld, %lld, %zu and %% are as in printf. MID_FAILED: an invalid format.
 * May suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_redis(struct mid_request *rq, const struct mid_redis_value **value,
                                              const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
