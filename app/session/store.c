/* Sessions in Redis. See store.h; the scripts are beside this file. */
#include "session/store.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "base/panic.h"
#include "redis/reply.h"

static const char record_body[] = {
#include "session/record.lua.h"
};
static const char create_body[] = {
#include "session/create.lua.h"
};
static const char touch_body[] = {
#include "session/touch.lua.h"
};
static const char exchanged_body[] = {
#include "session/exchanged.lua.h"
};
static const char watch_body[] = {
#include "session/watch.lua.h"
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
static const char end_body[] = {
#include "session/end.lua.h"
};

enum { TOUCH_AFTER_MS = 60 * 1000, TOUCH_FRACTION = 10, PARTS_MAX = 8 };

static struct store_settings settings;
static struct redis_script create_script = {.name = "session/create"};
static struct redis_script touch_script = {.name = "session/touch"};
static struct redis_script exchanged_script = {.name = "session/exchanged"};
static struct redis_script watch_script = {.name = "session/watch"};
static struct redis_script claim_script = {.name = "session/claim"};
static struct redis_script release_script = {.name = "session/release"};
static struct redis_script destroy_script = {.name = "session/destroy"};
static struct redis_script end_script = {.name = "session/end"};

/* -------------------- set-up -------------------- */

void store_add_script(struct redis_script *script, enum redis_script_kind kind, const char *const before[],
                      const char *behind)
{
    char line[400];
    const char *parts[PARTS_MAX] = {line};
    size_t count = 1;
    snprintf(line, sizeof(line),
             "local IDLE_MS, ABSOLUTE_MS, USER_IDLE_MS, USER_ABSOLUTE_MS, FIELDS_MAX, VALUE_MAX, SIZE_MAX = %" PRId64
             ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %d, %d, %" PRId64 "\n",
             settings.idle_ms, settings.absolute_ms, settings.user_idle_ms, settings.user_absolute_ms,
             settings.fields_max, settings.value_bytes_max, settings.size_max);
    for (size_t i = 0; before != NULL && before[i] != NULL; i++)
        parts[count++] = before[i];
    ENSURE(count + 3 <= PARTS_MAX);
    parts[count++] = record_body;
    parts[count] = behind;
    redis_client_add_script(settings.redis, script, kind, parts);
}

void store_init(const struct store_settings *store_settings)
{
    settings = *store_settings;
    store_add_script(&create_script, REFUSED_WHEN_FULL, NULL, create_body);
    store_add_script(&touch_script, RUNS_WHEN_FULL, NULL, touch_body); /* nothing grows */
    store_add_script(&exchanged_script, RUNS_WHEN_FULL, NULL, exchanged_body);
    store_add_script(&watch_script, RUNS_WHEN_FULL, NULL, watch_body);
    store_add_script(&claim_script, RUNS_WHEN_FULL, NULL,
                     claim_body); /* a lease that holds is not lost because Redis is full */
    store_add_script(&release_script, RUNS_WHEN_FULL, NULL, release_body);
    store_add_script(&destroy_script, RUNS_WHEN_FULL, NULL, destroy_body);
    store_add_script(&end_script, RUNS_WHEN_FULL, NULL, end_body);
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

bool store_is_away(const char *key)
{
    if (settings.redis == NULL)
        return false;
    const struct redis_client *node = redis_client_of(settings.redis, key);
    bool is_silent = node != settings.redis && redis_client_is_suspect(node);
    return is_silent || redis_client_is_away(settings.redis, key);
}

bool store_wait_ready(const char *key, int64_t timeout_ms)
{
    return redis_client_wait_key(settings.redis, key, timeout_ms);
}

int64_t store_unix_ms(const char *key)
{
    return redis_client_unix_ms(redis_client_of(settings.redis, key));
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

int64_t store_touch_before_ms(const char *key, const struct header *header)
{
    static const struct header nobody;
    return store_unix_ms(key) - touch_after_ms(header != NULL ? header : &nobody);
}

bool store_must_touch(const char *key, const struct header *header)
{
    return header->touched_ms < store_touch_before_ms(key, header);
}

int64_t store_absolute_ms(const struct header *header)
{
    return has_user(header) ? settings.user_absolute_ms : settings.absolute_ms;
}

int64_t store_end_ms(const struct header *header)
{
    int64_t idle_end_ms = header->touched_ms + (has_user(header) ? settings.user_idle_ms : settings.idle_ms);
    return idle_end_ms < header->expires_ms ? idle_end_ms : header->expires_ms;
}

/* -------------------- answers -------------------- */

void store_log_foreign(const char *key)
{
    log_event(MID_ERROR, "session.foreign-record", "key=%s", key);
}

enum mid_error store_note_failure(const char *key, enum mid_error error)
{
    if (error == MID_FAILED)
        store_log_foreign(key);
    return error;
}

void store_take_finding(const struct redisReply *reply, const char *key, struct store_finding *finding)
{
    const char *bytes;
    size_t length;
    const struct redisReply *verdict = reply_element(reply, 0);
    *finding = (struct store_finding){.verdict = STORE_FOREIGN};
    if (verdict != NULL && verdict->type == REDIS_REPLY_INTEGER && verdict->integer > STORE_NO_ANSWER &&
        verdict->integer <= STORE_VERDICT_LAST)
        finding->verdict = (enum store_verdict)verdict->integer;
    finding->has_header =
        reply_string(reply_element(reply, 1), &bytes, &length) && header_parse(bytes, length, &finding->header);
    if (finding->verdict == STORE_STALE)
        finding->renewed_ago_ms = reply_integer(reply_element(reply, 2));
    if (finding->verdict == STORE_FOREIGN)
        store_log_foreign(key);
}

bool store_is_change(enum store_verdict verdict)
{
    switch (verdict) {
    case STORE_OK:
    case STORE_DONE:
    case STORE_APPLIED:
    case STORE_SKIPPED:
    case STORE_MISSING:
    case STORE_LOGGED_OUT:
    case STORE_OTHERS: /* a bar may be stored beside it */
        return true;
    default:
        return false;
    }
}

uint64_t store_connection(const char *key)
{
    return redis_client_connection(redis_client_of(settings.redis, key));
}

enum mid_error store_confirm(const char *key, enum mid_durability durability, store_patience patience_ms,
                             uint64_t connection)
{
    return redis_client_confirm(settings.redis, key, durability, patience_ms, connection);
}

/* -------------------- scripts with nothing but a finding -------------------- */

struct step {
    const char *key;
    struct store_finding *finding;
    struct redis_call *call;
    char *user; /* that it tells third; NULL: none */
};

static enum mid_error on_finding(const struct redisReply *reply, void *arg)
{
    const struct step *step = arg;
    store_take_finding(reply, step->key, step->finding);
    if (step->user != NULL && (step->finding->verdict == STORE_OK || step->finding->verdict == STORE_OTHERS))
        snprintf(step->user, STORE_USER_BYTES, "%s", reply_text(reply_element(reply, 2)));
    if (!store_is_change(step->finding->verdict))
        step->call->durability = MID_DURABLE_MEMORY;
    return MID_OK;
}

MAY_SUSPEND static enum mid_error run_step(struct redis_script *script, size_t count,
                                           const struct redis_argument arguments[], struct redis_call *call,
                                           struct step *step)
{
    call->on_reply = on_finding;
    call->arg = step;
    step->call = call;
    enum mid_error error = redis_script_run(settings.redis, script, step->key, count, arguments, call);
    step->finding->connection = call->connection;
    return store_note_failure(step->key, error);
}

/* What may be lost without anybody having been told that it is stored. */
MAY_SUSPEND static enum mid_error run(struct redis_script *script, const char *key, size_t count,
                                      const struct redis_argument arguments[], store_patience patience_ms,
                                      struct store_finding *finding)
{
    struct redis_call call = {.patience_ms = patience_ms, .durability = MID_DURABLE_MEMORY};
    return run_step(script, count, arguments, &call, &(struct step){.key = key, .finding = finding});
}

/* What may not, and whose session it was. */
MAY_SUSPEND static enum mid_error run_end(struct redis_script *script, const char *key, size_t count,
                                          const struct redis_argument arguments[], struct store_ending *ending,
                                          struct store_finding *finding)
{
    struct redis_call call = {.patience_ms = ending->patience_ms, .durability = ending->durability};
    ending->user[0] = '\0';
    return run_step(script, count, arguments, &call,
                    &(struct step){.key = key, .finding = finding, .user = ending->user});
}

enum mid_error store_create(const char *key, store_patience patience_ms, struct store_finding *finding)
{
    return run(&create_script, key, 0, NULL, patience_ms, finding);
}

enum mid_error store_touch(const char *key, store_patience patience_ms, struct store_finding *finding)
{
    return run(&touch_script, key, 0, NULL, patience_ms, finding);
}

enum mid_error store_exchanged(const char *key, uint32_t generation, store_patience patience_ms,
                               struct store_finding *finding)
{
    char text[NUMBER_TEXT_BYTES];
    number_format(generation, text);
    return run(&exchanged_script, key, 1, (struct redis_argument[]){REDIS_TEXT(text)}, patience_ms, finding);
}

enum mid_error store_watch(const char *key, store_patience patience_ms, struct store_finding *finding)
{
    return run(&watch_script, key, 0, NULL, patience_ms, finding);
}

enum mid_error store_destroy(const char *key, uint32_t generation, bool is_cookie, const struct store_fence *fence,
                             struct store_ending *ending, struct store_finding *finding)
{
    char own[NUMBER_TEXT_BYTES];
    char of_task[NUMBER_TEXT_BYTES] = "";
    number_format(generation, own);
    if (fence != NULL)
        number_format(fence->generation, of_task);
    struct redis_argument arguments[] = {REDIS_TEXT(own), REDIS_TEXT(is_cookie ? "1" : ""),
                                         REDIS_TEXT(fence != NULL ? fence->task : ""), REDIS_TEXT(of_task)};
    return run_end(&destroy_script, key, 4, arguments, ending, finding);
}

enum mid_error store_end(const char *key, const char *user, int64_t number, struct store_ending *ending,
                         struct store_finding *finding)
{
    char text[NUMBER_TEXT_BYTES] = "";
    if (number != 0)
        number_format(number, text);
    struct redis_argument arguments[] = {REDIS_TEXT(user != NULL ? user : ""), REDIS_TEXT(text)};
    return run_end(&end_script, key, 2, arguments, ending, finding);
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
