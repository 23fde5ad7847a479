/*
 * Sessions: what is recorded becomes a commit. See session.h.
 *
 * DESIGN. `recorded` is moved as a whole into `commit`, which gets an identifier and is sent (settle.c). A commit that
 * nobody knows the fate of stays there, and whatever is recorded later waits behind it: the next call settles it first,
 * and then makes a commit of the rest.
 */
#include <string.h>

#include "http/request.h"
#include "session/limits.h"
#include "session/session.h"

/* Of what is recorded, with entries that wait behind a commit in doubt. */
enum { WAITING_MAX = 2 * SESSION_OPERATIONS_MAX, WAITING_BYTES_MAX = 2 * SESSION_OPERATION_BYTES_MAX };

bool session_is_dirty(const struct mid_session *session)
{
    return session != NULL &&
           (session->recorded.count > 0 || session->refused != MID_OK || commit_is_pending(&session->commit));
}

static void drop_recorded(struct mid_session *session)
{
    operations_drop(&session->recorded);
    session->refused = MID_OK;
    session->refusal = NULL;
}

/* And the view does not show it any more. */
static void forget_recorded(struct mid_session *session)
{
    drop_recorded(session);
    session_distrust_view(session);
}

void session_drop_changes(struct mid_session *session)
{
    if (!session_is_dirty(session))
        return;
    commit_drop(&session->commit);
    drop_recorded(session);
    session_distrust_view(session);
}

/* -------------------- the commit's life -------------------- */

static bool may_be_repeated(enum mid_error error)
{
    return error == MID_UNAVAILABLE || error == MID_OVERLOADED;
}

/* It ends here, unless it may be sent again: whether it was sent or not, it stays together until then. */
static enum mid_error conclude(struct mid_session *session, enum mid_error error)
{
    session_count(session, SESSION_ACTION_COMMIT, error);
    if (may_be_repeated(error))
        return error;
    if (session->commit.entry != NULL && session->entry_settled != NULL)
        session->entry_settled(session->commit.entry, error);
    commit_drop(&session->commit);
    if (error != MID_OK)
        session_distrust_view(session);
    return error;
}

/* What is in doubt comes first. When that has failed, what was recorded behind it is gone as well: it may rest on it.
 */
MAY_SUSPEND static enum mid_error settle_doubt(struct mid_session *session)
{
    if (!commit_is_pending(&session->commit))
        return MID_OK;
    enum mid_error error = conclude(session, session_settle_commit(session));
    if (error != MID_OK && !may_be_repeated(error))
        forget_recorded(session);
    view_turn(&session->view);
    return error;
}

static enum mid_error tell_refusal(struct mid_session *session)
{
    enum mid_error error = session->refused;
    if (session->refusal != NULL)
        error = mid_fail(session->rq, error, "%s", session->refusal);
    drop_recorded(session);
    session_distrust_view(session);
    view_turn(&session->view);
    session_count(session, SESSION_ACTION_COMMIT, error);
    return error;
}

/* What is recorded is on its way now, alone; or as much of it as one commit has. */
static void begin_commit(struct mid_session *session, const char *step)
{
    struct commit *commit = &session->commit;
    operations_move(&commit->operations, &session->recorded);
    const struct operation *last = operations_last(&commit->operations);
    commit->entry = last->code == OPERATION_ENTRY ? last : NULL;
    if (step != NULL)
        commit->step = arena_strdup(&commit->operations.arena, step);
}

/* The answer of the newest operation, lent by the view; NULL: it has none. */
static const char *newest_answer(struct mid_session *session)
{
    const struct operation *last = operations_last(&session->commit.operations);
    if (last == NULL || last->result.data == NULL)
        return NULL;
    return view_lend_copy(&session->view, last->result.data, last->result.bytes);
}

/* When it has failed for good, what was recorded behind it is gone as well. */
MAY_SUSPEND static enum mid_error commit_next(struct mid_session *session, const char *step, const char **answer)
{
    begin_commit(session, step);
    enum mid_error error = session_settle_commit(session);
    view_turn(&session->view); /* now, since what the caller passed may have been lent */
    if (error == MID_OK && answer != NULL)
        *answer = newest_answer(session);
    session->entry_state = session->commit.entry_state;
    error = conclude(session, error);
    if (error != MID_OK && !may_be_repeated(error))
        forget_recorded(session);
    return error;
}

MAY_SUSPEND static enum mid_error prepare_entries(struct mid_session *session)
{
    if (session->before_entry == NULL || !operations_have_entry(&session->recorded))
        return MID_OK;
    enum mid_error error = session->before_entry(session);
    if (error != MID_OK && !may_be_repeated(error))
        forget_recorded(session);
    return error;
}

/* Entries that wait, each with what was recorded before it; what was recorded since stays. */
MAY_SUSPEND static enum mid_error commit_entries(struct mid_session *session)
{
    MID_TRY(prepare_entries(session));
    while (operations_have_entry(&session->recorded))
        MID_TRY(commit_next(session, NULL, NULL));
    return MID_OK;
}

/* Commits what is recorded, behind what is in doubt; `answer` (may be NULL) is the newest operation's. It is more than
 * one commit when there are entries of durable streams among it, each of which ends one; a step is the last. What was
 * refused was so behind all entries. */
MAY_SUSPEND static enum mid_error commit_all(struct mid_session *session, const char *step, const char **answer)
{
    if (session_is_over(session))
        return MID_ENDED;
    bool had_doubt = commit_is_pending(&session->commit);
    MID_TRY(settle_doubt(session));
    if (session->refused != MID_OK) {
        MID_TRY(commit_entries(session));
        return tell_refusal(session);
    }
    if (session->recorded.count == 0)
        return had_doubt || session->state != SESSION_LIVE ? MID_OK : session_confirm(session, session->heard_on);
    MID_TRY(prepare_entries(session));
    while (session->recorded.count > 0)
        MID_TRY(commit_next(session, operations_have_entry(&session->recorded) ? NULL : step, answer));
    return MID_OK;
}

enum mid_error mid_session_commit(struct mid_session *session)
{
    return commit_all(session, NULL, NULL);
}

/* -------------------- questions -------------------- */

/* Whether the newest of them is this very question, to which there was no answer. */
static bool ends_with(const struct operations *operations, enum operation_code code, struct operation_text field,
                      struct operation_text value, int64_t number)
{
    const struct operation *last = operations_last(operations);
    return last != NULL && operation_is_equal(last, code, field, value, number);
}

MAY_SUSPEND static enum mid_error ask_again(struct mid_session *session, const char **answer)
{
    enum mid_error error = session_settle_commit(session);
    view_turn(&session->view);
    if (error == MID_OK)
        *answer = newest_answer(session);
    session->entry_state = session->commit.entry_state;
    return conclude(session, error);
}

enum mid_error session_ask(struct mid_session *session, enum operation_code code, const char *field,
                           struct operation_text value, int64_t number, const char **answer)
{
    enum mid_error error = MID_OK;
    struct operation_text name = {field, strlen(field)};
    if (session_is_over(session))
        return MID_ENDED;
    bool is_alone = session->recorded.count == 0 && session->refused == MID_OK;
    if (is_alone && ends_with(&session->commit.operations, code, name, value, number))
        return ask_again(session, answer);
    if (!ends_with(&session->recorded, code, name, value, number))
        session_record(session, code, field, value, number, &error);
    if (error != MID_OK && session->refused == MID_OK)
        return error;
    return commit_all(session, NULL, answer); /* which tells what was refused */
}

/* -------------------- with an entry of a durable stream -------------------- */

bool session_has_entries(const struct mid_session *session)
{
    return session->commit.entry != NULL || operations_have_entry(&session->recorded);
}

enum mid_error session_settle_entries(struct mid_session *session)
{
    if (!session_has_entries(session))
        return MID_OK;
    if (session_is_over(session))
        return MID_ENDED;
    MID_TRY(settle_doubt(session));
    return commit_entries(session);
}

static bool awaits(const struct mid_session *session, const char *stream, struct operation_text value, bool closes)
{
    const struct operations *newest = session->recorded.count > 0 ? &session->recorded : &session->commit.operations;
    return session->refused == MID_OK &&
           ends_with(newest, OPERATION_ENTRY, (struct operation_text){stream, strlen(stream)}, value, closes);
}

bool session_awaits_entry(const struct mid_session *session, const char *stream, const struct journal_append *append)
{
    struct buffer value = {0};
    operation_entry_pack(&value, append);
    bool is_it = awaits(session, stream, (struct operation_text){value.data, value.length}, append->closes);
    buffer_fini(&value);
    return is_it;
}

static bool has_room(const struct mid_session *session, size_t bytes)
{
    return session->recorded.count < WAITING_MAX && session->recorded.bytes + bytes <= WAITING_BYTES_MAX;
}

static enum mid_error fail_full(const struct mid_session *session)
{
    return mid_fail(session->rq, MID_OVERLOADED, "too many entries of durable streams wait for the session store");
}

enum mid_error session_keep_entry(struct mid_session *session, const char *stream, const struct journal_append *append)
{
    struct buffer value = {0};
    enum mid_error error = MID_OK;
    operation_entry_pack(&value, append);
    if (has_room(session, value.length))
        session_record(session, OPERATION_ENTRY, stream, (struct operation_text){value.data, value.length},
                       append->closes, &error);
    else
        error = fail_full(session);
    buffer_fini(&value);
    return error;
}

/* Those that wait make room when they are stored. */
MAY_SUSPEND static enum mid_error make_room(struct mid_session *session, size_t bytes)
{
    if (has_room(session, bytes))
        return MID_OK;
    enum mid_error error = session_settle_entries(session);
    return may_be_repeated(error) || (error == MID_OK && !has_room(session, bytes)) ? fail_full(session) : error;
}

/* What was refused before the entry is told instead. */
MAY_SUSPEND static enum mid_error commit_with(struct mid_session *session, const char *stream,
                                              struct operation_text value, bool closes)
{
    const char *answer;
    if (!awaits(session, stream, value, closes))
        MID_TRY(make_room(session, value.bytes));
    if (session->refused != MID_OK)
        return commit_all(session, NULL, NULL);
    return session_ask(session, OPERATION_ENTRY, stream, value, closes, &answer);
}

enum mid_error session_commit_entry(struct mid_session *session, const char *stream,
                                    const struct journal_append *append, struct journal_state *state)
{
    struct buffer value = {0};
    if (session_is_over(session))
        return MID_ENDED;
    MID_TRY(session_stand(session)); /* the stream is this session's, and of none that would be made in its place */
    operation_entry_pack(&value, append);
    session->entry_state = (struct journal_state){0};
    enum mid_error error =
        commit_with(session, stream, (struct operation_text){value.data, value.length}, append->closes);
    buffer_fini(&value);
    *state = session->entry_state;
    return error;
}

/* -------------------- steps of a task -------------------- */

enum mid_error session_commit_step(struct mid_session *session, const char *step, bool *was_applied)
{
    bool is_repetition =
        commit_is_pending(&session->commit) && session->commit.step != NULL && strcmp(session->commit.step, step) == 0;
    if (!session_is_dirty(session)) {
        if (was_applied != NULL)
            *was_applied = true;
        return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
    }
    if (is_repetition)
        MID_TRY(settle_doubt(session));
    if (!is_repetition || session_is_dirty(session)) /* what came in addition is skipped: the step was applied before */
        MID_TRY(commit_all(session, step, NULL));
    if (was_applied != NULL)
        *was_applied = !session->was_step_skipped;
    return MID_OK;
}

enum mid_error session_store_now(struct mid_session *session)
{
    if (session == NULL || !session->is_in_use)
        return MID_OK;
    if (session_is_dirty(session))
        return mid_session_commit(session);
    return session_stand(session);
}
