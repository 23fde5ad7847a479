/*
 * From a request on a connection to its last after-response function.
 */
#ifndef WORKER_DISPATCH_H
#define WORKER_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/connection.h"
#include "http/router.h"

struct dispatch_settings {
    const struct router *router; /* stays the caller's */
    const char *trusted_origins; /* as origin_allows() takes them */
    const char *hosts;           /* as host_is_served() takes them */
    int64_t after_timeout_ms;
    int64_t slow_ms;     /* what takes so long is logged; 0: nothing is */
    size_t requests_max; /* connections with a request; above it, 503 */
};

/* Once per process. */
void dispatch_init(const struct dispatch_settings *settings);

/* On a fiber: answers the connection's next request. False when it has handed the connection back. See struct
 * connection_settings. */
MAY_SUSPEND bool dispatch(struct connection *connection);

#endif
