/* What the log of a durable stream is in Redis: lifetimes, limits, losses, and a Redis that takes nothing. */
#include "log.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/owned.h"
#include "support/text.h"

TestSuite(journal_log, .fini = log_end, .timeout = 120);

MAY_SUSPEND static void configure(const char *name, const char *value)
{
    struct answer answer;
    bool was_sent;
    cr_assert_eq(ask(log_site.all, &answer, &was_sent, WORDS("CONFIG", "SET", name, value)), MID_OK);
}

MAY_SUSPEND static void create(const char *key, int64_t ttl_ms, int64_t until_ms)
{
    struct journal_state state;
    const struct journal_creation creation = {
        .type = "text/plain", .ttl_ms = ttl_ms, .until_ms = until_ms, .bytes_max = 10000, .data = "w", .bytes = 1};
    cr_assert_eq(journal_create(key, &creation, &terms, &state), MID_OK);
    cr_assert_eq(state.verdict, JOURNAL_OK);
}

/* These return the verdict. */

MAY_SUSPEND static enum journal_verdict append(const char *key, const struct journal_append *append)
{
    struct journal_state state;
    cr_assert_eq(journal_append(key, append, &terms, &state), MID_OK);
    return state.verdict;
}

MAY_SUSPEND static enum journal_verdict read_from(const char *key, int64_t from, struct journal_state *state)
{
    const struct journal_reading reading = {.from = from, .bytes_least = 100};
    cr_assert_eq(journal_read(key, &reading, &terms, state), MID_OK);
    return state->verdict;
}

MAY_SUSPEND static enum journal_verdict remove_stream(const char *key, const char *incarnation)
{
    struct journal_state state;
    cr_assert_eq(journal_delete(key, incarnation, &terms, &state), MID_OK);
    return state.verdict;
}

MAY_SUSPEND static void append_text(const char *key, const char *text)
{
    cr_assert_eq(append(key, &(struct journal_append){.data = text, .bytes = strlen(text)}), JOURNAL_OK);
}

/* -------------------- lifetimes -------------------- */

MAY_SUSPEND static void expect_ttl(const char *key, long long ms)
{
    OWNED char *log = text_printf("%s:log", key);
    const char *const both[] = {key, log};
    for (int i = 0; i < 2; i++) {
        long long ttl = ask_number(log_site.all, WORDS("PTTL", both[i]));
        cr_expect(ttl > ms - 5000 && ttl <= ms, "%s: %lld ms and not %lld", both[i], ttl, ms);
    }
}

MAY_SUSPEND static void shorten(const char *key)
{
    OWNED char *log = text_printf("%s:log", key);
    cr_assert_eq(ask_number(log_site.all, WORDS("PEXPIRE", key, "10000")), 1);
    cr_assert_eq(ask_number(log_site.all, WORDS("PEXPIRE", log, "10000")), 1);
}

/* Each use begins the lifetime anew, but not where its end is a time; and reading alone is no use. */
MAY_SUSPEND static void expect_uses(const char *key, long long life_ms, bool slides)
{
    struct journal_state state;
    expect_ttl(key, life_ms);
    shorten(key);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_OK);
    expect_ttl(key, 10000);
    journal_touch(key, &terms);
    expect_ttl(key, slides ? life_ms : 10000);
    shorten(key);
    append_text(key, "x");
    if (slides)
        expect_ttl(key, life_ms);
}

MAY_SUSPEND static void play_lifetimes(void)
{
    create(log_site.keys[0], -1, -1);
    expect_uses(log_site.keys[0], LIFETIME_MS, true);
    create(log_site.keys[1], 20000, -1);
    expect_uses(log_site.keys[1], 20000, true);
    create(log_site.keys[2], -1, redis_client_unix_ms(log_site.client) + 60000);
    expect_uses(log_site.keys[2], 60000, false);
}

Test(journal_log, every_key_has_a_lifetime_which_a_use_begins_anew)
{
    log_play(play_lifetimes);
}

/* -------------------- limits -------------------- */

/* Nothing half-way: the entry and what the state says of it are refused together. What frees memory is not. */
MAY_SUSPEND static void play_full_redis(void)
{
    struct journal_state state;
    const char *key = log_site.keys[0];
    const struct journal_append last = {.data = "y", .bytes = 1, .producer = "p", .closes = true};
    create(key, -1, -1);
    configure("maxmemory", "1");
    cr_expect_eq(journal_append(key, &last, &terms, &state), MID_UNAVAILABLE);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 1);
    cr_expect_eq(state.tail, 1);
    cr_expect_not(state.is_closed);
    cr_expect_eq(append(key, &(struct journal_append){.closes = true}), JOURNAL_OK);
    cr_expect_eq(remove_stream(key, NULL), JOURNAL_OK);
}

Test(journal_log, is_closed_and_deleted_also_when_redis_is_full)
{
    log_play(play_full_redis);
}

MAY_SUSPEND static void play_producers(void)
{
    enum { PRODUCERS_MAX = 256 };
    const char *key = log_site.keys[0];
    create(key, -1, -1);
    for (int i = 0; i <= PRODUCERS_MAX; i++) {
        OWNED char *producer = text_printf("producer %d", i);
        enum journal_verdict verdict =
            append(key, &(struct journal_append){.producer = producer, .data = "x", .bytes = 1});
        cr_expect_eq(verdict, i < PRODUCERS_MAX ? JOURNAL_OK : JOURNAL_CROWDED, "%d: %d", i, verdict);
    }
    const struct journal_append known = {.producer = "producer 7", .number = 1, .data = "z", .bytes = 1};
    cr_expect_eq(append(key, &known), JOURNAL_OK);
}

Test(journal_log, has_no_more_producers_than_it_may_have)
{
    log_play(play_producers);
}

#define ELEVEN_YEARS_MS (INT64_C(11) * 366 * 24 * 3600 * 1000)

MAY_SUSPEND static void play_limits(void)
{
    struct journal_state state;
    const char *key = log_site.keys[0];
    char order[JOURNAL_ORDER_MAX + 2];
    memset(order, 'z', sizeof(order) - 1);
    order[sizeof(order) - 1] = '\0';
    create(key, INT64_MAX, -1);
    cr_expect_gt(ask_number(log_site.all, WORDS("PTTL", key)), LIFETIME_MS);

    struct journal_append one = {
        .producer = "p", .epoch = JOURNAL_OFFSET_MAX, .data = "x", .bytes = 1, .order = "\xc3\xa9"};
    cr_assert_eq(journal_append(key, &one, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, JOURNAL_OK);
    cr_expect_eq(state.epoch, JOURNAL_OFFSET_MAX);
    one.epoch--;
    cr_expect_eq(append(key, &one), JOURNAL_STALE);
    cr_expect_eq(append(key, &(struct journal_append){.data = "x", .bytes = 1, .order = "z"}), JOURNAL_ORDER);

    const struct journal_append longest = {.data = "x", .bytes = 1, .order = order};
    cr_expect_eq(journal_append(key, &longest, &terms, &state), MID_FAILED);
    cr_expect_eq(journal_append(key, &(struct journal_append){.data = ""}, &terms, &state), MID_FAILED);
    cr_expect_eq(journal_read(key, &(struct journal_reading){.from = INT64_MAX}, &terms, &state), MID_FAILED);

    create(log_site.keys[1], -1, INT64_MAX);
    append_text(log_site.keys[1], "x");
    OWNED char *log = text_printf("%s:log", log_site.keys[1]);
    cr_expect_lt(ask_number(log_site.all, WORDS("PTTL", log_site.keys[1])), ELEVEN_YEARS_MS);
    cr_expect_lt(ask_number(log_site.all, WORDS("PTTL", log)), ELEVEN_YEARS_MS);
    const struct journal_creation both = {.type = "text/plain", .ttl_ms = 1000, .until_ms = 1000, .bytes_max = 9};
    cr_expect_eq(journal_create(log_site.keys[2], &both, &terms, &state), MID_FAILED);
}

Test(journal_log, numbers_and_texts_at_their_limits)
{
    log_play(play_limits);
}

/* Numbers that are none would leave half of an append. */
MAY_SUSPEND static void play_numbers(void)
{
    static const int64_t wrong[] = {-2, INT64_MIN, JOURNAL_OFFSET_MAX + 1, INT64_MAX};
    struct journal_state state;
    const char *key = log_site.keys[0];
    create(key, -1, -1);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct journal_append epoch = {.data = "x", .bytes = 1, .producer = "p", .epoch = wrong[i]};
        const struct journal_append number = {.data = "x", .bytes = 1, .producer = "p", .number = wrong[i]};
        cr_expect_eq(journal_append(key, &epoch, &terms, &state), MID_FAILED);
        cr_expect_eq(journal_append(key, &number, &terms, &state), MID_FAILED);
    }
    const struct journal_append nobody = {.data = "x", .bytes = 1, .producer = ""};
    cr_expect_eq(journal_append(key, &nobody, &terms, &state), MID_FAILED);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 1);
    cr_expect_eq(state.tail, 1);
}

Test(journal_log, numbers_that_are_none_are_refused)
{
    log_play(play_numbers);
}

/* -------------------- what is left, and what is lost -------------------- */

MAY_SUSPEND static long long count_keys(const char *key)
{
    OWNED char *log = text_printf("%s:log", key);
    return ask_number(log_site.client, WORDS("EXISTS", key, log));
}

/* Nothing; and where Redis has lost one key of two, what is left of a stream does not become part of another. */
MAY_SUSPEND static void play_remains(void)
{
    struct journal_state state;
    const char *key = log_site.keys[0];
    const struct journal_creation creation = {.type = "text/plain", .ttl_ms = -1, .until_ms = -1, .bytes_max = 9};
    create(key, -1, -1);
    cr_expect_eq(count_keys(key), 2);
    cr_expect_eq(remove_stream(key, NULL), JOURNAL_OK);
    cr_expect_eq(count_keys(key), 0);
    create(key, -1, -1);
    cr_assert_eq(ask_number(log_site.client, WORDS("DEL", key)), 1);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_MISSING);
    create(key, -1, -1);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 1);

    cr_assert_eq(ask_number(log_site.client, WORDS("HSET", log_site.keys[1], "p:p", "7 7")), 1); /* no stream */
    cr_expect_eq(journal_create(log_site.keys[1], &creation, &terms, &state), MID_FAILED);
}

Test(journal_log, leaves_nothing_behind)
{
    log_play(play_remains);
}

/* Nobody is given bytes from behind a hole as if there were none, nor waits for what is not there. */
MAY_SUSPEND static void play_losses(void)
{
    struct journal_state state;
    const char *key = log_site.keys[0];
    OWNED char *log = text_printf("%s:log", key);
    create(key, -1, redis_client_unix_ms(log_site.client) + 60000);
    for (int i = 0; i < 3; i++)
        append_text(key, "xyz");
    cr_assert_eq(ask_number(log_site.client, WORDS("XDEL", log, "7-0")), 1);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 4);
    cr_expect_eq(read_from(key, 4, &state), JOURNAL_LOST);
    cr_expect_eq(read_from(key, 7, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 10);
    cr_assert_eq(ask_number(log_site.client, WORDS("DEL", log)), 1);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_LOST);
    append_text(key, "x"); /* what was lost has gone, and takes no room any more */
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_TRIMMED);
    cr_expect_eq(state.start, 10);
    cr_expect_eq(read_from(key, 10, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 11);
    expect_ttl(key, 60000);
}

Test(journal_log, tells_what_redis_has_lost)
{
    log_play(play_losses);
}

/* -------------------- the stream that is meant -------------------- */

/* Who had one of that name does not change the next one. */
MAY_SUSPEND static void play_namesakes(void)
{
    static const char former[] = "00112233445566ff";
    struct journal_state state;
    const char *key = log_site.keys[0];
    const struct journal_creation mine = {
        .type = "text/plain", .ttl_ms = -1, .until_ms = -1, .bytes_max = 100, .incarnation = former};
    cr_assert_eq(journal_create(key, &mine, &terms, &state), MID_OK);
    cr_assert_eq(journal_create(key, &mine, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, JOURNAL_EXISTS);
    cr_expect_str_eq(state.incarnation, former);
    cr_expect_eq(append(key, &(struct journal_append){.closes = true}), JOURNAL_OK);
    cr_assert_eq(journal_create(key, &mine, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, JOURNAL_EXISTS, "what became of it meanwhile does not make it another one");
    cr_expect_eq(remove_stream(key, former), JOURNAL_OK);

    create(key, -1, -1);
    const struct journal_reading reading = {.bytes_least = 9, .incarnation = former};
    cr_expect_eq(append(key, &(struct journal_append){.data = "x", .bytes = 1, .incarnation = former}),
                 JOURNAL_MISSING);
    cr_assert_eq(journal_read(key, &reading, &terms, &state), MID_OK);
    cr_expect_eq(state.verdict, JOURNAL_MISSING);
    cr_expect_eq(remove_stream(key, former), JOURNAL_MISSING);
    cr_expect_eq(count_keys(key), 2);
}

Test(journal_log, does_not_take_a_namesake_for_the_stream_that_is_meant)
{
    log_play(play_namesakes);
}

/* -------------------- a Redis that takes no writes -------------------- */

MAY_SUSPEND static void play_read_only(void)
{
    struct journal_state state;
    const char *key = log_site.keys[0];
    create(key, -1, -1);
    configure("min-replicas-to-write", "1");
    cr_expect_eq(journal_append(key, &(struct journal_append){.data = "x", .bytes = 1}, &terms, &state),
                 MID_UNAVAILABLE);
    cr_expect_eq(read_from(key, 0, &state), JOURNAL_OK);
    cr_expect_eq(state.end, 1);
    journal_touch(key, &terms);
}

Test(journal_log, is_read_where_nothing_can_be_written)
{
    log_play(play_read_only);
}
