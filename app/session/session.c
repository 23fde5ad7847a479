/* Sessions: reading, recording, committing. See session.h. */
#include "session/session.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "http/query.h"
#include "http/request.h"
#include "session/field.h"
#include "session/limits.h"

/* -------------------- reading -------------------- */

enum mid_error session_load(struct mid_session *session)
{
    struct store_record record = {0};
    enum mid_error error = store_load(session->key, &session->view, &record, session_patience_ms(session));
    session_count(session, SESSION_ACTION_LOAD, error);
    if (error == MID_ENDED)
        return session_found_missing(session);
    MID_TRY(error);
    if (session->state == SESSION_CLAIMED && session->cookie_generation < record.generation)
        return session_found_stale(session, clock_unix_ms() - record.renewed_ms);

    session->state = SESSION_LIVE;
    session->record = record;
    session->is_loaded = true;
    for (struct operation *operation = session->operations.first; operation != NULL; operation = operation->next)
        operation_preview(operation, &session->view);
    if (!session->rq->is_after && !request_is_gone(session->rq))
        store_touch(session->key, &session->record, session_patience_ms(session));
    return MID_OK;
}

/* Makes sure that the whole session has been read. */
MAY_SUSPEND static enum mid_error ensure_loaded(struct mid_session *session)
{
    if (session->state == SESSION_ENDED)
        return MID_ENDED;
    if (session->state == SESSION_ABSENT || session->is_loaded)
        return MID_OK;
    return session_load(session);
}

/* What the view knows of one field, loading the session if that is nothing. */
MAY_SUSPEND static enum mid_error find_field(struct mid_session *session, const char *name, struct view_field **field)
{
    if (session->state == SESSION_ENDED)
        return MID_ENDED;
    *field = session->state == SESSION_CLAIMED ? NULL : view_find(&session->view, name);
    if (*field == NULL && !session->view.is_complete) {
        MID_TRY(ensure_loaded(session));
        *field = view_find(&session->view, name);
    }
    if (*field != NULL && (*field)->is_absent)
        *field = NULL;
    return MID_OK;
}

enum mid_error mid_session_get(struct mid_session *session, const char *field, const char **value)
{
    struct view_field *known;
    MID_TRY(find_field(session, field, &known));
    *value = known != NULL ? known->value : NULL;
    return MID_OK;
}

enum mid_error mid_session_get_int(struct mid_session *session, const char *field, int64_t fallback, int64_t *value)
{
    struct view_field *known;
    MID_TRY(find_field(session, field, &known));
    int64_t number = fallback;
    if (known != NULL && !parse_int64(known->value, &number))
        return mid_fail(session->rq, MID_UNPROCESSABLE, "the session field \"%s\" is not a whole number", field);
    *value = number;
    return MID_OK;
}

enum mid_error mid_session_each(struct mid_session *session,
                                void (*visit)(const char *field, const char *value, size_t bytes, void *arg), void *arg)
{
    MID_TRY(ensure_loaded(session));
    for (struct view_field *field = session->view.fields; field != NULL; field = field->next)
        if (!field->is_absent)
            visit(field->name, field->value, field->value_bytes, arg);
    return MID_OK;
}

enum mid_error mid_session_refresh(struct mid_session *session)
{
    if (session->state == SESSION_ENDED)
        return MID_ENDED;
    return session->state == SESSION_ABSENT ? MID_OK : session_load(session);
}

enum mid_error mid_session_info(struct mid_session *session, struct mid_session_info *info)
{
    MID_TRY(ensure_loaded(session));
    *info = (struct mid_session_info){
        .revision = session->record.revision,
        .created_ms = session->record.created_ms,
        .expires_ms = session->record.expires_ms,
        .user = session->record.user[0] != '\0' ? session->record.user : NULL,
    };
    return MID_OK;
}

/* -------------------- recording -------------------- */

static struct operation_text text_of(const char *text)
{
    return (struct operation_text){text, strlen(text)};
}

struct operation *session_record(struct mid_session *session, enum operation_code code, const char *field,
                                 int argument_count, const struct operation_text arguments[], enum mid_error *error)
{
    struct operation_text name = text_of(field);
    const char *limit = NULL;
    if (session->state == SESSION_ENDED) {
        *error = MID_ENDED;
        return NULL;
    }
    if (code != OPERATION_RENEW && session_field_check(field, name.bytes, &limit) != MID_OK) {
        *error = mid_fail(session->rq, MID_UNPROCESSABLE, "%s", limit);
        return NULL;
    }
    if (session->operations.count >= SESSION_OPERATIONS_MAX ||
        session->operations.bytes >= SESSION_OPERATION_BYTES_MAX) {
        *error = mid_fail(session->rq, MID_UNPROCESSABLE, "a commit has at most %d operations and %d bytes",
                          SESSION_OPERATIONS_MAX, SESSION_OPERATION_BYTES_MAX);
        return NULL;
    }
    struct operation *operation = operations_add(&session->operations, code, name, argument_count, arguments);
    operation_preview(operation, &session->view);
    return operation;
}

static enum mid_error record(struct mid_session *session, enum operation_code code, const char *field,
                             int argument_count, const struct operation_text arguments[])
{
    enum mid_error error = MID_OK;
    session_record(session, code, field, argument_count, arguments, &error);
    return error;
}

enum mid_error mid_session_set_bytes(struct mid_session *session, const char *field, const void *value, size_t bytes)
{
    if (bytes > SESSION_OPERATION_BYTES_MAX)
        return mid_fail(session->rq, MID_UNPROCESSABLE, "the field \"%s\" would have %zu bytes", field, bytes);
    return record(session, OPERATION_SET, field, 1, (struct operation_text[]){{value, bytes}});
}

enum mid_error mid_session_set(struct mid_session *session, const char *field, const char *value)
{
    return mid_session_set_bytes(session, field, value, strlen(value));
}

enum mid_error mid_session_set_int(struct mid_session *session, const char *field, int64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    number_format(value, text);
    return mid_session_set(session, field, text);
}

enum mid_error mid_session_delete(struct mid_session *session, const char *field)
{
    return record(session, OPERATION_DELETE, field, 0, NULL);
}

enum mid_error mid_session_increment(struct mid_session *session, const char *field, int64_t by)
{
    char text[NUMBER_TEXT_BYTES];
    number_format(by, text);
    return record(session, OPERATION_INCREMENT, field, 1, (struct operation_text[]){text_of(text)});
}

enum mid_error mid_session_append(struct mid_session *session, const char *field, const char *text, size_t max_bytes)
{
    char max[NUMBER_TEXT_BYTES];
    number_format(max_bytes > 0 ? (int64_t)max_bytes : 1, max);
    return record(session, OPERATION_APPEND, field, 2, (struct operation_text[]){text_of(text), text_of(max)});
}

/* -------------------- committing -------------------- */

bool session_is_dirty(const struct mid_session *session)
{
    return session != NULL && session->operations.count > 0;
}

static void forget_operations(struct mid_session *session)
{
    operations_drop(&session->operations);
    session->commit = (struct store_commit){0};
    session->step = NULL;
}

/* One try; on MID_UNAVAILABLE the commit stays as it is, to be repeated. */
MAY_SUSPEND static enum mid_error try_commit(struct mid_session *session)
{
    struct store_commit *commit = &session->commit;
    if (commit->id == 0)
        *commit = (struct store_commit){
            .key = session->key,
            .operations = &session->operations,
            .known_revision = session->is_loaded ? session->record.revision : -1,
            .fence = session->fence,
            .step = session->step,
        };
    commit->generation = session->state == SESSION_CLAIMED ? (int64_t)session->cookie_generation : -1;
    commit->is_activity = !session->rq->is_after && !request_is_gone(session->rq);
    commit->patience_ms = session_patience_ms(session);
    return store_commit(commit);
}

/* In the middle of a stream, or after it, an answer is worth waiting for: nobody can ask again. */
MAY_SUSPEND static enum mid_error commit_with_patience(struct mid_session *session)
{
    int64_t end_ms = loop_now_ms() + session_limits.commit_timeout_ms;
    bool is_patient = !session_can_send_cookie(session);
    enum mid_error error = try_commit(session);
    while (error == MID_UNAVAILABLE && is_patient && loop_now_ms() < end_ms) {
        if (store_wait_ready(end_ms - loop_now_ms()))
            error = try_commit(session);
        if (error == MID_UNAVAILABLE)
            loop_park(SESSION_RETRY_PAUSE_MS);
    }
    return error;
}

static void settle(struct mid_session *session)
{
    for (struct operation *operation = session->operations.first; operation != NULL; operation = operation->next) {
        operation_settle(operation, &session->view);
        if (operation->code == OPERATION_RENEW) {
            int64_t generation = 0;
            if (operation->result.data != NULL && parse_int64(operation->result.data, &generation))
                session->cookie_generation = (uint32_t)generation;
            snprintf(session->record.user, sizeof(session->record.user), "%s", operation->field.data);
        }
    }
    session->state = SESSION_LIVE;
    session->record.revision = session->commit.revision;
}

/* Commits without giving up the operations' results, which the caller reads before forget_operations(). */
MAY_SUSPEND static enum mid_error commit_recorded(struct mid_session *session)
{
    if (session->state == SESSION_ENDED)
        return MID_ENDED;
    if (session->state == SESSION_ABSENT)
        MID_TRY(session_create(session));
    enum mid_error error = commit_with_patience(session);
    if (error == MID_ENDED || error == MID_FORBIDDEN) {
        error = error == MID_ENDED ? session_found_missing(session)
                                   : session_found_stale(session, session->commit.stale_ms);
        session->commit = (struct store_commit){0};
        if (error == MID_OK) { /* the visitor gets a new session */
            MID_TRY(session_create(session));
            error = commit_with_patience(session);
        }
    }
    session->was_step_skipped = error == MID_OK && session->commit.was_skipped && !session->commit.was_own;
    if (error == MID_OK && !session->commit.was_skipped)
        settle(session);
    return error;
}

/* The operations end here, unless they may be committed again. */
static enum mid_error conclude(struct mid_session *session, enum mid_error error)
{
    session_count(session, SESSION_ACTION_COMMIT, error);
    if (error == MID_UNAVAILABLE || error == MID_OVERLOADED)
        return error;
    if (error == MID_UNPROCESSABLE && session->commit.refused != NULL)
        error = mid_fail(session->rq, error, "%s", session->commit.refused);
    if (error == MID_FAILED)
        error = mid_fail(session->rq, error, "it is not known whether the session's changes were stored");
    if (error != MID_OK || session->commit.was_skipped) { /* the view shows what was not done, or not now */
        view_fini(&session->view);
        session->is_loaded = false;
        session->view.is_complete = session->state == SESSION_ABSENT;
    }
    forget_operations(session);
    return error;
}

enum mid_error mid_session_commit(struct mid_session *session)
{
    if (session->operations.count == 0)
        return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
    return conclude(session, commit_recorded(session));
}

/* -------------------- operations with an answer -------------------- */

/* Records the operation and commits; its result, in the request's memory, is NULL for none. */
MAY_SUSPEND static enum mid_error ask(struct mid_session *session, enum operation_code code, const char *field,
                                      int argument_count, const struct operation_text arguments[], const char **result)
{
    enum mid_error error = MID_OK;
    struct operation *operation = session_record(session, code, field, argument_count, arguments, &error);
    if (operation == NULL)
        return error;
    error = commit_recorded(session);
    if (error == MID_OK)
        *result = operation->result.data != NULL
                      ? arena_strndup(&session->rq->arena, operation->result.data, operation->result.bytes)
                      : NULL;
    return conclude(session, error);
}

enum mid_error mid_session_take(struct mid_session *session, const char *field, const char **value)
{
    return ask(session, OPERATION_TAKE, field, 0, NULL, value);
}

enum mid_error mid_session_set_if_absent(struct mid_session *session, const char *field, const char *value,
                                         bool *was_set)
{
    const char *result;
    MID_TRY(ask(session, OPERATION_SET_IF_ABSENT, field, 1, (struct operation_text[]){text_of(value)}, &result));
    *was_set = result != NULL && strcmp(result, "1") == 0;
    return MID_OK;
}

enum mid_error mid_session_compare_and_set(struct mid_session *session, const char *field, const char *expected,
                                           const char *value, bool *was_set)
{
    const char *result;
    MID_TRY(ask(session, OPERATION_COMPARE_AND_SET, field, 2,
                (struct operation_text[]){text_of(expected), text_of(value)}, &result));
    *was_set = result != NULL && strcmp(result, "1") == 0;
    return MID_OK;
}

void session_close(struct mid_session *session)
{
    if (session == NULL)
        return;
    list_remove(&session->stream_link);
    operations_drop(&session->operations);
    view_fini(&session->view);
}
