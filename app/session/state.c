/*
 * What a session is, for the request that has it, and what makes it something else.
 *
 *     CLAIMED   the cookie is genuine; Redis was not asked yet
 *               -> LIVE by the first load or commit; a cookie that is exchanged takes the generation of the new one
 *               -> ABSENT when there is no record any more, and a cookie can still be sent
 *               -> ENDED when there is none and no cookie can be sent, or the visitor has just logged in or out
 *     LIVE      Redis has it
 *               -> ENDED by a logout, or what a later step finds: no record, another user's login
 *     ABSENT    the visitor has none; a new identifier is ready
 *               -> LIVE, with a cookie, by the first commit, a form token, or the head of a stream
 *     ENDED     there was one; every later call reports MID_ENDED
 *
 * An old identifier is never revived: who comes with a cookie whose record is gone gets a new one.
 */
#include <sodium.h>
#include <string.h>

#include "http/request.h"
#include "session/known_headers.h"
#include "session/limits.h"
#include "session/memory_watch.h"
#include "session/new_limit.h"
#include "session/session.h"

enum { RID_DRAWS_MAX = 64 };

struct mid_session *session_new(struct mid_request *rq)
{
    struct mid_session *session = arena_zalloc(&rq->arena, sizeof(*session));
    session->rq = rq;
    session->view.revision = session->read.revision = -1;
    operations_init(&session->recorded);
    operations_init(&session->commit.operations);
    list_init(&session->stream_link);
    return session;
}

void session_set_rid(struct mid_session *session, const uint8_t rid[static TOKEN_RID_BYTES])
{
    memcpy(session->rid, rid, TOKEN_RID_BYTES);
    store_key(session->rid, session->key);
    sodium_bin2hex(session->rid_text, sizeof(session->rid_text), rid, TOKEN_RID_BYTES);
}

void session_close(struct mid_session *session)
{
    if (session == NULL)
        return;
    list_remove(&session->stream_link);
    commit_drop(&session->commit);
    operations_drop(&session->recorded);
    view_fini(&session->view);
    changes_fini(&session->changes);
}

/* -------------------- what may be done with it -------------------- */

bool session_can_send_cookie(const struct mid_session *session)
{
    return request_awaits_head(session->rq);
}

store_patience session_request_patience_ms(const struct mid_request *rq)
{
    return request_awaits_head(rq) ? session_limits.head_timeout_ms : 0;
}

store_patience session_patience_ms(const struct mid_session *session)
{
    return session_request_patience_ms(session->rq);
}

enum mid_error session_confirm(const struct mid_session *session, uint64_t connection)
{
    return store_confirm(session->key, request_durability(session->rq), session_patience_ms(session), connection);
}

bool session_is_activity(const struct mid_session *session)
{
    return session->rq->client != NULL && !request_is_gone(session->rq);
}

/* -------------------- what it shows -------------------- */

void session_take_header(struct mid_session *session, const struct store_finding *finding)
{
    if (!finding->has_header)
        return;
    session->heard_on = finding->connection;
    session->header = finding->header;
    session->has_header = true;
    if (session->read.revision < 0)
        session_note_read(session, &finding->header);
    known_headers_tell(session->rid, &finding->header);
}

bool session_exchange(struct mid_session *session)
{
    if (!header_exchanges(&session->header, session->generation))
        return false;
    session->generation = session->header.generation;
    session->must_send_cookie = true;
    return true;
}

void session_note_read(struct mid_session *session, const struct header *header)
{
    session->read.revision = header->revision;
    memcpy(session->read.commit, header->commits[0], sizeof(session->read.commit));
}

static bool is_read(const struct mid_session *session, const struct header *header)
{
    return header->revision == session->read.revision &&
           memcmp(header->commits[0], session->read.commit, sizeof(session->read.commit)) == 0;
}

enum news session_news(struct mid_session *session, const struct header *header)
{
    const struct commit *commit = &session->commit;
    if (is_read(session, header))
        return NEWS_NONE;
    bool is_own = commit_is_pending(commit) && commit->has_id && header->revision == session->read.revision + 1 &&
                  memcmp(header->commits[0], commit->id, HEADER_COMMIT_BYTES) == 0;
    if (is_own) {
        session_note_read(session, header);
        return NEWS_NONE;
    }
    return header->revision > session->read.revision ? NEWS_SOME : NEWS_DOUBTFUL;
}

/* The record has it already. */
static bool is_in_record(const struct mid_session *session, const struct commit *commit)
{
    for (int i = 0; session->has_header && i < HEADER_COMMITS_KEPT; i++)
        if (memcmp(session->header.commits[i], commit->id, HEADER_COMMIT_BYTES) == 0)
            return true;
    return false;
}

void session_preview(struct mid_session *session)
{
    if (!session->commit.is_in_doubt)
        operations_preview(&session->commit.operations, &session->view);
    else if (!is_in_record(session, &session->commit))
        operations_show(&session->commit.operations, &session->view);
    operations_preview(&session->recorded, &session->view);
}

void session_distrust_view(struct mid_session *session)
{
    view_forget(&session->view);
    session->view.is_complete = session->state == SESSION_ABSENT;
    session_preview(session);
}

/* -------------------- what a step has found -------------------- */

/* Of a cluster some nodes may be away: a new session belongs to one that is not, as far as a few draws can tell. */
static void set_new_rid(struct mid_session *session)
{
    uint8_t rid[TOKEN_RID_BYTES];
    for (int draw = 0; draw == 0 || (draw < RID_DRAWS_MAX && store_is_away(session->key)); draw++) {
        token_new_rid(rid);
        session_set_rid(session, rid);
    }
}

void session_become_absent(struct mid_session *session)
{
    set_new_rid(session);
    session->state = SESSION_ABSENT;
    session->generation = 1;
    session->has_header = false;
    session->header = (struct header){0};
    session->read.revision = -1;
    session->commit.knows_revision = session->commit.must_hold = session->commit.is_in_doubt = false;
    session->commit.has_results = session->commit.is_heard = false;
    session->commit.entered_ms = 0;
    view_forget(&session->view);
    session->view.is_complete = true;
    session->view.revision = 0; /* which a new record has */
    session_preview(session);
}

static enum mid_error found_missing(struct mid_session *session)
{
    if (session->state != SESSION_CLAIMED || !session_can_send_cookie(session)) {
        session->state = SESSION_ENDED;
        return MID_ENDED;
    }
    session_become_absent(session);
    return MID_OK;
}

enum mid_error session_fail_ended(struct mid_request *rq)
{
    return mid_fail(rq, MID_ENDED,
                    rq->is_superseded ? "another user has logged in to this session"
                                      : "the session was renewed meanwhile; repeat the request with the new cookie");
}

static enum mid_error found_stale(struct mid_session *session, const struct store_finding *finding)
{
    bool is_exchanged = finding->has_header && header_exchanges(&finding->header, session->generation);
    if (!is_exchanged && finding->renewed_ago_ms > SESSION_STALE_GRACE_MS)
        return found_missing(session);
    /* A request that was under way when the visitor logged in: a cookie now would replace the one of the login. Or one
     * whose cookie is still good to be exchanged, but not here, where none can be sent. */
    session->state = SESSION_ENDED;
    session->lives_on = true;
    return session_fail_ended(session->rq);
}

enum mid_error session_found(struct mid_session *session, const struct store_finding *finding)
{
    session->heard_on = finding->connection;
    switch (finding->verdict) {
    case STORE_MISSING:
        return found_missing(session);
    case STORE_LOGGED_OUT: /* and this request was under way: it does not begin another session */
        session->state = SESSION_ENDED;
        return MID_ENDED;
    case STORE_STALE:
        return found_stale(session, finding);
    case STORE_SUPERSEDED:
        session->state = SESSION_ENDED;
        session->lives_on = true;
        session->rq->is_superseded = true;
        return session_fail_ended(session->rq);
    case STORE_LOST:
        return MID_LOST_LEASE;
    default:
        return mid_fail(session->rq, MID_FAILED, "the session's record has an unknown format");
    }
}

/* The record is not the continuation of what the handle knew: Redis has lost its last second. */
static bool has_gone_back(const struct mid_session *session, const struct header *header)
{
    const struct header *known = &session->header;
    return session->has_header && (header->revision < known->revision ||
                                   (header->revision == known->revision &&
                                    memcmp(header->commits[0], known->commits[0], HEADER_COMMIT_BYTES) != 0));
}

enum mid_error session_take_look(struct mid_session *session, struct store_finding *finding)
{
    uint64_t heard_on = session->heard_on; /* what was heard there is not confirmed by a look elsewhere */
    if (finding->verdict == STORE_OK && finding->has_header && session->generation < finding->header.login)
        finding->verdict = STORE_SUPERSEDED;
    if (finding->verdict != STORE_OK)
        return session_found(session, finding);
    if (!finding->has_header)
        return MID_OK; /* of an older format */
    if (has_gone_back(session, &finding->header))
        session_distrust_view(session);
    session_take_header(session, finding);
    session->heard_on = heard_on;
    bool is_unmarked = session->watch != NULL && !header_is_watched(&session->header, store_unix_ms(session->key));
    if (is_unmarked || session_news(session, &session->header) != NEWS_NONE)
        session->is_behind = true;
    return MID_OK;
}

void session_end_own(struct mid_session *session)
{
    session_drop_changes(session);
    session->state = SESSION_ENDED;
    session->must_clear_cookie = session_can_send_cookie(session);
    list_remove(&session->stream_link); /* the stream that has ended it has its last words */
    session->rq->wait.is_alarmed = false;
}

/* -------------------- a new one -------------------- */

enum mid_error session_create(struct mid_session *session)
{
    struct store_finding finding;
    if (!session_can_send_cookie(session))
        return MID_HEAD_SENT;
    MID_TRY(memory_watch_admit(session->rq)); /* first, so that its refusal does not count against the address */
    MID_TRY(new_limit_enter(session->rq));
    enum mid_error error = store_create(session->key, session_patience_ms(session), &finding);
    session_count(session, SESSION_ACTION_CREATE, error);
    MID_TRY(error);
    if (finding.verdict != STORE_OK)
        return session_found(session, &finding);
    session_take_header(session, &finding);
    session->state = SESSION_LIVE;
    session->created_ms = finding.header.renewed_ms;
    session->must_send_cookie = true;
    session->must_clear_cookie = false;
    return MID_OK;
}
