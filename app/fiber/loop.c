/* The loop: ready fibers, parks, timers, flushes and threads. See loop.h; descriptors are in watch.c. */
#include "fiber/loop.h"

#include <poll.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/panic.h"
#include "fiber/watch.h"

static struct {
    uv_loop_t uv;
    uv_prepare_t turn_end; /* runs before every wait */
    uv_idle_t no_wait;     /* active while fibers have yielded: the next wait only looks */
    struct list ready;
    struct list yielded;
    struct list flushes;
    int64_t longest_turn_us;
    bool is_stopping;
} loop;

/* -------------------- the turn -------------------- */

static void run_ready_fibers(void)
{
    struct list *link;
    while ((link = list_take_first(&loop.ready)) != NULL) {
        struct fiber *fiber = LIST_ELEMENT(link, struct fiber, link);
        fiber->is_ready = false;
        fiber_enter(fiber);
    }
}

static void run_flushes(void)
{
    struct list *link;
    while ((link = list_take_first(&loop.flushes)) != NULL) {
        struct flush *flush = LIST_ELEMENT(link, struct flush, link);
        flush->fn(flush->arg);
    }
}

static void take_back_yielded(void)
{
    struct list *link;
    while ((link = list_take_first(&loop.yielded)) != NULL)
        list_append(&loop.ready, link);
    uv_idle_stop(&loop.no_wait);
}

static void on_turn_end(uv_prepare_t *handle)
{
    (void)handle;
    int64_t begin_us = (int64_t)(uv_hrtime() / 1000);
    take_back_yielded();
    do {
        run_ready_fibers();
        run_flushes();
    } while (!list_is_empty(&loop.ready));
    int64_t turn_us = (int64_t)(uv_hrtime() / 1000) - begin_us;
    if (turn_us > loop.longest_turn_us)
        loop.longest_turn_us = turn_us;
    if (loop.is_stopping)
        uv_stop(&loop.uv);
}

static void on_no_wait(uv_idle_t *handle)
{
    (void)handle; /* an active idle handle is enough: libuv then polls without waiting */
}

int64_t loop_take_longest_turn_us(void)
{
    int64_t longest = loop.longest_turn_us;
    loop.longest_turn_us = 0;
    return longest;
}

/* -------------------- life -------------------- */

void loop_init(void)
{
    ENSURE(uv_loop_init(&loop.uv) == 0);
    list_init(&loop.ready);
    list_init(&loop.yielded);
    list_init(&loop.flushes);
    uv_prepare_init(&loop.uv, &loop.turn_end);
    uv_prepare_start(&loop.turn_end, on_turn_end);
    uv_idle_init(&loop.uv, &loop.no_wait);
    watch_set_open(&loop.uv);
}

void loop_run(void)
{
    uv_run(&loop.uv, UV_RUN_DEFAULT);
    loop.is_stopping = false;
}

static bool has_ready_fibers(void)
{
    return !list_is_empty(&loop.ready) || !list_is_empty(&loop.yielded);
}

static bool has_event(int64_t wait_ms)
{
    return poll(&(struct pollfd){.fd = uv_backend_fd(&loop.uv), .events = POLLIN}, 1, (int)wait_ms) > 0;
}

int64_t loop_next_timer_ms(void)
{
    uv_update_time(&loop.uv);
    return uv_backend_timeout(&loop.uv);
}

bool loop_is_idle(void)
{
    return !has_ready_fibers() && loop_next_timer_ms() != 0 && loop.uv.active_reqs.count == 0 && !has_event(0);
}

bool loop_turn(int64_t wait_ms)
{
    int64_t timer_ms = loop_next_timer_ms();
    if (timer_ms >= 0 && timer_ms < wait_ms)
        wait_ms = timer_ms;
    if (!has_ready_fibers())
        has_event(wait_ms);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    return !loop.is_stopping;
}

/* Not uv_stop() at once: libuv has run timers before the first turn since 1.45, and a stop from one of them would leave
 * ready fibers and flushes behind. */
void loop_stop(void)
{
    loop.is_stopping = true;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle) && handle->type != UV_ASYNC) /* those close when their thread has returned */
        uv_close(handle, NULL);
}

void loop_fini(void)
{
    uv_walk(&loop.uv, close_handle, NULL);
    uv_run(&loop.uv, UV_RUN_DEFAULT);
    watch_set_close();
    ENSURE(uv_loop_close(&loop.uv) == 0);
}

int64_t loop_now_ms(void)
{
    return (int64_t)uv_now(&loop.uv);
}

/* -------------------- fibers -------------------- */

static void make_ready(struct fiber *fiber)
{
    ENSURE(!fiber->is_ready);
    fiber->is_ready = true;
    list_append(&loop.ready, &fiber->link);
}

bool loop_spawn(fiber_fn *fn, void *arg)
{
    struct fiber *fiber = fiber_new(fn, arg);
    if (fiber == NULL)
        return false;
    make_ready(fiber);
    return true;
}

static void wake_with(struct fiber *fiber, enum wake reason)
{
    if (!fiber->is_parked)
        return;
    fiber->is_parked = false;
    fiber->wake = reason;
    make_ready(fiber);
}

void loop_wake(struct fiber *fiber)
{
    wake_with(fiber, WAKE_READY);
}

static void on_park_timeout(uv_timer_t *handle)
{
    wake_with(handle->data, WAKE_TIMEOUT);
}

enum wake loop_park(int64_t timeout_ms)
{
    struct fiber *fiber = fiber_current();
    ENSURE(fiber != NULL);
    if (timeout_ms >= 0) {
        if (!fiber->has_timer) {
            uv_timer_init(&loop.uv, fiber->timer);
            fiber->timer->data = fiber;
            fiber->has_timer = true;
        }
        uv_timer_start(fiber->timer, on_park_timeout, (uint64_t)timeout_ms, 0);
    }
    fiber->is_parked = true;
    fiber_leave();
    if (timeout_ms >= 0)
        uv_timer_stop(fiber->timer);
    return (enum wake)fiber->wake;
}

void loop_yield(void)
{
    struct fiber *fiber = fiber_current();
    ENSURE(fiber != NULL && !fiber->is_ready);
    fiber->is_ready = true;
    list_append(&loop.yielded, &fiber->link);
    uv_idle_start(&loop.no_wait, on_no_wait);
    fiber_leave();
}

static void unmap_closed(uv_handle_t *handle)
{
    fiber_unmap(handle->data);
}

void loop_give_back_stacks(void)
{
    struct fiber *fiber;
    fiber_find_surplus();
    while ((fiber = fiber_take_surplus()) != NULL) {
        if (fiber->has_timer)
            uv_close((uv_handle_t *)fiber->timer, unmap_closed);
        else
            fiber_unmap(fiber);
    }
}

/* -------------------- timers -------------------- */

static void on_timer(uv_timer_t *handle)
{
    struct timer *timer = handle->data;
    timer->on_time(timer);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void timer_start(struct timer *timer, int64_t delay_ms, timer_fn *on_time)
{
    if (timer->handle == NULL) {
        timer->handle = malloc(sizeof(*timer->handle));
        if (timer->handle == NULL)
            panic("out of memory for a timer");
        uv_timer_init(&loop.uv, timer->handle);
        timer->handle->data = timer;
    }
    timer->on_time = on_time;
    uv_timer_start(timer->handle, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

void timer_stop(struct timer *timer)
{
    if (timer->handle != NULL)
        uv_timer_stop(timer->handle);
}

void timer_fini(struct timer *timer)
{
    if (timer->handle != NULL)
        uv_close((uv_handle_t *)timer->handle, free_handle);
    timer->handle = NULL;
}

/* -------------------- flushes -------------------- */

void flush_init(struct flush *flush, flush_fn *fn, void *arg)
{
    *flush = (struct flush){.fn = fn, .arg = arg};
    list_init(&flush->link);
}

void loop_request_flush(struct flush *flush)
{
    if (list_is_empty(&flush->link))
        list_append(&loop.flushes, &flush->link);
}

/* -------------------- threads -------------------- */

void loop_set_threads(int64_t count)
{
    char text[NUMBER_TEXT_BYTES];
    number_format(count, text);
    ENSURE(setenv("UV_THREADPOOL_SIZE", text, true) == 0); /* read by libuv when the first work comes */
}

static void on_thread(uv_work_t *request)
{
    struct offload *offload = request->data;
    offload->work(offload->arg);
}

static void after_thread(uv_work_t *request, int status)
{
    (void)status;
    struct offload *offload = request->data;
    offload->is_done = true;
    loop_wake(offload->fiber);
    free(request);
}

bool offload_start(struct offload *offload, void (*work)(void *arg), void *arg)
{
    *offload = (struct offload){.work = work, .arg = arg, .fiber = fiber_current()};
    uv_work_t *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return false;
    request->data = offload;
    if (uv_queue_work(&loop.uv, request, on_thread, after_thread) == 0)
        return true;
    free(request);
    return false;
}

bool loop_offload(void (*work)(void *arg), void *arg)
{
    struct offload offload;
    if (!offload_start(&offload, work, arg))
        return false;
    while (!offload.is_done) /* another wake may come first, and the thread still uses this stack */
        loop_park(-1);
    return true;
}

struct own_thread {
    uv_async_t has_returned;
    uv_thread_t thread;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void on_own_thread(void *arg)
{
    struct own_thread *own = arg;
    own->work(own->arg);
    uv_async_send(&own->has_returned);
}

static size_t own_thread_count;

static void free_own_thread(uv_handle_t *handle)
{
    free(handle->data);
}

static void after_own_thread(uv_async_t *handle)
{
    struct own_thread *own = handle->data;
    own_thread_count--;
    uv_thread_join(&own->thread); /* it has only its return left, and still uses the handle until then */
    own->done(own->arg);
    uv_close((uv_handle_t *)handle, free_own_thread);
}

bool loop_start_thread(void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct own_thread *own = malloc(sizeof(*own));
    if (own == NULL)
        panic("out of memory for a thread");
    *own = (struct own_thread){.work = work, .done = done, .arg = arg};
    if (uv_async_init(&loop.uv, &own->has_returned, after_own_thread) != 0) {
        free(own);
        return false;
    }
    own->has_returned.data = own;
    if (uv_thread_create(&own->thread, on_own_thread, own) == 0) {
        own_thread_count++;
        return true;
    }
    uv_close((uv_handle_t *)&own->has_returned, free_own_thread);
    return false;
}

bool loop_has_threads(void)
{
    return own_thread_count > 0;
}
