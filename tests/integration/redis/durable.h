/*
 * What the tests of durability share: a Redis with a replica, and calls of one client that have to be durable.
 */
#ifndef INTEGRATION_REDIS_DURABLE_H
#define INTEGRATION_REDIS_DURABLE_H

#include "server.h"

enum { DURABLE_READY_MS = 15000, DURABLE_PATIENCE_MS = 2000 };

extern struct redis_client *durable_client; /* the scenario's */
extern int durable_done;                    /* fibers that have ended */

/* Starts both, and waits until the replica has what the master has. */
void durable_start(void);

/* quick_options(), and one replica is enough. */
struct redis_options durable_options(enum mid_durability durability);

/* INCR mid:count, and what it is in a Redis. */
MAY_SUSPEND enum mid_error durable_increment(enum mid_durability durability, int64_t patience_ms, bool *was_sent);
long long durable_count(struct redis_probe *probe);

/* For fibers: the same, which the replica has to confirm; or of which it cannot be known. */
void durable_increment_confirmed(void *arg);
void durable_increment_in_doubt(void *arg);

#endif
