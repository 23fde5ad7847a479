/* Redis's clock: what an answer to TIME says, and how far it is believed. */
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "redis/clock.h"

/* -------------------- reading -------------------- */

static redisReply text_reply(const char *text)
{
    return (redisReply){.type = REDIS_REPLY_STRING, .len = strlen(text), .str = (char *)(uintptr_t)text};
}

static bool read_pair(const char *seconds, const char *microseconds, int64_t *redis_ms)
{
    redisReply parts[] = {text_reply(seconds), text_reply(microseconds)};
    redisReply *elements[] = {&parts[0], &parts[1]};
    redisReply reply = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements};
    return redis_clock_read(&reply, redis_ms);
}

Test(redis_clock, seconds_and_microseconds_are_milliseconds)
{
    static const struct {
        const char *seconds;
        const char *microseconds;
        int64_t expected_ms; /* -1: it is no time */
    } rows[] = {
        {"1700000000", "123456", 1700000000123},
        {"1700000000", "999", 1700000000000},
        {"1700000000", "1000", 1700000000001},
        {"0", "0", 0},
        {"999999999999", "999999", 999999999999999},
        {"1000000000000", "0", -1},
        {"1700000000", "1000000", -1},
        {"", "0", -1},
        {"1700000000", "", -1},
        {"-1", "0", -1},
        {"+1", "0", -1},
        {" 1", "0", -1},
        {"1.5", "0", -1},
        {"1e9", "0", -1},
        {"0x10", "0", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t redis_ms = -1;
        cr_expect_eq(read_pair(rows[i].seconds, rows[i].microseconds, &redis_ms), rows[i].expected_ms >= 0, "%s %s",
                     rows[i].seconds, rows[i].microseconds);
        cr_expect_eq(redis_ms, rows[i].expected_ms, "%s %s", rows[i].seconds, rows[i].microseconds);
    }
}

Test(redis_clock, an_answer_of_another_form_is_no_time)
{
    redisReply seconds = text_reply("1700000000");
    redisReply integer = {.type = REDIS_REPLY_INTEGER, .integer = 1};
    redisReply *elements[] = {&seconds, &integer, &seconds};
    char refusal[] = "NOPERM";
    redisReply rows[] = {
        {.type = REDIS_REPLY_NIL},
        text_reply("1700000000"),
        {.type = REDIS_REPLY_ERROR, .len = strlen(refusal), .str = refusal},
        {.type = REDIS_REPLY_ARRAY, .elements = 0},
        {.type = REDIS_REPLY_ARRAY, .elements = 1, .element = elements},
        {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements},
        {.type = REDIS_REPLY_ARRAY, .elements = 3, .element = elements},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t redis_ms = -1;
        cr_expect_not(redis_clock_read(&rows[i], &redis_ms), "row %zu", i);
        cr_expect_eq(redis_ms, -1);
    }
}

/* -------------------- believing -------------------- */

Test(redis_clock, the_offset_is_from_the_middle_of_asking_and_answer)
{
    static const struct {
        int64_t redis_ms;
        int64_t asked_ms;
        int64_t answered_ms;
        int64_t offset_ms;
    } rows[] = {
        {9000, 1000, 1100, 7950},  /* ahead */
        {500, 1000, 1100, -550},   /* behind */
        {5002, 1000, 1003, 4001},  /* an odd time */
        {1102, 1000, 1000, 102},   /* in no time */
        {1003, 1000, 1000, 3},     /* a little ahead */
        {1050, 1000, 1100, 0},     /* the same */
        {1000, 1000, 1100, 0},     /* may be the same */
        {1100, 1000, 1100, 0},     /* may be the same */
        {1001, 1000, 1000, 0},     /* the next millisecond had begun */
        {999, 1000, 1000, 0},      /* or not yet */
        {1400, 1000, 1100, 350},   /* cannot be the same */
        {-1000, 1000, 1002, -2001} /* whatever */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_clock clock = {0};
        redis_clock_set(&clock, rows[i].redis_ms, rows[i].asked_ms, rows[i].answered_ms);
        cr_expect_eq(clock.offset_ms, rows[i].offset_ms, "row %zu: %lld", i, (long long)clock.offset_ms);
    }
}

Test(redis_clock, a_slow_answer_does_not_move_what_a_quick_one_has_told)
{
    struct redis_clock clock = {0};
    redis_clock_set(&clock, 5001, 1000, 1002);
    cr_assert_eq(clock.offset_ms, 4000);
    redis_clock_set(&clock, 7900, 2000, 4000); /* answered near the end: the middle says 4900 */
    cr_expect_eq(clock.offset_ms, 4000);
    redis_clock_set(&clock, 9901, 5000, 5002); /* and this one is sure */
    cr_expect_eq(clock.offset_ms, 4900);
}

Test(redis_clock, an_answer_from_before_the_question_is_not_believed)
{
    struct redis_clock clock = {0};
    redis_clock_set(&clock, 9000, 1000, 999); /* this machine's clock was set back between them */
    cr_expect_eq(clock.offset_ms, 0);
}
