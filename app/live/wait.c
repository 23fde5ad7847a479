/*
 * Waiting for somebody else's change of a session. See live.h.
 *
 * A wait is over when the record is newer than what this handle has read of it or has made of it itself. That is found
 * out from what is heard while there is a subscription; by looking at the record after subscribing, when something may
 * have been missed, and when the mark is renewed; and at heartbeats of a stream, which look in any case.
 */
#include "base/share.h"
#include "http/request.h"
#include "live/live.h"
#include "wait/wait.h"

enum {
    LOOK_AGAIN_MS = 500,   /* when Redis could not be asked */
    REGULAR_MS = 15000,    /* without a stream */
    MARK_PAUSE_MS = 10000, /* between two marks, at least */
};

/* -------------------- the request's watch -------------------- */

static void end_watch(void *arg)
{
    live_watch_end(arg);
}

static struct live_watch *watch_of(struct mid_session *session)
{
    if (session->watch == NULL) {
        session->watch = arena_alloc(&session->rq->arena, sizeof(*session->watch));
        live_watch_begin(session->watch, session);
        mid_defer(session->rq, end_watch, session->watch);
    }
    return session->watch;
}

/* -------------------- looking -------------------- */

/* When the mark has to be renewed, by Redis's clock; not all at once. */
static int64_t renewal_ms(const struct mid_session *session, int64_t now_ms)
{
    int64_t last_ms = header_watch_last_ms(&session->header, now_ms);
    return last_ms == 0 ? now_ms : last_ms + share_of(HEADER_WATCH_UNIT_MS / 2, session->watch->share);
}

/* When the record has to be looked at whatever is heard, on the loop's clock; -1: never. Where there is a stream with a
 * client, its heartbeats look. */
static int64_t look_again_ms(const struct mid_session *session)
{
    const struct live_watch *watch = session->watch;
    const struct mid_request *rq = session->rq;
    int64_t now_ms = store_unix_ms(session->key);
    int64_t mark_ms = loop_now_ms() + renewal_ms(session, now_ms) - now_ms;
    int64_t regular_ms = rq->stream == NULL || rq->client == NULL ? watch->looked_ms + REGULAR_MS : -1;
    if (!live_watch_is_heard(watch))
        return regular_ms;
    if (mark_ms < watch->looked_ms + MARK_PAUSE_MS) /* Redis's clock is not what we think */
        mark_ms = watch->looked_ms + MARK_PAUSE_MS;
    return wait_earlier(mark_ms, regular_ms);
}

static bool must_look(const struct mid_session *session)
{
    int64_t again_ms = look_again_ms(session);
    return session->watch->must_look || (again_ms >= 0 && again_ms <= loop_now_ms());
}

/* Marks the record, which tells how it is. */
MAY_SUSPEND static enum mid_error look(struct mid_session *session)
{
    struct store_finding finding;
    session->watch->must_look = false; /* what is missed from now on says so again */
    session->watch->looked_ms = loop_now_ms();
    MID_TRY(store_watch(session->key, session_patience_ms(session), &finding));
    return session_take_look(session, &finding);
}

static bool has_news(struct mid_session *session)
{
    return session_news(session, &session->header) != NEWS_NONE ||
           session->watch->heard_revision > session->read.revision;
}

/* A revision that was heard of and is not there, as after a failover, is forgotten; one that is heard of meanwhile is
 * not. */
MAY_SUSPEND static enum mid_error read_again(struct mid_session *session)
{
    int64_t heard = session->watch->heard_revision;
    MID_TRY(session_load_again(session));
    if (session->watch->heard_revision == heard)
        session->watch->heard_revision = session->read.revision;
    return session->state == SESSION_LIVE ? MID_OK : MID_ENDED;
}

/* One step: MID_OK with *has_changed. MID_UNAVAILABLE, MID_OVERLOADED: Redis could not be asked. */
MAY_SUSPEND static enum mid_error step(struct mid_session *session, bool *has_changed)
{
    *has_changed = false;
    session->is_behind = false;
    if (session->state != SESSION_LIVE)
        return MID_ENDED;
    if (must_look(session))
        MID_TRY(look(session));
    if (!has_news(session))
        return MID_OK;
    MID_TRY(read_again(session));
    *has_changed = true;
    return MID_OK;
}

/* -------------------- waiting -------------------- */

enum mid_error live_rest(struct mid_request *rq, const bool *is_behind, int64_t end_ms, int64_t again_ms)
{
    enum mid_error error = wait_for_flag(rq, is_behind, wait_earlier(end_ms, again_ms));
    bool is_over = (end_ms >= 0 && loop_now_ms() >= end_ms) ||
                   (rq->wait.deadline_ms >= 0 && loop_now_ms() >= rq->wait.deadline_ms);
    return error == MID_TIMEOUT && !is_over && rq->wait.interruption == MID_OK ? MID_OK : error;
}

/* The time is over. Who hears of nothing has not looked yet. */
MAY_SUSPEND static enum mid_error look_at_last(struct mid_session *session, int64_t begun_ms)
{
    bool has_changed;
    if (live_watch_is_heard(session->watch) || session->watch->looked_ms > begun_ms)
        return MID_TIMEOUT;
    session->watch->must_look = true;
    enum mid_error error = step(session, &has_changed);
    bool is_timeout = error == MID_OK || error == MID_UNAVAILABLE || error == MID_OVERLOADED;
    return has_changed || !is_timeout ? error : MID_TIMEOUT;
}

MAY_SUSPEND static enum mid_error wait_for_change(struct mid_session *session, int64_t end_ms)
{
    for (;;) {
        bool has_changed;
        enum mid_error error = step(session, &has_changed);
        if (has_changed)
            return MID_OK;
        int64_t again_ms = look_again_ms(session);
        if (error == MID_UNAVAILABLE || error == MID_OVERLOADED) {
            session->watch->must_look = true;
            session->is_behind = false;
            again_ms = loop_now_ms() + LOOK_AGAIN_MS;
        } else if (error != MID_OK) {
            return error;
        }
        MID_TRY(live_rest(session->rq, &session->is_behind, end_ms, again_ms));
    }
}

enum mid_error mid_session_wait(struct mid_session *session, int64_t timeout_ms)
{
    int64_t end_ms = timeout_ms < 0 ? -1 : loop_now_ms() + timeout_ms;
    if (session_is_over(session))
        return MID_ENDED;
    MID_TRY(session_stand(session));
    watch_of(session);
    int64_t begun_ms = loop_now_ms();
    enum mid_error error = wait_for_change(session, end_ms);
    if (error == MID_TIMEOUT)
        error = look_at_last(session, begun_ms);
    if (error == MID_OK)
        live_count_wake();
    return error;
}
