/*
 * The streams that this worker's sessions have open: how many each may have, so that one visitor does not take all that
 * there are, and who has to hear when a session has ended.
 */
#ifndef SESSION_STREAMS_H
#define SESSION_STREAMS_H

#include <stddef.h>

#include "session/session.h"

/* `on_begin` is called when the first of them begins, and for each after it; NULL: nobody wants to know. */
void streams_init(size_t streams_max, void (*on_begin)(void));

/* Counts one more stream of the session, until list_remove(&session->stream_link). MID_TOO_MANY, with a sentence. */
MID_CHECK enum mid_error streams_enter(struct mid_session *session);

/* Their sessions may have ended: each of those with this key, or all of them (NULL), looks at once. */
void streams_alarm(const char *key);

#endif
