/*
 * What a Redis says of itself when it is greeted (HELLO, Redis 6.0), and whether it can be used.
 */
#ifndef REDIS_SERVER_INFO_H
#define REDIS_SERVER_INFO_H

#include <stdbool.h>
#include <stddef.h>

struct redisReply;

enum { REDIS_INFO_BYTES = 24, REDIS_VERSION_MIN = 7 };

/* "unknown" where it has not said so. */
struct redis_server_info {
    char name[REDIS_INFO_BYTES];    /* "redis", "valkey" */
    char version[REDIS_INFO_BYTES]; /* "7.0.15" */
    char mode[REDIS_INFO_BYTES];    /* "standalone", "cluster", "sentinel" */
    char role[REDIS_INFO_BYTES];    /* "master", "replica" */
};

/* Reads the answer to HELLO; one that is none leaves all unknown. */
void redis_server_info_read(struct redis_server_info *info, const struct redisReply *reply);

bool redis_server_info_is_replica(const struct redis_server_info *info);

/* False with a sentence: it takes no changes, is too old, no Redis, or a node of a cluster where none is expected, or
 * the other way round. What is unknown is no reason. */
bool redis_server_info_is_usable(const struct redis_server_info *info, bool is_node, char *reason, size_t reason_size);

#endif
