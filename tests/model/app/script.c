/* Scripts: see script.h. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"

enum { WORDS_MAX = 16, CALL_BYTES = 48 };

/* One line of the script, as it is carried out. */
struct step {
    struct script *script;
    char phase;
    unsigned number;
    int count;
    const char *words[WORDS_MAX]; /* the phase, the way to end, the operations */
    char call[CALL_BYTES];
    char value[CALL_BYTES];
    const char *expected; /* of cas */
};

/* -------------------- the text -------------------- */

static long long number_after(const struct script *script, const char *word)
{
    const char *at = strstr(script->text, word);
    return at != NULL ? strtoll(at + strlen(word), NULL, 10) : 0;
}

/* "17.h"; of a task's attempt "18.t4711-3", with the process and a number of its own: an attempt that was given back
 * is begun again under the same number. */
static const char *phase_name(const struct script *script, char phase)
{
    if (script->task == NULL)
        return mid_printf(script->rq, "%lld.%c", number_after(script, "run "), phase);
    return mid_printf(script->rq, "%lld.t%d-%u", number_after(script, "task "), (int)getpid(), script->attempt);
}

static const char *steps_name(const struct script *script)
{
    return mid_printf(script->rq, "%lld.s", number_after(script, "task "));
}

static const char *find_line(const char *text, char phase)
{
    while (*text != '\0' && !(text[0] == phase && text[1] == ' ')) {
        text += strcspn(text, "\n");
        text += *text != '\0';
    }
    return *text != '\0' ? text : NULL;
}

bool script_has(const struct script *script, char phase)
{
    return find_line(script->text, phase) != NULL;
}

static void split(struct step *step, const char *line)
{
    char *copy = mid_printf(step->script->rq, "%.*s", (int)strcspn(line, "\n"), line);
    char *rest = NULL;
    step->count = 0;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        if (step->count < WORDS_MAX)
            step->words[step->count++] = word;
}

static const char *way_of(const struct step *step)
{
    return step->words[1];
}

static bool is_way(const struct step *step, const char *way)
{
    return strcmp(way_of(step), way) == 0;
}

/* A step of a task is one for all attempts, and so is its value. */
static void name(struct step *step)
{
    const struct script *script = step->script;
    bool is_step = script->task != NULL && (is_way(step, "step") || is_way(step, "implicit"));
    snprintf(step->call, CALL_BYTES, "%s.%u", phase_name(script, step->phase), step->number);
    snprintf(step->value, CALL_BYTES, "%s.%u", is_step ? steps_name(script) : phase_name(script, step->phase),
             step->number);
}

/* -------------------- the journal -------------------- */

static void note_begin(const struct step *step)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " > %s %d %s %s%s", step->call, (int)getpid(), step->value, way_of(step),
                step->script->is_in_doubt ? " doubt" : "");
    for (int i = 2; i < step->count; i++) {
        line_printf(&line, " %s", step->words[i]);
        if (strncmp(step->words[i], "cas:", 4) == 0) {
            line_printf(&line, ":");
            line_add_bytes(&line, step->expected, strlen(step->expected));
        }
    }
    line_write(&line);
}

/* `answer` may be NULL. */
static void note_answer(const struct step *step, enum mid_error error, const char *answer)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " < %s %s", step->call, mid_error_name(error));
    if (answer != NULL) {
        line_printf(&line, " ");
        line_add_bytes(&line, answer, strlen(answer));
    }
    line_write(&line);
}

void script_note_end(const struct script *script, char phase, enum mid_error error)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " . %s %s", phase_name(script, phase), mid_error_name(error));
    line_write(&line);
}

/* -------------------- operations -------------------- */

static const char *field_of(struct script *script, const char *operation)
{
    const char *field = strchr(operation, ':') + 1;
    return mid_printf(script->rq, "%.*s", (int)strcspn(field, ":"), field);
}

static bool is_operation(const char *word, const char *operation)
{
    size_t length = strlen(operation);
    return strncmp(word, operation, length) == 0 && (word[length] == ':' || word[length] == '\0');
}

static enum mid_error record_long(struct mid_request *rq, struct mid_session *session, const char *field)
{
    char *value = mid_alloc(rq, LONG_BYTES);
    memset(value, 'x', LONG_BYTES);
    return mid_session_set_bytes(session, field, value, LONG_BYTES);
}

static enum mid_error record_bytes(const struct step *step, const char *field)
{
    size_t length = strlen(step->value);
    char *value = mid_alloc(step->script->rq, length + 3);
    memcpy(value, step->value, length);
    memcpy(value + length, "\0\001\377", 3);
    return mid_session_set_bytes(step->script->session, field, value, length + 3);
}

static enum mid_error record(const struct step *step, const char *word)
{
    struct mid_request *rq = step->script->rq;
    struct mid_session *session = step->script->session;
    if (is_operation(word, "bad"))
        return mid_session_set(session, "@bad", "x");
    if (is_operation(word, "nan"))
        return mid_session_increment(session, "log", 1);
    const char *field = field_of(step->script, word);
    if (is_operation(word, "set"))
        return mid_session_set(session, field, step->value);
    if (is_operation(word, "bytes"))
        return record_bytes(step, field);
    if (is_operation(word, "del"))
        return mid_session_delete(session, field);
    if (is_operation(word, "inc"))
        return mid_session_increment(session, field, strtoll(strrchr(word, ':') + 1, NULL, 10));
    if (is_operation(word, "app"))
        return mid_session_append(session, field, mid_printf(rq, "%s;", step->value), LOG_MAX);
    if (is_operation(word, "tail"))
        return mid_session_append(session, field, mid_printf(rq, "%s;", step->value), TAIL_MAX);
    if (is_operation(word, "long"))
        return record_long(rq, session, field);
    return MID_OK; /* it asks: that is the end of the line, below */
}

/* A refused operation is no reason to stop: the commit has to tell. Returns MID_ENDED when there is nothing to be
 * recorded in. */
static enum mid_error record_all(const struct step *step)
{
    enum mid_error error = MID_OK;
    for (int i = 2; i < step->count && error != MID_ENDED; i++)
        error = record(step, step->words[i]);
    return error == MID_ENDED ? error : MID_OK;
}

/* -------------------- ways to end -------------------- */

static enum mid_error ask(const struct step *step, const char **answer)
{
    struct mid_session *session = step->script->session;
    const char *word = step->words[step->count - 1];
    const char *field = field_of(step->script, word);
    bool was_set = false;
    if (is_operation(word, "take")) {
        const char *value = NULL;
        MID_TRY(mid_session_take(session, field, &value));
        *answer = value != NULL ? value : "-";
        return MID_OK;
    }
    if (is_operation(word, "sia"))
        MID_TRY(mid_session_set_if_absent(session, field, step->value, &was_set));
    else
        MID_TRY(mid_session_compare_and_set(session, field, step->expected, step->value, &was_set));
    *answer = was_set ? "1" : "0";
    return MID_OK;
}

static enum mid_error commit_step(const struct step *step, const char **answer)
{
    bool was_applied = false;
    MID_TRY(mid_task_commit(step->script->task, mid_printf(step->script->rq, "step-%u", step->number), &was_applied));
    *answer = was_applied ? "1" : "0";
    return MID_OK;
}

/* The task's part of the script is its payload. */
static enum mid_error enqueue(const struct step *step)
{
    const struct script *script = step->script;
    const char *id = strstr(script->text, "task ") + strlen("task ");
    id += strcspn(id, " ") + 1;
    const struct mid_task_options options = {.id = mid_printf(script->rq, "%.*s", (int)strcspn(id, "\n"), id)};
    return mid_task_enqueue(script->rq, "model", script->text, strlen(script->text), &options, NULL);
}

static enum mid_error finish(const struct step *step, const char **answer)
{
    struct mid_session *session = step->script->session;
    const char *last = step->words[step->count - 1];
    MID_TRY(record_all(step));
    if (is_way(step, "ask"))
        return ask(step, answer);
    if (is_way(step, "renew"))
        return mid_session_renew(session, strchr(last, ':')[1] != '\0' ? strchr(last, ':') + 1 : NULL);
    if (is_way(step, "destroy"))
        return mid_session_destroy(session);
    if (is_way(step, "enqueue"))
        return enqueue(step);
    if (is_way(step, "step") && step->script->task != NULL)
        return commit_step(step, answer);
    return mid_session_commit(session);
}

/* cas expects what the view has, which may be old; where there is nothing, it becomes sia. MID_OK: go on. */
static enum mid_error prepare_cas(struct step *step)
{
    const char *word = step->words[step->count - 1];
    if (!is_operation(word, "cas"))
        return MID_OK;
    const char *field = field_of(step->script, word);
    MID_TRY(mid_session_get(step->script->session, field, &step->expected));
    if (step->expected == NULL)
        step->words[step->count - 1] = mid_printf(step->script->rq, "sia:%s", field);
    else
        step->expected = mid_printf(step->script->rq, "%s", step->expected);
    return MID_OK;
}

/* After these nothing is recorded any more, and the view is what is stored. */
static bool is_doubtful(enum mid_error error)
{
    return error != MID_OK && error != MID_ENDED && error != MID_UNPROCESSABLE && error != MID_FAILED;
}

static enum mid_error change(struct step *step)
{
    const char *answer = NULL;
    if (prepare_cas(step) != MID_OK)
        return MID_OK; /* nothing was begun */
    note_begin(step);
    enum mid_error error = finish(step, &answer);
    note_answer(step, error, answer);
    step->script->is_in_doubt = is_doubtful(error);
    return error;
}

/* -------------------- reading -------------------- */

static void add_field(const char *field, const char *value, size_t bytes, void *arg)
{
    struct line *line = arg;
    line_printf(line, " %s=", field);
    line_add_bytes(line, value, bytes);
}

static enum mid_error read_all(const struct step *step)
{
    struct line line;
    note_begin(step);
    enum mid_error error = mid_session_refresh(step->script->session);
    if (error != MID_OK) {
        note_answer(step, error, NULL);
        return error;
    }
    line_begin(&line);
    line_printf(&line, " < %s MID_OK", step->call);
    error = mid_session_each(step->script->session, add_field, &line);
    line_write(&line);
    return error;
}

static enum mid_error peek(const struct step *step)
{
    const char *value = NULL;
    note_begin(step);
    enum mid_error error = mid_session_get(step->script->session, field_of(step->script, step->words[2]), &value);
    note_answer(step, error, error == MID_OK && value == NULL ? "-" : value);
    return error;
}

/* -------------------- a phase -------------------- */

static enum mid_error need(const struct step *step)
{
    const char *value = NULL;
    MID_TRY(mid_session_get(step->script->session, step->words[2], &value));
    return value != NULL ? MID_OK : MID_NOT_FOUND;
}

/* *is_over: what is returned is the handler's. */
static enum mid_error carry_out(struct step *step, enum mid_error before, bool *is_over)
{
    struct mid_request *rq = step->script->rq;
    *is_over = false;
    if (is_way(step, "stop")) {
        *is_over = before != MID_OK;
        return before;
    }
    if (is_way(step, "nap") || is_way(step, "begin") || is_way(step, "need")) {
        enum mid_error error = is_way(step, "nap")    ? mid_sleep_ms(rq, strtoll(step->words[2], NULL, 10))
                               : is_way(step, "need") ? need(step)
                                                      : mid_rows_begin(rq);
        step->script->is_stream = step->script->is_stream || is_way(step, "begin");
        *is_over = error != MID_OK;
        return error;
    }
    if (is_way(step, "read"))
        return read_all(step);
    if (is_way(step, "peek"))
        return peek(step);
    if (is_way(step, "implicit") || is_way(step, "drop")) {
        note_begin(step);
        *is_over = true;
        MID_TRY(record_all(step));
        return is_way(step, "drop") ? mid_fail(rq, MID_FORBIDDEN, "the script says so") : MID_OK;
    }
    return change(step);
}

static enum mid_error report(const struct step *step, enum mid_error error)
{
    if (!step->script->is_stream)
        return MID_OK;
    return mid_row_printf(step->script->rq, "{\"call\":\"%s\",\"answer\":\"%s\"}", step->call, mid_error_name(error));
}

enum mid_error script_run(struct script *script, char phase)
{
    struct step step = {.script = script, .phase = phase};
    enum mid_error error = MID_OK;
    bool is_over = false;
    const char *line = script->text;
    while (!is_over && (line = find_line(line, phase)) != NULL) {
        step.number++;
        split(&step, line);
        name(&step);
        error = carry_out(&step, error, &is_over);
        if (!is_over)
            MID_TRY(report(&step, error));
        line += strcspn(line, "\n");
        line += *line != '\0';
    }
    return is_over ? error : MID_OK;
}
