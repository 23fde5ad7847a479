/*
 * A master, a replica and three Sentinels, all real, and what the tests of them share.
 */
#ifndef INTEGRATION_REDIS_SENTINEL_SITE_H
#define INTEGRATION_REDIS_SENTINEL_SITE_H

#include "server.h"

enum { SENTINELS = 3, READY_MS = 20000 };

extern struct sentinel_site {
    int ports[SENTINELS];
    pid_t pids[SENTINELS];
    char addresses[128];
} sentinel_site; /* a test is a process of its own */

/* Returns when all know each other. */
void sentinel_site_start(void);
void sentinel_site_end(void);

/* One Sentinel of the site, by its number, of the server; or of the master at a port, with further lines of its
 * configuration. */
void start_sentinel(int number);
void start_sentinel_of(int number, int master_port, const char *more);

struct redis_options sentinel_options(const char *addresses);

/* Ends all connections to the server: how many there were. */
long long kill_clients(void);

/* Suspends until the client has been connected so often. */
MAY_SUSPEND void await_connects(struct redis_client *client, uint64_t connects);

#endif
