/*
 * A socket that connects to where Redis listens.
 */
#ifndef REDIS_CONNECT_H
#define REDIS_CONNECT_H

#include <stddef.h>

#include "redis/address.h"

/*
 * Begins to connect, without blocking; the descriptor, the caller's, becomes writable when that has succeeded or failed
 * (SO_ERROR). The host has to be numeric. -1 with a reason when it fails at once.
 */
int redis_connect(const struct redis_address *address, char *reason, size_t reason_size);

#endif
