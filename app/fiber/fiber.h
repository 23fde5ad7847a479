/*
 * Fibers: functions with a stack of their own that can stop in the middle and go on later, all on one thread.
 *
 * This file knows stacks and switches only; when a fiber stops and what wakes it is the loop's business (loop.h). A
 * fiber begins in fiber_enter() on the loop's stack, runs until it calls fiber_leave() or its function returns, and
 * control comes back to the caller of fiber_enter().
 */
#ifndef FIBER_FIBER_H
#define FIBER_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* Marks functions that may suspend the calling fiber: whatever they do not own may have changed when they return.
 * scripts/check-suspend proves the marks. */
#ifndef MAY_SUSPEND
#define MAY_SUSPEND
#endif

typedef void fiber_fn(void *arg);

struct fiber {
    struct list link; /* in the loop's run queue, or in the pool */
    fiber_fn *fn;
    void *arg;
    uint32_t number;           /* of fiber_set_number() */
    bool is_ready;             /* in the run queue */
    bool is_parked;            /* waits for a wake */
    int wake;                  /* enum wake, the reason it was made ready */
    struct uv_timer_s *timer;  /* the end of a park, the loop's; lives as long as the stack */
    bool has_timer;            /* it is one of the loop's */
    int64_t store_ms;          /* waited for Redis: the redis room adds, the dispatcher begins at 0 */
    bool has_begun;            /* the stack has run a function before */
    struct fiber_stack *stack; /* private to fiber.c */
};

/* `stack_bytes` is rounded up to pages. At most `limit` fibers exist at a time. Installs the handler that tells a stack
 * overflow. */
void fiber_init(size_t stack_bytes, size_t limit);

/* Gives back the pooled stacks. No fiber may be left. */
void fiber_fini(void);

/* A fiber that will run fn(arg) at its first fiber_enter(); NULL at the limit or when no stack can be had. */
struct fiber *fiber_new(fiber_fn *fn, void *arg);

/* From the loop's stack only: runs the fiber until it leaves or ends. True when it has ended; it is in the pool then,
 * no longer the caller's. */
bool fiber_enter(struct fiber *fiber);

/* From a fiber: back to the loop's stack, until fiber_enter() is called again. */
MAY_SUSPEND void fiber_leave(void);

/* The running fiber, or NULL on the loop's stack. */
struct fiber *fiber_current(void);

/*
 * From now on the number of the running fiber is written to *place, and 0 while none runs: in shared memory it tells,
 * after a crash, who was running. A fiber's number is 0 until it sets it, and ends with its function.
 */
void fiber_publish(volatile uint32_t *place);
void fiber_set_number(uint32_t number);

/* How many fibers exist (running or suspended), and how many stacks wait in the pool. */
size_t fiber_count(void);
size_t fiber_pooled_count(void);

/*
 * The loop's: which pooled stacks nobody has needed since the last call, a few at a time, and never the last ones; and
 * these, one by one, NULL at their end. What the loop holds of one goes before fiber_unmap().
 */
void fiber_find_surplus(void);
struct fiber *fiber_take_surplus(void);
void fiber_unmap(struct fiber *fiber);

/*
 * Gives the untouched rest of the current fiber's stack back to the system: for a fiber that is about to wait for long,
 * after work that went deep.
 */
void fiber_trim_stack(void);

#endif
