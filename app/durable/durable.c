/* Durable streams in Redis. See durable.h; the scripts are beside this file. */
#include "durable/durable.h"

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "redis/reply.h"

static const char durable_body[] = {
#include "durable/durable.lua.h"
};
static const char create_body[] = {
#include "durable/create.lua.h"
};
static const char append_body[] = {
#include "durable/append.lua.h"
};
static const char read_body[] = {
#include "durable/read.lua.h"
};
static const char touch_body[] = {
#include "durable/touch.lua.h"
};
static const char delete_body[] = {
#include "durable/delete.lua.h"
};

enum { ARGUMENTS_MAX = 11, STATE_ELEMENTS = 9, ENTRY_ELEMENTS = 3, HASH_BYTES = (DURABLE_TAG_BYTES - 1) / 2 };

#define LIFE_MAX_MS (INT64_C(10) * 366 * 24 * 3600 * 1000)

static struct durable_settings settings;
static struct redis_script create_script = {.name = "durable/create"};
static struct redis_script append_script = {.name = "durable/append"};
static struct redis_script close_script = {.name = "durable/close"}; /* the same, of what needs no room */
static struct redis_script read_script = {.name = "durable/read"};
static struct redis_script touch_script = {.name = "durable/touch"};
static struct redis_script delete_script = {.name = "durable/delete"};

static void add_script(struct redis_script *script, enum redis_script_kind kind, const char *body)
{
    redis_client_add_script(settings.redis, script, kind, (const char *const[]){durable_body, body, NULL});
}

void durable_init(const struct durable_settings *durable_settings)
{
    settings = *durable_settings;
    add_script(&create_script, REFUSED_WHEN_FULL, create_body);
    add_script(&append_script, REFUSED_WHEN_FULL, append_body);
    add_script(&close_script, RUNS_WHEN_FULL, append_body);
    add_script(&read_script, ONLY_READS, read_body);
    add_script(&touch_script, RUNS_WHEN_FULL, touch_body);
    add_script(&delete_script, RUNS_WHEN_FULL, delete_body);
}

/* -------------------- keys -------------------- */

/* Both parts, so that no two pairs have the same hash: the first one has its length before it. */
static void hash_pair(char hash[static DURABLE_TAG_BYTES], const char *first, const void *second, size_t second_bytes)
{
    uint8_t bytes[HASH_BYTES];
    crypto_generichash_state state;
    uint64_t first_bytes = strlen(first);
    crypto_generichash_init(&state, NULL, 0, sizeof(bytes));
    crypto_generichash_update(&state, (const uint8_t *)&first_bytes, sizeof(first_bytes));
    crypto_generichash_update(&state, (const uint8_t *)first, first_bytes);
    crypto_generichash_update(&state, second, second_bytes);
    crypto_generichash_final(&state, bytes, sizeof(bytes));
    sodium_bin2hex(hash, DURABLE_TAG_BYTES, bytes, sizeof(bytes));
}

void durable_key(char key[static DURABLE_KEY_BYTES], const char *rid, const char *owner, const void *name,
                 size_t name_bytes)
{
    char tag[DURABLE_TAG_BYTES];
    char hash[DURABLE_TAG_BYTES];
    hash_pair(hash, "", name, name_bytes);
    if (rid == NULL)
        hash_pair(tag, owner, name, name_bytes);
    snprintf(key, DURABLE_KEY_BYTES, "mid:d:{%s}:%s", rid != NULL ? rid : tag, hash);
}

/* -------------------- answers -------------------- */

struct answer {
    struct durable_state *state;
    const struct durable_reading *reading; /* NULL: nothing is read */
};

static void copy_text(const struct redisReply *reply, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s", reply_text(reply));
}

static enum mid_error on_answer(const struct redisReply *reply, void *arg)
{
    const struct answer *answer = arg;
    int64_t verdict = reply_integer(reply_element(reply, 0));
    if (verdict < DURABLE_OK || verdict >= DURABLE_VERDICTS)
        return MID_FAILED;
    *answer->state = (struct durable_state){
        .verdict = (enum durable_verdict)verdict,
        .tail = reply_integer(reply_element(reply, 1)),
        .start = reply_integer(reply_element(reply, 2)),
        .is_closed = reply_integer(reply_element(reply, 3)) != 0,
        .ttl_ms = -1,
        .until_ms = -1,
    };
    copy_text(reply_element(reply, 4), answer->state->incarnation, sizeof(answer->state->incarnation));
    if (answer->reading == NULL) {
        answer->state->epoch = reply_integer(reply_element(reply, 5));
        answer->state->number = reply_integer(reply_element(reply, 6));
    }
    return MID_OK;
}

static int64_t number_or_none(const struct redisReply *reply)
{
    return reply_bytes(reply) > 0 ? reply_integer(reply) : -1;
}

/* MID_FAILED: these are no entries of a stream. */
static enum mid_error tell_entries(const struct redisReply *reply, const struct durable_reading *reading,
                                   struct durable_state *state)
{
    for (size_t i = STATE_ELEMENTS; i + ENTRY_ELEMENTS <= reply_count(reply); i += ENTRY_ELEMENTS) {
        struct durable_entry entry = {.end = reply_integer(reply_element(reply, i)),
                                      .event = reply_text(reply_element(reply, i + 2))};
        if (!reply_string(reply_element(reply, i + 1), &entry.data, &entry.bytes) || entry.bytes == 0 ||
            entry.end < (int64_t)entry.bytes || entry.end - (int64_t)entry.bytes != state->end)
            return MID_FAILED;
        state->end = entry.end;
        if (reading->on_entry != NULL)
            reading->on_entry(&entry, reading->arg);
    }
    return MID_OK;
}

static enum mid_error on_read(const struct redisReply *reply, void *arg)
{
    const struct answer *answer = arg;
    struct durable_state *state = answer->state;
    MID_TRY(on_answer(reply, arg));
    copy_text(reply_element(reply, 5), state->type, sizeof(state->type));
    state->ttl_ms = number_or_none(reply_element(reply, 6));
    state->until_ms = number_or_none(reply_element(reply, 7));
    state->begin = state->end = reply_integer(reply_element(reply, 8));
    return tell_entries(reply, answer->reading, state);
}

/* -------------------- steps -------------------- */

static struct redis_argument text_or_nothing(const char *text)
{
    return REDIS_TEXT(text != NULL ? text : "");
}

/* `text` holds it; a negative number is "". */
static struct redis_argument number_or_nothing(int64_t number, char text[static NUMBER_TEXT_BYTES])
{
    text[0] = '\0';
    if (number >= 0)
        number_format(number, text);
    return REDIS_TEXT(text);
}

static bool fits(const char *text, size_t most)
{
    return text == NULL || strnlen(text, most + 1) <= most;
}

static struct redis_argument flag(bool is_set)
{
    return REDIS_TEXT(is_set ? "1" : "");
}

MAY_SUSPEND static enum mid_error run(struct redis_script *script, const char *key, size_t count,
                                      const struct redis_argument arguments[static ARGUMENTS_MAX],
                                      const struct durable_terms *terms, struct answer *answer)
{
    struct redis_call call = {.on_reply = answer->reading != NULL ? on_read : on_answer,
                              .arg = answer,
                              .patience_ms = terms->patience_ms,
                              .durability = terms->durability};
    return redis_script_run(settings.redis, script, key, count, arguments, &call);
}

enum mid_error durable_create(const char *key, const struct durable_creation *creation,
                              const struct durable_terms *terms, struct durable_state *state)
{
    char ttl[NUMBER_TEXT_BYTES];
    char until[NUMBER_TEXT_BYTES];
    char life[NUMBER_TEXT_BYTES];
    char most[NUMBER_TEXT_BYTES];
    char incarnation[DURABLE_INCARNATION_BYTES];
    uint8_t random[(DURABLE_INCARNATION_BYTES - 1) / 2];
    if ((creation->ttl_ms >= 0 && creation->until_ms >= 0) || !fits(creation->name, DURABLE_NAME_MAX) ||
        !fits(creation->owner, DURABLE_OWNER_MAX) || !fits(creation->type, DURABLE_TYPE_BYTES - 1) ||
        !fits(creation->incarnation, DURABLE_INCARNATION_BYTES - 1))
        return MID_FAILED;
    /* What was asked for is kept to be compared; this is what it gets. */
    bool ends = creation->until_ms >= 0;
    int64_t wish_ms = ends ? creation->until_ms : creation->ttl_ms >= 0 ? creation->ttl_ms : settings.lifetime_ms;
    int64_t life_max_ms = LIFE_MAX_MS + (ends ? redis_client_unix_ms(redis_client_of(settings.redis, key)) : 0);
    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(incarnation, sizeof(incarnation), random, sizeof(random));
    const struct redis_argument arguments[ARGUMENTS_MAX] = {
        REDIS_TEXT(creation->type),
        number_or_nothing(creation->ttl_ms, ttl),
        number_or_nothing(creation->until_ms, until),
        number_or_nothing(wish_ms < life_max_ms ? wish_ms : life_max_ms, life),
        number_or_nothing(creation->bytes_max, most),
        flag(creation->trims),
        REDIS_TEXT(creation->incarnation != NULL ? creation->incarnation : incarnation),
        flag(creation->is_closed),
        {creation->bytes > 0 ? creation->data : "", creation->bytes},
        text_or_nothing(creation->name),
        text_or_nothing(creation->owner),
    };
    return run(&create_script, key, 11, arguments, terms, &(struct answer){.state = state});
}

static bool is_number(int64_t number)
{
    return number >= 0 && number <= DURABLE_OFFSET_MAX;
}

static bool is_numbered(const struct durable_append *append)
{
    return append->producer[0] != '\0' && is_number(append->epoch) && is_number(append->number);
}

enum mid_error durable_append(const char *key, const struct durable_append *append, const struct durable_terms *terms,
                              struct durable_state *state)
{
    char epoch[NUMBER_TEXT_BYTES];
    char number[NUMBER_TEXT_BYTES];
    bool has_producer = append->producer != NULL;
    if ((has_producer && !is_numbered(append)) || !fits(append->producer, DURABLE_PRODUCER_MAX) ||
        !fits(append->order, DURABLE_ORDER_MAX) || !fits(append->event, DURABLE_EVENT_MAX) ||
        (append->bytes == 0 && !append->closes))
        return MID_FAILED;
    const struct redis_argument arguments[ARGUMENTS_MAX] = {
        {append->bytes > 0 ? append->data : "", append->bytes},
        text_or_nothing(append->event),
        text_or_nothing(append->type),
        text_or_nothing(append->order),
        text_or_nothing(append->producer),
        number_or_nothing(has_producer ? append->epoch : -1, epoch),
        number_or_nothing(has_producer ? append->number : -1, number),
        flag(append->closes),
        text_or_nothing(append->incarnation),
    };
    return run(append->bytes > 0 ? &append_script : &close_script, key, 9, arguments, terms,
               &(struct answer){.state = state});
}

enum mid_error durable_read(const char *key, const struct durable_reading *reading, const struct durable_terms *terms,
                            struct durable_state *state)
{
    char from[NUMBER_TEXT_BYTES];
    char budget[NUMBER_TEXT_BYTES];
    if (reading->from > DURABLE_OFFSET_MAX)
        return MID_FAILED;
    number_format(reading->bytes_least < SIZE_MAX / 2 ? (int64_t)reading->bytes_least : INT64_MAX, budget);
    const struct redis_argument arguments[ARGUMENTS_MAX] = {
        reading->from == DURABLE_FROM_NOW ? REDIS_TEXT("now") : number_or_nothing(reading->from, from),
        REDIS_TEXT(budget),
        text_or_nothing(reading->incarnation),
    };
    return run(&read_script, key, 3, arguments, terms, &(struct answer){.state = state, .reading = reading});
}

enum mid_error durable_delete(const char *key, const char *incarnation, const struct durable_terms *terms,
                              struct durable_state *state)
{
    const struct redis_argument arguments[ARGUMENTS_MAX] = {text_or_nothing(incarnation)};
    return run(&delete_script, key, 1, arguments, terms, &(struct answer){.state = state});
}

void durable_touch(const char *key, int64_t patience_ms)
{
    struct redis_call call = {.patience_ms = patience_ms, .durability = MID_DURABLE_MEMORY};
    enum mid_error error = redis_script_run(settings.redis, &touch_script, key, 0, NULL, &call);
    (void)error;
}
