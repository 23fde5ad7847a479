/* One commit on its way to Redis. See commit_try.h; commit.lua has the arguments. */
#include "session/commit_try.h"

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <string.h>

#include "base/number.h"
#include "base/panic.h"
#include "redis/reply.h"
#include "session/foresight.h"

static const char believed_body[] = {
#include "session/believed.lua.h"
};
static const char commit_body[] = {
#include "session/commit.lua.h"
};

/* Where the terms have what; their flags are those of commit.lua. */
enum {
    TERMS_ID_AT = 0,
    TERMS_REVISION_AT = 6,
    TERMS_GENERATION_AT = 12,
    TERMS_FLAGS_AT = 16,
    TERMS_TOUCH_AT = 17,
    TERMS_HASH_FIELDS_AT = 23,
    TERMS_BYTES = 25,
};
enum terms_flag {
    TERMS_IS_COOKIE = 1,
    TERMS_KNOWS_REVISION = 2,
    TERMS_MUST_HOLD = 4,
    TERMS_IS_ACTIVITY = 8,
    TERMS_IS_TASK = 16,
    TERMS_IS_ONLY_LOOKED_FOR = 32,
    TERMS_IS_WATCHED = 64,
    TERMS_IS_WITHOUT_COOKIE = 128,
};

enum {
    FIXED_ARGUMENTS = 3,
    TASK_ARGUMENTS = 3,
    OPERATION_ARGUMENTS = 3,
    OWN_HASH_FIELDS = 2, /* "@" and "@created"; there may be "@user" and "@about" */
    STEPS_MAX = 1000,
    ENTRY_ARGUMENTS = 1 + JOURNAL_APPEND_ARGUMENTS,
    ENTRY_ANSWER = 2, /* in the answer, where the results begin otherwise */
    FIRST_RESULT = 2,
};

static struct redis_script script = {.name = "session/commit"};
static struct redis_script entry_script = {.name = "session/commit-entry"};
static uint64_t next_id;

void commit_init(void)
{
    /* The entry costs others nothing: it has a script of its own. */
    static const char no_entry[] = "local ENTRY_ARGUMENTS = 0\n";
    static const char an_entry[] = "local ENTRY_ARGUMENTS, ENTRY_OK, ENTRY_REPEATED = 10, 1, 8\n";
    _Static_assert(ENTRY_ARGUMENTS == 10 && JOURNAL_OK == 1 && JOURNAL_DUPLICATE == 8, "the line says so");
    store_add_script(&script, REFUSED_WHEN_FULL, (const char *const[]){no_entry, believed_body, NULL}, commit_body);
    store_add_script(
        &entry_script, REFUSED_WHEN_FULL,
        (const char *const[]){journal_append_parts[0], journal_append_parts[1], an_entry, believed_body, NULL},
        commit_body);
    randombytes_buf(&next_id, sizeof(next_id)); /* each worker counts on from elsewhere */
}

void commit_drop(struct commit *commit)
{
    operations_drop(&commit->operations);
    *commit = (struct commit){.operations = commit->operations};
    operations_init(&commit->operations);
}

/* -------------------- asking -------------------- */

static struct redis_argument argument(struct operation_text text)
{
    return (struct redis_argument){text.data, text.bytes};
}

static struct redis_argument number_argument(struct arena *arena, int64_t number)
{
    char *text = arena_alloc(arena, NUMBER_TEXT_BYTES);
    return (struct redis_argument){text, number_format(number, text)};
}

/* The code, with its number behind it if it has one. */
static struct redis_argument code_argument(struct arena *arena, enum operation_code code, int64_t number)
{
    char *text = arena_alloc(arena, 1 + NUMBER_TEXT_BYTES);
    text[0] = (char)code;
    bool has_number = code == OPERATION_APPEND || code == OPERATION_SET_FOR || code == OPERATION_COMPARE_AND_SET ||
                      code == OPERATION_RENEW;
    return (struct redis_argument){text, has_number ? 1 + number_format(number, text + 1) : 1};
}

/* As far as the worker knows: what the fast way goes by. */
static bool is_watched(const struct commit_terms *terms)
{
    return terms->header != NULL && (terms->header->flags >> HEADER_WATCH_SHIFT) != 0 &&
           header_is_watched(terms->header, store_unix_ms(terms->key));
}

static void pack_terms(const struct commit *commit, const struct commit_terms *terms, uint8_t *at)
{
    unsigned flags =
        (terms->is_cookie ? TERMS_IS_COOKIE : 0u) | (commit->knows_revision ? TERMS_KNOWS_REVISION : 0u) |
        (commit->must_hold ? TERMS_MUST_HOLD : 0u) | (terms->is_activity ? TERMS_IS_ACTIVITY : 0u) |
        (terms->fence != NULL ? TERMS_IS_TASK : 0u) | (commit->is_only_looked_for ? TERMS_IS_ONLY_LOOKED_FOR : 0u) |
        (is_watched(terms) ? TERMS_IS_WATCHED : 0u) | (terms->is_without_cookie ? TERMS_IS_WITHOUT_COOKIE : 0u);
    unsigned hash_fields = 0;
    if (terms->header != NULL)
        hash_fields = terms->header->fields + OWN_HASH_FIELDS + ((terms->header->flags & HEADER_HAS_USER) != 0) +
                      ((terms->header->flags & HEADER_HAS_ABOUT) != 0);
    memcpy(at + TERMS_ID_AT, commit->id, HEADER_COMMIT_BYTES);
    header_put_number(at + TERMS_REVISION_AT, 6, (uint64_t)commit->revision);
    header_put_number(at + TERMS_GENERATION_AT, 4, terms->generation);
    header_put_number(at + TERMS_FLAGS_AT, 1, flags);
    header_put_number(at + TERMS_TOUCH_AT, 6,
                      terms->is_activity ? (uint64_t)store_touch_before_ms(terms->key, terms->header) : 0);
    header_put_number(at + TERMS_HASH_FIELDS_AT, 2, hash_fields);
}

static size_t add_operation(const struct commit *commit, const struct operation *operation, struct arena *arena,
                            struct redis_argument *arguments)
{
    enum operation_code code = commit->is_asked_there ? operation->code : operation->does;
    int64_t number = code == OPERATION_RENEW ? commit->login_number : operation->number;
    struct operation_text value = operation->value;
    if (code == OPERATION_NOTHING || code == OPERATION_ENTRY)
        return 0;
    if (code == OPERATION_SET && operation->code == OPERATION_COMPARE_AND_SET)
        value = (struct operation_text){value.data + operation->number, value.bytes - (size_t)operation->number};
    arguments[0] = code_argument(arena, code, number);
    arguments[1] = argument(operation->field);
    arguments[2] =
        code == OPERATION_DELETE || code == OPERATION_TAKE ? (struct redis_argument){"", 0} : argument(value);
    return OPERATION_ARGUMENTS;
}

/* What journal_append() would refuse was refused before. */
static size_t add_entry(const struct operation *operation, struct arena *arena, struct redis_argument *arguments)
{
    struct journal_numbers *numbers = arena_alloc(arena, sizeof(*numbers));
    struct journal_append append;
    operation_entry(operation, &append);
    arguments[0] = argument(operation->field);
    enum mid_error error = journal_append_arguments(&append, numbers, arguments + 1);
    ENSURE(error == MID_OK);
    return ENTRY_ARGUMENTS;
}

/* In the operations' arena. `next` NULL: the slow way. */
static size_t make_arguments(struct commit *commit, const struct commit_terms *terms, const struct header *next,
                             struct redis_argument **arguments)
{
    struct arena *arena = &commit->operations.arena;
    size_t most = FIXED_ARGUMENTS + ENTRY_ARGUMENTS + TASK_ARGUMENTS + OPERATION_ARGUMENTS * commit->operations.count;
    struct redis_argument *all = arena_alloc(arena, most * sizeof(*all));
    uint8_t *bytes = arena_zalloc(arena, 2 * HEADER_BYTES + TERMS_BYTES);
    size_t count = 0;
    if (next != NULL) {
        header_pack(terms->header, bytes);
        header_pack(next, bytes + HEADER_BYTES);
    }
    pack_terms(commit, terms, bytes + 2 * HEADER_BYTES);
    all[count++] = (struct redis_argument){bytes, next != NULL ? HEADER_BYTES : 0};
    all[count++] = (struct redis_argument){bytes + HEADER_BYTES, next != NULL ? HEADER_BYTES : 0};
    all[count++] = (struct redis_argument){bytes + 2 * HEADER_BYTES, TERMS_BYTES};
    if (commit->entry != NULL)
        count += add_entry(commit->entry, arena, all + count);
    if (terms->fence != NULL) {
        all[count++] = REDIS_TEXT(terms->fence->task);
        all[count++] = number_argument(arena, terms->fence->generation);
        all[count++] = commit->step != NULL ? REDIS_TEXT(commit->step) : REDIS_TEXT("");
    }
    for (const struct operation *operation = commit->operations.first; operation != NULL; operation = operation->next)
        count += add_operation(commit, operation, arena, all + count);
    *arguments = all;
    return count;
}

/* -------------------- hearing -------------------- */

struct hearing {
    struct commit *commit;
    const char *key;
    const struct header *next; /* of the fast way; NULL: it goes the slow one */
    struct commit_answer *answer;
    struct redis_call *call;
};

static struct operation_text copy_result(struct arena *arena, const struct redisReply *reply)
{
    const char *bytes;
    size_t length;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER) {
        char *text = arena_alloc(arena, NUMBER_TEXT_BYTES);
        return (struct operation_text){text, number_format(reply->integer, text)};
    }
    if (reply_string(reply, &bytes, &length))
        return (struct operation_text){arena_strndup(arena, bytes, length), length};
    return (struct operation_text){0};
}

/* An answer that was foreseen stays; what was not sent has no place in Redis's answer. */
static void take_results(struct commit *commit, const struct redisReply *reply)
{
    size_t index = FIRST_RESULT;
    if (commit->entry != NULL && !journal_take_answer(reply_element(reply, index++), &commit->entry_state))
        commit->entry_state = (struct journal_state){0};
    for (struct operation *operation = commit->operations.first; operation != NULL; operation = operation->next) {
        bool was_sent = (commit->is_asked_there || operation->does != OPERATION_NOTHING) && operation != commit->entry;
        if (was_sent && (commit->is_asked_there || !operation_has_answer(operation)))
            operation->result = copy_result(&commit->operations.arena, reply_element(reply, index));
        index += was_sent;
    }
}

/* The sentence for a refused operation; `field` is "" when it is about the session as a whole. */
static const char *refusal(struct arena *arena, const struct redisReply *reply, enum store_verdict verdict)
{
    const struct store_settings *settings = store_settings();
    const char *field = "";
    const char *which = "";
    size_t bytes;
    reply_string(reply_element(reply, 2), &field, &bytes);
    reply_string(reply_element(reply, 3), &which, &bytes);
    if (verdict == STORE_STEPS)
        return arena_printf(arena, "a task has at most %d steps", STEPS_MAX);
    if (verdict == STORE_NOT_A_NUMBER)
        return arena_printf(arena, "the field \"%s\" is not a whole number, or would leave the range of 64 bits",
                            field);
    if (strcmp(which, "fields") == 0)
        return arena_printf(arena, "a session has at most %d fields", settings->fields_max);
    if (strcmp(which, "size") == 0)
        return arena_printf(arena, "a session has at most %lld bytes", (long long)settings->size_max);
    return arena_printf(arena, "the field \"%s\" would have more than %d bytes", field, settings->value_bytes_max);
}

static enum mid_error on_answer(const struct redisReply *reply, void *arg)
{
    struct hearing *hearing = arg;
    struct store_finding *finding = &hearing->answer->finding;
    store_take_finding(reply, hearing->key, finding);
    if (finding->verdict == STORE_DONE && hearing->next == NULL)
        finding->verdict = STORE_FOREIGN;
    if (!store_is_change(finding->verdict))
        hearing->call->durability = MID_DURABLE_MEMORY;
    switch (finding->verdict) {
    case STORE_DONE:
        finding->has_header = true;
        finding->header = *hearing->next;
        hearing->answer->was_fast = true;
        take_results(hearing->commit, reply);
        break;
    case STORE_OK:
        take_results(hearing->commit, reply);
        hearing->commit->has_results = hearing->commit->is_asked_there;
        break;
    case STORE_APPLIED:
        if (!hearing->commit->has_results) /* heard by an earlier try, which was not confirmed */
            take_results(hearing->commit, reply);
        break;
    case STORE_LIMIT:
    case STORE_NOT_A_NUMBER:
    case STORE_STEPS:
        hearing->answer->refused = refusal(&hearing->commit->operations.arena, reply, finding->verdict);
        break;
    case STORE_STREAM:
        if (hearing->commit->entry == NULL ||
            !journal_take_answer(reply_element(reply, ENTRY_ANSWER), &hearing->commit->entry_state))
            return MID_FAILED;
        break;
    default:
        break;
    }
    return MID_OK;
}

static void give_id(struct commit *commit)
{
    if (commit->has_id)
        return;
    static const uint8_t none[HEADER_COMMIT_BYTES];
    do
        header_put_number(commit->id, HEADER_COMMIT_BYTES, next_id++);
    while (memcmp(commit->id, none, sizeof(none)) == 0);
    commit->has_id = true;
}

/* It was applied, but not confirmed: it need not be sent again for as long as there is this connection. */
static void keep_answer(struct commit *commit, const struct commit_answer *answer, uint64_t connection)
{
    enum store_verdict verdict = answer->finding.verdict;
    commit->is_heard =
        verdict == STORE_OK || verdict == STORE_DONE || verdict == STORE_APPLIED || verdict == STORE_SKIPPED;
    commit->heard_on = connection;
    commit->heard = *answer;
}

enum mid_error commit_try(struct commit *commit, const struct commit_terms *terms, struct commit_answer *answer)
{
    struct redis_argument *arguments;
    struct header next;
    give_id(commit);
    *answer = (struct commit_answer){0};
    bool is_foreseen = foresee(commit, terms, &next);
    size_t count = make_arguments(commit, terms, is_foreseen ? &next : NULL, &arguments);
    struct hearing hearing = {
        .commit = commit, .key = terms->key, .next = is_foreseen ? &next : NULL, .answer = answer};
    struct redis_call call = {
        .on_reply = on_answer, .arg = &hearing, .patience_ms = terms->patience_ms, .durability = terms->durability};
    hearing.call = &call;
    enum mid_error error = redis_script_run(store_settings()->redis, commit->entry != NULL ? &entry_script : &script,
                                            terms->key, count, arguments, &call);
    answer->had_cookie = answer->finding.verdict == STORE_APPLIED ? commit->had_cookie : !terms->is_without_cookie;
    commit->had_cookie = commit->had_cookie || (call.was_sent && !terms->is_without_cookie);
    if (error == MID_OK)
        commit->is_in_doubt = false;
    else if (call.was_sent)
        commit->is_in_doubt = true;
    answer->finding.connection = call.connection;
    if (error == MID_UNAVAILABLE && call.connection != 0)
        keep_answer(commit, answer, call.connection);
    return store_note_failure(terms->key, error);
}

enum mid_error commit_confirm(struct commit *commit, const char *key, enum mid_durability durability,
                              store_patience patience_ms, struct commit_answer *answer)
{
    MID_TRY(store_confirm(key, durability, patience_ms, commit->heard_on));
    *answer = commit->heard;
    commit->is_in_doubt = commit->is_heard = false;
    return MID_OK;
}
