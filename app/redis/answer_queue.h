/*
 * Who waits for an answer of Redis, in the order of their requests.
 */
#ifndef REDIS_ANSWER_QUEUE_H
#define REDIS_ANSWER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct redisReply;

/* The answer, which is gone when it returns; NULL: the connection has ended without one. On the loop's stack. */
typedef void redis_answer_fn(void *arg, const struct redisReply *reply);

struct waiting_answer {
    redis_answer_fn *fn;
    void *arg;
};

/* A ring. Empty when zeroed. */
struct answer_queue {
    struct waiting_answer *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t first;
    size_t count;
};

/* Appends; asserts when memory cannot be had. */
void answer_queue_append(struct answer_queue *queue, redis_answer_fn *fn, void *arg);

/* Takes the first one; false when nobody waits. */
bool answer_queue_take(struct answer_queue *queue, struct waiting_answer *answer);

/* Gives the memory back; the queue is empty and may be used again. */
void answer_queue_fini(struct answer_queue *queue);

#endif
