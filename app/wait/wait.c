/* Waiting. See wait.h. */
#include "wait/wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/list.h"
#include "fiber/loop.h"

/* A fiber that waits here, whatever for. */
struct waiting {
    struct list link;
    struct fiber *fiber;
};

static struct list all_waiting = {&all_waiting, &all_waiting};

void wait_begin_drain(const struct drain_times *times)
{
    drain_set_times(times);
    for (struct list *link = all_waiting.next; link != &all_waiting; link = link->next)
        loop_wake(LIST_ELEMENT(link, struct waiting, link)->fiber);
}

MAY_SUSPEND static void park(struct mid_request *rq, int64_t timeout_ms)
{
    struct waiting waiting = {.fiber = fiber_current()};
    list_append(&all_waiting, &waiting.link);
    rq->wait.fiber = waiting.fiber;
    if (rq->client == NULL || request_is_gone(rq))
        loop_park(timeout_ms);
    else
        connection_wait(rq->client, timeout_ms);
    rq->wait.fiber = NULL;
    list_remove(&waiting.link);
}

/* What a request waits for, beside what its policy says. */
struct wish {
    const bool *is_done;
    int64_t end_ms;     /* on the loop's clock; -1: none */
    bool minds_leaving; /* of the client, and of the worker */
};

/* Whether it need not wait (any more), and the error to return then. */
static bool is_over(struct mid_request *rq, const struct wish *wish, enum mid_error *error)
{
    const struct wait_policy *policy = &rq->wait;
    if (*wish->is_done)
        *error = MID_OK;
    else if (wish->minds_leaving && policy->interruption != MID_OK)
        *error = policy->interruption;
    else if (wish->minds_leaving && !policy->outlives_client && request_is_gone(rq))
        *error = MID_GONE;
    else if (wish->minds_leaving && drain_is_due(rq))
        *error = MID_DRAINING;
    else if (wish->end_ms >= 0 && loop_now_ms() >= wish->end_ms)
        *error = MID_TIMEOUT;
    else
        return false;
    return true;
}

/*
 * Suspends until the wish is done (MID_OK), or its end (MID_TIMEOUT). MID_GONE: the client has disconnected, and the
 * handler wants to know. MID_DRAINING: so has the worker to, soon.
 */
MAY_SUSPEND static enum mid_error wait_until(struct mid_request *rq, const struct wish *wish)
{
    enum mid_error error;
    while (!is_over(rq, wish, &error)) {
        int64_t next_ms = wish->end_ms;
        if (rq->wait.attend != NULL) {
            int64_t attend_ms;
            MID_TRY(rq->wait.attend(rq, wish->minds_leaving, &attend_ms));
            if (is_over(rq, wish, &error)) /* it may have suspended, and taken the wake */
                break;
            next_ms = wait_earlier(next_ms, attend_ms);
        }
        if (wish->minds_leaving) /* the worker may have begun to drain meanwhile */
            next_ms = wait_earlier(next_ms, drain_turn_ms(rq));
        int64_t now_ms = loop_now_ms();
        park(rq, next_ms < 0 ? -1 : next_ms > now_ms ? next_ms - now_ms : 0);
    }
    return error;
}

/* `end_ms` as a wish's; but no request waits beyond its deadline. */
MAY_SUSPEND static enum mid_error wait_for(struct mid_request *rq, const bool *is_done, int64_t end_ms,
                                           bool minds_leaving)
{
    return wait_until(rq, &(struct wish){.is_done = is_done,
                                         .end_ms = wait_earlier(end_ms, rq->wait.deadline_ms),
                                         .minds_leaving = minds_leaving});
}

enum mid_error wait_for_flag(struct mid_request *rq, const bool *is_done, int64_t end_ms)
{
    return wait_for(rq, is_done, end_ms, true);
}

enum mid_error mid_sleep_ms(struct mid_request *rq, int64_t ms)
{
    const bool never = false;
    int64_t end_ms = loop_now_ms() + (ms > 0 ? ms : 0);
    if (ms <= 0)
        loop_yield();
    enum mid_error error = wait_for(rq, &never, end_ms, true);
    bool was_cut = (rq->wait.deadline_ms >= 0 && rq->wait.deadline_ms < end_ms) || rq->wait.interruption != MID_OK;
    return error == MID_TIMEOUT && !was_cut ? MID_OK : error;
}

/* -------------------- descriptors -------------------- */

enum mid_error mid_wait(struct mid_request *rq, int fd, short poll_events, int64_t timeout_ms)
{
    struct fd_wait wait;
    uint32_t events = 0;
    if (poll_events & POLLIN)
        events |= EPOLLIN;
    if (poll_events & POLLOUT)
        events |= EPOLLOUT;
    if (!fd_wait_start(&wait, fd, events))
        return mid_fail(rq, MID_FAILED, "cannot wait for descriptor %d: %s", fd, strerror(errno));
    enum mid_error error = wait_for(rq, &wait.has_event, timeout_ms < 0 ? -1 : loop_now_ms() + timeout_ms, true);
    fd_wait_stop(&wait);
    return error;
}

/* -------------------- threads -------------------- */

enum mid_error mid_offload(struct mid_request *rq, void (*work)(void *arg), void *arg)
{
    struct offload offload;
    if (!offload_start(&offload, work, arg))
        return mid_fail(rq, MID_FAILED, "no thread could be created");
    enum mid_error error = MID_OK;
    while (!offload.is_done) {
        error = wait_for(rq, &offload.is_done, -1, false);
        if (error != MID_OK) /* the deadline; but the thread still uses what the caller gave it */
            loop_park(-1);
    }
    return error;
}
