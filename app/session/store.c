/* Sessions in Redis. See store.h; the scripts are beside this file. */
#include "session/store.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "base/panic.h"
#include "session/field.h"

const char store_record_body[] = {
#include "session/record.lua.h"
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
static const char destroy_body[] = {
#include "session/destroy.lua.h"
};

enum { TOUCH_AFTER_MS = 60 * 1000, TOUCH_FRACTION = 10 };

static const char until_prefix[] = "@until:";

static struct store_settings settings;
static struct redis_script create_script = {.name = "session/create"};
static struct redis_script touch_script = {.name = "session/touch"};
static struct redis_script claim_script = {.name = "session/claim"};
static struct redis_script release_script = {.name = "session/release"};
static struct redis_script destroy_script = {.name = "session/destroy"};

/* -------------------- set-up -------------------- */

void store_add_script(struct redis_script *script, bool when_full, const char *const parts[])
{
    char line[400];
    snprintf(line, sizeof(line),
             "%slocal IDLE_MS, ABSOLUTE_MS, USER_IDLE_MS, USER_ABSOLUTE_MS, FIELDS_MAX, VALUE_MAX, SIZE_MAX = %" PRId64
             ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %d, %d, %" PRId64 "\n",
             when_full ? "#!lua flags=allow-oom\n" : "", settings.idle_ms, settings.absolute_ms, settings.user_idle_ms,
             settings.user_absolute_ms, settings.fields_max, settings.value_bytes_max, settings.size_max);
    size_t room = strlen(line) + 1;
    for (const char *const *part = parts; *part != NULL; part++)
        room += strlen(*part);
    char *whole = malloc(room);
    if (whole == NULL)
        panic("out of memory for the script %s", script->name);
    char *end = stpcpy(whole, line);
    for (const char *const *part = parts; *part != NULL; part++)
        end = stpcpy(end, *part);
    free((void *)(uintptr_t)script->body); /* of an earlier store_init() */
    script->body = whole;
    redis_client_add_script(settings.redis, script);
}

static void add_script(struct redis_script *script, bool when_full, const char *body)
{
    store_add_script(script, when_full, (const char *const[]){store_record_body, body, NULL});
}

void store_init(const struct store_settings *store_settings)
{
    settings = *store_settings;
    add_script(&create_script, false, create_body);
    add_script(&touch_script, true, touch_body); /* nothing grows */
    add_script(&claim_script, true, claim_body); /* a lease that holds is not lost because Redis is full */
    add_script(&release_script, true, release_body);
    add_script(&destroy_script, true, destroy_body);
}

const struct store_settings *store_settings(void)
{
    return &settings;
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

/* -------------------- lifetimes -------------------- */

static bool has_user(const struct header *header)
{
    return (header->flags & HEADER_HAS_USER) != 0;
}

static int64_t touch_after_ms(const struct header *header)
{
    int64_t fraction_ms = (has_user(header) ? settings.user_idle_ms : settings.idle_ms) / TOUCH_FRACTION;
    return fraction_ms < TOUCH_AFTER_MS ? fraction_ms : TOUCH_AFTER_MS;
}

int64_t store_touch_before_ms(const struct header *header)
{
    static const struct header nobody;
    return redis_client_unix_ms(settings.redis) - touch_after_ms(header != NULL ? header : &nobody);
}

bool store_must_touch(const struct header *header)
{
    return header->touched_ms < store_touch_before_ms(header);
}

int64_t store_absolute_ms(const struct header *header)
{
    return has_user(header) ? settings.user_absolute_ms : settings.absolute_ms;
}

/* -------------------- answers -------------------- */

const struct redisReply *store_element(const struct redisReply *reply, size_t index)
{
    return reply->type == REDIS_REPLY_ARRAY && index < reply->elements ? reply->element[index] : NULL;
}

bool store_text(const struct redisReply *reply, const char **text, size_t *bytes)
{
    if (reply == NULL || reply->type != REDIS_REPLY_STRING)
        return false;
    *text = reply->str;
    *bytes = (size_t)reply->len;
    return true;
}

int64_t store_integer(const struct redisReply *reply)
{
    int64_t value = 0;
    const char *text;
    size_t bytes;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    if (store_text(reply, &text, &bytes) && number_parse(text, &value))
        return value;
    return 0;
}

static void log_foreign(const char *key)
{
    log_event(MID_ERROR, "session.foreign-record", "key=%s", key);
}

enum mid_error store_note_failure(const char *key, enum mid_error error)
{
    if (error == MID_FAILED)
        log_foreign(key);
    return error;
}

void store_take_finding(const struct redisReply *reply, const char *key, struct store_finding *finding)
{
    const char *bytes;
    size_t length;
    const struct redisReply *verdict = store_element(reply, 0);
    *finding = (struct store_finding){.verdict = STORE_FOREIGN};
    if (verdict != NULL && verdict->type == REDIS_REPLY_INTEGER && verdict->integer > STORE_NO_ANSWER &&
        verdict->integer <= STORE_APPLIED)
        finding->verdict = (enum store_verdict)verdict->integer;
    finding->has_header =
        store_text(store_element(reply, 1), &bytes, &length) && header_parse(bytes, length, &finding->header);
    if (finding->verdict == STORE_STALE)
        finding->renewed_ago_ms = store_integer(store_element(reply, 2));
    if (finding->verdict == STORE_FOREIGN)
        log_foreign(key);
}

/* -------------------- scripts with nothing but a finding -------------------- */

struct step {
    const char *key;
    struct store_finding *finding;
};

static enum mid_error on_finding(const struct redisReply *reply, void *arg)
{
    const struct step *step = arg;
    store_take_finding(reply, step->key, step->finding);
    return MID_OK;
}

MAY_SUSPEND static enum mid_error run(struct redis_script *script, const char *key, size_t count,
                                      const struct redis_argument arguments[], store_patience patience_ms,
                                      struct store_finding *finding)
{
    struct step step = {.key = key, .finding = finding};
    struct redis_call call = {.on_reply = on_finding, .arg = &step, .patience_ms = patience_ms};
    return store_note_failure(key, redis_script_run(settings.redis, script, key, count, arguments, &call));
}

enum mid_error store_create(const char *key, store_patience patience_ms, struct store_finding *finding)
{
    return run(&create_script, key, 0, NULL, patience_ms, finding);
}

enum mid_error store_touch(const char *key, store_patience patience_ms, struct store_finding *finding)
{
    return run(&touch_script, key, 0, NULL, patience_ms, finding);
}

enum mid_error store_destroy(const char *key, uint32_t generation, bool is_cookie, const struct store_fence *fence,
                             store_patience patience_ms, struct store_finding *finding)
{
    char own[NUMBER_TEXT_BYTES];
    char of_task[NUMBER_TEXT_BYTES] = "";
    number_format(generation, own);
    if (fence != NULL)
        number_format(fence->generation, of_task);
    struct redis_argument arguments[] = {REDIS_TEXT(own), REDIS_TEXT(is_cookie ? "1" : ""),
                                         REDIS_TEXT(fence != NULL ? fence->task : ""), REDIS_TEXT(of_task)};
    return run(&destroy_script, key, 4, arguments, patience_ms, finding);
}

enum mid_error store_claim(const char *key, const struct store_fence *fence, struct store_finding *finding)
{
    char generation[NUMBER_TEXT_BYTES];
    char until[NUMBER_TEXT_BYTES];
    char session_generation[NUMBER_TEXT_BYTES];
    number_format(fence->generation, generation);
    number_format(fence->until_ms, until);
    number_format(fence->session_generation, session_generation);
    struct redis_argument arguments[] = {REDIS_TEXT(fence->task), REDIS_TEXT(generation), REDIS_TEXT(until),
                                         REDIS_TEXT(session_generation)};
    return run(&claim_script, key, 4, arguments, 0, finding);
}

void store_release(const char *key, const struct store_fence *fence)
{
    struct store_finding finding;
    char generation[NUMBER_TEXT_BYTES];
    number_format(fence->generation, generation);
    struct redis_argument arguments[] = {REDIS_TEXT(fence->task), REDIS_TEXT(generation)};
    enum mid_error error = run(&release_script, key, 2, arguments, 0, &finding);
    (void)error;
}

/* -------------------- looking -------------------- */

/* Of HMGET of "@" and "@generation", by which a record of format 1 is known. */
static enum mid_error on_look(const struct redisReply *reply, void *arg)
{
    const struct step *step = arg;
    struct store_finding *finding = step->finding;
    const char *bytes;
    size_t length;
    *finding = (struct store_finding){.verdict = STORE_OK};
    if (store_text(store_element(reply, 0), &bytes, &length)) {
        finding->has_header = header_parse(bytes, length, &finding->header);
        if (!finding->has_header) {
            finding->verdict = STORE_FOREIGN;
            log_foreign(step->key);
        }
    } else if (!store_text(store_element(reply, 1), &bytes, &length)) {
        finding->verdict = STORE_MISSING;
    }
    return MID_OK;
}

enum mid_error store_look(const char *key, struct store_finding *finding)
{
    struct step step = {.key = key, .finding = finding};
    struct redis_call call = {.on_reply = on_look, .arg = &step};
    struct redis_argument arguments[] = {REDIS_TEXT("HMGET"), REDIS_TEXT(key), REDIS_TEXT("@"),
                                         REDIS_TEXT("@generation")};
    return store_note_failure(key, redis_command(settings.redis, 4, arguments, &call));
}

/* -------------------- loading -------------------- */

struct load {
    struct step step;
    struct view *view;
    int64_t created_ms;
    int64_t generation;  /* of a record of format 1 */
    bool is_old;         /* it is one */
    struct header older; /* what it says */
};

/* A field that begins with '@'. False: it is not as it should be. */
static bool take_own_field(struct load *load, const char *name, const char *value, size_t bytes)
{
    struct store_finding *finding = load->step.finding;
    int64_t number = 0;
    if (strcmp(name, "@user") == 0) {
        view_set(load->view, name, strlen(name), bytes > 0 ? value : NULL, bytes);
        load->older.flags |= bytes > 0 ? HEADER_HAS_USER : 0;
        return true;
    }
    if (strcmp(name, "@") == 0) {
        finding->has_header = header_parse(value, bytes, &finding->header);
        return finding->has_header;
    }
    static const struct {
        const char *name;
        size_t at; /* in struct load */
    } numbers[] = {
        {"@created", offsetof(struct load, created_ms)},       {"@revision", offsetof(struct load, older.revision)},
        {"@touched", offsetof(struct load, older.touched_ms)}, {"@expires", offsetof(struct load, older.expires_ms)},
        {"@renewed", offsetof(struct load, older.renewed_ms)}, {"@generation", offsetof(struct load, generation)},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (!number_parse(value, &number))
            return false;
        memcpy((char *)load + numbers[i].at, &number, sizeof(number));
        load->is_old = load->is_old || strcmp(name, "@generation") == 0;
    }
    return true; /* others are of a later version */
}

/* Deadlines come before or after their fields, hence a second pass. */
static void take_deadlines(struct load *load, const struct redisReply *reply)
{
    int64_t ahead_ms = redis_client_unix_ms(settings.redis) - clock_unix_ms();
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const char *name = reply->element[i]->str;
        int64_t until_ms;
        if (strncmp(name, until_prefix, strlen(until_prefix)) == 0 &&
            number_parse(reply->element[i + 1]->str, &until_ms))
            view_set_until(load->view, name + strlen(until_prefix), until_ms - ahead_ms);
    }
}

static bool take_fields(struct load *load, const struct redisReply *reply)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const char *name;
        const char *value;
        size_t name_bytes;
        size_t bytes;
        if (!store_text(reply->element[i], &name, &name_bytes) || !store_text(reply->element[i + 1], &value, &bytes))
            return false;
        if (name[0] == '@' && !take_own_field(load, name, value, bytes))
            return false;
        if (name[0] != '@') {
            view_set(load->view, name, name_bytes, value, bytes);
            load->older.fields++;
            load->older.size += header_field_size(name_bytes, bytes);
        }
    }
    return true;
}

static enum mid_error on_loaded(const struct redisReply *reply, void *arg)
{
    struct load *load = arg;
    struct store_finding *finding = load->step.finding;
    *finding = (struct store_finding){.verdict = STORE_MISSING};
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 0)
        return MID_OK;
    view_forget(load->view);
    bool is_ours = reply->type == REDIS_REPLY_ARRAY && take_fields(load, reply);
    if (is_ours && !finding->has_header && load->is_old) {
        load->older.generation = (uint32_t)load->generation;
        load->older.login = (load->older.flags & HEADER_HAS_USER) != 0 ? load->older.generation : 1;
        finding->header = load->older;
        finding->has_header = true;
    }
    if (!is_ours || !finding->has_header) {
        finding->verdict = STORE_FOREIGN;
        view_forget(load->view);
        log_foreign(load->step.key);
        return MID_OK;
    }
    if ((finding->header.flags & HEADER_HAS_DEADLINES) != 0)
        take_deadlines(load, reply);
    finding->verdict = STORE_OK;
    load->view->is_complete = true;
    load->view->revision = finding->header.revision;
    return MID_OK;
}

static enum mid_error on_sign(const struct redisReply *reply, void *arg)
{
    struct store_finding *finding = arg;
    finding->verdict = store_integer(reply) == 1 ? STORE_LOGGED_OUT : STORE_MISSING;
    return MID_OK;
}

/* Why there is no record: whether a logout has left its sign. */
MAY_SUSPEND static enum mid_error look_for_logout(const char *key, store_patience patience_ms,
                                                  struct store_finding *finding)
{
    char sign[STORE_KEY_BYTES];
    snprintf(sign, sizeof(sign), "mid:e:%s", key + strlen("mid:s:"));
    struct redis_call call = {.on_reply = on_sign, .arg = finding, .patience_ms = patience_ms};
    return redis_command(settings.redis, 2, (struct redis_argument[]){REDIS_TEXT("EXISTS"), REDIS_TEXT(sign)}, &call);
}

enum mid_error store_load(const char *key, struct view *view, int64_t *created_ms, store_patience patience_ms,
                          struct store_finding *finding)
{
    struct load load = {.step = {.key = key, .finding = finding}, .view = view};
    struct redis_call call = {.on_reply = on_loaded, .arg = &load, .patience_ms = patience_ms};
    MID_TRY(store_note_failure(
        key,
        redis_command(settings.redis, 2, (struct redis_argument[]){REDIS_TEXT("HGETALL"), REDIS_TEXT(key)}, &call)));
    if (finding->verdict == STORE_MISSING)
        return look_for_logout(key, patience_ms, finding);
    if (finding->verdict == STORE_OK)
        *created_ms = load.created_ms;
    return MID_OK;
}

/* -------------------- loading a part -------------------- */

enum { OWN_WORDS = 5 }; /* HMGET, the key, "@", "@created", "@user" */

struct part_load {
    struct step step;
    const struct store_part *part;
    struct view *view;
    int64_t *created_ms;
};

static void take_value(struct view *view, const char *name, const struct redisReply *element)
{
    const char *value = NULL;
    size_t bytes = 0;
    bool is_there = store_text(element, &value, &bytes);
    view_set(view, name, strlen(name), is_there ? value : NULL, bytes);
}

/* An answer to what was asked: each field's value, or nil. */
static bool is_answer(const struct redisReply *reply, size_t count)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING && reply->element[i]->type != REDIS_REPLY_NIL)
            return false;
    return true;
}

static bool is_of_use(const struct part_load *load, const struct redisReply *reply)
{
    struct store_finding *finding = load->step.finding;
    const char *bytes;
    size_t length;
    if (!is_answer(reply, OWN_WORDS - 2 + load->part->count))
        return false;
    if (!store_text(store_element(reply, 0), &bytes, &length) || !header_parse(bytes, length, &finding->header))
        return false;
    if ((finding->header.flags & HEADER_HAS_DEADLINES) != 0)
        return false;
    return !load->part->is_more || finding->header.revision == load->view->revision;
}

static enum mid_error on_part(const struct redisReply *reply, void *arg)
{
    const struct part_load *load = arg;
    struct store_finding *finding = load->step.finding;
    struct view *view = load->view;
    *finding = (struct store_finding){.verdict = STORE_NO_ANSWER};
    if (!is_of_use(load, reply))
        return MID_OK;
    if (!view->is_part)
        view_forget(view);
    *load->created_ms = store_integer(store_element(reply, 1));
    take_value(view, "@user", store_element(reply, 2));
    for (size_t i = 0; i < load->part->count; i++) /* a name may be the view's own, which is good until it is set */
        take_value(view, load->part->names[i], store_element(reply, OWN_WORDS - 2 + i));
    view->is_part = true;
    view->revision = finding->header.revision;
    finding->has_header = true;
    finding->verdict = STORE_OK;
    return MID_OK;
}

enum mid_error store_load_part(const char *key, const struct store_part *part, struct view *view, int64_t *created_ms,
                               store_patience patience_ms, struct store_finding *finding)
{
    struct part_load load = {
        .step = {.key = key, .finding = finding}, .part = part, .view = view, .created_ms = created_ms};
    struct redis_call call = {.on_reply = on_part, .arg = &load, .patience_ms = patience_ms};
    struct redis_argument words[OWN_WORDS + STORE_NAMES_MAX] = {REDIS_TEXT("HMGET"), REDIS_TEXT(key), REDIS_TEXT("@"),
                                                                REDIS_TEXT("@created"), REDIS_TEXT("@user")};
    for (size_t i = 0; i < part->count; i++)
        words[OWN_WORDS + i] = REDIS_TEXT(part->names[i]);
    return store_note_failure(key, redis_command(settings.redis, OWN_WORDS + part->count, words, &call));
}
