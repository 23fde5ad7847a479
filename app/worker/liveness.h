/*
 * What a worker shows the master in shared memory: that its loop turns, that it serves, and what it began last. Writing
 * costs a store; the master reads it from a process that nothing can hold up.
 */
#ifndef WORKER_LIVENESS_H
#define WORKER_LIVENESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct liveness {
    _Atomic int64_t ticked_ms;        /* monotonic; when the loop turned last */
    _Atomic bool is_serving;          /* it accepts connections */
    _Atomic(const char *) last_route; /* the pattern of the last request's route, static in all processes; or NULL */
};

/* The master's, before it forks the worker. NULL: out of memory. */
struct liveness *liveness_new(void);
void liveness_free(struct liveness *liveness);

/* In the worker, before any of the functions below: this is its own. */
void liveness_enter(struct liveness *liveness);

/* From the loop, again and again. */
void liveness_tick(void);

/* The worker accepts connections now. */
void liveness_note_serving(void);
void liveness_note_route(const char *pattern);

#endif
