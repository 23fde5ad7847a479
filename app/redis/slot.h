/*
 * The slots of Redis Cluster: every key is in one of 16384, and every slot has one master.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
 */
#ifndef REDIS_SLOT_H
#define REDIS_SLOT_H

#include <stddef.h>

enum { REDIS_SLOTS = 16384 };

/* What of a key decides its slot: what stands between its first '{' and the '}' behind it, if that is not empty, or all
 * of it. It lies within the key. */
const char *redis_hash_tag(const char *key, size_t bytes, size_t *tag_bytes);

/* 0 to 16383. */
int redis_slot_of(const char *key, size_t bytes);

#endif
