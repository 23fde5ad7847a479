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

/* Of a range: where it begins and ends, its master, and its replicas. */
enum { RANGE_FIRST, RANGE_LAST, RANGE_MASTER, RANGE_REPLICAS };

/* Of a node: its endpoint is what cluster-preferred-endpoint-type asks for, its port that of the kind of connection
 * that asks. */
enum { NODE_ENDPOINT, NODE_PORT, NODE_ID };

/* Nothing or "" for an endpoint is the host that was asked; "?" is a host that the master does not know. */
static bool read_address(const redisReply *node, const struct redis_address *asked, struct redis_address *address)
{
    char port[24];
    const char *endpoint = reply_text(reply_element(node, NODE_ENDPOINT));
    const char *host = endpoint[0] != '\0' ? endpoint : asked->host;
    snprintf(port, sizeof(port), "%" PRId64, reply_integer(reply_element(node, NODE_PORT)));
    return strlen(host) <= REDIS_HOST_LENGTH_MAX &&
           redis_address_join(host, (int)strlen(host), port, (int)strlen(port), address);
}

/* FNV-1a. */
static uint64_t hash(const char *text)
{
    uint64_t value = 0xcbf29ce484222325;
    for (; *text != '\0'; text++)
        value = (value ^ (unsigned char)*text) * 0x100000001b3;
    return value;
}

/* True: it is a new one. */
static bool take_id(struct cluster_map *map, const redisReply *node)
{
    const char *text = reply_text(reply_element(node, NODE_ID));
    uint64_t id = hash(text);
    for (size_t i = 0; i < map->id_count; i++)
        if (map->ids[i] == id)
            return false;
    if (*text == '\0' || map->id_count == IDS_MAX)
        return false;
    map->ids[map->id_count++] = id;
    return true;
}

static bool take_range(struct cluster_map *map, const redisReply *range, const struct redis_address *asked)
{
    int64_t first = reply_integer(reply_element(range, RANGE_FIRST));
    int64_t last = reply_integer(reply_element(range, RANGE_LAST));
    const redisReply *master = reply_element(range, RANGE_MASTER);
    if (reply_count(master) <= NODE_PORT || first < 0 || last >= REDIS_SLOTS || first > last)
        return false;
    take_id(map, master);
    for (size_t i = RANGE_REPLICAS; i < reply_count(range); i++)
        map->replicas += take_id(map, range->element[i]);
    if (!read_address(master, asked, &map->masters[map->count]))
        return true; /* others may say where they are; MOVED may know more */
    map->count++;
    for (int64_t slot = first; slot <= last; slot++)
        map->owners[slot] = (uint16_t)map->count;
    return true;
}

static bool refuse(struct cluster_map *map, const char *sentence, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s", sentence);
    cluster_map_fini(map);
    return false;
}

bool cluster_map_read(struct cluster_map *map, const struct redisReply *reply, const struct redis_address *asked,
                      char *reason, size_t reason_size)
{
    size_t ranges = reply_count(reply);
    *map = (struct cluster_map){0};
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_refusal_copy(reason, reason_size, reply->str, reply->len);
        return false;
    }
    if (reply->type != REDIS_REPLY_ARRAY || ranges > REDIS_SLOTS)
        return refuse(map, "the node's answer to CLUSTER SLOTS makes no sense", reason, reason_size);
    map->masters = calloc(ranges + 1, sizeof(*map->masters));
    map->ids = calloc(IDS_MAX, sizeof(*map->ids));
    if (map->masters == NULL || map->ids == NULL)
        panic("out of memory for the map of the cluster");
    for (size_t i = 0; i < ranges; i++)
        if (!take_range(map, reply->element[i], asked))
            return refuse(map, "the node's answer to CLUSTER SLOTS makes no sense", reason, reason_size);
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
