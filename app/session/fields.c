/*
 * Sessions: what handlers read, and what they record to be changed. See session.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/panic.h"
#include "http/request.h"
#include "session/field.h"
#include "session/limits.h"
#include "session/session.h"

/* -------------------- reading -------------------- */

enum mid_error mid_session_get(struct mid_session *session, const char *field, const char **value)
{
    struct view_field *known;
    MID_TRY(session_find_field(session, field, &known));
    *value = known != NULL ? view_lend(known) : NULL;
    return MID_OK;
}

enum mid_error mid_session_get_int(struct mid_session *session, const char *field, int64_t fallback, int64_t *value)
{
    struct view_field *known;
    MID_TRY(session_find_field(session, field, &known));
    int64_t number = fallback;
    if (known != NULL && !number_parse(known->value, &number))
        return mid_fail(session->rq, MID_UNPROCESSABLE, "the session field \"%s\" is not a whole number", field);
    *value = number;
    return MID_OK;
}

enum mid_error mid_session_each(struct mid_session *session,
                                void (*visit)(const char *field, const char *value, size_t bytes, void *arg), void *arg)
{
    MID_TRY(session_ensure_loaded(session));
    size_t count = 0;
    for (struct view_field *field = session->view.fields; field != NULL; field = field->next)
        count++;
    struct view_field **fields = malloc((count + 1) * sizeof(struct view_field *)); /* `visit` may change the list */
    if (fields == NULL)
        panic("out of memory for %zu session fields", count);
    count = 0;
    for (struct view_field *field = session->view.fields; field != NULL; field = field->next)
        if (field->name[0] != '@' && view_has_value(field)) {
            field->is_lent = true;
            fields[count++] = field;
        }
    for (size_t i = 0; i < count; i++)
        visit(fields[i]->name, fields[i]->value, fields[i]->value_bytes, arg);
    free(fields);
    return MID_OK;
}

enum mid_error mid_session_refresh(struct mid_session *session)
{
    if (session_is_over(session))
        return MID_ENDED;
    return session_load_again(session);
}

bool mid_session_changed(const struct mid_session *session, const char *field)
{
    return !session_is_over(session) && changes_have(&session->changes, &session->view, field);
}

enum mid_error mid_session_info(struct mid_session *session, struct mid_session_info *info)
{
    MID_TRY(session_ensure_begun(session));
    struct view_field *user = view_find(&session->view, "@user");
    *info = (struct mid_session_info){
        .revision = session->header.revision,
        .created_ms = session->created_ms,
        .expires_ms = session->header.expires_ms,
        .renewed_ms = session->header.renewed_ms,
        .user = view_has_value(user) ? view_lend(user) : NULL,
    };
    return MID_OK;
}

/* -------------------- changing -------------------- */

static struct operation_text text_of(const char *text)
{
    return (struct operation_text){text, strlen(text)};
}

/* The next commit tells it again, for who does not look now. */
static enum mid_error refuse(struct mid_session *session, enum mid_error error)
{
    if (session->refused == MID_OK) {
        session->refused = error;
        session->refusal = arena_strdup(&session->rq->arena, session->rq->error_detail);
    }
    return error;
}

/* One of the runtime's own fields, which handlers cannot name. */
static bool is_own_field(enum operation_code code)
{
    return code == OPERATION_RENEW || code == OPERATION_DESCRIBE || code == OPERATION_ENTRY;
}

/* Whether the next commit has as much as it may have; entries that wait are others' ends. */
static bool is_full(const struct operations *recorded)
{
    size_t count = recorded->count;
    size_t bytes = recorded->bytes;
    if (count >= SESSION_OPERATIONS_MAX || bytes >= SESSION_OPERATION_BYTES_MAX)
        operations_count_last(recorded, &count, &bytes);
    return count >= SESSION_OPERATIONS_MAX || bytes >= SESSION_OPERATION_BYTES_MAX;
}

static enum mid_error admit(struct mid_session *session, enum operation_code code, struct operation_text field,
                            struct operation_text value)
{
    const char *limit = NULL;
    if (session_is_over(session))
        return MID_ENDED;
    if (!is_own_field(code) && session_field_check(field.data, field.bytes, &limit) != MID_OK)
        return refuse(session, mid_fail(session->rq, MID_UNPROCESSABLE, "%s", limit));
    if (value.bytes > SESSION_OPERATION_BYTES_MAX)
        return refuse(session, mid_fail(session->rq, MID_UNPROCESSABLE, "the field \"%s\" would have %zu bytes",
                                        field.data, value.bytes));
    if (code != OPERATION_ENTRY && is_full(&session->recorded)) /* for entries there is room: commit.c */
        return refuse(session,
                      mid_fail(session->rq, MID_UNPROCESSABLE, "a commit has at most %d operations and %d bytes",
                               SESSION_OPERATIONS_MAX, SESSION_OPERATION_BYTES_MAX));
    return MID_OK;
}

struct operation *session_record(struct mid_session *session, enum operation_code code, const char *field,
                                 struct operation_text value, int64_t number, enum mid_error *error)
{
    struct operation_text name = text_of(field);
    *error = admit(session, code, name, value);
    if (*error != MID_OK)
        return NULL;
    struct operation *operation = operations_add(&session->recorded, code, name, value, number);
    operation_preview(&session->recorded, operation, &session->view);
    return operation;
}

static enum mid_error record(struct mid_session *session, enum operation_code code, const char *field,
                             struct operation_text value, int64_t number)
{
    enum mid_error error = MID_OK;
    session_record(session, code, field, value, number, &error);
    return error;
}

enum mid_error mid_session_set_bytes(struct mid_session *session, const char *field, const void *value, size_t bytes)
{
    return record(session, OPERATION_SET, field, (struct operation_text){value != NULL ? value : "", bytes}, 0);
}

enum mid_error mid_session_set(struct mid_session *session, const char *field, const char *value)
{
    return record(session, OPERATION_SET, field, text_of(value), 0);
}

enum mid_error mid_session_set_int(struct mid_session *session, const char *field, int64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    number_format(value, text);
    return mid_session_set(session, field, text);
}

enum mid_error mid_session_set_for(struct mid_session *session, const char *field, const char *value, int64_t ms)
{
    if (session_is_over(session))
        return MID_ENDED;
    if (ms <= 0 || ms > SESSION_FIELD_LIFETIME_MAX_MS)
        return refuse(session, mid_fail(session->rq, MID_UNPROCESSABLE,
                                        "the lifetime of the field \"%s\" has to be 1 to %lld ms", field,
                                        (long long)SESSION_FIELD_LIFETIME_MAX_MS));
    return record(session, OPERATION_SET_FOR, field, text_of(value), ms);
}

enum mid_error mid_session_delete(struct mid_session *session, const char *field)
{
    return record(session, OPERATION_DELETE, field, (struct operation_text){0}, 0);
}

enum mid_error mid_session_increment(struct mid_session *session, const char *field, int64_t by)
{
    char text[NUMBER_TEXT_BYTES];
    number_format(by, text);
    return record(session, OPERATION_INCREMENT, field, text_of(text), 0);
}

enum mid_error mid_session_append(struct mid_session *session, const char *field, const char *text, size_t max_bytes)
{
    return record(session, OPERATION_APPEND, field, text_of(text), max_bytes > 0 ? (int64_t)max_bytes : 1);
}

/* -------------------- operations with an answer -------------------- */

enum mid_error mid_session_take(struct mid_session *session, const char *field, const char **value)
{
    return session_ask(session, OPERATION_TAKE, field, (struct operation_text){0}, 0, value);
}

enum mid_error mid_session_set_if_absent(struct mid_session *session, const char *field, const char *value,
                                         bool *was_set)
{
    const char *answer = NULL;
    MID_TRY(session_ask(session, OPERATION_SET_IF_ABSENT, field, text_of(value), 0, &answer));
    *was_set = answer != NULL && strcmp(answer, "1") == 0;
    return MID_OK;
}

enum mid_error mid_session_compare_and_set(struct mid_session *session, const char *field, const char *expected,
                                           const char *value, bool *was_set)
{
    const char *answer = NULL;
    size_t expected_bytes = strlen(expected);
    char *both = malloc(expected_bytes + strlen(value) + 1);
    if (both == NULL)
        panic("out of memory for a value of %zu bytes", strlen(value));
    stpcpy(stpcpy(both, expected), value);
    enum mid_error error =
        session_ask(session, OPERATION_COMPARE_AND_SET, field, text_of(both), (int64_t)expected_bytes, &answer);
    free(both);
    MID_TRY(error);
    *was_set = answer != NULL && strcmp(answer, "1") == 0;
    return MID_OK;
}
