/*
 * Redis's clock, as far as a worker knows it: how far it is from the clock of the worker's machine.
 *
 * Workers of several machines share what is in Redis, so they have to agree about the time in it. Each connection asks
 * TIME once, when the rest of its greeting is answered: the answer was made at some moment between asking and answer.
 */
#ifndef REDIS_CLOCK_H
#define REDIS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct redisReply;

/* Zeroed at first: Redis's clock is taken for this machine's. */
struct redis_clock {
    int64_t offset_ms; /* Redis's time less this machine's */
};

/* Reads an answer to TIME. False, and nothing written, when it is an error or anything else. */
bool redis_clock_read(const struct redisReply *reply, int64_t *redis_ms);

/*
 * Redis said `redis_ms` to what was asked and answered at these times of this machine's clock. The offset becomes
 * Redis's time less the middle of the two, unless the one that is known may be right, too: a slow answer says little.
 */
void redis_clock_set(struct redis_clock *clock, int64_t redis_ms, int64_t asked_ms, int64_t answered_ms);

#endif
