/*
 * Which Redis is the master, by its Sentinels.
 *
 * Every question goes to the next Sentinel of the list, on a connection of its own that then stays open and hears of
 * +switch-master: so a master that is cut off from the Sentinels, and does not know that it is none any more, is left
 * as soon as another one was made. When that connection is lost, the next Sentinel is asked after a second, and after
 * ten seconds in any case: the one that is listened to may be cut off together with the old master.
 *
 * Sentinels may disagree. What one says counts only if its configuration epoch is not older than the newest that was
 * seen; and whoever is told to be the master is asked as well (greeting.c).
 *
 * https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */
#ifndef REDIS_SENTINEL_H
#define REDIS_SENTINEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/address.h"
#include "redis/auth.h"

enum { REDIS_SENTINELS_MAX = 8, REDIS_MASTER_NAME_BYTES = 65 };

struct redis_sentinel;
struct redis_tls;

/* On the loop's stack. */
struct redis_sentinel_listener {
    void *owner;
    /* The answer to redis_sentinel_find(): this is the master; or there is none, or it could not be learnt. */
    void (*found)(void *owner, const struct redis_address *master);
    void (*failed)(void *owner, const char *reason);
    /* At any time: the last one that was found is the master no more. */
    void (*switched)(void *owner, const char *reason);
};

struct redis_sentinel_options {
    const char *addresses; /* as redis_address_parse_list() takes them */
    const char *master;    /* its name, copied */
    struct redis_credentials credentials;
    struct redis_tls *tls; /* NULL: without; the caller's, and outlives the client */
    int64_t timeout_ms;    /* of one question */
};

/* Asks nobody yet. NULL with a reason: the addresses cannot be understood. */
struct redis_sentinel *redis_sentinel_new(const struct redis_sentinel_options *options,
                                          const struct redis_sentinel_listener *listener, char *reason,
                                          size_t reason_size);
void redis_sentinel_free(struct redis_sentinel *sentinel); /* NULL is fine; not from a call of the listener */

/* Asks the next Sentinel; found() or failed() is called later, once. */
void redis_sentinel_find(struct redis_sentinel *sentinel);

#endif
