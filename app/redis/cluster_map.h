/*
 * Which node has which slots, as a node says: the answer to CLUSTER SLOTS.
 *
 * Not CLUSTER SHARDS, which Redis 7.0 has brought: after an upgrade from 7.0, whose nodes.conf has no shard-id, a node
 * of Redis 8.0 leaves itself out of its own answer, and its slots have no master there.
 */
#ifndef REDIS_CLUSTER_MAP_H
#define REDIS_CLUSTER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/address.h"
#include "redis/slot.h"

struct redisReply;

/* Slots whose master does not say where it is have no owner. */
struct cluster_map {
    size_t count;
    struct redis_address *masters; /* the map's; one may be there several times, once for each range of slots */
    size_t replicas;               /* of the first range of each master */
    uint64_t *ids;                 /* of all nodes, as far as 64 bits tell them apart; the map's */
    size_t id_count;
    uint16_t owners[REDIS_SLOTS]; /* 1 + the place in `masters`; 0: nobody has the slot */
};

/* `asked` is the node that has answered: others that do not know their own address have its host. False with a
 * sentence: it is an error, malformed, or nobody has any slot; there is nothing to give back then. */
bool cluster_map_read(struct cluster_map *map, const struct redisReply *reply, const struct redis_address *asked,
                      char *reason, size_t reason_size);
void cluster_map_fini(struct cluster_map *map);

/* Whether the answer to CLUSTER INFO says that the node takes no commands: it sees too few others, or slots that nobody
 * has and cluster-require-full-coverage. */
bool cluster_is_down(const struct redisReply *reply);

/* The cluster's epoch in the answer to CLUSTER INFO, which grows with every failover; 0: it is not told. */
int64_t cluster_epoch_read(const struct redisReply *reply);

#endif
