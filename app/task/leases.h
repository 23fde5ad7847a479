/*
 * The leases of the tasks that run in this process: renewed while they run, given back when the process stops.
 *
 * `running` is a list of struct mid_task, by `link`. Tasks end while these functions are suspended, and begin.
 */
#ifndef TASK_LEASES_H
#define TASK_LEASES_H

#include "base/list.h"
#include "fiber/fiber.h"

/*
 * Renews the leases and tells the tasks what was said of them; a task whose lease could not be renewed in time is lost,
 * one that runs on after its deadline is given up. To be called several times in a lease. May suspend.
 */
MAY_SUSPEND void leases_renew(const char *queue, struct list *running);

/* Gives back all of them, with their attempts. The process has to end then without running them on. May suspend. */
MAY_SUSPEND void leases_give_back(struct list *running);

#endif
