/*
 * Login and logout, and what they mean for the index of the user's sessions (user/index.h). See session.h.
 */
#include <string.h>

#include "http/request.h"
#include "session/limits.h"
#include "session/session.h"
#include "session/user_sessions.h"
#include "user/index.h"

enum { CLOCKS_APART_MS = 5000 };

enum mid_error mid_require_login(struct mid_request *rq, int64_t max_age_ms, const char **user)
{
    struct mid_session *session;
    struct mid_session_info info = {.user = NULL};
    if (user != NULL)
        *user = NULL;
    MID_TRY(mid_session_find(rq, &session));
    if (session == NULL && rq->session != NULL && rq->session->lives_on)
        return session_fail_ended(rq);
    if (session != NULL)
        MID_TRY(mid_session_info(session, &info));
    if (info.user == NULL)
        return mid_fail(rq, MID_UNAUTHORIZED, "nobody is logged in");
    int64_t age_ms = store_unix_ms(session->key) - info.renewed_ms;
    bool is_of_later = age_ms < -CLOCKS_APART_MS; /* by the clock of a Redis that is not the master any more */
    if (max_age_ms != -1 && (age_ms > max_age_ms || is_of_later))
        return mid_fail(rq, MID_UNAUTHORIZED, "the last login was too long ago for this; log in again");
    if (user != NULL)
        *user = info.user;
    return MID_OK;
}

/* Whoever meets the name of a session that is not there, or is another's, takes it away; so this may fail. */
MAY_SUSPEND static void leave_index(const struct mid_session *session, const char *user, bool is_gone)
{
    if (user != NULL && user[0] != '\0')
        user_index_leave(user, session->rid_text, is_gone, session_patience_ms(session));
}

enum mid_error mid_user_begin_login(struct mid_session *session, const char *user)
{
    if (session_is_over(session))
        return MID_ENDED;
    size_t bytes = user != NULL ? strlen(user) : 0;
    if (bytes == 0 || bytes > SESSION_USER_BYTES_MAX)
        return mid_fail(session->rq, MID_UNPROCESSABLE, "a user name has 1 to %d bytes", SESSION_USER_BYTES_MAX);
    return user_index_begin(user, session_patience_ms(session), &session->login_begun);
}

/* Of a login that was stored; `former` is who was logged in before, as far as that is known. */
MAY_SUSPEND static void settle_index(struct mid_session *session, const char *former, const char *user, int64_t number)
{
    if (former != NULL && strcmp(former, user) != 0)
        leave_index(session, former, false);
    if (user[0] == '\0')
        return;
    user_index_confirm(user, session->rid_text, number, session_patience_ms(session));
    user_sessions_end_excess(session, user);
    session->other_sessions = 0;
}

enum mid_error mid_session_renew(struct mid_session *session, const char *user)
{
    char name[STORE_USER_BYTES]; /* what was passed may be a value of the session */
    const char *former = NULL;
    size_t bytes = user != NULL ? strlen(user) : 0;
    if (session_is_over(session))
        return MID_ENDED;
    if (bytes > SESSION_USER_BYTES_MAX)
        return mid_fail(session->rq, MID_UNPROCESSABLE, "a user name has at most %d bytes", SESSION_USER_BYTES_MAX);
    memcpy(name, user != NULL ? user : "", bytes + 1);
    session->login_number = 0;
    MID_TRY(session_ask(session, OPERATION_RENEW, "@user", (struct operation_text){name, bytes}, 0, &former));
    if (session->state != SESSION_LIVE)
        return MID_ENDED;
    session->login_begun = 0;
    if (!session_can_send_cookie(session)) /* the user is the same, whom the index has named at the login */
        return MID_OK;
    settle_index(session, former, name, session->login_number);
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
    session_end_own(session);
    return MID_OK;
}
