/*
 * Login and logout, and what they mean for the index of the user's sessions (user/index.h). See session.h.
 */
#include <string.h>

#include "http/request.h"
#include "session/limits.h"
#include "session/session.h"
#include "session/user_sessions.h"
#include "user/index.h"

/* Whoever meets the name of a session that is not there, or is another's, takes it away; so this may fail. */
MAY_SUSPEND static void leave_index(const struct mid_session *session, const char *user, bool is_gone)
{
    if (user != NULL && user[0] != '\0')
        user_index_leave(user, session->rid_text, is_gone, session_patience_ms(session));
}

enum mid_error mid_session_renew(struct mid_session *session, const char *user)
{
    const char *former = NULL;
    struct operation_text name = {user != NULL ? user : "", user != NULL ? strlen(user) : 0};
    if (session_is_over(session))
        return MID_ENDED;
    if (!session_can_send_cookie(session))
        return MID_HEAD_SENT;
    if (name.bytes > SESSION_USER_BYTES_MAX)
        return mid_fail(session->rq, MID_UNPROCESSABLE, "a user name has at most %d bytes", SESSION_USER_BYTES_MAX);
    session->other_sessions = 0;
    MID_TRY(session_ask(session, OPERATION_RENEW, "@user", name, 0, &former));
    session->must_send_cookie = true;
    if (former != NULL && strcmp(former, name.data) != 0)
        leave_index(session, former, false);
    user_sessions_end_excess(session, name.data);
    return MID_OK;
}

enum mid_error mid_session_destroy(struct mid_session *session)
{
    struct store_finding finding;
    if (session == NULL || session->lives_on)
        return MID_ENDED;
    if (session->state == SESSION_CLAIMED || session->state == SESSION_LIVE) {
        struct store_ending ending = {.patience_ms = session_patience_ms(session),
                                      .durability = request_durability(session->rq)};
        enum mid_error error = store_destroy(session->key, session->generation, session->state == SESSION_CLAIMED,
                                             session->fence, &ending, &finding);
        session_count(session, SESSION_ACTION_DESTROY, error);
        MID_TRY(error);
        leave_index(session, ending.user, true);
        bool is_gone =
            finding.verdict == STORE_OK || finding.verdict == STORE_MISSING || finding.verdict == STORE_LOGGED_OUT;
        if (!is_gone)
            MID_TRY(session_found(session, &finding)); /* MID_OK: there is none behind that cookie any more */
    }
    if (session->state == SESSION_ENDED) /* of which a load has heard; it may have been said by memory only */
        MID_TRY(session_confirm(session, session->heard_on));
    session_drop_changes(session);
    session->state = SESSION_ENDED;
    session->must_clear_cookie = session_can_send_cookie(session);
    list_remove(&session->stream_link); /* the stream that has ended it has its last words */
    session->rq->wait.is_alarmed = false;
    return MID_OK;
}
