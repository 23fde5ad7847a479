/*
 * Streams of a worker that goes away (docs/adr/0008-drain.md): when each is told, and how.
 *
 * Turns are shared out by the golden ratio: however many there are, they lie evenly over the time, and no request needs
 * to know of the others.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/response.h"
#include "stream/stream.h"

static struct stream_drain drain;
static bool is_draining;
static int64_t reconnect_ms; /* a mean */

/* A share of the whole, as a fraction of 2^32; never 0. */
static uint32_t next_share(void)
{
    static const uint32_t golden = 0x9E3779B9;
    static uint32_t share;
    if (share == 0)
        share = (uint32_t)getpid() * golden; /* the workers of a pool begin at different places */
    share += golden;
    return share | 1;
}

static int64_t part_of(int64_t whole, uint32_t share)
{
    return (int64_t)(((uint64_t)whole * share) >> 32);
}

void stream_configure_reconnect(int64_t mean_ms)
{
    reconnect_ms = mean_ms;
}

int64_t stream_retry_ms(void)
{
    return reconnect_ms / 2 + part_of(reconnect_ms, next_share());
}

void streams_drain(const struct stream_drain *stream_drain)
{
    drain = *stream_drain;
    is_draining = true;
    stream_wake_waiting();
}

int64_t stream_drain_ms(struct mid_request *rq)
{
    if (!is_draining || rq->is_after)
        return -1;
    if (rq->drain_share == 0)
        rq->drain_share = next_share();
    return drain.from_ms + part_of(drain.spread_ms, rq->drain_share);
}

bool stream_must_end(struct mid_request *rq)
{
    int64_t drain_ms = stream_drain_ms(rq);
    return drain_ms >= 0 && loop_now_ms() >= drain_ms;
}

/*
 * An event stream is a connection that the client opens again whenever it ends (WHATWG HTML, 9.2.3), so nobody takes
 * its end for the end of the matter: that is what the event "end" says. Other formats end when they are complete; they
 * have to be cut, for clients that look no further than HTTP.
 */
void stream_reconnect(struct mid_request *rq)
{
    char piece[96];
    int length = 0;
    int64_t retry_ms = stream_retry_ms();
    if (rq->stream->format == STREAM_EVENTS)
        length =
            snprintf(piece, sizeof(piece), "retry: %" PRId64 "\nevent: reconnect\ndata: {\"retry_ms\":%" PRId64 "}\n\n",
                     retry_ms, retry_ms);
    else if (rq->stream->format == STREAM_ROWS)
        length = snprintf(piece, sizeof(piece), "{\"reconnect\":true,\"retry_ms\":%" PRId64 "}\n", retry_ms);

    bool is_told = stream_send_last(rq, piece, (size_t)length) == MID_OK && !rq->stream->is_broken;
    bool may_end = is_told && !request_is_gone(rq) && rq->stream->format == STREAM_EVENTS;
    if (may_end && response_end_stream(rq, "", 0) == MID_OK)
        return;
    if (is_told && length > 0 && !request_is_gone(rq))
        connection_await_taken(rq->fcgi.connection); /* or the cut may overtake it */
    response_abort(rq);
}
