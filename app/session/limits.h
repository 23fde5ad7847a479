/*
 * What bounds a session inside of a worker. What bounds it in Redis is in store.h and field.h.
 */
#ifndef SESSION_LIMITS_H
#define SESSION_LIMITS_H

#include <stdint.h>

enum {
    SESSION_OPERATIONS_MAX = 256,          /* recorded and not committed */
    SESSION_OPERATION_BYTES_MAX = 1 << 20, /* their names and values */
    SESSION_USER_BYTES_MAX = 128,          /* STORE_USER_BYTES with a NUL */
    SESSION_RETRY_PAUSE_MS = 20,           /* between two tries of a stream's commit */
    SESSION_STALE_GRACE_MS = 30 * 1000, /* how long requests under way when the session was renewed may still come in */
};

/* The longest lifetime of a field. */
#define SESSION_FIELD_LIFETIME_MAX_MS (365ll * 24 * 3600 * 1000)

/* Set by session_init(). */
extern struct session_limits {
    int64_t head_timeout_ms;
    int64_t commit_timeout_ms;
} session_limits;

#endif
