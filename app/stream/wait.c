/*
 * Waiting: for time, a descriptor, or a thread. Whatever a handler waits for, its stream's heartbeats go out meanwhile,
 * and it wakes when the client leaves.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "stream/stream.h"

static int64_t earlier(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

/* The first long rest of a stream: give back the stack that reading the request and the session took. */
static void trim_once(struct mid_request *rq)
{
    if (rq->stream == NULL || rq->stream->has_rested)
        return;
    rq->stream->has_rested = true;
    fiber_trim_stack();
}

/* A fiber that waits here, whatever for. */
struct waiting {
    struct list link;
    struct fiber *fiber;
};

static struct list all_waiting = {&all_waiting, &all_waiting};

void stream_wake_waiting(void)
{
    for (struct list *link = all_waiting.next; link != &all_waiting; link = link->next)
        loop_wake(LIST_ELEMENT(link, struct waiting, link)->fiber);
}

static void park(struct mid_request *rq, int64_t timeout_ms)
{
    trim_once(rq);
    struct waiting waiting = {.fiber = fiber_current()};
    list_append(&all_waiting, &waiting.link);
    if (rq->is_after || request_is_gone(rq))
        loop_park(timeout_ms);
    else
        connection_wait(rq->fcgi.connection, timeout_ms);
    list_remove(&waiting.link);
}

/*
 * Suspends until *is_done (MID_OK), or `end_ms` on the loop's clock (MID_TIMEOUT; -1: none). MID_GONE: the client has
 * left, and the handler wants to know. MID_DRAINING: so has the worker to, soon.
 */
MAY_SUSPEND static enum mid_error wait_until(struct mid_request *rq, int64_t end_ms, const bool *is_done,
                                             bool minds_leaving)
{
    end_ms = earlier(end_ms, rq->deadline_ms);
    for (;;) {
        if (*is_done)
            return MID_OK;
        if (minds_leaving && rq->interruption != MID_OK)
            return rq->interruption;
        if (minds_leaving && !rq->outlives_client && request_is_gone(rq))
            return MID_GONE;
        if (minds_leaving && stream_must_end(rq))
            return MID_DRAINING;
        int64_t now_ms = loop_now_ms();
        if (end_ms >= 0 && now_ms >= end_ms)
            return MID_TIMEOUT;
        int64_t next_ms = earlier(end_ms, stream_heartbeat(rq));
        if (minds_leaving) {
            int64_t check_ms;
            MID_TRY(stream_check(rq, &check_ms));
            next_ms = earlier(earlier(next_ms, check_ms), stream_drain_ms(rq));
        }
        park(rq, next_ms < 0 ? -1 : next_ms > now_ms ? next_ms - now_ms : 0);
    }
}

enum mid_error mid_sleep_ms(struct mid_request *rq, int64_t ms)
{
    const bool never = false;
    int64_t end_ms = loop_now_ms() + (ms > 0 ? ms : 0);
    if (ms <= 0)
        loop_yield();
    enum mid_error error = wait_until(rq, end_ms, &never, true);
    bool was_cut = (rq->deadline_ms >= 0 && rq->deadline_ms < end_ms) || rq->interruption != MID_OK;
    return error == MID_TIMEOUT && !was_cut ? MID_OK : error;
}

/* -------------------- descriptors -------------------- */

struct fd_wait {
    struct watch watch; /* first: its events lead back here */
    struct fiber *fiber;
    bool has_event;
};

static void on_event(struct watch *watch, uint32_t events)
{
    (void)events;
    struct fd_wait *wait = LIST_ELEMENT(watch, struct fd_wait, watch);
    wait->has_event = true;
    loop_wake(wait->fiber);
}

enum mid_error mid_wait(struct mid_request *rq, int fd, short poll_events, int64_t timeout_ms)
{
    struct fd_wait wait = {.fiber = fiber_current()};
    uint32_t events = EPOLLONESHOT;
    if (poll_events & POLLIN)
        events |= EPOLLIN;
    if (poll_events & POLLOUT)
        events |= EPOLLOUT;
    if (!watch_start(&wait.watch, fd, events, on_event))
        return mid_fail(rq, MID_FAILED, "descriptor %d cannot be waited for: %s", fd, strerror(errno));
    enum mid_error error = wait_until(rq, timeout_ms < 0 ? -1 : loop_now_ms() + timeout_ms, &wait.has_event, true);
    watch_stop(&wait.watch);
    return error;
}

/* -------------------- threads -------------------- */

enum mid_error mid_offload(struct mid_request *rq, void (*work)(void *arg), void *arg)
{
    struct offload offload;
    if (!offload_start(&offload, work, arg))
        return mid_fail(rq, MID_FAILED, "no thread could be had");
    enum mid_error error = MID_OK;
    while (!offload.is_done) {
        error = wait_until(rq, -1, &offload.is_done, false);
        if (error != MID_OK) /* the deadline; but the thread still uses what the caller gave it */
            loop_park(-1);
    }
    return error;
}
