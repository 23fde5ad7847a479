/*
 * What a worker shows the master in shared memory: that its loop turns, that it serves, and what it began last. Writing
 * costs a store; the master reads it from a process that nothing can hold up.
 */
#ifndef RUNTIME_PULSE_H
#define RUNTIME_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pulse {
    _Atomic int64_t ticked_ms;        /* monotonic; when the loop turned last */
    _Atomic bool is_serving;          /* it accepts connections */
    _Atomic(const char *) last_route; /* the pattern of the last request's route, static in all processes; or NULL */
};

/* The master's, before it forks the worker. NULL: out of memory. */
struct pulse *pulse_new(void);
void pulse_free(struct pulse *pulse);

/* In the worker: this is its pulse. */
void pulse_enter(struct pulse *pulse);

/* From the loop, again and again. */
void pulse_tick(void);

/* The worker accepts connections now. */
void pulse_note_serving(void);
void pulse_note_route(const char *pattern);

#endif
