/*
 * Tasks as handlers of requests see them: the functions of midstream.h that add, find and cancel them.
 */
#ifndef TASK_API_H
#define TASK_API_H

#include "task/queue.h"

/* Once per process, before the first turn of the loop. `attempts` is for tasks whose options name none. */
void task_api_init(const struct queue_settings *queue, int attempts);

#endif
