/* Redis's answers. See reply.h. */
#include "redis/reply.h"

#include <hiredis/hiredis.h>

#include "base/number.h"

const struct redisReply *reply_element(const struct redisReply *reply, size_t index)
{
    return index < reply_count(reply) ? reply->element[index] : NULL;
}

size_t reply_count(const struct redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

static bool is_text(const struct redisReply *reply)
{
    return reply != NULL && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
}

const char *reply_text(const struct redisReply *reply)
{
    return is_text(reply) ? reply->str : "";
}

bool reply_string(const struct redisReply *reply, const char **text, size_t *bytes)
{
    if (reply == NULL || reply->type != REDIS_REPLY_STRING)
        return false;
    *text = reply->str;
    *bytes = (size_t)reply->len;
    return true;
}

size_t reply_bytes(const struct redisReply *reply)
{
    return is_text(reply) ? (size_t)reply->len : 0;
}

int64_t reply_integer(const struct redisReply *reply)
{
    int64_t value = 0;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply != NULL && reply->type == REDIS_REPLY_STRING && number_parse(reply->str, &value) ? value : 0;
}
