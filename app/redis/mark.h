/*
 * A mark in what Redis replicates and writes to its append-only file, and whether it has arrived there: WAIT (Redis
 * 3.0), WAITAOF (7.2). What Redis has answered before the mark was sent stands before the mark.
 */
#ifndef REDIS_MARK_H
#define REDIS_MARK_H

#include "redis/client.h"
#include "redis/socket.h"

enum redis_mark_verdict {
    MARK_DURABLE,
    MARK_LATE,      /* not in time */
    MARK_REFUSED,   /* for now */
    MARK_ELSEWHERE, /* the slot of its key is not this node's any more, or is on its way: another key may do */
    MARK_MISTAKEN,  /* this Redis cannot do it at all, or the user may not */
    MARK_DEMOTED,   /* it is no master any more */
    MARK_LOST,      /* the connection has ended */
};

/* On the loop's stack. `reason` says what is missing, where it is not durable; it is gone when this returns. */
typedef void redis_mark_fn(void *arg, enum redis_mark_verdict verdict, const char *reason);

/* The caller's memory, until the function was called. */
struct redis_mark {
    /* read-only */
    const char *key;                /* that is written; NUL-terminated */
    enum mid_durability durability; /* DISK or REPLICA */
    int64_t wanted;                 /* replicas; of disks, one is enough */
    redis_mark_fn *fn;
    void *arg;

    bool is_written;
    enum redis_mark_verdict refused; /* MARK_DURABLE: it was not */
    char reason[REDIS_REASON_SIZE];
};

/*
 * Sends it, and the question, which Redis answers when the mark is durable, or after `timeout_ms`; until then nothing
 * else is answered on this connection. False when the connection is ending: then the function may be called, or not.
 */
bool redis_mark_send(struct redis_mark *mark, struct redis_client *client, int64_t timeout_ms);

#endif
