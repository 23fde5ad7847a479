/*
 * Server-sent events as bytes (WHATWG HTML, 9.2).
 */
#ifndef STREAM_SSE_H
#define STREAM_SSE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "midstream.h"

/* An id or a name with a line break would be a field of its own, so it is refused; so is a negative retry_ms. */
bool sse_event_is_valid(const struct mid_event *event);

/*
 * Appends a valid event. Absent members are not sent; each line of the data (ended by CR LF, CR or LF) becomes a data
 * field, so the client gets the lines joined by LF. Without `data` (NULL) the client takes note of the id and the retry
 * time but reports no event; with "" it reports one.
 */
void sse_format(struct buffer *out, const struct mid_event *event);

/* Appends a comment, which clients skip: for heartbeats. */
void sse_comment(struct buffer *out, const char *text);

#endif
