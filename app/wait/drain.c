/* When the requests of a worker that drains are told. See drain.h. */
#include "wait/drain.h"

#include "base/share.h"
#include "fiber/loop.h"

static struct drain_times times;
static bool is_draining;

void drain_set_times(const struct drain_times *drain_times)
{
    times = *drain_times;
    is_draining = true;
}

int64_t drain_turn_ms(struct mid_request *rq)
{
    if (!is_draining || rq->client == NULL)
        return -1;
    if (rq->wait.drain_share == 0)
        rq->wait.drain_share = share_next();
    return times.from_ms + share_of(times.spread_ms, rq->wait.drain_share);
}

bool drain_is_due(struct mid_request *rq)
{
    int64_t turn_ms = drain_turn_ms(rq);
    return turn_ms >= 0 && loop_now_ms() >= turn_ms;
}
