/* What has happened. See history.h. */
#include "history.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/panic.h"
#include "words.h"

struct history {
    struct row lines; /* as they came */
    struct row runs;
    struct row calls;
    struct row records;
    struct row texts; /* copies of lines, cut into words: what everything here points into */
    void *runs_by_number;
    void *calls_by_name;
    void *calls_by_value;
    void *records_by_rid;
    size_t operations;
    struct buffer rest; /* of the file: a line that is not whole yet */
};

enum { WORDS_MAX = 128 };

void row_add(struct row *row, void *item)
{
    if (row->count == row->room) {
        row->room = row->room > 0 ? 2 * row->room : 16;
        row->items = realloc(row->items, row->room * sizeof(*row->items));
        ENSURE(row->items != NULL);
    }
    row->items[row->count++] = item;
}

static void *new_item(size_t bytes)
{
    void *item = calloc(1, bytes);
    ENSURE(item != NULL);
    return item;
}

/* -------------------- trees -------------------- */

static int compare_runs(const void *left, const void *right)
{
    const struct run *a = left;
    const struct run *b = right;
    return (a->number > b->number) - (a->number < b->number);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct call *)left)->name, ((const struct call *)right)->name);
}

static int compare_values(const void *left, const void *right)
{
    return strcmp(((const struct call *)left)->value, ((const struct call *)right)->value);
}

static int compare_rids(const void *left, const void *right)
{
    return strcmp(((const struct record *)left)->rid, ((const struct record *)right)->rid);
}

static void *look(void *const *tree, const void *key, int (*compare)(const void *, const void *))
{
    void *const *found = tfind(key, tree, compare);
    return found != NULL ? *found : NULL;
}

static struct record *record_of(struct history *history, const char *rid)
{
    if (strcmp(rid, "-") == 0)
        return NULL;
    struct record *record = look(&history->records_by_rid, &(struct record){.rid = rid}, compare_rids);
    if (record == NULL) {
        record = new_item(sizeof(*record));
        record->rid = rid;
        record->given_up = record->first_logout = NEVER;
        row_add(&history->records, record);
        tsearch(record, &history->records_by_rid, compare_rids);
    }
    return record;
}

static struct run *run_of(struct history *history, unsigned long number)
{
    struct run *run = look(&history->runs_by_number, &(struct run){.number = number}, compare_runs);
    if (run == NULL) {
        run = new_item(sizeof(*run));
        run->number = number;
        run->kind = "?";
        run->end = NEVER;
        row_add(&history->runs, run);
        tsearch(run, &history->runs_by_number, compare_runs);
    }
    return run;
}

/* `name` is a call's or a phase's; what begins with 't' is an attempt of a task. */
static struct handle *handle_of(struct run *run, const char *name)
{
    const char *phase = strchr(name, '.') + 1;
    const char *attempt = phase[0] == 't' ? phase : NULL;
    size_t length = strcspn(phase, ".");
    for (size_t i = 0; i < run->handles.count; i++) {
        struct handle *handle = run->handles.items[i];
        if (attempt == NULL ? handle->attempt == NULL
                            : handle->attempt != NULL && strcspn(handle->attempt, ".") == length &&
                                  memcmp(handle->attempt, attempt, length) == 0)
            return handle;
    }
    struct handle *handle = new_item(sizeof(*handle));
    handle->run = run;
    handle->attempt = attempt;
    row_add(&run->handles, handle);
    return handle;
}

/* -------------------- lines -------------------- */

static void take_begin(struct history *history, char **words, size_t count, size_t number)
{
    struct call *call = new_item(sizeof(*call));
    ENSURE(count >= 5);
    char *phase = NULL;
    struct run *run = run_of(history, strtoul(words[1], &phase, 10));
    call->name = words[1];
    call->worker = (pid_t)strtol(words[2], NULL, 10);
    call->value = words[3];
    call->way = way_of(words[4]);
    call->phase = phase[1];
    call->handle = handle_of(run, call->name);
    call->begin = number;
    call->end = NEVER;
    call->handle->last_line = number;
    size_t first = 5;
    if (first < count && strcmp(words[first], "doubt") == 0) {
        call->has_doubt = true;
        first++;
    }
    call->operations = new_item((count - first + 1) * sizeof(*call->operations));
    for (size_t i = first; i < count; i++)
        call->operations[call->count++] = operation_of(words[i]);
    history->operations += call->count > 0 ? call->count : 1;
    row_add(&call->handle->calls, call);
    row_add(&history->calls, call);
    ENSURE(look(&history->calls_by_name, call, compare_names) == NULL);
    tsearch(call, &history->calls_by_name, compare_names);
    tsearch(call, &history->calls_by_value, compare_values); /* the first of its value stays */
}

static struct sight *new_sight(char **words, size_t count, size_t begin, size_t end)
{
    struct sight *sight = new_item(sizeof(*sight));
    sight->begin = begin;
    sight->end = end;
    sight->is_gone = count == 1 && strcmp(words[0], "gone") == 0;
    sight->count = sight->is_gone ? 0 : count;
    sight->words = new_item((count + 1) * sizeof(*words));
    for (size_t i = 0; i < count; i++)
        sight->words[i] = words[i];
    return sight;
}

static void take_answer(struct history *history, char **words, size_t count, size_t number)
{
    ENSURE(count >= 3);
    struct call *call = look(&history->calls_by_name, &(struct call){.name = words[1]}, compare_names);
    ENSURE(call != NULL && call->end == NEVER);
    call->end = number;
    call->error = words[2];
    call->answer = count > 3 ? words[3] : NULL;
    call->handle->last_line = number;
    if (call->way != WAY_READ || strcmp(call->error, "MID_OK") != 0)
        return;
    call->sight = new_sight(words + 3, count - 3, call->begin, number);
    call->sight->call = call;
}

static void take_sent(struct history *history, char **words, size_t count, size_t number)
{
    ENSURE(count >= 5);
    struct run *run = run_of(history, strtoul(words[1], NULL, 10));
    run->kind = words[2];
    run->sent_to = run->record = record_of(history, words[3]);
    run->generation = (uint32_t)strtoul(words[4], NULL, 10);
    run->begin = number;
}

/* A cookie of another session: the visitor has been given a new one, and the run belongs to that. */
static void take_heard(struct history *history, char **words, size_t count, size_t number)
{
    ENSURE(count >= 5);
    struct run *run = run_of(history, strtoul(words[1], NULL, 10));
    struct record *record = record_of(history, words[3]);
    uint32_t generation = (uint32_t)strtoul(words[4], NULL, 10);
    run->end = number;
    run->verdict = words[2];
    if (record == run->sent_to) {
        run->renewed = generation;
    } else if (record != NULL) {
        run->record = record;
        run->generation = generation;
    }
}

static void take_unclear(struct history *history, char **words, size_t count)
{
    ENSURE(count >= 3);
    const struct run *run = run_of(history, strtoul(words[1], NULL, 10));
    run->sent_to->is_unclear = true;
    record_of(history, words[2])->is_unclear = true;
}

static void sight_free(struct sight *sight)
{
    if (sight != NULL)
        free(sight->words);
    free(sight);
}

/* A look of the test's own: one at a time. */
static void take_sight(struct history *history, char **words, size_t count, size_t number)
{
    struct record *record = record_of(history, words[1]);
    if (words[0][0] == 'S') {
        row_add(&record->sights, new_sight(NULL, 0, number, NEVER));
        return;
    }
    ENSURE(record->sights.count > 0 && count >= 2);
    struct sight *begun = record->sights.items[record->sights.count - 1];
    record->sights.items[record->sights.count - 1] = new_sight(words + 2, count - 2, begun->begin, number);
    sight_free(begun);
}

static size_t split(char *text, char ***words)
{
    static char *found[WORDS_MAX];
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        ENSURE(count < WORDS_MAX);
        found[count++] = word;
    }
    *words = found;
    return count;
}

void history_add(struct history *history, const char *line)
{
    size_t number = history->lines.count;
    char *copy = strdup(line);
    char **words;
    row_add(&history->texts, copy);
    row_add(&history->lines, strdup(line));
    size_t count = split(copy, &words);
    ENSURE(count >= 2);
    words++, count--; /* the time */
    switch (words[0][0]) {
    case '+':
        take_sent(history, words, count, number);
        break;
    case '=':
        take_heard(history, words, count, number);
        break;
    case '>':
        take_begin(history, words, count, number);
        break;
    case '<':
        take_answer(history, words, count, number);
        break;
    case 'S':
    case 'T':
        take_sight(history, words, count, number);
        break;
    case '?':
        take_unclear(history, words, count);
        break;
    case '-':
        record_of(history, words[1])->given_up = number;
        break;
    case '.':
        handle_of(run_of(history, strtoul(words[1], NULL, 10)), words[1])->last_line = number;
        break;
    default:
        break;
    }
}

void history_read(struct history *history, int fd)
{
    enum { PIECE_BYTES = 1 << 20 };
    ssize_t got;
    while ((got = read(fd, buffer_reserve(&history->rest, PIECE_BYTES), PIECE_BYTES)) > 0) {
        struct buffer *rest = &history->rest;
        size_t from = 0;
        rest->length += (size_t)got;
        for (char *end; (end = memchr(rest->data + from, '\n', rest->length - from)) != NULL;) {
            *end = '\0';
            history_add(history, rest->data + from);
            from = (size_t)(end - rest->data) + 1;
        }
        memmove(rest->data, rest->data + from, rest->length - from);
        rest->length -= from;
    }
}

/* -------------------- open and close -------------------- */

struct history *history_new(void)
{
    return new_item(sizeof(struct history));
}

static void row_free(struct row *row, void (*fini)(void *))
{
    for (size_t i = 0; fini != NULL && i < row->count; i++)
        fini(row->items[i]);
    free(row->items);
}

static void call_free(void *item)
{
    struct call *call = item;
    sight_free(call->sight);
    free(call->operations);
    free(call);
}

static void handle_free(void *item)
{
    struct handle *handle = item;
    row_free(&handle->calls, NULL);
    free(handle);
}

static void run_free(void *item)
{
    struct run *run = item;
    row_free(&run->handles, handle_free);
    free(run);
}

static void test_sight_free(void *item)
{
    sight_free(item);
}

static void record_free(void *item)
{
    struct record *record = item;
    row_free(&record->sights, test_sight_free);
    row_free(&record->calls, NULL);
    free(record);
}

static void keep(void *item)
{
    (void)item; /* the rows free it */
}

void history_free(struct history *history)
{
    tdestroy(history->runs_by_number, keep);
    tdestroy(history->calls_by_name, keep);
    tdestroy(history->calls_by_value, keep);
    tdestroy(history->records_by_rid, keep);
    row_free(&history->calls, call_free);
    row_free(&history->runs, run_free);
    row_free(&history->records, record_free);
    row_free(&history->texts, free);
    row_free(&history->lines, free);
    buffer_fini(&history->rest);
    free(history);
}

/* -------------------- looking -------------------- */

const struct row *history_records(const struct history *history)
{
    return &history->records;
}

const struct row *history_runs(const struct history *history)
{
    return &history->runs;
}

const struct row *history_calls(const struct history *history)
{
    return &history->calls;
}

struct call *history_find(const struct history *history, const char *value, size_t length)
{
    char text[64];
    if (length >= sizeof(text))
        return NULL;
    memcpy(text, value, length);
    text[length] = '\0';
    return look(&history->calls_by_value, &(struct call){.value = text}, compare_values);
}

size_t history_operations(const struct history *history)
{
    return history->operations;
}

size_t history_line_count(const struct history *history)
{
    return history->lines.count;
}

const char *history_line(const struct history *history, size_t number)
{
    return number < history->lines.count ? history->lines.items[number] : "";
}

int64_t history_time_ms(const struct history *history, size_t number)
{
    return strtoll(history_line(history, number), NULL, 10);
}

const char *sight_field(const struct sight *sight, const char *field)
{
    size_t length = strlen(field);
    for (size_t i = 0; i < sight->count; i++)
        if (strncmp(sight->words[i], field, length) == 0 && sight->words[i][length] == '=')
            return sight->words[i] + length + 1;
    return NULL;
}
