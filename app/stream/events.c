/* Server-sent events, as handlers send them. The bytes are sse.c's. */
#include "http/json.h"
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

/* Sends the event with this text, which is given back. */
MAY_SUSPEND static enum mid_error send_with(struct mid_request *rq, const struct mid_event *event, struct buffer *text)
{
    struct mid_event whole = *event;
    buffer_append(text, "", 1);
    whole.data = text->data;
    enum mid_error error = mid_event_send(rq, &whole);
    buffer_fini(text);
    return error;
}

enum mid_error mid_event_printf(struct mid_request *rq, const struct mid_event *event, const char *format, ...)
{
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    return send_with(rq, event, &text);
}

enum mid_error mid_event_json(struct mid_request *rq, const struct mid_event *event, const char *format, ...)
{
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    enum mid_error error = json_pack_append(rq, &text, format, arguments);
    va_end(arguments);
    if (error == MID_OK)
        return send_with(rq, event, &text);
    buffer_fini(&text);
    return error;
}
