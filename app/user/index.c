/* Which sessions a user has. See index.h; the scripts are beside this file. */
#include "user/index.h"

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "redis/reply.h"

static const char index_body[] = {
#include "user/index.lua.h"
};
static const char enter_body[] = {
#include "user/enter.lua.h"
};
static const char keep_body[] = {
#include "user/keep.lua.h"
};
static const char confirm_body[] = {
#include "user/confirm.lua.h"
};
static const char number_body[] = {
#include "user/number.lua.h"
};
static const char leave_body[] = {
#include "user/leave.lua.h"
};
static const char revoke_body[] = {
#include "user/revoke.lua.h"
};

enum { KEY_BYTES = sizeof("mid:u:{}") + USER_HASH_BYTES, HASH_BYTES = (USER_HASH_BYTES - 1) / 2 };

/* What a script found. The numbers are those of index.lua. */
enum status { STATUS_OK = 1, STATUS_FULL = 2, STATUS_REVOKED = 3 };

static struct user_index_settings settings;
static struct redis_script enter_script = {.name = "user/enter"};
static struct redis_script keep_script = {.name = "user/keep"};
static struct redis_script confirm_script = {.name = "user/confirm"};
static struct redis_script number_script = {.name = "user/number"};
static struct redis_script leave_script = {.name = "user/leave"};
static struct redis_script revoke_script = {.name = "user/revoke"};

static void add_script(struct redis_script *script, enum redis_script_kind kind, const char *body)
{
    redis_client_add_script(settings.redis, script, kind, (const char *const[]){index_body, body, NULL});
}

void user_index_init(const struct user_index_settings *index_settings)
{
    settings = *index_settings;
    add_script(&enter_script, REFUSED_WHEN_FULL, enter_body);
    add_script(&keep_script, REFUSED_WHEN_FULL, keep_body);
    add_script(&confirm_script, RUNS_WHEN_FULL, confirm_body);
    add_script(&number_script, ONLY_READS, number_body);
    add_script(&leave_script, RUNS_WHEN_FULL, leave_body);
    add_script(&revoke_script, RUNS_WHEN_FULL, revoke_body);
}

int64_t user_index_excess(int64_t sessions)
{
    bool has_limit = settings.sessions_max > 0 && !settings.refuses_when_full;
    return has_limit && sessions > settings.sessions_max ? sessions - settings.sessions_max : 0;
}

/* -------------------- keys -------------------- */

void user_hash(const char *user, char hash[static USER_HASH_BYTES])
{
    uint8_t bytes[HASH_BYTES];
    crypto_generichash(bytes, sizeof(bytes), (const uint8_t *)user, strlen(user), NULL, 0);
    sodium_bin2hex(hash, USER_HASH_BYTES, bytes, sizeof(bytes));
}

static void index_key(const char *user, char key[static KEY_BYTES])
{
    char hash[USER_HASH_BYTES];
    user_hash(user, hash);
    snprintf(key, KEY_BYTES, "mid:u:{%s}", hash);
}

/* -------------------- scripts -------------------- */

/* {status, number, others} */
struct answer {
    int64_t status;
    int64_t number;
    int64_t others;
};

static enum mid_error on_answer(const struct redisReply *reply, void *arg)
{
    struct answer *answer = arg;
    answer->status = reply_integer(reply_element(reply, 0));
    answer->number = reply_integer(reply_element(reply, 1));
    answer->others = reply_integer(reply_element(reply, 2));
    return answer->status >= STATUS_OK && answer->status <= STATUS_REVOKED ? MID_OK : MID_FAILED;
}

MAY_SUSPEND static enum mid_error run(struct redis_script *script, const char *user, size_t count,
                                      const char *const words[], const struct user_index_terms *terms,
                                      struct answer *answer)
{
    enum { WORDS_MAX = 4 };
    char key[KEY_BYTES];
    struct redis_argument arguments[WORDS_MAX];
    struct redis_call call = {
        .on_reply = on_answer, .arg = answer, .patience_ms = terms->patience_ms, .durability = terms->durability};
    index_key(user, key);
    for (size_t i = 0; i < count; i++)
        arguments[i] = REDIS_TEXT(words[i]);
    return redis_script_run(settings.redis, script, key, count, arguments, &call);
}

/* "" for 0. */
static const char *number_or_nothing(int64_t number, char text[static NUMBER_TEXT_BYTES])
{
    text[0] = '\0';
    if (number != 0)
        number_format(number, text);
    return text;
}

enum mid_error user_index_enter(const char *user, const char *rid, int64_t before, const struct user_index_terms *terms,
                                struct user_entrance *entrance)
{
    char lifetime[NUMBER_TEXT_BYTES];
    char most[NUMBER_TEXT_BYTES];
    char number[NUMBER_TEXT_BYTES];
    struct answer answer;
    number_format(settings.lifetime_ms, lifetime);
    number_or_nothing(settings.refuses_when_full ? settings.sessions_max : 0, most);
    number_or_nothing(before, number);
    MID_TRY(run(&enter_script, user, 4, (const char *const[]){rid, lifetime, most, number}, terms, &answer));
    *entrance = (struct user_entrance){.number = answer.number,
                                       .others = answer.others,
                                       .is_full = answer.status == STATUS_FULL,
                                       .is_revoked = answer.status == STATUS_REVOKED};
    return MID_OK;
}

enum mid_error user_index_keep(const char *user, const char *rid, int64_t login_ms, int64_t patience_ms,
                               bool *is_revoked)
{
    char lifetime[NUMBER_TEXT_BYTES];
    char login[NUMBER_TEXT_BYTES];
    struct answer answer;
    number_format(settings.lifetime_ms, lifetime);
    number_format(login_ms, login);
    MID_TRY(run(&keep_script, user, 3, (const char *const[]){rid, lifetime, login},
                &(struct user_index_terms){.patience_ms = patience_ms, .durability = MID_DURABLE_MEMORY}, &answer));
    *is_revoked = answer.status == STATUS_REVOKED;
    return MID_OK;
}

void user_index_confirm(const char *user, const char *rid, int64_t number, int64_t patience_ms)
{
    char text[NUMBER_TEXT_BYTES];
    struct answer answer;
    number_format(number, text);
    enum mid_error error =
        run(&confirm_script, user, 2, (const char *const[]){rid, text},
            &(struct user_index_terms){.patience_ms = patience_ms, .durability = MID_DURABLE_MEMORY}, &answer);
    (void)error;
}

enum mid_error user_index_begin(const char *user, int64_t patience_ms, int64_t *number)
{
    struct answer answer;
    MID_TRY(run(&number_script, user, 0, NULL,
                &(struct user_index_terms){.patience_ms = patience_ms, .durability = MID_DURABLE_MEMORY}, &answer));
    *number = answer.number;
    return MID_OK;
}

void user_index_leave(const char *user, const char *rid, bool is_gone, int64_t patience_ms)
{
    struct answer answer;
    enum mid_error error =
        run(&leave_script, user, 2, (const char *const[]){rid, is_gone ? "1" : ""},
            &(struct user_index_terms){.patience_ms = patience_ms, .durability = MID_DURABLE_MEMORY}, &answer);
    (void)error;
}

static enum mid_error on_count(const struct redisReply *reply, void *arg)
{
    *(int64_t *)arg = reply_integer(reply);
    return MID_OK;
}

enum mid_error user_index_count(const char *user, int64_t patience_ms, int64_t *count)
{
    char key[KEY_BYTES];
    struct redis_call call = {.on_reply = on_count, .arg = count, .patience_ms = patience_ms};
    index_key(user, key);
    return redis_command(settings.redis, 2, (struct redis_argument[]){REDIS_TEXT("ZCARD"), REDIS_TEXT(key)}, &call);
}

enum mid_error user_index_revoke(const char *user, const char *spared, const struct user_index_terms *terms,
                                 int64_t *number)
{
    char lifetime[NUMBER_TEXT_BYTES];
    struct answer answer;
    number_format(settings.lifetime_ms, lifetime);
    MID_TRY(run(&revoke_script, user, 2, (const char *const[]){lifetime, spared}, terms, &answer));
    *number = answer.number;
    return MID_OK;
}

void user_index_forget(const char *user, const char *const rids[], size_t count, int64_t patience_ms)
{
    char key[KEY_BYTES];
    struct redis_argument words[2 + USER_INDEX_PAGE] = {REDIS_TEXT("ZREM")};
    struct redis_call call = {.patience_ms = patience_ms};
    if (count == 0)
        return;
    index_key(user, key);
    words[1] = REDIS_TEXT(key);
    for (size_t i = 0; i < count; i++)
        words[2 + i] = REDIS_TEXT(rids[i]);
    enum mid_error error = redis_command(settings.redis, 2 + count, words, &call);
    (void)error;
}

/* -------------------- reading -------------------- */

static bool is_rid(const char *text, size_t bytes)
{
    return bytes == USER_RID_BYTES - 1 && strspn(text, "0123456789abcdef") == bytes;
}

/* Name and number, one after the other. */
static enum mid_error on_page(const struct redisReply *reply, void *arg)
{
    struct user_index_page *page = arg;
    const char *rid;
    size_t bytes;
    for (size_t i = 0; i + 1 < reply_count(reply) && page->count < USER_INDEX_PAGE; i += 2) {
        struct user_index_name *name = &page->names[page->count];
        page->end = reply_integer(reply_element(reply, i + 1));
        if (!reply_string(reply_element(reply, i), &rid, &bytes) || !is_rid(rid, bytes))
            continue; /* somebody else's */
        stpcpy(name->rid, rid);
        name->number = page->end;
        page->count++;
    }
    page->is_last = reply_count(reply) < (size_t)2 * USER_INDEX_PAGE;
    return MID_OK;
}

enum mid_error user_index_read(const char *user, const struct user_index_range *range, int64_t patience_ms,
                               struct user_index_page *page)
{
    char key[KEY_BYTES];
    char low[NUMBER_TEXT_BYTES + 1] = "(";
    char high[NUMBER_TEXT_BYTES + 1] = "(";
    char limit[NUMBER_TEXT_BYTES];
    index_key(user, key);
    number_format(range->above, low + 1);
    number_format(range->below, high + 1);
    number_format(USER_INDEX_PAGE, limit);
    page->count = 0;
    page->is_last = true;
    const struct redis_argument words[] = {REDIS_TEXT("ZRANGE"),
                                           REDIS_TEXT(key),
                                           REDIS_TEXT(range->newest_first ? high : low),
                                           REDIS_TEXT(range->newest_first ? low : high),
                                           REDIS_TEXT("BYSCORE"),
                                           REDIS_TEXT("LIMIT"),
                                           REDIS_TEXT("0"),
                                           REDIS_TEXT(limit),
                                           REDIS_TEXT("WITHSCORES"),
                                           REDIS_TEXT("REV")};
    struct redis_call call = {.on_reply = on_page, .arg = page, .patience_ms = patience_ms};
    size_t count = sizeof(words) / sizeof(words[0]);
    return redis_command(settings.redis, range->newest_first ? count : count - 1, words, &call);
}
