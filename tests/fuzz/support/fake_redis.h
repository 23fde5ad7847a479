/*
 * A Redis that answers as the target likes, so that the real client, and what is built on it, hears what no Redis says.
 *
 * It listens on a unix socket, in this process and on its loop. What a client says when it connects (SCRIPT LOAD, PING,
 * TIME) it answers as Redis does; any other command is the target's.
 */
#ifndef FUZZ_FAKE_REDIS_H
#define FUZZ_FAKE_REDIS_H

#include "../fuzz.h"

#include "base/buffer.h"
#include "fiber/loop.h"
#include "redis/client.h"

struct fake_word {
    const char *data;
    size_t bytes;
};

/* Appends the answer. False: the connection ends behind it. */
typedef bool fake_answer_fn(struct buffer *answer, size_t count, const struct fake_word words[]);

/* Once: starts the loop, the fake, and a client of it, whose scripts are still to be added. */
struct redis_client *fake_redis_start(fake_answer_fn *answer);

/* Runs the function on a fiber, with the client ready, until it returns. */
void fake_redis_run(fiber_fn *scenario, void *arg);

/* Waits until the client is connected again. */
MAY_SUSPEND void fake_redis_await(void);

/* Whether the bytes are exactly one answer, as hiredis reads them. */
bool fake_is_one_answer(const uint8_t *bytes, size_t count);

#endif
