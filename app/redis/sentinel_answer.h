/*
 * What a Sentinel says: the answers to SENTINEL GET-MASTER-ADDR-BY-NAME and SENTINEL MASTER, and the message of
 * +switch-master.
 */
#ifndef REDIS_SENTINEL_ANSWER_H
#define REDIS_SENTINEL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/address.h"

struct redisReply;

/* The answer to GET-MASTER-ADDR-BY-NAME. False with a sentence: it is an error, or no address. */
bool sentinel_address_read(const struct redisReply *reply, struct redis_address *address, char *reason,
                           size_t reason_size);

/* The config-epoch, which grows with every failover, in the answer to MASTER. False with a sentence: it has none. */
bool sentinel_epoch_read(const struct redisReply *reply, int64_t *epoch, char *reason, size_t reason_size);

/* The answer to AUTH or SUBSCRIBE. False with a sentence: it is an error. */
bool sentinel_accepts(const struct redisReply *reply, char *reason, size_t reason_size);

/* Whether it is the answer to a PING on a connection with a subscription. */
bool sentinel_pong_read(const struct redisReply *reply);

/* Whether it is a message of +switch-master about this name; `old` is the one that is no master any more. */
bool sentinel_switch_read(const struct redisReply *reply, const char *name, struct redis_address *old);

#endif
