/*
 * A worker process that serves requests: `midstream serve`.
 *
 * Told to finish, it accepts nothing more, and goes on until nothing is under way or the time is over.
 */
#ifndef WORKER_REQUEST_WORKER_H
#define WORKER_REQUEST_WORKER_H

#include "worker/worker.h"

extern const struct worker_kind request_worker_kind;

#endif
