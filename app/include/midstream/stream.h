/*
 * Streams: responses that are sent while they are produced, as bytes, events or rows.
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
 * When a worker stops or is replaced during a reload, handlers continue for half of the setting drain-timeout-ms. After
 * that, calls of this header and midstream/wait.h that would suspend or send return MID_DRAINING; return it like any
 * other error. Clients are told to reconnect: an event stream ends with the event "reconnect" and a `retry` time
 * instead of "end"; rows end with {"reconnect":true,"retry_ms":2000} and are truncated, as byte streams are. Requests
 * without a head get 503. After-response functions continue until the end of the timeout.
 */

/*
 * Sends the head, with the session cookie if it has to be sent, and begins a stream. May suspend. MID_GONE: the client
 * has disconnected, or the request is a HEAD; return. If the handler continues, every call that sends returns MID_GONE.
 * A handler that outlives its client (see below) gets MID_OK if the client has disconnected.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_stream_begin(struct mid_request *rq, int status, const char *content_type);

/*
 * Sends bytes immediately. May suspend while the client is slow. MID_GONE: the client has disconnected. MID_STALLED: it
 * has received nothing for stall-timeout-ms. MID_NO_HEAD: no stream has begun.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_stream_write(struct mid_request *rq, const void *data, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_stream_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/*
 * Server-sent events (WHATWG HTML, 9.2). Members that are NULL are not sent. `data` with line breaks is sent as several
 * data fields; an `id` or `name` with CR, LF or NUL is MID_UNPROCESSABLE. While nothing else is sent, a comment is sent
 * every heartbeat-ms. A complete stream ends with an event named "end". If the handler fails, the last event is named
 * "failed"; if the server stops, it is named "reconnect", and the client should request the stream again.
 *
 * EventSource reconnects whenever its connection ends, after the `retry` time sent at the beginning. After "end" the
 * runtime answers 204, which stops it, without calling the handler. Otherwise the handler is called again, and
 * mid_header(rq, "Last-Event-ID") is the id of the last event received, or NULL. Any status other than 200 stops an
 * EventSource permanently, so errors with status 429, 503 and 504 are sent as an event "reconnect" to clients that
 * prefer text/event-stream.
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

/* The same with formatted data: as printf, or as JSON (see mid_respond_json()). The event's `data` is ignored. May
 * suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_event_printf(struct mid_request *rq, const struct mid_event *event,
                                                     const char *format, ...) MID_FORMAT(3, 4);
MID_PUBLIC MID_CHECK enum mid_error mid_event_json(struct mid_request *rq, const struct mid_event *event,
                                                   const char *format, ...);

/*
 * Newline-delimited JSON (application/x-ndjson). The text is one JSON value without line breaks (MID_UNPROCESSABLE
 * otherwise). Empty lines are heartbeats. A complete stream ends with the row {"end":true}. If the handler fails, the
 * last row is {"error":"..."}; if the server stops, it is {"reconnect":true,...}. Both may suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_rows_begin(struct mid_request *rq);
MID_PUBLIC MID_CHECK enum mid_error mid_row_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/* A row in the format of mid_respond_json(). May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_row_json(struct mid_request *rq, const char *format, ...);

/*
 * Continue when the client disconnects: what is sent afterwards is discarded with MID_OK, and sleeps are not
 * interrupted. By default the next call after the client has disconnected returns MID_GONE, and sleeping calls are
 * woken. MID_DRAINING is returned in any case.
 */
MID_PUBLIC void mid_stream_outlive_client(struct mid_request *rq);

#ifdef __cplusplus
}
#endif

#endif
