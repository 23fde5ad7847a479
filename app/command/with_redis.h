/*
 * For commands that ask Redis: a process with a loop, one fiber and a client.
 */
#ifndef COMMAND_WITH_REDIS_H
#define COMMAND_WITH_REDIS_H

#include "fiber/fiber.h"
#include "redis/client.h"
#include "settings/configuration.h"

struct with_redis {
    /* Before the connection is begun; NULL: nothing. */
    void (*prepare)(struct redis_client *redis);

    /* On a fiber, when Redis is ready; returns the exit code. */
    MAY_SUSPEND int (*run)(struct redis_client *redis, const struct configuration *configuration);

    /* When it was not within redis-timeout-ms: prints that; returns the exit code. */
    int (*fail)(const struct redis_client *redis, const struct configuration *configuration);
};

/* Once per process; the configuration stays the caller's. Returns the exit code. */
int with_redis_run(const struct with_redis *commands, const struct configuration *configuration);

#endif
