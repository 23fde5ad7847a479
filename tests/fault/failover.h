/*
 * Masters of Redis that are killed under load: with commit-durability=replica nothing that was acknowledged is lost,
 * and no logout is undone.
 */
#ifndef FAULT_FAILOVER_H
#define FAULT_FAILOVER_H

#include "fault.h"

enum { FAILOVER_MS = 30000 };

struct failover {
    const char *url; /* as the setting redis takes it */

    /* Kills the master that has the key, and returns when another one has taken its place, and that a replica again
     * which has all. */
    void (*fail_over)(const char *key);

    /* Opens the site's probe anew, to the masters as they are now. */
    void (*look)(struct site *site);
};

/* The whole test: visitors who change their sessions without rest, streams, and visitors who log out, while it happens
 * once (FAULT_LONG: five times). */
void failover_test(const struct failover *failover);

#endif
