/*
 * A worker process: one loop that serves requests until it is told to stop.
 */
#ifndef RUNTIME_WORKER_H
#define RUNTIME_WORKER_H

#include "midstream.h"
#include "runtime/settings.h"
#include "session/keyring.h"

struct worker_options {
    const struct settings *settings;
    const struct mid_route *routes;
    struct keyring *keyring;
    const char *redis_password; /* NULL: none */
    int number;
    int metrics_slot; /* of metrics_slot_take() */
    int listen_fd;
    bool listen_is_shared;
};

/*
 * Serves until SIGTERM, then finishes what is under way, for the drain timeout at most. Returns the exit code. The
 * signals SIGTERM and SIGINT have to be blocked.
 */
int worker_run(const struct worker_options *options);

#endif
