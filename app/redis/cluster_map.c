/* Which node has which slots. See cluster_map.h. */
#include "redis/cluster_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/panic.h"
#include "redis/info.h"
#include "redis/refusal.h"
#include "redis/reply.h"

enum { IDS_MAX = 4096 };

/* The value behind this name in a list of names and values; NULL: there is none. */
static const redisReply *value_of(const redisReply *list, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(list); i += 2)
        if (strcmp(reply_text(list->element[i]), name) == 0)
            return list->element[i + 1];
    return NULL;
}

static bool is_said(const redisReply *node, const char *name, const char *value)
{
    return strcmp(reply_text(value_of(node, name)), value) == 0;
}

/* The endpoint is what cluster-preferred-endpoint-type asks for; nothing or "" is the host that was asked. */
static bool read_address(const redisReply *node, const struct redis_address *asked, bool is_tls,
                         struct redis_address *address)
{
    char port[16];
    const char *endpoint = reply_text(value_of(node, "endpoint"));
    const char *host = endpoint[0] != '\0' ? endpoint : asked->host;
    snprintf(port, sizeof(port), "%" PRId64, reply_integer(value_of(node, is_tls ? "tls-port" : "port")));
    return strlen(host) <= REDIS_HOST_LENGTH_MAX &&
           redis_address_join(host, (int)strlen(host), port, (int)strlen(port), address);
}

/* The first master of a shard that is online, or the first at all: while a failover goes on there may be two. NULL:
 * there is none. */
static const redisReply *find_master(const redisReply *nodes)
{
    const redisReply *found = NULL;
    for (size_t i = 0; i < reply_count(nodes); i++) {
        const redisReply *node = nodes->element[i];
        if (!is_said(node, "role", "master"))
            continue;
        if (is_said(node, "health", "online"))
            return node;
        found = found != NULL ? found : node;
    }
    return found;
}

/* The first 16 hexadecimal digits of each. */
static void take_ids(struct cluster_map *map, const redisReply *nodes)
{
    for (size_t i = 0; i < reply_count(nodes) && map->id_count < IDS_MAX; i++) {
        char digits[17] = "";
        snprintf(digits, sizeof(digits), "%s", reply_text(value_of(nodes->element[i], "id")));
        if (digits[0] != '\0')
            map->ids[map->id_count++] = strtoull(digits, NULL, 16);
    }
}

static size_t count_replicas(const redisReply *nodes)
{
    size_t count = 0;
    for (size_t i = 0; i < reply_count(nodes); i++)
        count += is_said(nodes->element[i], "role", "replica") && is_said(nodes->element[i], "health", "online");
    return count;
}

static bool take_slots(struct cluster_map *map, const redisReply *slots, uint16_t owner)
{
    for (size_t i = 0; i + 1 < reply_count(slots); i += 2) {
        int64_t first = reply_integer(slots->element[i]);
        int64_t last = reply_integer(slots->element[i + 1]);
        if (first < 0 || last >= REDIS_SLOTS || first > last)
            return false;
        for (int64_t slot = first; slot <= last; slot++)
            map->owners[slot] = owner;
    }
    return reply_count(slots) % 2 == 0;
}

static bool take_shard(struct cluster_map *map, const redisReply *shard, const struct redis_address *asked, bool is_tls)
{
    const redisReply *slots = value_of(shard, "slots");
    const redisReply *nodes = value_of(shard, "nodes");
    const redisReply *master = find_master(nodes);
    map->replicas += count_replicas(nodes);
    take_ids(map, nodes);
    if (reply_count(slots) == 0 || master == NULL) /* it has nothing, or nobody serves it */
        return reply_count(shard) > 0;
    if (!read_address(master, asked, is_tls, &map->masters[map->count]))
        return true; /* others may say where they are; MOVED may know more */
    map->count++;
    return take_slots(map, slots, (uint16_t)map->count);
}

static bool refuse(struct cluster_map *map, const char *sentence, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s", sentence);
    cluster_map_fini(map);
    return false;
}

bool cluster_map_read(struct cluster_map *map, const struct redisReply *reply, const struct redis_address *asked,
                      bool is_tls, char *reason, size_t reason_size)
{
    size_t shards = reply_count(reply);
    *map = (struct cluster_map){0};
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_refusal_copy(reason, reason_size, reply->str, reply->len);
        return false;
    }
    if (shards == 0 || shards > REDIS_SLOTS)
        return refuse(map, "the node does not say which shards its cluster has", reason, reason_size);
    map->masters = calloc(shards, sizeof(*map->masters));
    map->ids = calloc(IDS_MAX, sizeof(*map->ids));
    if (map->masters == NULL || map->ids == NULL)
        panic("out of memory for the map of the cluster");
    for (size_t i = 0; i < shards; i++)
        if (!take_shard(map, reply->element[i], asked, is_tls))
            return refuse(map, "the node's answer to CLUSTER SHARDS makes no sense", reason, reason_size);
    return map->count > 0 || refuse(map, "no node of the cluster has any slots", reason, reason_size);
}

void cluster_map_fini(struct cluster_map *map)
{
    free(map->masters);
    free(map->ids);
    map->masters = NULL;
    map->ids = NULL;
    map->count = 0;
}

bool cluster_is_down(const struct redisReply *reply)
{
    const char *state = redis_info_find(reply_text(reply), "cluster_state");
    return state != NULL && strncmp(state, "fail", 4) == 0;
}

int64_t cluster_epoch_read(const struct redisReply *reply)
{
    const char *value = redis_info_find(reply_text(reply), "cluster_current_epoch");
    return value != NULL ? strtoll(value, NULL, 10) : 0;
}
