/*
 * The worker's Redis client as applications see it: mid_redis_command() of midstream.h.
 */
#ifndef WORKER_REDIS_API_H
#define WORKER_REDIS_API_H

#include "redis/client.h"

/* Once per process, before the first handler runs. The client stays the caller's. */
void redis_api_init(struct redis_client *redis);

#endif
