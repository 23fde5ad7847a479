/* Telling clients to come back: when, and how. See stream.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/response.h"
#include "stream/stream.h"

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
        connection_await_taken(rq->client); /* or the cut may overtake it */
    response_abort(rq);
}
