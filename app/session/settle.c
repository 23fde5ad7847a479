/*
 * Sessions: a commit is sent until its fate is known: stored, refused, or not to be told. See session.h and
 * commit_try.h.
 *
 * Before the head a commit is tried once, since the visitor can ask again. After it nobody could, so it is repeated
 * until commit-timeout-ms has passed; then the revision has to be known before the first try, and is read if it is not.
 *
 * Operations with an answer are foreseen on a view of the very record, and the commit holds only if the record is still
 * at that revision. So the answer is known before it is sent, and true whatever becomes of Redis's answers. Who is
 * overtaken again and again lets Redis apply and answer it whatever the revision is; then it is sent once.
 */
#include <string.h>

#include "base/panic.h"
#include "http/request.h"
#include "session/known_headers.h"
#include "session/limits.h"
#include "session/session.h"
#include "session/user_sessions.h"
#include "user/index.h"

enum { ENTERED_MS = 60 * 1000, CLOCK_ERROR_MS = 50 };
enum { ROUNDS_MAX = 4 }; /* of being overtaken, until Redis is to apply it whatever the revision, and to answer */

/* -------------------- one try -------------------- */

static bool has_operation(const struct commit *commit, bool (*is_it)(const struct operation *operation))
{
    for (const struct operation *operation = commit->operations.first; operation != NULL; operation = operation->next)
        if (is_it(operation))
            return true;
    return false;
}

static bool is_renewal(const struct operation *operation)
{
    return operation->code == OPERATION_RENEW;
}

/* The last one counts. */
static const struct operation *find_renewal(const struct commit *commit)
{
    const struct operation *found = NULL;
    for (const struct operation *operation = commit->operations.first; operation != NULL; operation = operation->next)
        if (is_renewal(operation))
            found = operation;
    return found;
}

/* The revision that the commit rests on, from before it was first sent. One that was sent without may not be applied by
 * a later try: nobody could tell whether the first one was, or will be. */
static void note_revision(struct mid_session *session)
{
    struct commit *commit = &session->commit;
    commit->is_only_looked_for = commit->is_in_doubt && !commit->knows_revision;
    if (commit->is_in_doubt || commit->is_unbound || commit->knows_revision || !session->has_header)
        return;
    commit->revision = session->header.revision;
    commit->knows_revision = true;
}

/* Where the record was read since, that is newer than the answer. */
MAY_SUSPEND static enum mid_error confirm(struct mid_session *session, struct commit_answer *answer)
{
    MID_TRY(commit_confirm(&session->commit, session->key, request_durability(session->rq),
                           session_patience_ms(session), answer));
    const struct header *header = &answer->finding.header;
    answer->is_outdated = session->has_header && session->header.revision > header->revision;
    if (answer->is_outdated)
        answer->finding.header = session->header;
    return MID_OK;
}

MAY_SUSPEND static enum mid_error try_commit(struct mid_session *session, struct commit_answer *answer)
{
    if (session->commit.is_heard && session->commit.heard_on == store_connection(session->key))
        return confirm(session, answer);
    session->commit.is_heard = false;
    struct header known;
    const struct header *believed = session->has_header ? &session->header : NULL;
    if (believed == NULL && known_headers_find(session->rid, &known))
        believed = &known;
    note_revision(session);
    bool can_send_cookie = session_can_send_cookie(session);
    if (can_send_cookie && session->state == SESSION_LIVE && !session->commit.is_in_doubt)
        session_exchange(session);
    return commit_try(&session->commit,
                      &(struct commit_terms){
                          .key = session->key,
                          .generation = session->generation,
                          .is_cookie = session->state == SESSION_CLAIMED ||
                                       (can_send_cookie && has_operation(&session->commit, is_renewal)),
                          .is_without_cookie = !can_send_cookie,
                          .is_activity = session_is_activity(session),
                          .header = believed,
                          .fence = session->fence,
                          .patience_ms = session_patience_ms(session),
                          .durability = request_durability(session->rq),
                      },
                      answer);
}

/* -------------------- what is needed before it -------------------- */

/* On the very record, as far as is known. */
static bool answers_are_foreseen(const struct mid_session *session)
{
    const struct operation *operation = session->commit.operations.first;
    for (; operation != NULL; operation = operation->next)
        if (operation_has_answer(operation) &&
            (!operation->is_foreseen || operation->foreseen_at != session->header.revision))
            return false;
    return session->has_header && (session->header.flags & HEADER_HAS_DEADLINES) == 0;
}

/* Whether the next try needs the record first: its revision, because it may have to be repeated, or its fields, because
 * an answer is asked for. */
static bool needs_record(const struct mid_session *session, bool is_patient)
{
    const struct commit *commit = &session->commit;
    if (commit->is_in_doubt)
        return false; /* it is as it was sent */
    if (has_operation(commit, operation_has_answer) && !commit->is_asked_there)
        return !answers_are_foreseen(session);
    return is_patient && !session->has_header;
}

/* A view of fields with lifetimes of their own is never exact: Redis answers then. */
static void decide_who_answers(struct mid_session *session)
{
    struct commit *commit = &session->commit;
    if (commit->is_in_doubt || !has_operation(commit, operation_has_answer))
        return;
    commit->is_asked_there = commit->is_asked_there || !answers_are_foreseen(session);
    commit->must_hold = !commit->is_asked_there;
    commit->knows_revision = !commit->is_unbound;
    commit->revision = session->header.revision;
}

static enum mid_error fail_revoked(struct mid_session *session)
{
    return mid_fail(session->rq, MID_ENDED, "all sessions of the user were ended during this login; log in again");
}

static enum mid_error fail_another_user(struct mid_session *session)
{
    return mid_fail(session->rq, MID_HEAD_SENT,
                    "another user can log in only before the response's head, which brings the cookie");
}

MAY_SUSPEND static enum mid_error ask_index(struct mid_session *session, const char *user,
                                            struct user_entrance *entrance)
{
    return user_index_enter(user, session->rid_text, session->commit.login_number,
                            &(struct user_index_terms){.patience_ms = session_patience_ms(session),
                                                       .durability = request_durability(session->rq)},
                            entrance);
}

/* The index of the user's sessions names this one before its record does. After the head only the same user can renew
 * it, for whom it was named at the login. A commit that has waited for long asks again: what keeps a login out that an
 * end of all has met is not there for ever. */
MAY_SUSPEND static enum mid_error enter_index(struct mid_session *session)
{
    struct commit *commit = &session->commit;
    const struct operation *renewal = find_renewal(commit);
    struct user_entrance entrance;
    bool is_entered = commit->entered_ms != 0 && loop_now_ms() - commit->entered_ms < ENTERED_MS;
    if (renewal == NULL || renewal->value.bytes == 0 || is_entered || !session_can_send_cookie(session))
        return MID_OK;
    if (commit->login_number == 0)
        commit->login_number = session->login_begun;
    MID_TRY(ask_index(session, renewal->value.data, &entrance));
    if (entrance.is_full && user_sessions_clean(session, renewal->value.data) > 0)
        MID_TRY(ask_index(session, renewal->value.data, &entrance));
    if (entrance.is_revoked)
        return fail_revoked(session);
    if (entrance.is_full)
        return mid_fail(session->rq, MID_TOO_MANY,
                        "this user has %lld sessions, which is the maximum; one of them has to end first",
                        (long long)entrance.others);
    commit->entered_ms = loop_now_ms();
    commit->login_number = session->login_number = entrance.number;
    session->other_sessions = entrance.others;
    return MID_OK;
}

MAY_SUSPEND static enum mid_error prepare(struct mid_session *session, bool is_patient)
{
    if (session->state == SESSION_ABSENT)
        MID_TRY(session_create(session));
    if (needs_record(session, is_patient))
        MID_TRY(session_load(session));
    if (session->state == SESSION_ABSENT) /* its cookie was out of date */
        MID_TRY(session_create(session));
    MID_TRY(enter_index(session));
    decide_who_answers(session);
    return MID_OK;
}

/* -------------------- what came of it -------------------- */

static enum mid_error nobody_knows(struct mid_session *session)
{
    return mid_fail(session->rq, MID_FAILED, "it is unknown whether the session's changes were stored");
}

/* It was sent before the head, and its answer came after it: it is stored, and the cookie is lost, if it was not a
 * later try that came through. The index has not heard of it. */
static enum mid_error fail_cookie_lost(struct mid_session *session)
{
    session->is_keep_due = true;
    return mid_fail(session->rq, MID_HEAD_SENT,
                    "the session was renewed before the head, which went without its cookie");
}

/* `was_surprise`: what the preview showed may not be what was done. */
static void show_stored(struct mid_session *session, const struct commit_answer *answer, bool was_surprise)
{
    const struct header *header = &answer->finding.header;
    if (was_surprise) {
        view_forget(&session->view);
        operations_preview(&session->recorded, &session->view);
        return;
    }
    const struct view *view = &session->view;
    bool was_next = (view->is_complete || view->is_part) && view->revision == header->revision - 1;
    operations_show_results(&session->commit.operations, &session->recorded, &session->view);
    session->view.revision = was_next && answer->finding.verdict != STORE_APPLIED ? header->revision : -1;
}

/* The handle takes the record's generation if this commit is the newest one, or nobody has logged in since the handle's
 * own. Otherwise that login may be this very renewal, which before the head has raised the generation by one, or one of
 * another user behind it, whose generation is not taken. */
static void take_generation(struct mid_session *session, const struct commit_answer *answer)
{
    const struct header *header = &answer->finding.header;
    bool is_newest = memcmp(header->commits[0], session->commit.id, HEADER_COMMIT_BYTES) == 0;
    if (is_newest || session->generation >= header->login)
        session->generation = header->generation;
    else if (session_can_send_cookie(session))
        session->generation++;
    session->must_send_cookie = session_can_send_cookie(session);
}

static enum mid_error take_stored(struct mid_session *session, const struct commit_answer *answer)
{
    struct commit *commit = &session->commit;
    bool was_applied_before = answer->finding.verdict == STORE_APPLIED;
    /* A field's lifetime may have ended between the recording and now, and who lets Redis answer has an old view. */
    bool was_surprise = (session->has_header && (session->header.flags & HEADER_HAS_DEADLINES) != 0) ||
                        commit->is_asked_there || answer->is_outdated;
    session->was_step_skipped = answer->finding.verdict == STORE_SKIPPED;
    bool is_result_lost = was_applied_before && !commit->has_results && commit->is_asked_there;
    if (is_result_lost && has_operation(commit, operation_has_answer))
        return mid_fail(session->rq, MID_FAILED, "the session's changes were stored, but the result was lost");
    bool was_renewal = has_operation(commit, is_renewal);
    bool is_cookie_lost = was_renewal && answer->had_cookie && !session_can_send_cookie(session);
    if (was_renewal)
        take_generation(session, answer);
    session_take_header(session, &answer->finding);
    if (session->state == SESSION_CLAIMED && session_can_send_cookie(session))
        session_exchange(session);
    session_news(session, &answer->finding.header); /* its own commit, if nobody has come between */
    session->state = SESSION_LIVE;
    if (session->was_step_skipped)
        commit_drop(commit);
    bool is_superseded = session->generation < session->header.login; /* it was stored before that */
    if (session->was_step_skipped || (was_applied_before && (session->fence != NULL || is_superseded)))
        session_distrust_view(session); /* what the record has now was not told */
    else
        show_stored(session, answer, was_surprise);
    return is_cookie_lost ? fail_cookie_lost(session) : MID_OK;
}

/* The record has moved on from the revision that the commit rests on. MID_OK: try again, on what it is now. */
static enum mid_error follow(struct mid_session *session, const struct commit_answer *answer, bool was_in_doubt,
                             int *rounds)
{
    struct commit *commit = &session->commit;
    int64_t ahead = answer->finding.header.revision - commit->revision;
    if (was_in_doubt && (commit->is_only_looked_for || ahead < 0 || ahead > HEADER_COMMITS_KEPT))
        return nobody_knows(session);
    session_take_header(session, &answer->finding);
    session_distrust_view(session);
    commit->knows_revision = commit->has_results = commit->must_hold = false;
    commit->is_asked_there = commit->is_unbound = ++*rounds > ROUNDS_MAX;
    return MID_OK;
}

/* The session has ended, for this handle at least. Where the record goes on, it may have the commit, and no longer its
 * identifier. */
static enum mid_error end(struct mid_session *session, const struct commit_answer *answer, bool was_in_doubt)
{
    const struct commit *commit = &session->commit;
    int64_t ahead = answer->finding.has_header ? answer->finding.header.revision - commit->revision : 0;
    bool is_unknown = was_in_doubt && (commit->is_only_looked_for || ahead > HEADER_COMMITS_KEPT);
    enum mid_error error = session_found(session, &answer->finding);
    return error == MID_ENDED && answer->finding.has_header && is_unknown ? nobody_knows(session) : error;
}

/* The slow way has touched the record, and it was not a login, which has just been named: once this call is over, the
 * index has to be looked at. `sent_ms` is by Redis's clock. */
static void note_touch(struct mid_session *session, const struct commit_answer *answer, int64_t sent_ms)
{
    bool was_touched = !answer->was_fast && session->header.touched_ms + CLOCK_ERROR_MS >= sent_ms;
    bool was_login = find_renewal(&session->commit) != NULL && session_can_send_cookie(session);
    if (was_touched && !was_login)
        session->is_keep_due = true;
}

static enum mid_error fail_refused_entry(const struct mid_session *session)
{
    const char *sentence;
    enum mid_error error = journal_error(session->commit.entry_state.verdict, &sentence);
    ENSURE(error != MID_OK);
    return mid_fail(session->rq, error, "%s", sentence);
}

/* One step further. MID_OK with *is_settled false: try again. */
MAY_SUSPEND static enum mid_error advance(struct mid_session *session, bool is_patient, int *rounds, bool *is_settled)
{
    struct commit_answer answer;
    MID_TRY(prepare(session, is_patient));
    bool was_in_doubt = session->commit.is_in_doubt;
    int64_t sent_ms = store_unix_ms(session->key);
    MID_TRY(try_commit(session, &answer));
    switch (answer.finding.verdict) {
    case STORE_OK:
    case STORE_DONE:
    case STORE_APPLIED:
    case STORE_SKIPPED:
        session_count_way(answer.was_fast);
        *is_settled = true;
        MID_TRY(take_stored(session, &answer));
        note_touch(session, &answer, sent_ms);
        return MID_OK;
    case STORE_MOVED:
        return follow(session, &answer, was_in_doubt, rounds);
    case STORE_REVOKED:
        session_take_header(session, &answer.finding);
        return fail_revoked(session);
    case STORE_ANOTHER_USER:
        session_take_header(session, &answer.finding);
        return was_in_doubt ? nobody_knows(session) : fail_another_user(session);
    case STORE_LIMIT:
    case STORE_NOT_A_NUMBER:
    case STORE_STEPS:
        session_take_header(session, &answer.finding);
        return mid_fail(session->rq, MID_UNPROCESSABLE, "%s", answer.refused);
    case STORE_STREAM:
        session_take_header(session, &answer.finding);
        return fail_refused_entry(session);
    default:
        return end(session, &answer, was_in_doubt); /* MID_OK: in a new session */
    }
}

enum mid_error session_settle_commit(struct mid_session *session)
{
    bool is_patient = !session_can_send_cookie(session);
    int64_t end_ms = loop_now_ms() + session_limits.commit_timeout_ms;
    bool is_settled = false;
    int rounds = 0;
    enum mid_error error = MID_OK;
    while (!is_settled && error == MID_OK) {
        error = advance(session, is_patient, &rounds, &is_settled);
        while (error == MID_UNAVAILABLE && is_patient && loop_now_ms() < end_ms) {
            if (store_wait_ready(session->key, end_ms - loop_now_ms()))
                error = advance(session, is_patient, &rounds, &is_settled);
            if (error == MID_UNAVAILABLE)
                loop_park(SESSION_RETRY_PAUSE_MS);
        }
    }
    return error;
}
