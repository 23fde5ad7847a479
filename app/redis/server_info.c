/* What a Redis says of itself. See server_info.h. */
#include "redis/server_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

/* A word of the server's; one that is no plain word would come into logs. */
static void copy_word(char to[static REDIS_INFO_BYTES], const redisReply *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    bool is_word = value->type == REDIS_REPLY_STRING && value->len > 0 && value->len < REDIS_INFO_BYTES &&
                   strspn(value->str, plain) == value->len;
    if (is_word)
        memcpy(to, value->str, value->len + 1);
}

void redis_server_info_read(struct redis_server_info *info, const struct redisReply *reply)
{
    *info = (struct redis_server_info){"unknown", "unknown", "unknown", "unknown"};
    const struct {
        const char *name;
        char *value;
    } fields[] = {{"server", info->name}, {"version", info->version}, {"mode", info->mode}, {"role", info->role}};
    size_t count = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    for (size_t i = 0; i + 1 < count; i += 2)
        for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++)
            if (reply->element[i]->type == REDIS_REPLY_STRING && strcmp(reply->element[i]->str, fields[k].name) == 0)
                copy_word(fields[k].value, reply->element[i + 1]);
}

bool redis_server_info_is_replica(const struct redis_server_info *info)
{
    return strcmp(info->role, "replica") == 0 || strcmp(info->role, "slave") == 0;
}

bool redis_server_info_is_usable(const struct redis_server_info *info, bool is_node, char *reason, size_t reason_size)
{
    char *end;
    long major = strtol(info->version, &end, 10);
    if (strcmp(info->mode, "sentinel") == 0) {
        snprintf(reason, reason_size, "this is a Sentinel, and not a Redis that keeps data");
        return false;
    }
    if (!is_node && strcmp(info->mode, "cluster") == 0) {
        snprintf(reason, reason_size, "this is a node of a Redis Cluster, whose URL begins with redis+cluster://");
        return false;
    }
    if (is_node && strcmp(info->mode, "standalone") == 0) {
        snprintf(reason, reason_size,
                 "this is no node of a Redis Cluster (cluster-enabled is no): its URL begins with "
                 "redis://");
        return false;
    }
    if (end != info->version && major < REDIS_VERSION_MIN) {
        snprintf(reason, reason_size, "Redis %s is too old: version %d.0 or later is needed", info->version,
                 REDIS_VERSION_MIN);
        return false;
    }
    if (redis_server_info_is_replica(info)) {
        snprintf(reason, reason_size, "this Redis is a replica, which takes no changes");
        return false;
    }
    return true;
}
