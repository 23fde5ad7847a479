/*
 * Redis's answers as applications see them: copies that outlive hiredis's.
 */
#ifndef REDIS_VALUE_H
#define REDIS_VALUE_H

#include "base/arena.h"
#include "midstream.h"

struct redisReply;

/* Copies the answer with all that is in it. */
const struct mid_redis_value *redis_value_copy(const struct redisReply *reply, struct arena *arena);

#endif
