/* The sessions of a user. See user_sessions.h and midstream/user.h; the index is app/user. */
#include "session/user_sessions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/request.h"
#include "session/limits.h"
#include "user/index.h"

/* Above every number of the index, and exact as the score of a sorted set. */
#define NUMBER_MAX ((INT64_C(1) << 53) - 1)

enum { RID_TEXT_LENGTH = 2 * TOKEN_RID_BYTES };

/* -------------------- who, and which -------------------- */

static enum mid_error check_user(struct mid_request *rq, const char *user)
{
    if (user != NULL && user[0] != '\0' && strlen(user) <= SESSION_USER_BYTES_MAX)
        return MID_OK;
    return mid_fail(rq, MID_UNPROCESSABLE, "a user name has 1 to %d bytes", SESSION_USER_BYTES_MAX);
}

static void key_of(const char *rid, char key[static STORE_KEY_BYTES])
{
    snprintf(key, STORE_KEY_BYTES, "mid:s:{%.*s}", RID_TEXT_LENGTH, rid);
}

static enum mid_error read_id(struct mid_request *rq, const char *id, char key[static STORE_KEY_BYTES])
{
    if (strlen(id) != RID_TEXT_LENGTH || strspn(id, "0123456789abcdef") != RID_TEXT_LENGTH)
        return mid_fail(rq, MID_BAD_REQUEST, "the id of a session has %d hexadecimal digits", RID_TEXT_LENGTH);
    key_of(id, key);
    return MID_OK;
}

static store_patience patience_of(const struct mid_request *rq)
{
    bool has_head = rq->client == NULL || rq->response.phase == RESPONSE_STREAMING;
    return has_head ? 0 : session_limits.head_timeout_ms;
}

static bool is_own(const struct mid_request *rq, const char *key)
{
    return rq->session != NULL && rq->session->state == SESSION_LIVE && strcmp(rq->session->key, key) == 0;
}

/* -------------------- ending -------------------- */

/* The request that has ended its own session. */
static void note_own_end(struct mid_request *rq)
{
    session_drop_changes(rq->session);
    rq->session->state = SESSION_ENDED;
    rq->session->must_clear_cookie = session_can_send_cookie(rq->session);
}

/* One session; `user` NULL: whoever's. *finding tells what became of it; ending->user whose it was. */
MAY_SUSPEND static enum mid_error end_one(struct mid_request *rq, const char *key, const char *user, int64_t number,
                                          struct store_ending *ending, struct store_finding *finding)
{
    ending->patience_ms = patience_of(rq);
    ending->durability = request_durability(rq);
    MID_TRY(store_end(key, user, number, ending, finding));
    if (finding->verdict == STORE_FOREIGN)
        return mid_fail(rq, MID_FAILED, "the session's record has an unknown format");
    if (finding->verdict == STORE_OK && is_own(rq, key))
        note_own_end(rq);
    return MID_OK;
}

/* What is to end of a user. */
struct sweep {
    struct mid_request *rq;
    const char *user;
    const char *spared; /* the rid of the one that goes on; NULL: none does */
    int64_t number;     /* of the end of all that are named below it; 0: they are ended one by one */
    int64_t ended;
};

/* The names of sessions that are gone, to be taken away together. */
struct gone {
    const char *rids[USER_INDEX_PAGE];
    size_t count;
};

MAY_SUSPEND static enum mid_error end_named(struct sweep *sweep, const char *rid, struct gone *gone)
{
    char key[STORE_KEY_BYTES];
    struct store_ending ending;
    struct store_finding finding;
    if (sweep->spared != NULL && strcmp(rid, sweep->spared) == 0)
        return MID_OK;
    key_of(rid, key);
    MID_TRY(end_one(sweep->rq, key, sweep->user, sweep->number, &ending, &finding));
    if (finding.verdict == STORE_OTHERS)
        user_index_leave(sweep->user, rid, false, 0);
    else
        gone->rids[gone->count++] = rid;
    sweep->ended += finding.verdict == STORE_OK;
    return MID_OK;
}

/* At most `most` of the names of the page; what has ended is taken away also after an error. */
MAY_SUSPEND static enum mid_error end_page(struct sweep *sweep, const struct user_index_page *page, size_t most)
{
    struct gone gone = {.count = 0};
    enum mid_error error = MID_OK;
    for (size_t i = 0; i < page->count && i < most && error == MID_OK; i++)
        error = end_named(sweep, page->names[i].rid, &gone);
    user_index_forget(sweep->user, gone.rids, gone.count);
    return error;
}

/* All that are named below the number, page by page. */
MAY_SUSPEND static enum mid_error end_pages(struct sweep *sweep)
{
    struct user_index_page page = {.count = 0};
    int64_t above = 0;
    do {
        MID_TRY(user_index_read(sweep->user, above, sweep->number, false, &page));
        MID_TRY(end_page(sweep, &page, page.count));
        if (page.count > 0)
            above = page.names[page.count - 1].number;
    } while (page.count == USER_INDEX_PAGE);
    return MID_OK;
}

static void tell(const struct sweep *sweep, enum session_ending by)
{
    session_count_endings(by, (uint64_t)sweep->ended);
    if (sweep->ended > 0)
        mid_log(sweep->rq, MID_INFO, "user.sessions-ended", "user=\"%s\" ended=%" PRId64 " by=%s", sweep->user,
                sweep->ended, session_ending_name(by));
}

MAY_SUSPEND static enum mid_error end_all(struct sweep *sweep, enum session_ending by, int64_t *ended)
{
    enum mid_error error = user_index_revoke(
        sweep->user,
        &(struct user_index_terms){.patience_ms = patience_of(sweep->rq), .durability = request_durability(sweep->rq)},
        &sweep->number);
    if (error == MID_OK)
        error = end_pages(sweep);
    tell(sweep, by);
    if (ended != NULL)
        *ended = sweep->ended;
    return error;
}

enum mid_error mid_user_end_all(struct mid_request *rq, const char *user, int64_t *ended)
{
    struct sweep sweep = {.rq = rq, .user = user};
    if (ended != NULL)
        *ended = 0;
    MID_TRY(check_user(rq, user));
    return end_all(&sweep, SESSION_ENDING_ALL, ended);
}

enum mid_error mid_user_end_others(struct mid_session *session, int64_t *ended)
{
    struct mid_session_info info;
    if (ended != NULL)
        *ended = 0;
    MID_TRY(mid_session_info(session, &info));
    if (info.user == NULL)
        return mid_fail(session->rq, MID_UNAUTHORIZED, "nobody is logged in to this session");
    struct sweep sweep = {.rq = session->rq, .user = info.user, .spared = session->rid_text};
    return end_all(&sweep, SESSION_ENDING_OTHERS, ended);
}

/* `user` NULL: whoever's it is. */
MAY_SUSPEND static enum mid_error end_by_id(struct mid_request *rq, const char *user, const char *id, int64_t *ended)
{
    char key[STORE_KEY_BYTES];
    struct store_ending ending;
    struct store_finding finding;
    if (ended != NULL)
        *ended = 0;
    MID_TRY(read_id(rq, id, key));
    MID_TRY(end_one(rq, key, user, 0, &ending, &finding));
    struct sweep sweep = {.rq = rq, .user = ending.user, .ended = finding.verdict == STORE_OK};
    if (sweep.ended > 0 && ending.user[0] != '\0')
        user_index_leave(ending.user, id, true, 0);
    tell(&sweep, SESSION_ENDING_ONE);
    if (ended != NULL)
        *ended = sweep.ended;
    return MID_OK;
}

enum mid_error mid_user_end_session(struct mid_request *rq, const char *user, const char *id, int64_t *ended)
{
    if (ended != NULL)
        *ended = 0;
    MID_TRY(check_user(rq, user));
    return end_by_id(rq, user, id, ended);
}

enum mid_error user_sessions_end_any(struct mid_request *rq, const char *id, int64_t *ended)
{
    return end_by_id(rq, NULL, id, ended);
}

void user_sessions_end_excess(struct mid_session *session, const char *user)
{
    struct user_index_page page;
    size_t excess = (size_t)user_index_excess(session->other_sessions);
    struct sweep sweep = {.rq = session->rq, .user = user, .spared = session->rid_text};
    if (excess == 0 || user_index_read(user, 0, NUMBER_MAX, false, &page) != MID_OK)
        return;
    enum mid_error error = end_page(&sweep, &page, excess);
    (void)error; /* the next login ends more */
    tell(&sweep, SESSION_ENDING_LIMIT);
}

/* -------------------- keeping the index true -------------------- */

/* "": it cannot be found out. */
MAY_SUSPEND static void find_user(const struct mid_session *session, char user[static STORE_USER_BYTES])
{
    struct view_field *known = view_find(&session->view, "@user");
    user[0] = '\0';
    if (view_has_value(known))
        snprintf(user, STORE_USER_BYTES, "%s", known->value);
    else if (store_find_user(session->key, user) != MID_OK)
        user[0] = '\0';
}

void user_sessions_keep(struct mid_session *session)
{
    char user[STORE_USER_BYTES];
    bool is_revoked = false;
    struct store_ending ending;
    struct store_finding finding;
    if ((session->header.flags & HEADER_HAS_USER) == 0)
        return;
    find_user(session, user);
    if (user[0] == '\0' || user_index_keep(user, session->rid_text, session->header.renewed_ms,
                                           session_patience_ms(session), &is_revoked) != MID_OK)
        return;
    if (!is_revoked || end_one(session->rq, session->key, user, 0, &ending, &finding) != MID_OK)
        return;
    struct sweep sweep = {.rq = session->rq, .user = user, .ended = finding.verdict == STORE_OK};
    tell(&sweep, SESSION_ENDING_LATE);
}

/* -------------------- listing -------------------- */

typedef void visit_fn(const struct mid_user_session *session, void *arg);

/* A name whose session is gone, or is another's by now, goes when it is met. */
MAY_SUSPEND static enum mid_error visit_named(struct sweep *sweep, const char *rid, struct gone *gone, visit_fn *visit,
                                              void *arg)
{
    char key[STORE_KEY_BYTES];
    struct store_summary summary;
    key_of(rid, key);
    MID_TRY(store_summarize(key, &summary));
    if (!summary.is_there) {
        gone->rids[gone->count++] = rid;
        return MID_OK;
    }
    if (strcmp(summary.user, sweep->user) != 0) {
        user_index_leave(sweep->user, rid, false, 0);
        return MID_OK;
    }
    visit(&(struct mid_user_session){.id = rid,
                                     .created_ms = summary.created_ms,
                                     .login_ms = summary.header.renewed_ms,
                                     .seen_ms = summary.header.touched_ms,
                                     .expires_ms = summary.header.expires_ms,
                                     .address = summary.address,
                                     .agent = summary.agent,
                                     .is_this = is_own(sweep->rq, key)},
          arg);
    return MID_OK;
}

MAY_SUSPEND static enum mid_error visit_page(struct sweep *sweep, const struct user_index_page *page, visit_fn *visit,
                                             void *arg)
{
    struct gone gone = {.count = 0};
    enum mid_error error = MID_OK;
    for (size_t i = 0; i < page->count && error == MID_OK; i++)
        error = visit_named(sweep, page->names[i].rid, &gone, visit, arg);
    user_index_forget(sweep->user, gone.rids, gone.count);
    return error;
}

enum mid_error mid_user_sessions(struct mid_request *rq, const char *user, visit_fn *visit, void *arg)
{
    struct sweep sweep = {.rq = rq, .user = user};
    struct user_index_page page = {.count = 0};
    int64_t below = NUMBER_MAX;
    MID_TRY(check_user(rq, user));
    do {
        MID_TRY(user_index_read(user, 0, below, true, &page));
        MID_TRY(visit_page(&sweep, &page, visit, arg));
        if (page.count > 0)
            below = page.names[page.count - 1].number;
    } while (page.count == USER_INDEX_PAGE);
    return MID_OK;
}

enum mid_error user_sessions_summarize(struct mid_request *rq, const char *id, struct store_summary *summary)
{
    char key[STORE_KEY_BYTES];
    MID_TRY(read_id(rq, id, key));
    return store_summarize(key, summary);
}
