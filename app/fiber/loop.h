/*
 * The loop: one per worker, on libuv. It makes fibers ready when what they wait for has happened, and runs them.
 *
 * A turn of the loop: wait for events; their callbacks only mark fibers as ready; run the ready fibers until none is;
 * call the hooks that send what the fibers have collected (the Redis client's one write); wait again.
 *
 * Descriptors are watched by an epoll set of our own, edge-triggered, inside libuv's loop: a connection is registered
 * once in its life and costs no further system call, whatever it waits for.
 */
#ifndef FIBER_LOOP_H
#define FIBER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "fiber/fiber.h"
#include "midstream.h"

enum wake {
    WAKE_READY,   /* loop_wake() */
    WAKE_TIMEOUT, /* the time given to loop_park() is over */
};

/* Starts the loop of this process. Asserts when libuv cannot be had. */
void loop_init(void);

/* The size of the pool of threads, from 1 to 1024; before anything is offloaded. 4 without it. */
void loop_set_threads(int64_t count);

/* Runs until loop_stop(), from wherever it is called; then ends the turn, in which ready fibers run and what was to be
 * flushed is, and returns without waiting for anything. */
void loop_run(void);
void loop_stop(void);
void loop_fini(void);

/* In the place of loop_run(), for whoever has something else to do in between: one turn, which waits for events up to
 * `wait_ms` if nothing is to be done at once. False: the loop was stopped. */
bool loop_turn(int64_t wait_ms);

/* No fiber is ready, no event or due timer waits, and no thread works for the loop. */
bool loop_is_idle(void);

/* How long until the next timer is due; -1: there is none. */
int64_t loop_next_timer_ms(void);

/* The time of this turn, monotonic milliseconds. */
int64_t loop_now_ms(void);

/* Starts fn(arg) on a new fiber in this turn. False at the limit of fibers. */
bool loop_spawn(fiber_fn *fn, void *arg);

/*
 * Suspends the calling fiber until loop_wake() or the end of `timeout_ms` (-1: none). A wake that came before the park
 * is not lost only if the caller checks its condition first: there is one thread, and nothing runs between the check
 * and the park.
 */
MAY_SUSPEND enum wake loop_park(int64_t timeout_ms);

/* Makes a parked fiber ready; does nothing to one that is not parked. */
void loop_wake(struct fiber *fiber);

/* Lets the other ready fibers and pending events have their turn. */
MAY_SUSPEND void loop_yield(void);

/* Gives stacks back to the system that nobody has needed since the last call, a few at a time, down to some that always
 * stay: to be called every now and then. */
void loop_give_back_stacks(void);

/* -------------------- descriptors -------------------- */

struct watch;
/* On the loop's stack. `events` are EPOLL* bits. Must neither suspend nor free any watch. */
typedef void watch_fn(struct watch *watch, uint32_t events);

struct watch {
    int fd; /* the owner's, stays open until after watch_stop() */
    watch_fn *on_event;
};

/* Adds the descriptor with these EPOLL* bits (EPOLLET for edges). False with errno when it cannot be watched. The
 * watch's memory is the caller's. */
bool watch_start(struct watch *watch, int fd, uint32_t events, watch_fn *on_event);
bool watch_change(struct watch *watch, uint32_t events);

/* The memory may go only when the turn is over: an event of the same turn may still name the watch. */
void watch_stop(struct watch *watch);

/* The current fiber waits for one event of a descriptor, among other things that may wake it. */
struct fd_wait {
    struct watch watch; /* first: its events lead back here */
    struct fiber *fiber;
    bool has_event;
};

/* The fiber is woken by the first of these EPOLL* events, `has_event` is true then. False with errno when the
 * descriptor cannot be watched. */
bool fd_wait_start(struct fd_wait *wait, int fd, uint32_t events);
void fd_wait_stop(struct fd_wait *wait);

/* Suspends until one of the EPOLL* events on `fd` (WAKE_READY) or the time is over; false with errno when it cannot be
 * watched. */
MAY_SUSPEND bool loop_wait_fd(int fd, uint32_t events, int64_t timeout_ms, enum wake *wake);

/* -------------------- timers -------------------- */

struct timer;
typedef void timer_fn(struct timer *timer);

/* A callback on the loop's stack after some time. Embed it, zeroed; timer_fini() it before its memory goes. */
struct timer {
    struct uv_timer_s *handle; /* the loop's; NULL while never started */
    timer_fn *on_time;
};

/* Starting a started timer moves it. Starting and stopping are cheap. */
void timer_start(struct timer *timer, int64_t delay_ms, timer_fn *on_time);
void timer_stop(struct timer *timer);
void timer_fini(struct timer *timer);

/* -------------------- turns, threads -------------------- */

/* Called on the loop's stack at the end of every turn in which it was asked for by loop_request_flush(). */
typedef void flush_fn(void *arg);
struct flush {
    struct list link;
    flush_fn *fn;
    void *arg;
};
void flush_init(struct flush *flush, flush_fn *fn, void *arg);
void loop_request_flush(struct flush *flush);

/* Work on another thread. The memory, often on a fiber's stack, has to stay until is_done. */
struct offload {
    void (*work)(void *arg);
    void *arg;
    struct fiber *fiber; /* woken when the work is done */
    bool is_done;
};

/* Begins work(arg) on libuv's thread pool; wakes the calling fiber, if it is parked then, when the work has returned.
 */
MID_CHECK bool offload_start(struct offload *offload, void (*work)(void *arg), void *arg);

/* The same, suspending until the work has returned. */
MAY_SUSPEND MID_CHECK bool loop_offload(void (*work)(void *arg), void *arg);

/*
 * Begins work(arg) on a thread of its own, which waits behind nothing in the pool, and calls done(arg) on the loop's
 * stack when it has returned. False: no thread can be had, and neither is called. For what is rare: each time costs a
 * thread.
 */
MID_CHECK bool loop_start_thread(void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Whether one of those has not returned yet: loop_fini() would wait for it. */
bool loop_has_threads(void);

/* The longest time, in microseconds, between the beginning of a turn's callbacks and its end since the last call. */
int64_t loop_take_longest_turn_us(void);

#endif
