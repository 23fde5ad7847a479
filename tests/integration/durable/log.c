/* What the log of a durable stream is in Redis: lifetimes, limits, losses, and a Redis that takes nothing. */
#include "log.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support/owned.h"
#include "support/text.h"

TestSuite(durable_log, .fini = server_fini, .timeout = 120);

/* Somebody who may do everything in that Redis. */
MAY_SUSPEND static struct redis_client *open_all(void)
{
    struct redis_options options = quick_options();
    return ready_client(&options);
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
        .type = "text/plain", .ttl_ms = ttl_ms, .until_ms = until_ms, .bytes_max = 10000, .data = "w", .bytes = 1};
    cr_assert_eq(durable_create(key, &creation, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, DURABLE_OK);
}

/* Each use begins the lifetime anew, but not where its end is a time; and reading alone is no use. */
MAY_SUSPEND static void expect_uses(struct redis_client *client, const char *key, long long life_ms, bool slides)
{
    struct durable_state state;
    shorten(client, key);
    cr_assert_eq(durable_read(key, &(struct durable_reading){.bytes_least = 9}, &terms, &state), MID_OK);
    expect_ttl(client, key, 10000);
    durable_touch(key, 0);
    expect_ttl(client, key, slides ? life_ms : 10000);
    shorten(client, key);
    cr_assert_eq(durable_append(key, &(struct durable_append){.data = "x", .bytes = 1}, &terms, &state), MID_OK);
    if (slides)
        expect_ttl(client, key, life_ms);
}

static void play_lifetimes(void *arg)
{
    char keys[STREAMS][DURABLE_KEY_BYTES];
    (void)arg;
    struct redis_client *client = open_log();
    struct redis_client *all = open_all();
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
    struct redis_client *all = open_all();
    struct answer answer;
    bool was_sent;
    make_keys(keys);
    create(keys[0], -1, -1);
    cr_assert_eq(ask(all, &answer, &was_sent, WORDS("CONFIG", "SET", "maxmemory", "1")), MID_OK);
    cr_expect_eq(durable_append(keys[0], &append, &terms, &state), MID_UNAVAILABLE);
    cr_assert_eq(durable_read(keys[0], &(struct durable_reading){.from = 0, .bytes_least = 9}, &terms, &state), MID_OK);
    cr_expect_eq(state.tail, 1);
    cr_expect_not(state.is_closed);
    cr_assert_eq(durable_append(keys[0], &(struct durable_append){.closes = true}, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_OK);
    cr_assert_eq(durable_delete(keys[0], NULL, &terms, &state), MID_OK);
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
        const struct durable_append append = {.producer = producer, .data = "x", .bytes = 1};
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
    cr_assert_eq(durable_delete(keys[0], NULL, &terms, &state), MID_OK);
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

/* -------------------- what Redis has lost -------------------- */

MAY_SUSPEND static enum durable_verdict read_all(const char *key, int64_t from, int64_t *end)
{
    struct durable_state state;
    const struct durable_reading reading = {.from = from, .bytes_least = 100};
    cr_assert_eq(durable_read(key, &reading, &terms, &state), MID_OK);
    *end = state.end;
    return state.verdict;
}

/* Nobody is given bytes from behind a hole as if there were none, nor waits for what is not there. */
static void play_losses(void *arg)
{
    struct durable_state state;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    int64_t end;
    (void)arg;
    struct redis_client *client = open_log();
    struct redis_client *all = open_all();
    make_keys(keys);
    create(keys[0], -1, redis_client_unix_ms(client) + 60000);
    OWNED char *log = text_printf("%s:log", keys[0]);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(durable_append(keys[0], &(struct durable_append){.data = "xyz", .bytes = 3}, &terms, &state),
                     MID_OK);
    cr_assert_eq(ask_number(client, WORDS("XDEL", log, "7-0")), 1);
    cr_expect_eq(read_all(keys[0], 0, &end), DURABLE_OK);
    cr_expect_eq(end, 4, "%" PRId64, end);
    cr_expect_eq(read_all(keys[0], 4, &end), DURABLE_LOST);
    cr_expect_eq(read_all(keys[0], 7, &end), DURABLE_OK);
    cr_expect_eq(end, 10);
    cr_assert_eq(ask_number(client, WORDS("DEL", log)), 1);
    cr_expect_eq(read_all(keys[0], 0, &end), DURABLE_LOST);
    cr_assert_eq(durable_append(keys[0], &(struct durable_append){.data = "x", .bytes = 1}, &terms, &state), MID_OK);
    cr_expect_eq(read_all(keys[0], 0, &end), DURABLE_LOST);
    expect_ttl(all, keys[0], 60000);
    redis_client_free(all);
    redis_client_free(client);
}

Test(durable_log, tells_what_redis_has_lost)
{
    server_start_with_users(NULL);
    run_scenario(play_losses);
}

/* -------------------- the stream that is meant -------------------- */

/* Who had one of that name does not change the next one. */
static void play_namesakes(void *arg)
{
    struct durable_state state;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    static const char former[] = "00112233445566ff";
    const struct durable_creation mine = {
        .type = "text/plain", .ttl_ms = -1, .until_ms = -1, .bytes_max = 100, .incarnation = former};
    (void)arg;
    struct redis_client *client = open_log();
    make_keys(keys);
    cr_assert_eq(durable_create(keys[0], &mine, &terms, &state), MID_OK);
    cr_assert_eq(durable_create(keys[0], &mine, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_EXISTS);
    cr_expect_str_eq(state.incarnation, former);
    cr_assert_eq(durable_delete(keys[0], former, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_OK);
    create(keys[0], -1, -1);
    const struct durable_append append = {.data = "x", .bytes = 1, .incarnation = former};
    const struct durable_reading reading = {.bytes_least = 9, .incarnation = former};
    cr_assert_eq(durable_append(keys[0], &append, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_MISSING);
    cr_assert_eq(durable_read(keys[0], &reading, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_MISSING);
    cr_assert_eq(durable_delete(keys[0], former, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_MISSING);
    cr_expect_eq(count_keys(client, keys[0]), 2);
    redis_client_free(client);
}

Test(durable_log, does_not_take_a_namesake_for_the_stream_that_is_meant)
{
    server_start_with_users(NULL);
    run_scenario(play_namesakes);
}

/* -------------------- numbers and texts at their limits -------------------- */

static void play_limits(void *arg)
{
    struct durable_state state;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    char order[DURABLE_ORDER_MAX + 2];
    (void)arg;
    struct redis_client *client = open_log();
    struct redis_client *all = open_all();
    make_keys(keys);
    create(keys[0], INT64_MAX, -1);
    cr_expect_gt(ask_number(all, WORDS("PTTL", keys[0])), LIFETIME_MS);
    const struct durable_append last = {
        .producer = "p", .epoch = DURABLE_OFFSET_MAX, .data = "x", .bytes = 1, .order = "\xc3\xa9"};
    cr_assert_eq(durable_append(keys[0], &last, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_OK);
    cr_expect_eq(state.epoch, DURABLE_OFFSET_MAX);
    const struct durable_append before = {.producer = "p", .epoch = DURABLE_OFFSET_MAX - 1, .data = "x", .bytes = 1};
    cr_assert_eq(durable_append(keys[0], &before, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_STALE);
    const struct durable_append ascii = {.data = "x", .bytes = 1, .order = "z"};
    cr_assert_eq(durable_append(keys[0], &ascii, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, DURABLE_ORDER);
    memset(order, 'z', sizeof(order) - 1);
    order[sizeof(order) - 1] = '\0';
    const struct durable_append longest = {.data = "x", .bytes = 1, .order = order};
    cr_expect_eq(durable_append(keys[0], &longest, &terms, &state), MID_FAILED);
    cr_expect_eq(durable_append(keys[0], &(struct durable_append){.data = ""}, &terms, &state), MID_FAILED);
    const struct durable_creation creation = {.type = "text/plain", .ttl_ms = -1, .until_ms = -1, .bytes_max = 9};
    cr_assert_eq(ask_number(client, WORDS("HSET", keys[1], "p:p", "7 7")), 1); /* which is no stream */
    cr_expect_eq(durable_create(keys[1], &creation, &terms, &state), MID_FAILED);
    redis_client_free(all);
    redis_client_free(client);
}

Test(durable_log, numbers_and_texts_at_their_limits)
{
    server_start_with_users(NULL);
    run_scenario(play_limits);
}

/* -------------------- a Redis that takes no writes -------------------- */

static void play_read_only(void *arg)
{
    struct durable_state state;
    struct answer answer;
    bool was_sent;
    char keys[STREAMS][DURABLE_KEY_BYTES];
    int64_t end;
    (void)arg;
    struct redis_client *client = open_log();
    struct redis_client *all = open_all();
    make_keys(keys);
    create(keys[0], -1, -1);
    cr_assert_eq(ask(all, &answer, &was_sent, WORDS("CONFIG", "SET", "min-replicas-to-write", "1")), MID_OK);
    cr_expect_eq(durable_append(keys[0], &(struct durable_append){.data = "x", .bytes = 1}, &terms, &state),
                 MID_UNAVAILABLE);
    cr_expect_eq(read_all(keys[0], 0, &end), DURABLE_OK);
    cr_expect_eq(end, 1);
    durable_touch(keys[0], 0);
    redis_client_free(all);
    redis_client_free(client);
}

Test(durable_log, is_read_where_nothing_can_be_written)
{
    server_start_with_users(NULL);
    run_scenario(play_read_only);
}
