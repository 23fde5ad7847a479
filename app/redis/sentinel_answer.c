/* What a Sentinel says. See sentinel_answer.h. */
#include "redis/sentinel_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/refusal.h"

static bool is_text(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STRING && reply->len == strlen(text) && memcmp(reply->str, text, reply->len) == 0;
}

/* -------------------- answers -------------------- */

static bool refuse_error(const redisReply *reply, char *reason, size_t reason_size)
{
    redis_refusal_copy(reason, reason_size, reply->str, reply->len);
    return false;
}

static bool refuse(const char *sentence, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s", sentence);
    return false;
}

bool sentinel_address_read(const struct redisReply *reply, struct redis_address *address, char *reason,
                           size_t reason_size)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return refuse_error(reply, reason, reason_size);
    if (reply->type == REDIS_REPLY_NIL)
        return refuse("it knows no master of that name", reason, reason_size);
    bool is_pair = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                   reply->element[0]->type == REDIS_REPLY_STRING && reply->element[1]->type == REDIS_REPLY_STRING;
    return (is_pair && redis_address_join(reply->element[0]->str, (int)reply->element[0]->len, reply->element[1]->str,
                                          (int)reply->element[1]->len, address)) ||
           refuse("it does not say where the master is", reason, reason_size);
}

bool sentinel_epoch_read(const struct redisReply *reply, int64_t *epoch, char *reason, size_t reason_size)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return refuse_error(reply, reason, reason_size);
    size_t count = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        const redisReply *value = reply->element[i + 1];
        if (!is_text(reply->element[i], "config-epoch") || value->type != REDIS_REPLY_STRING)
            continue;
        *epoch = strtoll(value->str, NULL, 10);
        return true;
    }
    return refuse("it does not say how old its configuration is", reason, reason_size);
}

bool sentinel_accepts(const struct redisReply *reply, char *reason, size_t reason_size)
{
    return reply->type == REDIS_REPLY_ERROR ? refuse_error(reply, reason, reason_size) : true;
}

bool sentinel_pong_read(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && is_text(reply->element[0], "pong");
}

/* -------------------- +switch-master -------------------- */

/* "NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT" */
static bool read_switch(const char *text, const char *name, struct redis_address *old)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length) != 0 || text[length] != ' ')
        return false;
    const char *host = text + length + 1;
    size_t host_length = strcspn(host, " ");
    const char *port = host + host_length + (host[host_length] == ' ');
    return host_length <= REDIS_HOST_LENGTH_MAX &&
           redis_address_join(host, (int)host_length, port, (int)strcspn(port, " "), old);
}

bool sentinel_switch_read(const struct redisReply *reply, const char *name, struct redis_address *old)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && is_text(reply->element[0], "message") &&
           is_text(reply->element[1], "+switch-master") && reply->element[2]->type == REDIS_REPLY_STRING &&
           read_switch(reply->element[2]->str, name, old);
}
