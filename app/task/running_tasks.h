/*
 * Which tasks each process of a pool runs, in memory that the pool shares.
 *
 * When a process dies, those that are left learn from it at once what it had in hand, without waiting for leases to
 * end, and which task was on the processor in that moment: that one is to blame for the crash, or for the loop that the
 * watchdog ended, and the others are not. It is a help only: without it, leases end.
 */
#ifndef TASK_RUNNING_TASKS_H
#define TASK_RUNNING_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream.h"

/* Makes the memory, before anything is forked: for that many processes at a time, of that many tasks each. */
void running_tasks_create(size_t processes, size_t tasks);

/* This process takes a page of its own. Without that memory, or a free page, the functions below do nothing. */
void running_tasks_enter(void);

/* This process ends in order: it leaves nothing behind. */
void running_tasks_leave(void);

/* Notes a task that is about to run on the current fiber; returns its number for running_tasks_remove(), 0 for none. */
uint32_t running_tasks_add(const char *id, int64_t generation);
void running_tasks_remove(uint32_t number);

/* A task that a dead process has left behind. */
struct left_task {
    char id[MID_TASK_ID_BYTES];
    int64_t generation;
    bool was_on_processor;
    bool was_another; /* on the processor */
    void *row;
};

/* The next of them; false when there is none. The caller recovers it and calls running_tasks_forget(). One process
 * recovers the tasks of a dead one; when it dies as well, another does. */
bool running_tasks_next_left(struct left_task *left);
void running_tasks_forget(const struct left_task *left);

#endif
