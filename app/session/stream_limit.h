/*
 * How many streams one session has open in this worker: one visitor may not take all that there are.
 */
#ifndef SESSION_STREAM_LIMIT_H
#define SESSION_STREAM_LIMIT_H

#include <stddef.h>

#include "session/session.h"

void stream_limit_init(size_t streams_max);

/* Counts one more stream of the session, until list_remove(&session->stream_link). MID_TOO_MANY, with a sentence. */
MID_CHECK enum mid_error stream_limit_enter(struct mid_session *session);

#endif
