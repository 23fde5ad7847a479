/* The sessions of a user. See user_sessions.h and midstream/user.h; the index is app/user. */
#include "session/user_sessions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/request.h"
#include "session/limits.h"
#include "user/index.h"

enum {
    RID_TEXT_LENGTH = 2 * TOKEN_RID_BYTES,
    CLEANED_AT_LOGIN = 4, /* names that each login looks at, from the oldest on */
    FEW_SESSIONS = 8,     /* with fewer it does not */
    SLOW_MS = 100,        /* a step that has failed and took longer has waited for Redis */
    SLOW_FAILURES_MAX = 3,
};

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

static bool is_own(const struct mid_request *rq, const char *key)
{
    const struct mid_session *session = rq->session;
    return session != NULL && (session->state == SESSION_LIVE || session->state == SESSION_CLAIMED) &&
           strcmp(session->key, key) == 0;
}

/* -------------------- ending -------------------- */

/* One session; `user` NULL: whoever's. *finding tells what became of it; ending->user whose it was. */
MAY_SUSPEND static enum mid_error end_one(struct mid_request *rq, const char *key, const char *user, int64_t number,
                                          struct store_ending *ending, struct store_finding *finding)
{
    ending->patience_ms = session_request_patience_ms(rq);
    ending->durability = request_durability(rq);
    MID_TRY(store_end(key, user, number, ending, finding));
    if (finding->verdict == STORE_FOREIGN)
        return mid_fail(rq, MID_FAILED, "the session's record has an unknown format");
    if (finding->verdict == STORE_OK && is_own(rq, key))
        session_end_own(rq->session);
    return MID_OK;
}

/* What is to end of a user. */
struct sweep {
    struct mid_request *rq;
    const char *user;
    const char *spared; /* the rid of the one that goes on; NULL: none does */
    int64_t number;     /* of the end of all that are named below it; 0: they are ended one by one */
    int64_t ended;
    enum mid_error error; /* the first one: the others are ended all the same */
    int slow_failures;
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
        user_index_leave(sweep->user, rid, false, session_request_patience_ms(sweep->rq));
    else
        gone->rids[gone->count++] = rid;
    sweep->ended += finding.verdict == STORE_OK;
    return MID_OK;
}

/* One that cannot be ended, such as one of a node that is away, does not keep the others alive. False: Redis does not
 * answer at all. */
static bool may_go_on(struct sweep *sweep, enum mid_error error, int64_t begun_ms)
{
    if (error == MID_OK)
        return true;
    if (sweep->error == MID_OK)
        sweep->error = error;
    sweep->slow_failures += loop_now_ms() - begun_ms > SLOW_MS;
    return sweep->slow_failures < SLOW_FAILURES_MAX;
}

MAY_SUSPEND static bool end_page(struct sweep *sweep, const struct user_index_page *page)
{
    struct gone gone = {.count = 0};
    bool goes_on = true;
    for (size_t i = 0; i < page->count && goes_on; i++) {
        int64_t begun_ms = loop_now_ms();
        goes_on = may_go_on(sweep, end_named(sweep, page->names[i].rid, &gone), begun_ms);
    }
    user_index_forget(sweep->user, gone.rids, gone.count, session_request_patience_ms(sweep->rq));
    return goes_on;
}

/* All that are named below the number, page by page. */
MAY_SUSPEND static enum mid_error end_pages(struct sweep *sweep)
{
    struct user_index_page page = {.count = 0};
    struct user_index_range range = {.above = 0, .below = sweep->number};
    do {
        MID_TRY(user_index_read(sweep->user, &range, session_request_patience_ms(sweep->rq), &page));
        if (!end_page(sweep, &page))
            break;
        range.above = page.end;
    } while (!page.is_last);
    return sweep->error;
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
    enum mid_error error =
        user_index_revoke(sweep->user, sweep->spared != NULL ? sweep->spared : "",
                          &(struct user_index_terms){.patience_ms = session_request_patience_ms(sweep->rq),
                                                     .durability = request_durability(sweep->rq)},
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
        user_index_leave(ending.user, id, true, session_request_patience_ms(rq));
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

/* -------------------- how many there are -------------------- */

/* Looks at so many of the oldest names, and takes those away whose sessions are gone or another's. *page has those that
 * are left, of as many as were looked at. Returns how many went. */
MAY_SUSPEND static size_t clean(struct sweep *sweep, size_t most, struct user_index_page *page)
{
    char key[STORE_KEY_BYTES];
    struct store_summary summary;
    struct gone gone = {.count = 0};
    size_t others = 0;
    size_t kept = 0;
    int64_t patience_ms = session_request_patience_ms(sweep->rq);
    const struct user_index_range all = {.above = 0, .below = USER_NUMBER_MAX};
    struct user_index_page read;
    page->count = 0;
    if (user_index_read(sweep->user, &all, patience_ms, &read) != MID_OK)
        return 0;
    for (size_t i = 0; i < read.count && i < most; i++) {
        const struct user_index_name *name = &read.names[i];
        key_of(name->rid, key);
        if (store_summarize(key, patience_ms, &summary) != MID_OK)
            break;
        if (!summary.is_there && !summary.is_old) {
            gone.rids[gone.count++] = name->rid;
        } else if (summary.is_there && strcmp(summary.user, sweep->user) != 0) {
            user_index_leave(sweep->user, name->rid, false, patience_ms);
            others++;
        } else {
            page->names[kept++] = *name;
        }
    }
    page->count = kept;
    user_index_forget(sweep->user, gone.rids, gone.count, patience_ms);
    return gone.count + others;
}

size_t user_sessions_clean(struct mid_session *session, const char *user)
{
    struct user_index_page page;
    struct sweep sweep = {.rq = session->rq, .user = user, .spared = session->rid_text};
    return clean(&sweep, USER_INDEX_PAGE, &page);
}

/* The oldest of the page, until there are no more than there may be, which other logins may have seen to. */
MAY_SUSPEND static void end_oldest(struct sweep *sweep, const struct user_index_page *page)
{
    int64_t count;
    struct gone gone = {.count = 0};
    if (user_index_count(sweep->user, session_request_patience_ms(sweep->rq), &count) != MID_OK)
        return; /* the next login does it */
    int64_t excess = user_index_excess(count);
    for (size_t i = 0; i < page->count && sweep->ended < excess; i++)
        if (end_named(sweep, page->names[i].rid, &gone) != MID_OK)
            break;
    user_index_forget(sweep->user, gone.rids, gone.count, session_request_patience_ms(sweep->rq));
}

void user_sessions_end_excess(struct mid_session *session, const char *user)
{
    struct user_index_page page;
    struct sweep sweep = {.rq = session->rq, .user = user, .spared = session->rid_text};
    bool is_excess = user_index_excess(session->other_sessions + 1) > 0;
    if (!is_excess && session->other_sessions < FEW_SESSIONS)
        return;
    clean(&sweep, is_excess ? USER_INDEX_PAGE : CLEANED_AT_LOGIN, &page);
    if (is_excess)
        end_oldest(&sweep, &page);
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

void user_sessions_keep_if_due(struct mid_session *session)
{
    if (session->is_keep_due && session->state == SESSION_LIVE)
        user_sessions_keep(session);
    session->is_keep_due = false;
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
    MID_TRY(store_summarize(key, session_request_patience_ms(sweep->rq), &summary));
    if (summary.is_old)
        return MID_OK;
    if (!summary.is_there) {
        gone->rids[gone->count++] = rid;
        return MID_OK;
    }
    if (strcmp(summary.user, sweep->user) != 0) {
        user_index_leave(sweep->user, rid, false, session_request_patience_ms(sweep->rq));
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

MAY_SUSPEND static bool visit_page(struct sweep *sweep, const struct user_index_page *page, visit_fn *visit, void *arg)
{
    struct gone gone = {.count = 0};
    bool goes_on = true;
    for (size_t i = 0; i < page->count && goes_on; i++) {
        int64_t begun_ms = loop_now_ms();
        goes_on = may_go_on(sweep, visit_named(sweep, page->names[i].rid, &gone, visit, arg), begun_ms);
    }
    user_index_forget(sweep->user, gone.rids, gone.count, session_request_patience_ms(sweep->rq));
    return goes_on;
}

enum mid_error mid_user_sessions(struct mid_request *rq, const char *user, visit_fn *visit, void *arg)
{
    struct sweep sweep = {.rq = rq, .user = user};
    struct user_index_page page = {.count = 0};
    struct user_index_range range = {.above = 0, .below = USER_NUMBER_MAX, .newest_first = true};
    MID_TRY(check_user(rq, user));
    do {
        MID_TRY(user_index_read(user, &range, session_request_patience_ms(rq), &page));
        if (!visit_page(&sweep, &page, visit, arg))
            break;
        range.below = page.end;
    } while (!page.is_last);
    return sweep.error;
}

enum mid_error user_sessions_summarize(struct mid_request *rq, const char *id, struct store_summary *summary)
{
    char key[STORE_KEY_BYTES];
    MID_TRY(read_id(rq, id, key));
    return store_summarize(key, session_request_patience_ms(rq), summary);
}
