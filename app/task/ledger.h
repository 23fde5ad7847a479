/*
 * Which tasks each process of a pool runs, in memory that the pool shares.
 *
 * When a process dies, those that are left learn from it at once what it had in hand, without waiting for leases to
 * end, and which task was on the processor in that moment: that one is to blame for the crash, or for the loop that the
 * watchdog ended, and the others are not. It is a help only: without it, leases end.
 */
#ifndef TASK_LEDGER_H
#define TASK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream.h"

/* Makes the memory, before anything is forked: for that many processes at a time, of that many tasks each. */
void ledger_create(size_t processes, size_t tasks);

/* This process takes a page of its own. Without a ledger, or a free page, the functions below do nothing. */
void ledger_enter(void);

/* This process ends in order: it leaves nothing behind. */
void ledger_leave(void);

/* Notes a task that is about to run on the current fiber; returns its number for ledger_remove(), 0 for none. */
uint32_t ledger_add(const char *id, int64_t generation);
void ledger_remove(uint32_t number);

/* A task that a dead process has left behind. */
struct ledger_left {
    char id[MID_TASK_ID_BYTES];
    int64_t generation;
    bool was_on_processor;
    bool was_another; /* on the processor */
    void *row;
};

/* The next of them; false when there is none. The caller settles it and calls ledger_settle(). One process settles the
 * tasks of a dead one; when it dies as well, another does. */
bool ledger_next_left(struct ledger_left *left);
void ledger_settle(const struct ledger_left *left);

#endif
