/*
 * The response: its head, a whole body or pieces, its end. What a handler calls is in midstream.h; this is what the
 * stream room and the dispatcher use.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <stdbool.h>
#include <sys/uio.h>

#include "http/request.h"

/* Sets a field of the head, in the place of all of that name; adds one; sets one that is not there. The strings have to
 * be valid and to outlive the request. */
void response_set_field(struct mid_request *rq, const char *name, const char *value);
void response_add_field(struct mid_request *rq, const char *name, const char *value);
void response_set_default(struct mid_request *rq, const char *name, const char *value);

/* A Set-Cookie field ("name=value; Path=/") in the place of one of the same cookie. */
void response_set_cookie(struct mid_request *rq, const char *cookie);

/* The same for the application's: MID_HEAD_SENT, or MID_UNPROCESSABLE because the head would be too long. */
MID_CHECK enum mid_error response_put_cookie(struct mid_request *rq, const char *cookie);

/*
 * Runs the hook of the head, drops an unread body and sends the head. May suspend. To a HEAD it is the whole response,
 * and MID_GONE. An error of sending, MID_GONE or MID_STALLED, leaves the phase at RESPONSE_STREAMING: the stream has
 * begun and is broken; after one of the hook nothing has begun.
 */
MAY_SUSPEND MID_CHECK enum mid_error response_begin_stream(struct mid_request *rq, int status,
                                                           const char *content_type);

/* Sends a piece of a stream. May suspend. Errors as connection_send(). */
MAY_SUSPEND MID_CHECK enum mid_error response_send(struct mid_request *rq, const struct iovec parts[], int count);

/* Sends the last piece of a stream (`bytes` may be 0) and END_REQUEST, in one write. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error response_end_stream(struct mid_request *rq, const char *last, size_t bytes);

/* Sends the prepared response, in one write if it is small. May suspend. The hook has run. */
MAY_SUSPEND MID_CHECK enum mid_error response_send_prepared(struct mid_request *rq);

/* Replaces what was prepared by an error response, JSON or text as the client accepts. The session's fields of the head
 * stay. */
void response_prepare_error(struct mid_request *rq, enum mid_error error);

/* Cuts the connection, so that the client sees that the response is not complete. */
void response_abort(struct mid_request *rq);

#endif
