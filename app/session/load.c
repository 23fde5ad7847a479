/*
 * Sessions: from Redis into the view; of a large one, only what is asked for. See session.h.
 */
#include "base/clock.h"
#include "http/origin.h"
#include "http/request.h"
#include "session/known_headers.h"
#include "session/limits.h"
#include "session/session.h"
#include "session/user_sessions.h"

/* The visitor is there: once in a while that renews the idle lifetime. Errors do not matter: his next request does it.
 */
MAY_SUSPEND static void touch_if_due(struct mid_session *session)
{
    struct store_finding finding;
    if (!session_is_activity(session) || !store_must_touch(session->key, &session->header))
        return;
    session->header.touched_ms = clock_unix_ms(); /* not at every read, should it fail */
    if (store_touch(session->key, session_patience_ms(session), &finding) != MID_OK || finding.verdict != STORE_OK)
        return;
    session_take_header(session, &finding);
    user_sessions_keep(session);
}

/* What was read is this session's, as this handle may see it. */
static enum store_verdict judge(const struct mid_session *session, const struct store_finding *finding)
{
    const struct header *header = &finding->header;
    if (finding->verdict != STORE_OK)
        return finding->verdict;
    bool is_exchanged = session_can_send_cookie(session) && header_exchanges(header, session->generation);
    if (session->state == SESSION_CLAIMED && session->generation != header->generation && !is_exchanged)
        return STORE_STALE;
    return session->generation < finding->header.login ? STORE_SUPERSEDED : STORE_OK;
}

/*
 * That a session is not there may be known to Redis's memory only, as when the logout that ended it was not confirmed.
 * A request that wants to change something may be that logout, repeated: to it, gone means gone for good.
 */
MAY_SUSPEND static enum mid_error confirm_end(struct mid_session *session, const struct store_finding *finding)
{
    bool is_gone = finding->verdict == STORE_MISSING || finding->verdict == STORE_LOGGED_OUT;
    if (!is_gone || !origin_matters(session->rq->method))
        return MID_OK;
    return session_confirm(session, finding->connection);
}

/* How long the cookie has been out: the one that was exchanged for it may have come long after the renewal. */
MAY_SUSPEND static enum mid_error note_stale(const struct mid_session *session, struct store_finding *finding)
{
    bool was_exchanged = false;
    finding->renewed_ago_ms = store_unix_ms(session->key) - finding->header.renewed_ms;
    if (finding->renewed_ago_ms > SESSION_STALE_GRACE_MS)
        MID_TRY(store_was_exchanged(session->key, session_patience_ms(session), &was_exchanged));
    if (was_exchanged)
        finding->renewed_ago_ms = 0;
    return MID_OK;
}

/* The first that comes with the cookie that the record owes puts the old one out. Should that fail, the next does it.
 */
MAY_SUSPEND static void settle_exchange(struct mid_session *session)
{
    struct store_finding finding;
    if ((session->header.flags & HEADER_OWES_COOKIE) == 0)
        return;
    enum mid_error error = store_exchanged(session->key, session->generation, session_patience_ms(session), &finding);
    if (error == MID_OK && finding.verdict == STORE_OK)
        session_take_header(session, &finding);
}

/* What came of a load. */
MAY_SUSPEND static enum mid_error take_loaded(struct mid_session *session, enum mid_error error,
                                              struct store_finding *finding, int64_t created_ms)
{
    session_count(session, SESSION_ACTION_LOAD, error != MID_OK || finding->verdict == STORE_OK ? error : MID_ENDED);
    MID_TRY(error);
    finding->verdict = judge(session, finding);
    if (finding->verdict != STORE_OK) {
        session_distrust_view(session); /* it may show what is not this handle's to see */
        if (finding->verdict == STORE_STALE)
            MID_TRY(note_stale(session, finding));
        MID_TRY(confirm_end(session, finding));
        return session_found(session, finding);
    }
    bool is_first = session->state == SESSION_CLAIMED;
    session->state = SESSION_LIVE;
    session->created_ms = created_ms;
    session_take_header(session, finding);
    if (is_first && !session_exchange(session))
        settle_exchange(session);
    if (session->is_asked_for)
        session_note_read(session, &finding->header); /* and not what touching finds */
    session_preview(session);
    touch_if_due(session);
    return session->state == SESSION_LIVE ? MID_OK : MID_ENDED;
}

enum mid_error session_load(struct mid_session *session)
{
    changes_note(&session->changes, &session->view);
    struct store_finding finding;
    int64_t created_ms = 0;
    enum mid_error error =
        store_load(session->key, &session->view, &created_ms, session_patience_ms(session), &finding);
    return take_loaded(session, error, &finding, created_ms);
}

/* -------------------- large sessions, in part -------------------- */

/* A record from this size on costs Redis and the worker more to send whole than a field of it does. */
enum { LARGE_BYTES = 8 * 1024 };

/* As far as this pool has heard. */
static bool is_large(const struct mid_session *session)
{
    struct header known;
    if (session->has_header)
        return session->header.size >= LARGE_BYTES;
    return known_headers_find(session->rid, &known) && known.size >= LARGE_BYTES;
}

MAY_SUSPEND static enum mid_error load_part(struct mid_session *session, const struct store_part *part)
{
    struct store_finding finding;
    int64_t created_ms = 0;
    enum mid_error error =
        store_load_part(session->key, part, &session->view, &created_ms, session_patience_ms(session), &finding);
    if (error == MID_OK && finding.verdict == STORE_NO_ANSWER)
        return session_load(session);
    return take_loaded(session, error, &finding, created_ms);
}

/* One more field. What is recorded for fields that nothing is known of would be missing in it: then the whole. */
MAY_SUSPEND static enum mid_error load_field(struct mid_session *session, const char *name)
{
    bool is_more = session->view.is_part;
    if (!is_large(session) || (is_more && session_is_dirty(session)))
        return session_load(session);
    return load_part(session, &(struct store_part){.names = {name}, .count = 1, .is_more = is_more});
}

enum mid_error session_stand(struct mid_session *session)
{
    if (session->state == SESSION_CLAIMED)
        MID_TRY(session_load(session));
    if (session->state == SESSION_ABSENT)
        return session_create(session);
    return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
}

/* -------------------- what the fields need -------------------- */

enum mid_error session_ensure_loaded(struct mid_session *session)
{
    if (session_is_over(session))
        return MID_ENDED;
    if (session->view.is_complete)
        return MID_OK;
    return session_load(session);
}

enum mid_error session_ensure_begun(struct mid_session *session)
{
    if (session_is_over(session))
        return MID_ENDED;
    if (session->view.is_complete || session->view.is_part)
        return MID_OK;
    return is_large(session) ? load_part(session, &(struct store_part){.count = 0}) : session_load(session);
}

enum mid_error session_find_field(struct mid_session *session, const char *name, struct view_field **field)
{
    if (session_is_over(session))
        return MID_ENDED;
    struct view_field *found = session->state == SESSION_CLAIMED ? NULL : view_find(&session->view, name);
    if (found == NULL && !session->view.is_complete) {
        MID_TRY(load_field(session, name));
        found = view_find(&session->view, name);
    }
    *field = name[0] != '@' && view_has_value(found) ? found : NULL;
    return MID_OK;
}

MAY_SUSPEND static enum mid_error load_same(struct mid_session *session)
{
    struct store_part part = {.count = 0};
    struct view_field *field = session->view.fields;
    if (!session->view.is_part)
        return session_load(session);
    for (; field != NULL && part.count < STORE_NAMES_MAX; field = field->next)
        if (field->name[0] != '@')
            part.names[part.count++] = field->name;
    return field == NULL ? load_part(session, &part) : session_load(session);
}

enum mid_error session_load_again(struct mid_session *session)
{
    view_turn(&session->view);
    if (session->state == SESSION_ABSENT)
        return MID_OK;
    changes_note(&session->changes, &session->view);
    session->is_asked_for = true;
    enum mid_error error = load_same(session);
    session->is_asked_for = false;
    if (error == MID_OK)
        changes_turn(&session->changes);
    return error;
}
