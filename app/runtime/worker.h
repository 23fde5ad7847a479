/*
 * A worker process: one loop that serves requests until it is told to stop.
 */
#ifndef RUNTIME_WORKER_H
#define RUNTIME_WORKER_H

#include "midstream.h"
#include "runtime/configuration.h"
#include "runtime/pulse.h"
#include "runtime/sockets.h"

struct worker_options {
    const struct configuration *configuration;
    const struct mid_route *routes;
    const struct socket_set *sockets;
    struct pulse *pulse;
    int metrics_slot; /* of metrics_slot_take() */
    int number;       /* of its slot; during a reload another process may have the same */
};

/* What a worker process does: worker_run() serves requests, work_run() (work.h) does tasks. */
typedef int worker_fn(const struct worker_options *options);

/*
 * Serves until SIGTERM, then finishes what is under way, for the drain timeout at most; SIGHUP is the same with the
 * reload timeout. SIGUSR1 opens the log file again. Returns the exit code. The signals have to be blocked.
 */
worker_fn worker_run;

#endif
