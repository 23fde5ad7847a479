/*
 * The session as JSON, as two routes give it.
 */
#ifndef ROUTES_SESSION_JSON_H
#define ROUTES_SESSION_JSON_H

#include <jansson.h>

#include "midstream.h"

/* null for a session that is NULL. The value is the caller's. May suspend. Errors of mid_session_info(). */
enum mid_error session_json(struct mid_session *session, json_t **value);

#endif
