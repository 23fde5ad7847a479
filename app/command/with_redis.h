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

/* Once per process; takes the settings. Returns the exit code, 1 if the settings or what they name cannot be used. */
int with_redis_run(const struct with_redis *commands, struct settings *settings);

#endif
