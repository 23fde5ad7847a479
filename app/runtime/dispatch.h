/*
 * From a request on a connection to its last after-response function.
 */
#ifndef RUNTIME_DISPATCH_H
#define RUNTIME_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/connection.h"
#include "http/router.h"

/* Once per process; the router stays the caller's. */
void dispatch_configure(const struct router *router, int64_t after_timeout_ms);

/* On a fiber: answers the connection's next request. False when it has handed the connection back. See struct
 * connection_settings. */
MAY_SUSPEND bool dispatch(struct connection *connection);

#endif
