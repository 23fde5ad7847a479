/*
 * What every worker process keeps in Redis, whether it serves requests or does tasks: sessions, and the queues of
 * tasks.
 */
#ifndef RUNTIME_STORES_H
#define RUNTIME_STORES_H

#include "redis/client.h"
#include "runtime/configuration.h"

struct worker_counts;

/* How the settings say to connect to Redis. Texts stay the configuration's. */
struct redis_options stores_redis_options(const struct configuration *configuration);

/* Begins to connect, and readies the rooms that store. The client is the caller's; NULL with the reason logged. */
struct redis_client *stores_open(const struct configuration *configuration, struct worker_counts *counts);

#endif
