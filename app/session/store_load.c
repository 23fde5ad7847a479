/* Sessions in Redis: reading a record, or the part of it that is needed. See store.h and docs/session-format.md. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "redis/reply.h"
#include "session/field.h"
#include "session/store.h"

static const char until_prefix[] = "@until:";

struct load_step {
    const char *key;
    struct store_finding *finding;
};

/* -------------------- looking -------------------- */

/* Of HMGET of "@" and "@generation", by which a record of format 1 is known. */
static enum mid_error on_look(const struct redisReply *reply, void *arg)
{
    const struct load_step *step = arg;
    struct store_finding *finding = step->finding;
    const char *bytes;
    size_t length;
    *finding = (struct store_finding){.verdict = STORE_OK};
    if (reply_string(reply_element(reply, 0), &bytes, &length)) {
        finding->has_header = header_parse(bytes, length, &finding->header);
        if (!finding->has_header) {
            finding->verdict = STORE_FOREIGN;
            store_log_foreign(step->key);
        }
    } else if (!reply_string(reply_element(reply, 1), &bytes, &length)) {
        finding->verdict = STORE_MISSING;
    }
    return MID_OK;
}

enum mid_error store_look(const char *key, struct store_finding *finding)
{
    struct load_step step = {.key = key, .finding = finding};
    struct redis_call call = {.on_reply = on_look, .arg = &step};
    struct redis_argument arguments[] = {REDIS_TEXT("HMGET"), REDIS_TEXT(key), REDIS_TEXT("@"),
                                         REDIS_TEXT("@generation")};
    enum mid_error error = redis_command(store_settings()->redis, 4, arguments, &call);
    finding->connection = call.connection;
    return store_note_failure(key, error);
}

/* -------------------- loading -------------------- */

struct load {
    struct load_step step;
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
    int64_t ahead_ms = store_unix_ms(load->step.key) - clock_unix_ms();
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
        if (!reply_string(reply->element[i], &name, &name_bytes) ||
            !reply_string(reply->element[i + 1], &value, &bytes) || strlen(name) != name_bytes)
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
        store_log_foreign(load->step.key);
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
    bool *is_there = arg;
    *is_there = reply_integer(reply) == 1;
    return MID_OK;
}

/* Whether there is such a key, which stays for some seconds as a sign. */
MAY_SUSPEND static enum mid_error look_for_sign(const char *sign, store_patience patience_ms, bool *is_there,
                                                uint64_t *connection)
{
    struct redis_call call = {.on_reply = on_sign, .arg = is_there, .patience_ms = patience_ms};
    enum mid_error error = redis_command(store_settings()->redis, 2,
                                         (struct redis_argument[]){REDIS_TEXT("EXISTS"), REDIS_TEXT(sign)}, &call);
    *connection = call.connection;
    return error;
}

/* Why there is no record: whether a logout has left its sign. */
MAY_SUSPEND static enum mid_error look_for_logout(const char *key, store_patience patience_ms,
                                                  struct store_finding *finding)
{
    char sign[STORE_KEY_BYTES];
    bool is_there = false;
    snprintf(sign, sizeof(sign), "mid:e:%s", key + strlen("mid:s:"));
    MID_TRY(look_for_sign(sign, patience_ms, &is_there, &finding->connection));
    finding->verdict = is_there ? STORE_LOGGED_OUT : STORE_MISSING;
    return MID_OK;
}

enum mid_error store_was_exchanged(const char *key, store_patience patience_ms, bool *was_exchanged)
{
    char sign[STORE_KEY_BYTES + sizeof(":exchanged")];
    uint64_t connection;
    snprintf(sign, sizeof(sign), "%s:exchanged", key);
    return look_for_sign(sign, patience_ms, was_exchanged, &connection);
}

enum mid_error store_load(const char *key, struct view *view, int64_t *created_ms, store_patience patience_ms,
                          struct store_finding *finding)
{
    struct load load = {.step = {.key = key, .finding = finding}, .view = view};
    struct redis_call call = {.on_reply = on_loaded, .arg = &load, .patience_ms = patience_ms};
    MID_TRY(store_note_failure(key, redis_command(store_settings()->redis, 2,
                                                  (struct redis_argument[]){REDIS_TEXT("HGETALL"), REDIS_TEXT(key)},
                                                  &call)));
    finding->connection = call.connection;
    if (finding->verdict == STORE_MISSING)
        return look_for_logout(key, patience_ms, finding);
    if (finding->verdict == STORE_OK)
        *created_ms = load.created_ms;
    return MID_OK;
}

/* -------------------- loading a part -------------------- */

enum { OWN_WORDS = 5 }; /* HMGET, the key, "@", "@created", "@user" */

struct part_load {
    struct load_step step;
    const struct store_part *part;
    struct view *view;
    int64_t *created_ms;
};

static void take_value(struct view *view, const char *name, const struct redisReply *element)
{
    const char *value = NULL;
    size_t bytes = 0;
    bool is_there = reply_string(element, &value, &bytes);
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
    if (!reply_string(reply_element(reply, 0), &bytes, &length) || !header_parse(bytes, length, &finding->header))
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
    *load->created_ms = reply_integer(reply_element(reply, 1));
    take_value(view, "@user", reply_element(reply, 2));
    for (size_t i = 0; i < load->part->count; i++) /* a name may be the view's own, which is good until it is set */
        take_value(view, load->part->names[i], reply_element(reply, OWN_WORDS - 2 + i));
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
    enum mid_error error = redis_command(store_settings()->redis, OWN_WORDS + part->count, words, &call);
    finding->connection = call.connection;
    return store_note_failure(key, error);
}
