/*
 * Waiting: for time, a descriptor, or a thread. What handlers call (mid_sleep_ms(), mid_wait(), mid_offload()) is in
 * midstream.h.
 *
 * Whatever a request waits for, it wakes when its client leaves, when its deadline has come, when it is interrupted
 * and when the worker drains; and its stream is attended to meanwhile. What of this counts for a request is its
 * `struct wait_policy` (http/request.h).
 */
#ifndef WAIT_WAIT_H
#define WAIT_WAIT_H

#include "wait/drain.h"

/* Of two moments, the one that comes first; -1 is never. */
static inline int64_t wait_earlier(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

/* The worker drains: who waits now hears of it, too. */
void wait_begin_drain(const struct drain_times *times);

/*
 * Suspends until `*is_done`, which is looked at whenever the fiber in rq->wait.fiber is woken, or until `end_ms` on the
 * loop's clock (-1: none), but not beyond the request's deadline: MID_OK, MID_TIMEOUT. MID_GONE, MID_DRAINING, what a
 * task was interrupted with, or MID_ENDED when the stream's session is over.
 */
MAY_SUSPEND MID_CHECK enum mid_error wait_for_flag(struct mid_request *rq, const bool *is_done, int64_t end_ms);

#endif
