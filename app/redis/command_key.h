/*
 * Where the key of a command is, of those that applications may send: Redis Cluster sends it to the node that has it.
 *
 * https://redis.io/docs/latest/develop/reference/key-specs/
 */
#ifndef REDIS_COMMAND_KEY_H
#define REDIS_COMMAND_KEY_H

#include "redis/client.h"

/* The first key; NULL: it has none, and any node can answer it. Keys that follow have to be in the same slot, which
 * Redis checks. */
const struct redis_argument *redis_command_key(size_t count, const struct redis_argument arguments[]);

#endif
