/*
 * A worker process that does tasks: `midstream work`.
 *
 * Told to finish, it takes no more tasks and finishes those that run. After half of the time they are told to stop, and
 * what still runs at its end is given back with its attempt.
 */
#ifndef WORKER_TASK_WORKER_H
#define WORKER_TASK_WORKER_H

#include "worker/worker.h"

/* In the master, before any process is started. False with a sentence in `reason`. */
bool task_worker_prepare(const struct configuration *configuration, char *reason, size_t reason_size);

extern const struct worker_kind task_worker_kind;

#endif
