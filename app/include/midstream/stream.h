/*
 * Streams: responses that are sent while they are made, as bytes, events or rows.
 */
#ifndef MIDSTREAM_STREAM_H
#define MIDSTREAM_STREAM_H

#include <stddef.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/*
 * A server that is to stop, or was replaced by one with new settings, lets handlers go on for half of the setting
 * drain-timeout-ms. Then the calls of this part and the next that would suspend, or send, return MID_DRAINING: return
 * it as any other error. Clients are told to come back: an event stream ends, without the event "end", after the event
 * "reconnect" with a `retry` time; rows after {"reconnect":true,"retry_ms":2000}; bytes are cut. What has no head yet
 * is answered with 503. After-response functions go on until the end of the timeout.
 */

/*
 * Sends the head and begins a stream; the session's cookie, if it has to be sent, goes out with it. May suspend.
 * MID_GONE: the client has left, or asked for the head only (HEAD): return, there is nothing to do. A handler that goes
 * on all the same gets MID_GONE from every call that sends; one that outlives its client (see below) gets MID_OK here,
 * too, if the client has left.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_stream_begin(struct mid_request *rq, int status, const char *content_type);

/*
 * Sends bytes at once. May suspend while the client is slow. MID_GONE: the client has left. MID_STALLED: it took
 * nothing for the setting stall-timeout-ms. MID_NO_HEAD: no stream has begun.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_stream_write(struct mid_request *rq, const void *data, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_stream_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/*
 * Server-sent events (WHATWG HTML, 9.2). Absent members are not sent. CR, LF and NUL cannot be smuggled in: `data` of
 * several lines becomes several data fields; an `id` or `name` with one of them is MID_UNPROCESSABLE. While nothing is
 * sent a comment goes out every heartbeat-ms. The stream ends with an event named "end"; a handler's error is told by
 * an event named "failed"; one named "reconnect" says that the server went away and the stream is to be asked for
 * again.
 *
 * EventSource opens its connection again whenever it ends, after a `retry` time that the first piece has told. After
 * "end" it is answered 204, which stops it, and the handler does not run. After anything else the handler runs again,
 * and mid_header(rq, "Last-Event-ID") is the id of the last event that has arrived, or NULL. Any status but 200 ends an
 * EventSource for good: so errors of 429, 503 and 504 leave as an event "reconnect" to a request that accepts
 * text/event-stream before all others.
 */
struct mid_event {
    const char *name;
    const char *id;
    const char *data;
    int retry_ms; /* 0: not sent */
};

/* Both may suspend. Errors as of mid_stream_begin() and mid_stream_write(). */
MID_PUBLIC MID_CHECK enum mid_error mid_events_begin(struct mid_request *rq);
MID_PUBLIC MID_CHECK enum mid_error mid_event_send(struct mid_request *rq, const struct mid_event *event);

/* The same with data that is formatted: by printf, or as JSON (see mid_respond_json()). The event's `data` is ignored.
 * May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_event_printf(struct mid_request *rq, const struct mid_event *event,
                                                     const char *format, ...) MID_FORMAT(3, 4);
MID_PUBLIC MID_CHECK enum mid_error mid_event_json(struct mid_request *rq, const struct mid_event *event,
                                                   const char *format, ...);

/*
 * Newline-delimited JSON (application/x-ndjson). The text is one JSON value without line breaks (MID_UNPROCESSABLE
 * otherwise). Blank lines are heartbeats. The stream ends with the row {"end":true}, or {"error":"..."} when the
 * handler fails, or {"reconnect":true,...} when the server goes away. Both may suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_rows_begin(struct mid_request *rq);
MID_PUBLIC MID_CHECK enum mid_error mid_row_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/* A row that is packed: see mid_respond_json(). May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_row_json(struct mid_request *rq, const char *format, ...);

/*
 * Carry on when the client leaves: what is sent afterwards is dropped with MID_OK, and sleeps are not cut short.
 * Without it (the default) the next call after the client has left returns MID_GONE, and sleeping calls wake with it.
 * MID_DRAINING comes all the same.
 */
MID_PUBLIC void mid_stream_outlive_client(struct mid_request *rq);

#ifdef __cplusplus
}
#endif

#endif
