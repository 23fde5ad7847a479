/*
 * A process of the pool: one loop, a client of Redis, and signals that tell it to finish.
 *
 * What it does in between is its kind's: serving requests (request_worker.h) or doing tasks (task_worker.h). A kind is
 * a table of functions, which worker_run() calls in the order in which they stand here.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/layout.h"
#include "midstream.h"
#include "redis/client.h"
#include "settings/configuration.h"
#include "worker/liveness.h"

enum { WORKER_SOCKETS_MAX = 8 };

/* The sockets that a worker listens on; the descriptors are inherited from the master. */
struct socket_set {
    int count;
    struct {
        int fd;
        bool is_shared; /* other workers listen on it, too */
    } sockets[WORKER_SOCKETS_MAX];
};

/* What the master gives to a worker. All of it outlives the process. */
struct worker_options {
    const struct configuration *configuration;
    const struct mid_app *app;
    const struct socket_set *sockets;
    struct liveness *liveness;
    int metrics_slot; /* of metrics_slot_take() */
    int number;       /* of its slot; during a reload another process may have the same */
};

struct worker {
    const struct worker_options *options;
    const struct settings *settings;
    struct worker_counts *counts;
    struct redis_client *redis;
};

/* Those that may suspend run on a fiber; the others on the stack of the process or of the loop. */
struct worker_kind {
    /* There is a loop that does not run yet, and no client of Redis. */
    void (*prepare)(const struct worker *worker);

    /* The application has started; unless the process has to finish already. False, with the reason logged: the process
     * ends with 1. */
    MAY_SUSPEND bool (*start)(const struct worker *worker);

    /* Every METRICS_PUBLISH_MS. Adds its own gauges to those of every process. */
    void (*publish)(struct worker_gauges *gauges);

    /* It has to finish in timeout_ms, at end_ms on the loop's clock; perhaps before it was started. It may be called
     * again, with an earlier end. */
    void (*drain)(int64_t timeout_ms, int64_t end_ms, bool is_first);

    /* From then on, every 20 ms. False: it has finished, or given up, and has called loop_stop() or will do so. */
    bool (*continue_drain)(void);

    /* After the loop. False: suspended fibers hold what cannot be given back without them, and the process exits. */
    bool (*stop)(void);
};

/*
 * Starts the application (struct mid_app's on_start), then serves until SIGTERM, then finishes what is under way, for
 * the drain timeout at most; SIGHUP is the same with the reload timeout. SIGUSR1 opens the log file again. Returns the
 * exit code. Once per process, in which worker_block_signals() was called.
 */
int worker_run(const struct worker_options *options, const struct worker_kind *kind);

/* In a process that will run one, or in its parent. */
void worker_block_signals(void);

/* The two ends of worker_run(), for whoever turns the loop in between (app/testing): what there is to do before, NULL
 * with the reason logged where there is no way; and after. False: suspended fibers, or a thread that has not returned,
 * hold what cannot be given back. */
const struct worker *worker_begin(const struct worker_options *options, const struct worker_kind *kind);
bool worker_end(void);

/* Between them, as SIGTERM. */
void worker_stop(void);

#endif
