/*
 * Names of hosts to addresses, without blocking the loop: the resolver runs on a thread of its own, so that it waits
 * behind no work of mid_offload().
 */
#ifndef REDIS_RESOLVE_H
#define REDIS_RESOLVE_H

#include "redis/address.h"

struct resolution;

/*
 * The result, on the loop's stack. `host` is one of the numeric addresses of the name, or NULL with a reason. Both are
 * gone when it returns, and so is the resolution.
 */
typedef void resolution_fn(void *arg, const char *host, const char *reason);

/*
 * Begins. `turn` chooses among several addresses: successive attempts try one after the other. NULL when no
 * thread can be had.
 */
struct resolution *resolution_new(const struct redis_address *address, unsigned turn, resolution_fn *fn, void *arg);

/* Nobody wants the result any more; NULL is fine. */
void resolution_abandon(struct resolution *resolution);

#endif
