/*
 * Which session a request has, what is done with it at the turns of the response, login and logout. See session.h.
 */
#include "session/session.h"

#include <string.h>

#include "http/request.h"
#include "http/response.h"
#include "session/cookie.h"
#include "session/limits.h"
#include "session/streams.h"
#include "session/user_sessions.h"

enum { END_LOOK_MS = 50 };

struct session_limits session_limits;

void session_init(const struct session_settings *settings)
{
    session_limits.head_timeout_ms = settings->head_timeout_ms;
    session_limits.commit_timeout_ms = settings->commit_timeout_ms;
    session_cookie_init(&settings->cookie);
    store_init(&settings->store);
    commit_init();
    if (settings->counts != NULL)
        session_counts_use(settings->counts);
    streams_init(settings->streams_max, settings->on_stream);
}

/* -------------------- at the turns of a response -------------------- */

/* Before the head: the session exists when its cookie is sent, and a whole response shows what is stored. */
MAY_SUSPEND static enum mid_error before_head(struct mid_request *rq, bool is_stream)
{
    struct mid_session *session = rq->session;
    if (is_stream && rq->is_head) { /* nothing begins */
        session_put_cookie(session);
        return MID_OK;
    }
    if (is_stream && session->state == SESSION_CLAIMED)
        MID_TRY(session_load(session));
    if (is_stream && session->state == SESSION_ABSENT && session->is_in_use)
        MID_TRY(session_create(session));
    if (is_stream && session->is_in_use)
        MID_TRY(streams_enter(session));
    if (!is_stream)
        MID_TRY(session_is_dirty(session) ? mid_session_commit(session) : MID_OK);
    if (!is_stream)
        user_sessions_keep_if_due(session);
    response_set_default(rq, "Cache-Control", "no-store"); /* it may show what is this visitor's alone */
    session_put_cookie(session);
    return MID_OK;
}

/* What the handler has committed stays committed: a new visitor's session, a login, a logout. */
static void before_error(struct mid_request *rq)
{
    session_put_cookie(rq->session);
}

MAY_SUSPEND static enum mid_error before_end(struct mid_request *rq)
{
    rq->session->is_at_end = true;
    MID_TRY(session_is_dirty(rq->session) ? mid_session_commit(rq->session) : MID_OK);
    user_sessions_keep_if_due(rq->session);
    return MID_OK;
}

/* A stream that only waits learns here that its session was ended by somebody else; with Redis away, it waits on. */
MAY_SUSPEND static enum mid_error still_wanted(struct mid_request *rq)
{
    struct mid_session *session = rq->session;
    struct store_finding finding;
    user_sessions_keep_if_due(session);
    if (session->state != SESSION_LIVE)
        return session->state == SESSION_ENDED && session->is_in_use ? MID_ENDED : MID_OK;
    session->is_look_due = store_look(session->key, &finding) != MID_OK;
    if (session->is_look_due)
        return MID_OK;
    return session_take_look(session, &finding);
}

/* Soon, when the last look had no answer; right after its end, for Redis's clock is known to some milliseconds. */
static int64_t look_at_ms(const struct mid_request *rq)
{
    const struct mid_session *session = rq->session;
    if (session->state != SESSION_LIVE || !session->has_header)
        return -1;
    if (session->is_look_due)
        return loop_now_ms();
    int64_t left_ms = store_end_ms(&session->header) - store_unix_ms(session->key);
    return loop_now_ms() + left_ms + END_LOOK_MS;
}

/* -------------------- which session -------------------- */

static struct mid_session *session_of(struct mid_request *rq)
{
    if (rq->session == NULL) {
        struct mid_session *session = session_new(rq);
        rq->session = session;
        rq->hooks = (struct request_hooks){.before_head = before_head,
                                           .before_error = before_error,
                                           .before_end = before_end,
                                           .still_wanted = still_wanted,
                                           .look_at_ms = look_at_ms};
        session_read_cookie(session);
    }
    return rq->session;
}

void mid_allow_missing_origin(struct mid_request *rq)
{
    rq->allows_missing_origin = true;
}

/* A cookie that a browser added may have been added for another site (cross-site request forgery). */
static enum mid_error refuse_missing_origin(struct mid_request *rq)
{
    if (!rq->is_origin_missing || rq->allows_missing_origin || !session_cookie_was_sent(rq))
        return MID_OK;
    return mid_fail(rq, MID_FORBIDDEN,
                    "a %s with a session cookie needs an Origin or Sec-Fetch-Site header, as browsers send it",
                    rq->method);
}

/* One that another site has caused would use the visitor's session, or, having come without its cookie, replace it. */
static enum mid_error refuse_elsewhere(struct mid_request *rq)
{
    return rq->is_from_elsewhere ? mid_fail(rq, MID_FORBIDDEN, "a request from another site has no session here")
                                 : MID_OK;
}

/* A session that is first used in the middle of a stream is from then on among those with one. */
static enum mid_error enter_late(struct mid_session *session)
{
    bool is_late = session->rq->response.phase == RESPONSE_STREAMING && list_is_empty(&session->stream_link);
    return is_late && !session_is_over(session) ? streams_enter(session) : MID_OK;
}

enum mid_error mid_session_open(struct mid_request *rq, struct mid_session **session)
{
    if (rq->open_session != NULL) /* a task's: it has no cookie */
        return rq->open_session(rq, session);
    MID_TRY(refuse_elsewhere(rq));
    MID_TRY(refuse_missing_origin(rq));
    struct mid_session *opened = session_of(rq);
    if (opened->state == SESSION_ABSENT && !session_can_send_cookie(opened))
        return MID_HEAD_SENT;
    MID_TRY(enter_late(opened));
    opened->is_in_use = true;
    *session = opened;
    return MID_OK;
}

enum mid_error mid_session_find(struct mid_request *rq, struct mid_session **session)
{
    if (rq->open_session != NULL) {
        enum mid_error error = rq->open_session(rq, session);
        if (error == MID_NOT_FOUND || error == MID_ENDED)
            *session = NULL;
        return error == MID_NOT_FOUND || error == MID_ENDED ? MID_OK : error;
    }
    if (rq->is_from_elsewhere) {
        *session = NULL;
        return MID_OK;
    }
    MID_TRY(refuse_missing_origin(rq));
    struct mid_session *found = session_of(rq);
    enum mid_error error = found->state == SESSION_CLAIMED ? session_load(found) : MID_OK;
    if (error != MID_ENDED) /* a cookie from before the login shows nothing, and changes nothing */
        MID_TRY(error);
    rq->error_detail = NULL;
    if (found->state == SESSION_LIVE)
        MID_TRY(enter_late(found));
    found->is_in_use = found->is_in_use || found->state == SESSION_LIVE;
    *session = found->state == SESSION_LIVE ? found : NULL;
    return MID_OK;
}
