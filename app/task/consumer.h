/*
 * A consumer: takes the tasks of one queue, as many as it has room for, and runs each on a fiber.
 *
 * Three fibers do it: the reader waits for tasks on a connection of its own; the keeper renews the leases of what runs
 * (leases.h); the sweeper brings about what is due, and recovers what dead processes of the pool have left
 * (running_tasks.h).
 */
#ifndef TASK_CONSUMER_H
#define TASK_CONSUMER_H

#include "redis/client.h"
#include "task/task.h"

struct consumer_settings {
    struct redis_options reader; /* the connection that waits; its timeout is set here. Texts stay the caller's. */
    size_t concurrency;          /* most tasks at a time, of a queue */
    int64_t heartbeat_ms;
    const char *worker; /* this process, for whoever looks at a task */
};

/* Begins to take the tasks of these queues, "a,b,c". Once per process; the settings stay the caller's. False: they
 * cannot be understood. */
MID_CHECK bool consumers_start(const char *queues, const struct consumer_settings *settings);

/* Takes the first name off "a,b,c". False: there is none, or it is none. */
bool consumers_next_name(const char **queues, char name[static QUEUE_NAME_BYTES]);

/* "a,b,c": 1 to 8 names. */
bool consumers_names_are_valid(const char *queues);

/* Takes no more. What runs goes on. */
void consumers_drain(void);

/* Tells what runs that the worker stops. */
void consumers_interrupt(void);

/* Gives back what still runs, with its attempts. May suspend. The process has to end then without running them on. */
MAY_SUSPEND void consumers_yield(void);

/* The tasks that run. */
size_t consumers_running(void);

/* How long a consumer that has room has not been able to ask for tasks; the longest of them. */
int64_t consumers_silent_ms(void);

#endif
