/*
 * What every worker process keeps in Redis, whether it serves requests or does tasks: sessions, and the queues of
 * tasks.
 */
#ifndef WORKER_REDIS_SETUP_H
#define WORKER_REDIS_SETUP_H

#include "redis/client.h"
#include "settings/configuration.h"

struct worker_counts;

/* How the settings say to connect to Redis. Texts stay the configuration's. */
struct redis_options redis_setup_options(const struct configuration *configuration);

/* Begins to connect, and readies the rooms that store. `durability` is what calls will ask for. The client is the
 * caller's; NULL with the reason logged. */
struct redis_client *redis_setup(const struct configuration *configuration, enum mid_durability durability,
                                 struct worker_counts *counts);

#endif
