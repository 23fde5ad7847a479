/* Server-sent events, as handlers send them. The bytes are sse.c's. */
#include "stream/sse.h"
#include "stream/stream.h"

enum mid_error mid_events_begin(struct mid_request *rq)
{
    return stream_begin(rq, 200, "text/event-stream", STREAM_EVENTS);
}

enum mid_error mid_event_send(struct mid_request *rq, const struct mid_event *event)
{
    if (!sse_event_is_valid(event))
        return mid_fail(rq, MID_UNPROCESSABLE,
                        "an event's name and id may not have line breaks, nor its retry be negative");
    struct buffer piece = stream_take_buffer();
    sse_format(&piece, event);
    enum mid_error error = stream_send(rq, piece.data, piece.length);
    stream_give_buffer(&piece);
    return error;
}
