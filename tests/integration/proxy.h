/*
 * A proxy in front of Redis that loses things: it stands where the workers look for Redis and can drop the connection
 * before a commit reaches Redis, or after Redis has carried it out and before the answer reaches the worker.
 */
#ifndef INTEGRATION_PROXY_H
#define INTEGRATION_PROXY_H

#include "site.h"

enum loss {
    LOSE_NOTHING,
    LOSE_COMMIT, /* Redis never sees it */
    LOSE_ANSWER, /* Redis has carried it out */
};

struct proxy;

/* Takes the place of the site's Redis; the workers connect through the proxy from now on. */
struct proxy *proxy_open(struct site *site);

/* Loses the next script call about a session, in this way. It may be asked for again and again. */
void proxy_lose_next(struct proxy *proxy, enum loss loss);

/* Waits until what was asked for has been lost. */
bool proxy_wait_lost(struct proxy *proxy);

void proxy_close(struct proxy *proxy);

#endif
