/*
 * The log of durable streams, step by step against a model: what is created, appended, closed, read and deleted in
 * Redis is what the protocol says, whatever producers send twice, too late or in the wrong order.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/random.h"
#include "integration/redis/server.h"
#include "model.h"
#include "support/owned.h"
#include "support/text.h"

TestSuite(durable_log, .fini = server_fini, .timeout = 120);

enum { LIFETIME_MS = 3600 * 1000, STREAMS = 4, PIECE_MAX = 600 };

static const struct durable_terms terms = {.patience_ms = 0};

MAY_SUSPEND static struct redis_client *open_log(void)
{
    struct redis_options options = worker_options();
    options.timeout_ms = 10000;
    struct redis_client *client = redis_client_new(&options);
    durable_init(&(struct durable_settings){.redis = client, .lifetime_ms = LIFETIME_MS});
    cr_assert(redis_client_wait_ready(client, 10000));
    return client;
}

MAY_SUSPEND static long long ask_number(struct redis_client *client, const char *const words[])
{
    struct answer answer;
    bool was_sent;
    cr_assert_eq(ask(client, &answer, &was_sent, words), MID_OK);
    return atoll(answer.text);
}

/* -------------------- reading -------------------- */

/* What was read, put together again. */
struct copy {
    struct buffer data;
    const struct model *model;
    size_t next; /* the entry of the model that comes next */
};

static void take_entry(const struct durable_entry *entry, void *arg)
{
    struct copy *copy = arg;
    const struct model *model = copy->model;
    cr_assert_lt(copy->next, model->entries);
    cr_expect_eq(entry->end, model->ends[copy->next]);
    cr_expect_str_eq(entry->event, model->events[copy->next]);
    copy->next++;
    buffer_append(&copy->data, entry->data, entry->bytes);
}

static enum durable_verdict expected_of_read(const struct model *model, int64_t from)
{
    if (!model->is_there)
        return DURABLE_MISSING;
    if (from >= 0 && from < model_start(model))
        return DURABLE_TRIMMED;
    return from > model_tail(model) ? DURABLE_BEYOND : DURABLE_OK;
}

static void expect_state(const struct durable_state *state, const struct model *model)
{
    cr_expect_eq(state->tail, model_tail(model));
    cr_expect_eq(state->start, model_start(model));
    cr_expect_eq(state->is_closed, model->is_closed);
}

/* As much as was asked for and no more than an entry above it, or all there is; and every byte is the model's. */
static void expect_copy(const struct copy *copy, const struct durable_state *state, size_t least, size_t first)
{
    const struct model *model = copy->model;
    int64_t from = first == 0 ? 0 : model->ends[first - 1];
    size_t bytes = copy->data.length;
    cr_expect_eq(state->end - from, (int64_t)bytes);
    cr_expect(bytes == 0 || memcmp(model->data.data + from, copy->data.data, bytes) == 0);
    cr_expect(bytes >= least || copy->next == model->entries, "%zu bytes of %zu", bytes, least);
    size_t last = copy->next == first
                      ? 0
                      : (size_t)(model->ends[copy->next - 1] - (copy->next > 1 ? model->ends[copy->next - 2] : 0));
    cr_expect(bytes == 0 || bytes - last < least || bytes == last, "%zu bytes for %zu", bytes, least);
}

MAY_SUSPEND static void read_from(const char *key, const struct model *model, int64_t from, size_t least)
{
    struct durable_state state;
    int64_t at = from == DURABLE_FROM_NOW ? model_tail(model) : from == DURABLE_FROM_START ? model_start(model) : from;
    size_t first = model_entry_at(model, at);
    struct copy copy = {.model = model, .next = first};
    const struct durable_reading reading = {
        .from = from, .bytes_least = least, .on_entry = take_entry, .arg = &copy, .is_use = random_chance(50)};
    cr_assert_eq(durable_read(key, &reading, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected_of_read(model, from), "%d from %" PRId64, state.verdict, from);
    if (state.verdict != DURABLE_MISSING)
        expect_state(&state, model);
    if (state.verdict == DURABLE_OK) {
        cr_expect_eq(state.begin, at);
        cr_expect_str_eq(state.type, model->type);
        if (least > 0)
            expect_copy(&copy, &state, least, first);
    }
    buffer_fini(&copy.data);
}

/* -------------------- at random -------------------- */

static const char *const types[] = {"text/plain", "application/json"};

static const char *random_piece(size_t *bytes)
{
    static char piece[PIECE_MAX];
    *bytes = 1 + random_below(random_chance(10) ? PIECE_MAX : 20);
    for (size_t i = 0; i < *bytes; i++)
        piece[i] = (char)random_below(256);
    return piece;
}

/* As much as there is room for, or a byte more. */
static const char *fitting_piece(const struct model *model, size_t *bytes)
{
    const char *piece = random_piece(bytes);
    int64_t room = model->bytes_max - (model->trims ? 0 : model_tail(model) - model_start(model));
    int64_t wanted = room + (int64_t)random_below(2);
    if (model->trims && model->entries > model->first) /* all but the oldest entry stay */
        wanted = room - (model_tail(model) - model->ends[model->first]) + (int64_t)random_below(2);
    if (wanted > 0 && wanted <= PIECE_MAX)
        *bytes = (size_t)wanted;
    return piece;
}

MAY_SUSPEND static void create_at_random(const char *key, struct model *model)
{
    struct durable_state state;
    struct durable_creation creation = {.name = "a name",
                                        .type = types[random_chance(15)],
                                        .ttl_ms = -1,
                                        .until_ms = -1,
                                        .bytes_max = 200 + (int64_t)random_below(2000),
                                        .trims = random_chance(50),
                                        .is_closed = random_chance(5)};
    if (random_chance(30))
        creation.data = random_piece(&creation.bytes);
    enum durable_verdict expected = model_create(model, &creation);
    cr_assert_eq(durable_create(key, &creation, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected, "created: %d and not %d", state.verdict, expected);
    if (expected != DURABLE_FULL)
        expect_state(&state, model);
}

/* Mostly the next one of the producer's, and otherwise one that it has sent, has forgotten, or is too old. */
static void number_at_random(const struct model_producer *producer, struct durable_append *append)
{
    append->epoch = producer->is_known ? producer->epoch : (int64_t)random_below(3);
    append->number = producer->is_known ? producer->number + 1 : 0;
    if (random_chance(30))
        append->number = (int64_t)random_below((size_t)append->number + 3);
    if (random_chance(15))
        append->epoch = (int64_t)random_below((size_t)append->epoch + 2);
    if (random_chance(10))
        *append = (struct durable_append){.epoch = append->epoch + 1};
}

MAY_SUSPEND static void append_at_random(const char *key, struct model *model)
{
    struct durable_state state;
    struct durable_append append = {.event = NULL};
    OWNED char *order = random_chance(30) ? text_printf("%s", model->order) : text_printf("%zu", random_below(60));
    int producer = (int)random_below(2 * MODEL_PRODUCERS) - MODEL_PRODUCERS;
    if (producer >= 0)
        number_at_random(&model->producers[producer], &append);
    producer = producer < 0 ? -1 : producer;
    append.producer = producer >= 0 ? model_producer_name(producer) : NULL;
    append.closes = random_chance(1);
    if (!append.closes || random_chance(50))
        append.data = random_chance(10) ? fitting_piece(model, &append.bytes) : random_piece(&append.bytes);
    append.event = append.bytes > 0 && random_chance(20) ? "token" : NULL;
    append.type = random_chance(20) ? types[random_chance(30)] : NULL;
    append.order = order[0] != '\0' && random_chance(10) ? order : NULL;
    enum durable_verdict expected = model_append(model, &append, producer);
    cr_assert_eq(durable_append(key, &append, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, expected, "appended: %d and not %d", state.verdict, expected);
    if (expected == DURABLE_MISSING)
        return;
    expect_state(&state, model);
    if (producer >= 0 && model->producers[producer].is_known) {
        cr_expect_eq(state.epoch, model->producers[producer].epoch);
    }
    if (producer >= 0 && (expected == DURABLE_OK || expected == DURABLE_GAP || expected == DURABLE_DUPLICATE)) {
        bool is_of_epoch = model->producers[producer].is_known;
        cr_expect_eq(state.number, is_of_epoch ? model->producers[producer].number : -1);
    }
}

MAY_SUSPEND static void read_at_random(const char *key, const struct model *model)
{
    int64_t from = random_chance(20) ? DURABLE_FROM_START : DURABLE_FROM_NOW;
    if (random_chance(70) && model->entries > 0)
        from = random_chance(10) ? (int64_t)random_below((size_t)model_tail(model) + 100)
                                 : model->ends[random_below(model->entries)];
    read_from(key, model, from, random_chance(10) ? 0 : 1 + random_below(3000));
}

MAY_SUSPEND static void step_at_random(const char *key, struct model *model)
{
    struct durable_state state;
    size_t choice = random_below(100);
    if (choice < 10) {
        create_at_random(key, model);
    } else if (choice < 65) {
        append_at_random(key, model);
    } else if (choice < (model->is_closed ? 90 : 99)) {
        read_at_random(key, model);
    } else {
        enum durable_verdict expected = model_delete(model);
        cr_assert_eq(durable_delete(key, &terms, &state), MID_OK);
        cr_assert_eq(state.verdict, expected);
    }
}

/* Two of them belong to the same session, and two have the same name. */
static void make_keys(char keys[static STREAMS][DURABLE_KEY_BYTES])
{
    static const char rid[] = "0123456789abcdef0123456789abcdef";
    durable_key(keys[0], rid, NULL, "x", 1);
    durable_key(keys[1], rid, NULL, "y", 1);
    durable_key(keys[2], NULL, "grace", "x", 1);
    durable_key(keys[3], NULL, "", "x", 1);
    for (int i = 0; i < STREAMS; i++)
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(keys[i], keys[j]);
}

static void play_at_random(void *arg)
{
    enum { STEPS = 12000 };
    static struct model models[STREAMS];
    char keys[STREAMS][DURABLE_KEY_BYTES];
    (void)arg;
    struct redis_client *client = open_log();
    make_keys(keys);
    for (int i = 0; i < STEPS; i++) {
        size_t which = random_below(STREAMS);
        step_at_random(keys[which], &models[which]);
    }
    for (int i = 0; i < STREAMS; i++)
        buffer_fini(&models[i].data);
    redis_client_free(client);
}

Test(durable_log, is_what_the_protocol_says)
{
    random_begin("durable_log::is_what_the_protocol_says");
    server_start_with_users(NULL);
    run_scenario(play_at_random);
}

/* -------------------- lifetimes -------------------- */

MAY_SUSPEND static void expect_ttl(struct redis_client *client, const char *key, long long ms)
{
    OWNED char *log = text_printf("%s:log", key);
    const char *const keys[] = {key, log};
    for (int i = 0; i < 2; i++) {
        long long ttl = ask_number(client, WORDS("PTTL", keys[i]));
        cr_expect(ttl > ms - 5000 && ttl <= ms, "%s: %lld ms and not %lld", keys[i], ttl, ms);
    }
}

MAY_SUSPEND static void shorten(struct redis_client *client, const char *key)
{
    OWNED char *log = text_printf("%s:log", key);
    cr_assert_eq(ask_number(client, WORDS("PEXPIRE", key, "10000")), 1);
    cr_assert_eq(ask_number(client, WORDS("PEXPIRE", log, "10000")), 1);
}

MAY_SUSPEND static void create(const char *key, int64_t ttl_ms, int64_t until_ms)
{
    struct durable_state state;
    const struct durable_creation creation = {
        .type = "text/plain", .ttl_ms = ttl_ms, .until_ms = until_ms, .bytes_max = 100, .data = "w", .bytes = 1};
    cr_assert_eq(durable_create(key, &creation, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, DURABLE_OK);
}

/* Each use begins the lifetime anew, but not where its end is a time; and a look is no use. */
MAY_SUSPEND static void expect_uses(struct redis_client *client, const char *key, long long life_ms, bool slides)
{
    struct durable_state state;
    for (int is_use = 0; is_use < 2; is_use++) {
        shorten(client, key);
        const struct durable_reading look = {.from = 0, .is_use = is_use != 0};
        cr_assert_eq(durable_read(key, &look, &terms, &state), MID_OK);
        expect_ttl(client, key, slides && is_use != 0 ? life_ms : 10000);
    }
    shorten(client, key);
    cr_assert_eq(durable_append(key, &(struct durable_append){.data = "x", .bytes = 1}, &terms, &state), MID_OK);
    expect_ttl(client, key, slides ? life_ms : 10000);
}

static void play_lifetimes(void *arg)
{
    char keys[STREAMS][DURABLE_KEY_BYTES];
    (void)arg;
    struct redis_client *client = open_log();
    struct redis_options options = quick_options();
    struct redis_client *all = ready_client(&options);
    int64_t until_ms = redis_client_unix_ms(client) + 60000;
    make_keys(keys);
    create(keys[0], -1, -1);
    expect_ttl(all, keys[0], LIFETIME_MS);
    expect_uses(all, keys[0], LIFETIME_MS, true);
    create(keys[1], 20000, -1);
    expect_ttl(all, keys[1], 20000);
    expect_uses(all, keys[1], 20000, true);
    create(keys[2], -1, until_ms);
    expect_ttl(all, keys[2], 60000);
    expect_uses(all, keys[2], 60000, false);
    redis_client_free(all);
    redis_client_free(client);
}

Test(durable_log, every_key_has_a_lifetime_which_a_use_begins_anew)
{
    server_start_with_users(NULL);
    run_scenario(play_lifetimes);
}

/* -------------------- limits -------------------- */

/* Nothing half-way: the entry and what the state says of it are refused together. What frees memory is not. */
static void play_full_redis(void *arg)
{
    struct durable_state state;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    const struct durable_append append = {.data = "y", .bytes = 1, .producer = "p", .closes = true};
    (void)arg;
    struct redis_client *client = open_log();
    struct redis_options options = quick_options();
    struct redis_client *all = ready_client(&options);
    struct answer answer;
    bool was_sent;
    make_keys(keys);
    create(keys[0], -1, -1);
    cr_assert_eq(ask(all, &answer, &was_sent, WORDS("CONFIG", "SET", "maxmemory", "1")), MID_OK);
    cr_expect_eq(durable_append(keys[0], &append, &terms, &state), MID_UNAVAILABLE);
    cr_assert_eq(durable_read(keys[0], &(struct durable_reading){.from = 0, .is_use = true}, &terms, &state), MID_OK);
    cr_expect_eq(state.tail, 1);
    cr_expect_not(state.is_closed);
    cr_assert_eq(durable_append(keys[0], &(struct durable_append){.closes = true}, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_OK);
    cr_assert_eq(durable_delete(keys[0], &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_OK);
    redis_client_free(all);
    redis_client_free(client);
}

Test(durable_log, is_closed_and_deleted_also_when_redis_is_full)
{
    server_start_with_users(NULL);
    run_scenario(play_full_redis);
}

static void play_producers(void *arg)
{
    enum { PRODUCERS_MAX = 256 };
    struct durable_state state;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    (void)arg;
    struct redis_client *client = open_log();
    make_keys(keys);
    create(keys[0], -1, -1);
    for (int i = 0; i <= PRODUCERS_MAX; i++) {
        OWNED char *producer = text_printf("producer %d", i);
        const struct durable_append append = {.producer = producer};
        cr_assert_eq(durable_append(keys[0], &append, &terms, &state), MID_OK);
        cr_expect_eq(state.verdict, i < PRODUCERS_MAX ? DURABLE_OK : DURABLE_CROWDED, "%d: %d", i, state.verdict);
    }
    const struct durable_append known = {.producer = "producer 7", .number = 1, .data = "z", .bytes = 1};
    cr_assert_eq(durable_append(keys[0], &known, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_OK);
    redis_client_free(client);
}

Test(durable_log, has_no_more_producers_than_it_may_have)
{
    server_start_with_users(NULL);
    run_scenario(play_producers);
}

/* -------------------- what is left -------------------- */

MAY_SUSPEND static long long count_keys(struct redis_client *client, const char *key)
{
    OWNED char *log = text_printf("%s:log", key);
    return ask_number(client, WORDS("EXISTS", key, log));
}

/* Nothing; and where Redis has lost one key of two, what is left of a stream does not become part of another. */
static void play_remains(void *arg)
{
    struct durable_state state;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    (void)arg;
    struct redis_client *client = open_log();
    make_keys(keys);
    create(keys[0], -1, -1);
    cr_expect_eq(count_keys(client, keys[0]), 2);
    cr_assert_eq(durable_delete(keys[0], &terms, &state), MID_OK);
    cr_expect_eq(count_keys(client, keys[0]), 0);
    create(keys[0], -1, -1);
    cr_assert_eq(ask_number(client, WORDS("DEL", keys[0])), 1);
    cr_assert_eq(durable_read(keys[0], &(struct durable_reading){.from = 0}, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_MISSING);
    create(keys[0], -1, -1);
    cr_assert_eq(durable_read(keys[0], &(struct durable_reading){.from = 0, .bytes_least = 9}, &terms, &state), MID_OK);
    cr_expect_eq(state.end, 1);
    redis_client_free(client);
}

Test(durable_log, leaves_nothing_behind)
{
    server_start_with_users(NULL);
    run_scenario(play_remains);
}
