/*
 * What this room answers by itself: management records, requests that cannot be served, and requests whose head no
 * handler gets to see. FastCGI 1.0, sections 4.1, 4.2 and 5.5.
 */
#ifndef FCGI_ANSWER_H
#define FCGI_ANSWER_H

#include <stdint.h>

#include "fcgi/connection.h"

/* FCGI_GET_VALUES_RESULT for those of the names in filter.values that are known. `requests_max` is FCGI_MAX_CONNS and
 * FCGI_MAX_REQS: each connection has one request at a time. May suspend. Errors as connection_send(). */
MAY_SUSPEND MID_CHECK enum mid_error answer_values(struct connection *connection, size_t requests_max);

/* FCGI_UNKNOWN_TYPE. */
MAY_SUSPEND MID_CHECK enum mid_error answer_unknown_type(struct connection *connection);

/* protocolStatus of END_REQUEST (5.5) */
enum { ANSWER_CANT_MPX_CONN = 1, ANSWER_UNKNOWN_ROLE = 3 };

/* Ends the request filter.refused_id with this status. */
MAY_SUSPEND MID_CHECK enum mid_error answer_refused(struct connection *connection, uint8_t protocol_status);

/* A whole response with this status line ("431 Request Header Fields Too Large") and a sentence, to the request whose
 * head is being read. */
MAY_SUSPEND MID_CHECK enum mid_error answer_status(struct connection *connection, const char *status,
                                                   const char *sentence);

#endif
