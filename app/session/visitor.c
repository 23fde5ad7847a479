/*
 * Which session a request has: the cookie that comes in, the cookie that goes out, login and logout.
 *
 * A cookie that is not genuine never reaches Redis. A genuine one whose record is gone gives the visitor a new session
 * under a new identifier, if a cookie can still be sent; the old identifier is never revived.
 */
#include <string.h>

#include "base/log.h"
#include "http/cookie.h"
#include "http/request.h"
#include "http/response.h"
#include "session/limits.h"
#include "session/memory_watch.h"
#include "session/new_limit.h"
#include "session/session.h"
#include "session/stream_limit.h"

struct session_limits session_limits;

static struct session_settings settings;

void session_configure(const struct session_settings *session_settings)
{
    settings = *session_settings;
    session_limits.head_timeout_ms = settings.head_timeout_ms;
    session_limits.commit_timeout_ms = settings.commit_timeout_ms;
    store_init(&settings.store);
    commit_init();
    if (settings.counts != NULL)
        session_counts_use(settings.counts);
    stream_limit_init(settings.streams_max);
}

const struct keyring *session_keyring(void)
{
    return settings.keyring;
}

static const char *cookie_name(void)
{
    return settings.cookie_is_secure ? "__Host-mid" : "mid"; /* RFC 6265bis, 4.1.3.2 */
}

/* -------------------- the cookie that comes in -------------------- */

/* How many session cookies the request has; the first one's value. */
static int find_cookie(const struct mid_request *rq, const char **value, size_t *length)
{
    int count = 0;
    const char *line;
    for (int k = 0; (line = request_param_line(rq, "HTTP_COOKIE", k)) != NULL; k++) {
        const char *found;
        size_t found_length;
        int in_line = cookie_find(line, cookie_name(), &found, &found_length);
        if (in_line > 0 && count == 0) {
            *value = found;
            *length = found_length;
        }
        count += in_line;
    }
    return count;
}

void session_set_rid(struct mid_session *session, const uint8_t rid[static TOKEN_RID_BYTES])
{
    memcpy(session->rid, rid, TOKEN_RID_BYTES);
    store_key(session->rid, session->key);
}

/* The visitor has no session, as far as we believe him: the first commit will make one. */
static void become_absent(struct mid_session *session)
{
    uint8_t rid[TOKEN_RID_BYTES];
    token_new_rid(rid);
    session_set_rid(session, rid);
    session->state = SESSION_ABSENT;
    session->generation = 1;
    session->has_header = false;
    session->header = (struct header){0};
    session->commit.knows_revision = session->commit.must_hold = session->commit.is_in_doubt = false;
    view_forget(&session->view);
    session->view.is_complete = true;
    session->view.revision = 0; /* which a new record has */
    session_preview(session);
}

static void read_cookie(struct mid_session *session)
{
    const char *value;
    size_t length;
    int count = find_cookie(session->rq, &value, &length);
    if (count == 0) {
        become_absent(session);
        return;
    }
    struct token token;
    enum token_verdict verdict = TOKEN_MALFORMED; /* also two of a name: somebody else has set one */
    if (count == 1)
        verdict = token_verify(value, length, settings.keyring, cookie_name(), &token);
    session_count_cookie(verdict);
    if (verdict != TOKEN_VALID && verdict != TOKEN_VALID_OLD_KEY) {
        request_log(session->rq, MID_INFO, "cookie.rejected", "verdict=%s count=%d", token_verdict_name(verdict),
                    count);
        become_absent(session);
        return;
    }
    session->state = SESSION_CLAIMED;
    session->generation = token.generation;
    session->must_send_cookie = verdict == TOKEN_VALID_OLD_KEY;
    session_set_rid(session, token.rid);
}

/* -------------------- the cookie that goes out -------------------- */

bool session_can_send_cookie(const struct mid_session *session)
{
    enum response_phase phase = session->rq->response.phase;
    return session->rq->client != NULL && (phase == RESPONSE_NONE || phase == RESPONSE_PREPARED);
}

store_patience session_patience_ms(const struct mid_session *session)
{
    return session_can_send_cookie(session) ? session_limits.head_timeout_ms : 0;
}

static void put_cookie(struct mid_session *session, const char *value, int64_t max_age_s)
{
    struct mid_request *rq = session->rq;
    response_set_cookie(rq,
                        arena_printf(&rq->arena, "%s=%s; Path=/; Max-Age=%lld; HttpOnly; %sSameSite=Lax", cookie_name(),
                                     value, (long long)max_age_s, settings.cookie_is_secure ? "Secure; " : ""));
    response_set_field(rq, "Cache-Control", "no-store"); /* nobody else may get it */
}

static void put_signed_cookie(struct mid_session *session)
{
    struct token token = {.generation = session->generation};
    memcpy(token.rid, session->rid, TOKEN_RID_BYTES);
    char text[TOKEN_TEXT_LENGTH + 1];
    token_sign(&token, settings.keyring, cookie_name(), text);
    put_cookie(session, text, store_absolute_ms(&session->header) / 1000);
}

static void put_pending_cookie(struct mid_session *session)
{
    if (session->must_clear_cookie)
        put_cookie(session, "", 0);
    else if (session->must_send_cookie &&
             session->state == SESSION_LIVE) /* compared with the record, so it is of now */
        put_signed_cookie(session);
}

/* Before the head: the session exists when its cookie is sent, and a whole response shows what is stored. */
MAY_SUSPEND static enum mid_error before_head(struct mid_request *rq, bool is_stream)
{
    struct mid_session *session = rq->session;
    if (is_stream && rq->is_head)
        return MID_OK; /* nothing begins */
    if (is_stream && session->state == SESSION_CLAIMED)
        MID_TRY(session_load(session));
    if (is_stream && session->state == SESSION_ABSENT)
        MID_TRY(session_create(session));
    if (is_stream)
        MID_TRY(stream_limit_enter(session));
    if (!is_stream)
        MID_TRY(session_is_dirty(session) ? mid_session_commit(session) : MID_OK);
    response_set_default(rq, "Cache-Control", "no-store"); /* it may show what is this visitor's alone */
    put_pending_cookie(session);
    return MID_OK;
}

/* What the handler has committed stays committed: a new visitor's session, a login, a logout. */
static void before_error(struct mid_request *rq)
{
    put_pending_cookie(rq->session);
}

MAY_SUSPEND static enum mid_error before_end(struct mid_request *rq)
{
    rq->session->is_at_end = true;
    return session_is_dirty(rq->session) ? mid_session_commit(rq->session) : MID_OK;
}

/* A stream that only waits learns here that its session was ended by somebody else; with Redis away, it waits on. */
MAY_SUSPEND static enum mid_error still_wanted(struct mid_request *rq)
{
    struct mid_session *session = rq->session;
    struct store_finding finding;
    if (session->state != SESSION_LIVE)
        return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
    if (store_look(session->key, &finding) != MID_OK)
        return MID_OK;
    if (finding.verdict == STORE_OK && finding.has_header && session->generation < finding.header.login)
        finding.verdict = STORE_SUPERSEDED;
    return finding.verdict == STORE_OK ? MID_OK : session_found(session, &finding);
}

/* -------------------- which session -------------------- */

struct mid_session *session_new(struct mid_request *rq)
{
    struct mid_session *session = arena_zalloc(&rq->arena, sizeof(*session));
    session->rq = rq;
    session->view.revision = -1;
    operations_init(&session->recorded);
    operations_init(&session->commit.operations);
    list_init(&session->stream_link);
    return session;
}

static struct mid_session *session_of(struct mid_request *rq)
{
    if (rq->session == NULL) {
        struct mid_session *session = session_new(rq);
        rq->session = session;
        rq->hooks = (struct request_hooks){.before_head = before_head,
                                           .before_error = before_error,
                                           .before_end = before_end,
                                           .still_wanted = still_wanted};
        read_cookie(session);
    }
    return rq->session;
}

void mid_allow_untold_origin(struct mid_request *rq)
{
    rq->allows_untold_origin = true;
}

/* A cookie that a browser added may have been added for another site (cross-site request forgery). */
static enum mid_error refuse_untold_origin(struct mid_request *rq)
{
    const char *value;
    size_t length;
    if (!rq->is_origin_untold || rq->allows_untold_origin || find_cookie(rq, &value, &length) == 0)
        return MID_OK;
    return mid_fail(rq, MID_FORBIDDEN,
                    "a %s with a session's cookie has to have the field Origin, or Sec-Fetch-Site, as browsers send it",
                    rq->method);
}

enum mid_error mid_session_open(struct mid_request *rq, struct mid_session **session)
{
    if (rq->open_session != NULL) /* a task's: it has no cookie */
        return rq->open_session(rq, session);
    MID_TRY(refuse_untold_origin(rq));
    struct mid_session *opened = session_of(rq);
    if (opened->state == SESSION_ABSENT && !session_can_send_cookie(opened))
        return MID_HEAD_SENT;
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
    MID_TRY(refuse_untold_origin(rq));
    struct mid_session *found = session_of(rq);
    enum mid_error error = found->state == SESSION_CLAIMED ? session_load(found) : MID_OK;
    if (error != MID_ENDED) /* a cookie from before the login shows nothing, and changes nothing */
        MID_TRY(error);
    rq->error_detail = NULL;
    *session = found->state == SESSION_LIVE ? found : NULL;
    return MID_OK;
}

/* -------------------- what a step has found -------------------- */

static enum mid_error found_missing(struct mid_session *session)
{
    if (session->state != SESSION_CLAIMED || !session_can_send_cookie(session)) {
        session->state = SESSION_ENDED;
        return MID_ENDED;
    }
    become_absent(session);
    return MID_OK;
}

static enum mid_error found_stale(struct mid_session *session, int64_t ago_ms)
{
    if (ago_ms > SESSION_STALE_GRACE_MS)
        return found_missing(session);
    /* A request that was under way when the visitor logged in: a cookie now would replace the one of the login. */
    session->state = SESSION_ENDED;
    session->lives_on = true;
    return mid_fail(session->rq, MID_ENDED,
                    "the session was renewed meanwhile; repeat the request with the new cookie");
}

enum mid_error session_found(struct mid_session *session, const struct store_finding *finding)
{
    switch (finding->verdict) {
    case STORE_MISSING:
        return found_missing(session);
    case STORE_LOGGED_OUT: /* and this request was under way: it does not begin another session */
        session->state = SESSION_ENDED;
        return MID_ENDED;
    case STORE_STALE:
        return found_stale(session, finding->renewed_ago_ms);
    case STORE_SUPERSEDED:
        session->state = SESSION_ENDED;
        session->lives_on = true;
        session->rq->is_superseded = true;
        return mid_fail(session->rq, MID_ENDED, "somebody has logged in to this session meanwhile");
    case STORE_LOST:
        return MID_LOST_LEASE;
    default:
        return mid_fail(session->rq, MID_FAILED, "the session's record is none that this version understands");
    }
}

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

/* -------------------- login and logout -------------------- */

enum mid_error mid_session_renew(struct mid_session *session, const char *user)
{
    const char *answer;
    struct operation_text name = {user != NULL ? user : "", user != NULL ? strlen(user) : 0};
    if (session_is_over(session))
        return MID_ENDED;
    if (!session_can_send_cookie(session))
        return MID_HEAD_SENT;
    if (name.bytes > SESSION_USER_BYTES_MAX)
        return mid_fail(session->rq, MID_UNPROCESSABLE, "a user has at most %d bytes", SESSION_USER_BYTES_MAX);
    MID_TRY(session_ask(session, OPERATION_RENEW, "@user", name, 0, &answer));
    session->must_send_cookie = true;
    return MID_OK;
}

enum mid_error mid_session_destroy(struct mid_session *session)
{
    struct store_finding finding;
    if (session == NULL || session->lives_on)
        return MID_ENDED;
    if (session->state == SESSION_CLAIMED || session->state == SESSION_LIVE) {
        enum mid_error error = store_destroy(session->key, session->generation, session->state == SESSION_CLAIMED,
                                             session->fence, session_patience_ms(session), &finding);
        session_count(session, SESSION_ACTION_DESTROY, error);
        MID_TRY(error);
        bool is_gone =
            finding.verdict == STORE_OK || finding.verdict == STORE_MISSING || finding.verdict == STORE_LOGGED_OUT;
        if (!is_gone)
            MID_TRY(session_found(session, &finding)); /* MID_OK: there is none behind that cookie any more */
    }
    session_drop_changes(session);
    session->state = SESSION_ENDED;
    session->must_clear_cookie = session_can_send_cookie(session);
    return MID_OK;
}
