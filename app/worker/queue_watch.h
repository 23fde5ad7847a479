/*
 * The figures of the task queues in the metrics: how many tasks wait, run and are dead, and what has become of them.
 *
 * They are Redis's and the same for all workers, so one worker of the pool asks for them.
 */
#ifndef WORKER_QUEUE_WATCH_H
#define WORKER_QUEUE_WATCH_H

#include "midstream.h"

/* Begins to publish the figures of these queues, "a,b,c", which stay the caller's. Once per process. False: there is
 * no memory for it. */
MID_CHECK bool queue_watch_start(const char *queues);

/* Publishes no more: another worker does. */
void queue_watch_stop(void);

#endif
