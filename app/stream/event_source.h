/*
 * Clients of server-sent events, which open their connection again by themselves: EventSource (WHATWG HTML, 9.2).
 *
 * It does so, after the stream's `retry` time, when a response with the status 200 ends, however that ends, and when
 * the connection fails. Any other status ends it for good. So a stream that is over answers its next request with 204,
 * and what is unavailable for a while says so with 200 (docs/adr/0011-event-sources.md).
 */
#ifndef STREAM_EVENT_SOURCE_H
#define STREAM_EVENT_SOURCE_H

#include "http/request.h"

/* The id of the event "end", by which a client that comes back after it is known. */
#define EVENT_SOURCE_END_ID "midstream-end"

/* The client has had the event "end": there is nothing more for it. */
bool event_source_is_done(const struct mid_request *rq);

/* Such a client, and an error that will be over in a while. */
bool event_source_may_return(const struct mid_request *rq, enum mid_error error);

/* Makes the response one that tells the client to come back, in the place of what was prepared. */
void event_source_prepare_return(struct mid_request *rq, enum mid_error error);

#endif
