/*
 * A worker process that serves requests: `midstream serve`.
 *
 * Told to finish, it accepts nothing more, and goes on until nothing is under way or the time is over.
 */
#ifndef WORKER_REQUEST_WORKER_H
#define WORKER_REQUEST_WORKER_H

#include "worker/worker.h"

worker_fn request_worker_run;

extern const struct worker_kind request_worker_kind; /* what it hands to worker_run() */

#endif
