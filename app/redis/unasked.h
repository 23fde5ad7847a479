/*
 * Answers that nobody asked for.
 *
 * hiredis ends the process, by an assertion, when an answer comes and no command waits for one (a proxy in front of
 * Redis that answers twice would do). Here the connection ends instead. An error is left to hiredis, which ends the
 * connection with its sentence: Redis says so why it takes no client.
 */
#ifndef REDIS_UNASKED_H
#define REDIS_UNASKED_H

#include <stdbool.h>

struct redisAsyncContext;

/* For a new connection. *was_refused, which outlives it, becomes true when that was the reason of its end. */
void redis_unasked_refuse(struct redisAsyncContext *context, bool *was_refused);

#endif
