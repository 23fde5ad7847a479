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

/*
 * The same in the form of printf, as hiredis has it:
 *
 *     mid_redis(rq, &value, "HINCRBY app:visits:%s %s %lld", user, page, (long long)1)
 *
 * Words are separated by spaces of the format; what is inserted may have any bytes and stays in its word. %s is a text,
 * %b a pointer and a size_t, %d, %i, %u, %ld, %lld, %zu... as in printf, %% a '%'. `value` may be NULL. MID_FAILED: the
 * format is none. May suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_redis(struct mid_request *rq, const struct mid_redis_value **value,
                                              const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
