/*
 * The sessions of a user: what handlers call is in midstream/user.h; this is what the room and the command line use.
 */
#ifndef SESSION_USER_SESSIONS_H
#define SESSION_USER_SESSIONS_H

#include "session/session.h"

/* After a login: the oldest sessions of the user end, as many as he has too many. Errors are left to the next login. */
MAY_SUSPEND void user_sessions_end_excess(struct mid_session *session, const char *user);

/* Names of sessions that are gone are taken away, some of the oldest. Returns how many went. */
MAY_SUSPEND size_t user_sessions_clean(struct mid_session *session, const char *user);

/* The session was touched: the index of its user's names it, or it ends, when it should have before. */
MAY_SUSPEND void user_sessions_keep(struct mid_session *session);
MAY_SUSPEND void user_sessions_keep_if_due(struct mid_session *session);

/* A session by its id, whoever's it is. MID_BAD_REQUEST: not an id. */
MAY_SUSPEND MID_CHECK enum mid_error user_sessions_summarize(struct mid_request *rq, const char *id,
                                                             struct store_summary *summary);
MAY_SUSPEND MID_CHECK enum mid_error user_sessions_end_any(struct mid_request *rq, const char *id, int64_t *ended);

#endif
