/*
 * A worker process that does tasks: `midstream work`. Its master and its pool are those of `midstream serve`.
 */
#ifndef RUNTIME_WORK_H
#define RUNTIME_WORK_H

#include "runtime/worker.h"

/* In the master, before any process is started. False with a sentence in `reason`. */
bool work_prepare(const struct configuration *configuration, char *reason, size_t reason_size);

/*
 * Does tasks until SIGTERM; then takes no more and finishes what runs. After half of the drain timeout tasks are told
 * to stop, and what still runs at its end is given back with its attempt. SIGHUP is the same with the reload timeout.
 */
worker_fn work_run;

#endif
