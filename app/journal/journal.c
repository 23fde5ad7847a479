/* Durable streams in Redis. See journal.h; the scripts are beside this file. */
#include "journal/journal.h"

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "redis/reply.h"

static const char journal_body[] = {
#include "journal/journal.lua.h"
};
static const char create_body[] = {
#include "journal/create.lua.h"
};
static const char append_body[] = {
#include "journal/append.lua.h"
};
static const char append_alone_body[] = {
#include "journal/append_alone.lua.h"
};
static const char claim_body[] = {
#include "journal/claim.lua.h"
};
static const char read_body[] = {
#include "journal/read.lua.h"
};
static const char watch_body[] = {
#include "journal/watch.lua.h"
};
static const char touch_body[] = {
#include "journal/touch.lua.h"
};
static const char delete_body[] = {
#include "journal/delete.lua.h"
};

enum { ARGUMENTS_MAX = 13, STATE_ELEMENTS = 9, ENTRY_ELEMENTS = 3, HASH_BYTES = (JOURNAL_TAG_BYTES - 1) / 2 };

#define LIFE_MAX_MS (INT64_C(10) * 366 * 24 * 3600 * 1000)

static struct journal_settings settings;
static struct redis_script create_script = {.name = "journal/create"};
static struct redis_script append_script = {.name = "journal/append"};
static struct redis_script close_script = {.name = "journal/close"}; /* the same, of what needs no room */
static struct redis_script claim_script = {.name = "journal/claim"};
static struct redis_script read_script = {.name = "journal/read"};
static struct redis_script watch_script = {.name = "journal/watch"};
static struct redis_script touch_script = {.name = "journal/touch"};
static struct redis_script delete_script = {.name = "journal/delete"};

const char *const journal_append_parts[JOURNAL_APPEND_PARTS] = {journal_body, append_body};

static void add_script(struct redis_script *script, enum redis_script_kind kind, const char *body)
{
    bool appends = body == append_alone_body;
    const char *guard = settings.guard != NULL ? settings.guard : "";
    redis_client_add_script(settings.redis, script, kind,
                            (const char *const[]){guard, journal_body, appends ? append_body : "", body, NULL});
}

void journal_init(const struct journal_settings *journal_settings)
{
    settings = *journal_settings;
    add_script(&create_script, REFUSED_WHEN_FULL, create_body);
    add_script(&append_script, REFUSED_WHEN_FULL, append_alone_body);
    add_script(&close_script, RUNS_WHEN_FULL, append_alone_body);
    add_script(&claim_script, RUNS_WHEN_FULL, claim_body); /* who takes over may have come to close it */
    add_script(&read_script, ONLY_READS, read_body);
    add_script(&watch_script, RUNS_WHEN_FULL, watch_body);
    add_script(&touch_script, RUNS_WHEN_FULL, touch_body);
    add_script(&delete_script, RUNS_WHEN_FULL, delete_body);
}

bool journal_wait_ready(const char *key, int64_t ms)
{
    return redis_client_wait_key(settings.redis, key, ms);
}

/* -------------------- keys -------------------- */

/* Both parts, so that no two pairs have the same hash: the first one has its length before it. */
static void hash_pair(char hash[static JOURNAL_TAG_BYTES], const char *first, const void *second, size_t second_bytes)
{
    uint8_t bytes[HASH_BYTES];
    crypto_generichash_state state;
    uint64_t first_bytes = strlen(first);
    crypto_generichash_init(&state, NULL, 0, sizeof(bytes));
    crypto_generichash_update(&state, (const uint8_t *)&first_bytes, sizeof(first_bytes));
    crypto_generichash_update(&state, (const uint8_t *)first, first_bytes);
    crypto_generichash_update(&state, second, second_bytes);
    crypto_generichash_final(&state, bytes, sizeof(bytes));
    sodium_bin2hex(hash, JOURNAL_TAG_BYTES, bytes, sizeof(bytes));
}

void journal_key(char key[static JOURNAL_KEY_BYTES], const char *rid, const char *owner, const void *name,
                 size_t name_bytes)
{
    char tag[JOURNAL_TAG_BYTES];
    char hash[JOURNAL_TAG_BYTES];
    hash_pair(hash, "", name, name_bytes);
    if (rid == NULL)
        hash_pair(tag, owner, name, name_bytes);
    snprintf(key, JOURNAL_KEY_BYTES, "mid:d:{%s}:%s", rid != NULL ? rid : tag, hash);
}

/* -------------------- answers -------------------- */

struct answer {
    struct journal_state *state;
    const struct journal_reading *reading; /* NULL: nothing is read */
};

static void copy_text(const struct redisReply *reply, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s", reply_text(reply));
}

/* What all of them say. */
static bool take_state(const struct redisReply *reply, struct journal_state *state)
{
    int64_t verdict = reply_integer(reply_element(reply, 0));
    if (verdict < JOURNAL_OK || verdict >= JOURNAL_VERDICTS)
        return false;
    *state = (struct journal_state){.verdict = (enum journal_verdict)verdict, .ttl_ms = -1, .until_ms = -1};
    if (verdict == JOURNAL_REFUSED) {
        state->refusal = (int)reply_integer(reply_element(reply, 1));
        return true;
    }
    state->tail = reply_integer(reply_element(reply, 1));
    state->start = reply_integer(reply_element(reply, 2));
    state->is_closed = reply_integer(reply_element(reply, 3)) != 0;
    copy_text(reply_element(reply, 4), state->incarnation, sizeof(state->incarnation));
    copy_text(reply_element(reply, 5), state->type, sizeof(state->type));
    return true;
}

bool journal_take_answer(const struct redisReply *reply, struct journal_state *state)
{
    if (!take_state(reply, state))
        return false;
    state->epoch = reply_integer(reply_element(reply, 6));
    state->number = reply_integer(reply_element(reply, 7));
    return true;
}

static enum mid_error on_answer(const struct redisReply *reply, void *arg)
{
    const struct answer *answer = arg;
    return journal_take_answer(reply, answer->state) ? MID_OK : MID_FAILED;
}

static int64_t number_or_none(const struct redisReply *reply)
{
    return reply_bytes(reply) > 0 ? reply_integer(reply) : -1;
}

/* MID_FAILED: these are no entries of a stream. */
static enum mid_error tell_entries(const struct redisReply *reply, const struct journal_reading *reading,
                                   struct journal_state *state)
{
    for (size_t i = STATE_ELEMENTS; i + ENTRY_ELEMENTS <= reply_count(reply); i += ENTRY_ELEMENTS) {
        struct journal_entry entry = {.end = reply_integer(reply_element(reply, i)),
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
    struct journal_state *state = answer->state;
    if (!take_state(reply, state))
        return MID_FAILED;
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

/* The guard's word stands first among the arguments. */
MAY_SUSPEND static enum mid_error run(struct redis_script *script, const char *key, size_t count,
                                      struct redis_argument arguments[static ARGUMENTS_MAX],
                                      const struct journal_terms *terms, struct answer *answer)
{
    struct redis_call call = {.on_reply = answer->reading != NULL ? on_read : on_answer,
                              .arg = answer,
                              .patience_ms = terms->patience_ms,
                              .durability = terms->durability};
    arguments[0] = text_or_nothing(terms->guard);
    enum mid_error error = redis_script_run(settings.redis, script, key, count, arguments, &call);
    if (error != MID_OK)
        *answer->state = (struct journal_state){.is_in_doubt = call.was_sent};
    return error;
}

void journal_new_incarnation(char incarnation[static JOURNAL_INCARNATION_BYTES])
{
    uint8_t random[(JOURNAL_INCARNATION_BYTES - 1) / 2];
    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(incarnation, JOURNAL_INCARNATION_BYTES, random, sizeof(random));
}

enum mid_error journal_create(const char *key, const struct journal_creation *creation,
                              const struct journal_terms *terms, struct journal_state *state)
{
    char ttl[NUMBER_TEXT_BYTES];
    char until[NUMBER_TEXT_BYTES];
    char life[NUMBER_TEXT_BYTES];
    char most[NUMBER_TEXT_BYTES];
    char incarnation[JOURNAL_INCARNATION_BYTES];
    *state = (struct journal_state){0};
    if ((creation->ttl_ms >= 0 && creation->until_ms >= 0) || !fits(creation->name, JOURNAL_NAME_MAX) ||
        !fits(creation->owner, JOURNAL_OWNER_MAX) || !fits(creation->type, JOURNAL_TYPE_BYTES - 1) ||
        !fits(creation->incarnation, JOURNAL_INCARNATION_BYTES - 1))
        return MID_FAILED;
    /* What was asked for is kept to be compared; this is what it gets. */
    bool ends = creation->until_ms >= 0;
    int64_t wish_ms = ends ? creation->until_ms : creation->ttl_ms >= 0 ? creation->ttl_ms : settings.lifetime_ms;
    int64_t life_max_ms = LIFE_MAX_MS + (ends ? redis_client_unix_ms(redis_client_of(settings.redis, key)) : 0);
    journal_new_incarnation(incarnation);
    struct redis_argument arguments[ARGUMENTS_MAX] = {
        {0},
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
        flag(creation->may_be_closed),
    };
    return run(&create_script, key, 13, arguments, terms, &(struct answer){.state = state});
}

static bool is_number(int64_t number)
{
    return number >= 0 && number <= JOURNAL_OFFSET_MAX;
}

static bool is_numbered(const struct journal_append *append)
{
    bool has_number = append->number == JOURNAL_UNNUMBERED || is_number(append->number);
    return append->producer[0] != '\0' && is_number(append->epoch) && has_number;
}

enum mid_error journal_append_arguments(const struct journal_append *append, struct journal_numbers *numbers,
                                        struct redis_argument arguments[static JOURNAL_APPEND_ARGUMENTS])
{
    bool has_producer = append->producer != NULL;
    if ((has_producer && !is_numbered(append)) || !fits(append->producer, JOURNAL_PRODUCER_MAX) ||
        !fits(append->order, JOURNAL_ORDER_MAX) || !fits(append->event, JOURNAL_EVENT_MAX) ||
        (append->bytes == 0 && !append->closes))
        return MID_FAILED;
    arguments[0] = (struct redis_argument){append->bytes > 0 ? append->data : "", append->bytes};
    arguments[1] = text_or_nothing(append->event);
    arguments[2] = text_or_nothing(append->type);
    arguments[3] = text_or_nothing(append->order);
    arguments[4] = text_or_nothing(append->producer);
    arguments[5] = number_or_nothing(has_producer ? append->epoch : -1, numbers->epoch);
    arguments[6] = number_or_nothing(has_producer ? append->number : -1, numbers->number);
    arguments[7] = flag(append->closes);
    arguments[8] = text_or_nothing(append->incarnation);
    return MID_OK;
}

enum mid_error journal_append(const char *key, const struct journal_append *append, const struct journal_terms *terms,
                              struct journal_state *state)
{
    struct journal_numbers numbers;
    struct redis_argument arguments[ARGUMENTS_MAX];
    *state = (struct journal_state){0};
    MID_TRY(journal_append_arguments(append, &numbers, arguments + 1));
    return run(append->bytes > 0 ? &append_script : &close_script, key, 1 + JOURNAL_APPEND_ARGUMENTS, arguments, terms,
               &(struct answer){.state = state});
}

enum mid_error journal_claim(const char *key, const struct journal_claim *claim, const struct journal_terms *terms,
                             struct journal_state *state)
{
    char epoch[NUMBER_TEXT_BYTES];
    char number[NUMBER_TEXT_BYTES];
    *state = (struct journal_state){0};
    if (claim->producer[0] == '\0' || !fits(claim->producer, JOURNAL_PRODUCER_MAX) || !is_number(claim->epoch) ||
        claim->number > JOURNAL_OFFSET_MAX)
        return MID_FAILED;
    struct redis_argument arguments[ARGUMENTS_MAX] = {
        {0},
        REDIS_TEXT(claim->producer),
        number_or_nothing(claim->epoch, epoch),
        number_or_nothing(claim->number, number),
        text_or_nothing(claim->incarnation),
    };
    return run(&claim_script, key, 5, arguments, terms, &(struct answer){.state = state});
}

enum mid_error journal_read(const char *key, const struct journal_reading *reading, const struct journal_terms *terms,
                            struct journal_state *state)
{
    char from[NUMBER_TEXT_BYTES];
    char budget[NUMBER_TEXT_BYTES];
    *state = (struct journal_state){0};
    if (reading->from > JOURNAL_OFFSET_MAX)
        return MID_FAILED;
    number_format(reading->bytes_least < SIZE_MAX / 2 ? (int64_t)reading->bytes_least : INT64_MAX, budget);
    struct redis_argument arguments[ARGUMENTS_MAX] = {
        {0},
        reading->from == JOURNAL_FROM_NOW ? REDIS_TEXT("now") : number_or_nothing(reading->from, from),
        REDIS_TEXT(budget),
        text_or_nothing(reading->incarnation),
    };
    return run(&read_script, key, 4, arguments, terms, &(struct answer){.state = state, .reading = reading});
}

enum mid_error journal_delete(const char *key, const char *incarnation, const struct journal_terms *terms,
                              struct journal_state *state)
{
    struct redis_argument arguments[ARGUMENTS_MAX] = {{0}, text_or_nothing(incarnation)};
    return run(&delete_script, key, 2, arguments, terms, &(struct answer){.state = state});
}

enum mid_error journal_watch(const char *key, const char *incarnation, const struct journal_terms *terms,
                             struct journal_state *state)
{
    struct redis_argument arguments[ARGUMENTS_MAX] = {{0}, text_or_nothing(incarnation)};
    return run(&watch_script, key, 2, arguments, terms, &(struct answer){.state = state});
}

void journal_touch(const char *key, const struct journal_terms *terms)
{
    struct journal_state state;
    struct redis_argument arguments[ARGUMENTS_MAX] = {{0}};
    enum mid_error error = run(&touch_script, key, 1, arguments, terms, &(struct answer){.state = &state});
    (void)error;
}

/* -------------------- for handlers -------------------- */

enum mid_error journal_error(enum journal_verdict verdict, const char **sentence)
{
    static const struct {
        enum mid_error error;
        const char *sentence;
    } meanings[JOURNAL_VERDICTS] = {
        [JOURNAL_MISSING] = {MID_NOT_FOUND, "there is no such durable stream"},
        [JOURNAL_CONFLICT] = {MID_CONFLICT, "the durable stream was created with another type, lifetime or end"},
        [JOURNAL_CLOSED] = {MID_CLOSED, "the durable stream is closed"},
        [JOURNAL_TYPE] = {MID_CONFLICT, "the durable stream has another content type"},
        [JOURNAL_ORDER] = {MID_CONFLICT, "the Stream-Seq is not above the last one"},
        [JOURNAL_STALE] = {MID_LOST_LEASE, "another one has taken over as this producer of the durable stream"},
        [JOURNAL_GAP] = {MID_CONFLICT, "an append of this producer is missing before this one"},
        [JOURNAL_NEW_EPOCH] = {MID_CONFLICT, "the producer's taking over is missing before this append"},
        [JOURNAL_FULL] = {MID_UNPROCESSABLE, "the durable stream would have more bytes than it may have"},
        [JOURNAL_CROWDED] = {MID_UNPROCESSABLE, "the durable stream has as many producers as it may have"},
        [JOURNAL_TRIMMED] = {MID_NOT_FOUND, "what was at this offset of the durable stream has been trimmed"},
        [JOURNAL_LOST] = {MID_NOT_FOUND, "the durable stream has nothing at this offset"},
        [JOURNAL_REFUSED] = {MID_ENDED, "the session of the durable stream has ended"},
    };
    const char *found = meanings[verdict].sentence;
    *sentence = found != NULL ? found : "";
    return meanings[verdict].error;
}
