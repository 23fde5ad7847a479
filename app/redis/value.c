/* Copies of Redis's answers. See value.h. */
#include "redis/value.h"

#include <hiredis/hiredis.h>

static void copy_into(struct mid_redis_value *value, const redisReply *reply, struct arena *arena);

static const struct mid_redis_value *copy_elements(const redisReply *reply, struct arena *arena)
{
    struct mid_redis_value *elements = arena_alloc(arena, reply->elements * sizeof(*elements));
    for (size_t i = 0; i < reply->elements; i++)
        copy_into(&elements[i], reply->element[i], arena);
    return elements;
}

/* Lists are as deep as hiredis reads them: 7 levels (0.14) or 9. */
static void copy_into(struct mid_redis_value *value, const redisReply *reply, struct arena *arena)
{
    *value = (struct mid_redis_value){.type = MID_REDIS_NIL, .text = ""};
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        value->type = MID_REDIS_INTEGER;
        value->integer = reply->integer;
        break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        value->type = reply->type == REDIS_REPLY_ERROR ? MID_REDIS_ERROR : MID_REDIS_TEXT;
        value->bytes = (size_t)reply->len;
        value->text = arena_strndup(arena, reply->str, value->bytes);
        break;
    case REDIS_REPLY_ARRAY:
        value->type = MID_REDIS_LIST;
        value->count = reply->elements;
        value->elements = copy_elements(reply, arena);
        break;
    default: /* nil; the other types are of RESP3, which we do not speak */
        break;
    }
}

const struct mid_redis_value *redis_value_copy(const struct redisReply *reply, struct arena *arena)
{
    struct mid_redis_value *value = arena_alloc(arena, sizeof(*value));
    copy_into(value, reply, arena);
    return value;
}
