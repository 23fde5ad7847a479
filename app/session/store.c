/* Sessions in Redis. See store.h; the scripts are beside this file. */
#include "session/store.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/panic.h"
#include "http/query.h"

static const char commit_body[] = {
#include "session/commit.lua.h"
};
static const char create_body[] = {
#include "session/create.lua.h"
};
static const char touch_body[] = {
#include "session/touch.lua.h"
};

static const char claim_body[] = {
#include "session/claim.lua.h"
};
static const char release_body[] = {
#include "session/release.lua.h"
};

/* What the first element of commit.lua's answer says. */
enum commit_status {
    COMMIT_OK,
    COMMIT_ENDED,
    COMMIT_STALE,
    COMMIT_LIMIT,
    COMMIT_NOT_A_NUMBER,
    COMMIT_UNKNOWN,
    COMMIT_LOST,
    COMMIT_SKIPPED,
    COMMIT_STEPS
};

enum { TOUCH_AFTER_MS = 60 * 1000, TOUCH_FRACTION = 10 };

static struct store_settings settings;
static struct redis_script commit_script = {.name = "session/commit"};
static struct redis_script create_script = {.name = "session/create"};
static struct redis_script touch_script = {.name = "session/touch"};
static struct redis_script claim_script = {.name = "session/claim"};
static struct redis_script release_script = {.name = "session/release"};
static uint64_t next_commit_id;

/* -------------------- set-up -------------------- */

/* The script with a line of settings in front. Lives as long as the process. */
static void add_script(struct redis_script *script, const char *line, const char *body)
{
    size_t room = strlen(line) + strlen(body) + 1;
    char *whole = malloc(room);
    if (whole == NULL)
        panic("out of memory for the script %s", script->name);
    stpcpy(stpcpy(whole, line), body);
    free((void *)(uintptr_t)script->body); /* of an earlier store_init() */
    script->body = whole;
    redis_client_add_script(settings.redis, script);
}

static int64_t touch_after_ms(void)
{
    int64_t fraction_ms = settings.idle_ms / TOUCH_FRACTION;
    return fraction_ms < TOUCH_AFTER_MS ? fraction_ms : TOUCH_AFTER_MS;
}

void store_init(const struct store_settings *store_settings)
{
    settings = *store_settings;
    char line[200];
    snprintf(line, sizeof(line), "local IDLE_MS, FIELDS_MAX, VALUE_MAX = %" PRId64 ", %d, %d\n", settings.idle_ms,
             settings.fields_max, settings.value_bytes_max);
    add_script(&commit_script, line, commit_body);
    snprintf(line, sizeof(line), "local IDLE_MS, ABSOLUTE_MS = %" PRId64 ", %" PRId64 "\n", settings.idle_ms,
             settings.absolute_ms);
    add_script(&create_script, line, create_body);
    snprintf(line, sizeof(line), "local IDLE_MS = %" PRId64 "\n", settings.idle_ms);
    add_script(&touch_script, line, touch_body);
    add_script(&claim_script, "", claim_body);
    add_script(&release_script, "", release_body);
    randombytes_buf(&next_commit_id, sizeof(next_commit_id)); /* each worker counts on from elsewhere */
}

void store_key(const uint8_t rid[static TOKEN_RID_BYTES], char key[static STORE_KEY_BYTES])
{
    char *end = stpcpy(key, "mid:s:{");
    sodium_bin2hex(end, 2 * TOKEN_RID_BYTES + 1, rid, TOKEN_RID_BYTES);
    strcpy(end + 2 * TOKEN_RID_BYTES, "}");
}

bool store_wait_ready(int64_t timeout_ms)
{
    return redis_client_wait_ready(settings.redis, timeout_ms);
}

/* -------------------- answers -------------------- */

static const struct redisReply *element(const struct redisReply *reply, size_t index)
{
    return reply->type == REDIS_REPLY_ARRAY && index < reply->elements ? reply->element[index] : NULL;
}

static int64_t integer(const struct redisReply *reply)
{
    int64_t value = 0;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    if (reply != NULL && reply->type == REDIS_REPLY_STRING && parse_int64(reply->str, &value))
        return value;
    return 0;
}

/* -------------------- load -------------------- */

struct load {
    struct view *view;
    struct store_record *record;
};

static void take_own_field(const char *name, const struct redisReply *value, struct store_record *record)
{
    if (strcmp(name, "@revision") == 0)
        record->revision = integer(value);
    else if (strcmp(name, "@generation") == 0)
        record->generation = (uint32_t)integer(value);
    else if (strcmp(name, "@created") == 0)
        record->created_ms = integer(value);
    else if (strcmp(name, "@expires") == 0)
        record->expires_ms = integer(value);
    else if (strcmp(name, "@touched") == 0)
        record->touched_ms = integer(value);
    else if (strcmp(name, "@renewed") == 0)
        record->renewed_ms = integer(value);
    else if (strcmp(name, "@user") == 0)
        snprintf(record->user, sizeof(record->user), "%s", value->str);
}

static enum mid_error on_loaded(const struct redisReply *reply, void *arg)
{
    struct load *load = arg;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return MID_ENDED;
    view_fini(load->view);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const struct redisReply *name = reply->element[i];
        const struct redisReply *value = reply->element[i + 1];
        if (name->str[0] == '@')
            take_own_field(name->str, value, load->record);
        else
            view_set(load->view, name->str, (size_t)name->len, value->str, (size_t)value->len);
    }
    load->view->is_complete = true;
    return MID_OK;
}

enum mid_error store_load(const char *key, struct view *view, struct store_record *record, store_patience patience_ms)
{
    struct load load = {.view = view, .record = record};
    struct redis_call call = {.on_reply = on_loaded, .arg = &load, .patience_ms = patience_ms};
    return redis_command(settings.redis, 2, (struct redis_argument[]){REDIS_TEXT("HGETALL"), REDIS_TEXT(key)}, &call);
}

/* -------------------- create, touch, destroy -------------------- */

static enum mid_error on_created(const struct redisReply *reply, void *arg)
{
    struct store_record *record = arg;
    if (integer(element(reply, 0)) != 1)
        return MID_FAILED;
    int64_t created_ms = integer(element(reply, 1));
    *record = (struct store_record){
        .created_ms = created_ms,
        .touched_ms = created_ms,
        .renewed_ms = created_ms,
        .expires_ms = integer(element(reply, 2)),
        .generation = 1,
    };
    return MID_OK;
}

enum mid_error store_create(const char *key, struct store_record *record, store_patience patience_ms)
{
    struct redis_call call = {.on_reply = on_created, .arg = record, .patience_ms = patience_ms};
    return redis_script_run(settings.redis, &create_script, key, 0, NULL, &call);
}

void store_touch(const char *key, struct store_record *record, store_patience patience_ms)
{
    int64_t now_ms = clock_unix_ms();
    if (now_ms - record->touched_ms <= touch_after_ms())
        return;
    record->touched_ms = now_ms;
    struct redis_call call = {.patience_ms = patience_ms};
    enum mid_error error = redis_script_run(settings.redis, &touch_script, key, 0, NULL, &call);
    (void)error; /* the visitor's next request touches it */
}

static enum mid_error on_existence(const struct redisReply *reply, void *arg)
{
    (void)arg;
    return integer(reply) == 1 ? MID_OK : MID_ENDED;
}

enum mid_error store_exists(const char *key)
{
    struct redis_call call = {.on_reply = on_existence};
    return redis_command(settings.redis, 2, (struct redis_argument[]){REDIS_TEXT("EXISTS"), REDIS_TEXT(key)}, &call);
}

enum mid_error store_destroy(const char *key, store_patience patience_ms)
{
    struct redis_call call = {.patience_ms = patience_ms};
    return redis_command(settings.redis, 2, (struct redis_argument[]){REDIS_TEXT("DEL"), REDIS_TEXT(key)}, &call);
}

/* -------------------- a task's claim -------------------- */

static enum mid_error on_claimed(const struct redisReply *reply, void *arg)
{
    (void)arg;
    int64_t verdict = integer(reply);
    return verdict > 0 ? MID_OK : verdict == 0 ? MID_LOST_LEASE : MID_ENDED;
}

MAY_SUSPEND static enum mid_error run_fenced(struct redis_script *script, const char *key,
                                             const struct store_fence *fence, const char *last)
{
    char generation[NUMBER_TEXT_BYTES];
    number_format(fence->generation, generation);
    struct redis_argument arguments[] = {REDIS_TEXT(fence->field + strlen("@task:")), REDIS_TEXT(generation),
                                         REDIS_TEXT(last)};
    struct redis_call call = {.on_reply = on_claimed};
    return redis_script_run(settings.redis, script, key, 3, arguments, &call);
}

enum mid_error store_claim(const char *key, const struct store_fence *fence)
{
    char until[NUMBER_TEXT_BYTES];
    number_format(fence->until_ms, until);
    return run_fenced(&claim_script, key, fence, until);
}

void store_release(const char *key, const struct store_fence *fence)
{
    enum mid_error error = run_fenced(&release_script, key, fence, "");
    (void)error;
}

enum mid_error store_destroy_fenced(const char *key, const struct store_fence *fence)
{
    return run_fenced(&release_script, key, fence, "end");
}

/* -------------------- commit -------------------- */

static struct operation_text copy_result(struct arena *arena, const struct redisReply *reply)
{
    if (reply == NULL || reply->type == REDIS_REPLY_NIL)
        return (struct operation_text){0};
    if (reply->type == REDIS_REPLY_INTEGER) {
        char *text = arena_alloc(arena, NUMBER_TEXT_BYTES);
        return (struct operation_text){text, number_format(reply->integer, text)};
    }
    return (struct operation_text){arena_strndup(arena, reply->str, (size_t)reply->len), (size_t)reply->len};
}

/* The sentence for a refused operation; `field` is "" when it is about the session as a whole. */
static const char *refusal(struct arena *arena, enum commit_status status, const char *field)
{
    if (status == COMMIT_NOT_A_NUMBER)
        return arena_printf(arena, "the field \"%s\" is not a whole number, or would leave the range of 64 bits",
                            field);
    if (field[0] == '\0')
        return arena_printf(arena, "a session has at most %d fields", settings.fields_max);
    return arena_printf(arena, "the field \"%s\" would have more than %d bytes", field, settings.value_bytes_max);
}

static enum mid_error on_committed(const struct redisReply *reply, void *arg)
{
    struct store_commit *commit = arg;
    const struct redisReply *detail = element(reply, 1);
    const char *field = detail != NULL && detail->type == REDIS_REPLY_STRING ? detail->str : "";
    enum commit_status status = (enum commit_status)integer(element(reply, 0));
    switch (status) {
    case COMMIT_OK:
        break;
    case COMMIT_ENDED:
        return MID_ENDED;
    case COMMIT_STALE:
        commit->stale_ms = integer(detail);
        return MID_FORBIDDEN;
    case COMMIT_LIMIT:
    case COMMIT_NOT_A_NUMBER:
        commit->refused = refusal(&commit->operations->arena, status, field);
        return MID_UNPROCESSABLE;
    case COMMIT_STEPS:
        commit->refused = "a task has at most 1000 steps";
        return MID_UNPROCESSABLE;
    case COMMIT_LOST:
        return MID_LOST_LEASE;
    case COMMIT_SKIPPED:
        commit->revision = integer(detail);
        commit->was_skipped = true;
        commit->was_own = integer(element(reply, 2)) == 1;
        return MID_OK;
    case COMMIT_UNKNOWN:
    default:
        return MID_FAILED;
    }
    commit->revision = integer(detail);
    size_t index = commit->fence != NULL ? 3 : 2;
    for (struct operation *operation = commit->operations->first; operation != NULL; operation = operation->next)
        operation->result = copy_result(&commit->operations->arena, element(reply, index++));
    return MID_OK;
}

static struct redis_argument argument(struct operation_text text)
{
    return (struct redis_argument){text.data, text.bytes};
}

static struct redis_argument number_or_nothing(struct arena *arena, bool is_there, int64_t number)
{
    if (!is_there)
        return (struct redis_argument){"", 0};
    char *text = arena_alloc(arena, NUMBER_TEXT_BYTES);
    return (struct redis_argument){text, number_format(number, text)};
}

/* The arguments of commit.lua, in the operations' arena; four of its own, four of a fence, then four for each
 * operation.
 */
static size_t commit_arguments(struct store_commit *commit, struct redis_argument **arguments)
{
    struct arena *arena = &commit->operations->arena;
    struct redis_argument *all = arena_alloc(arena, (8 + 4 * commit->operations->count) * sizeof(*all));
    size_t count = 0;
    all[count++] = (struct redis_argument){&commit->id, sizeof(commit->id)};
    all[count++] = number_or_nothing(arena, commit->may_be_applied, commit->known_revision);
    all[count++] = number_or_nothing(arena, commit->generation >= 0, commit->generation);
    all[count++] = number_or_nothing(arena, commit->is_activity, clock_unix_ms() - touch_after_ms());
    if (commit->fence != NULL) {
        all[count++] = REDIS_TEXT("k");
        all[count++] = REDIS_TEXT(commit->fence->field);
        all[count++] = number_or_nothing(arena, true, commit->fence->generation);
        all[count++] = commit->step != NULL ? REDIS_TEXT(commit->step) : REDIS_TEXT("");
    }
    for (const struct operation *operation = commit->operations->first; operation != NULL;
         operation = operation->next) {
        all[count++] = (struct redis_argument){&operation->code, 1};
        all[count++] = argument(operation->field);
        all[count++] = argument(operation->arguments[0]);
        all[count++] = argument(operation->arguments[1]);
    }
    *arguments = all;
    return count;
}

enum mid_error store_commit(struct store_commit *commit)
{
    if (commit->id == 0)
        commit->id = next_commit_id++;
    struct redis_argument *arguments;
    size_t count = commit_arguments(commit, &arguments);
    struct redis_call call = {.on_reply = on_committed, .arg = commit, .patience_ms = commit->patience_ms};
    enum mid_error error = redis_script_run(settings.redis, &commit_script, commit->key, count, arguments, &call);
    if (error == MID_UNAVAILABLE && call.was_sent)
        commit->may_be_applied = true;
    return error;
}
