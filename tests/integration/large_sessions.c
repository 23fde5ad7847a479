/* Sessions of which handlers read a part: they show the same as small ones, which are read whole. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "stage.h"
#include "integration/random.h"

TestSuite(large_sessions, .timeout = 120);

enum { PIECE_BYTES = 2500, PIECES = 4 }; /* 10,000 in all */

/* With the fields a (a number), b (a number) and c (a text). */
static void make_session(const struct stage *stage, bool is_large)
{
    cr_assert_eq(stage_act(stage, "set:a:1,set:b:1,set:c:text,commit,return", NULL), 200);
    for (int i = 0; i < PIECES; i++) {
        char piece[PIECE_BYTES + 1] = "x";
        if (is_large)
            memset(piece, 'x', PIECE_BYTES);
        piece[PIECE_BYTES] = '\0';
        OWNED char *acts = text_printf("append:filler:%s,commit,return", piece);
        cr_assert_eq(stage_act(stage, acts, NULL), 200);
    }
    free(redis_text(stage->site.redis, "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 10000"));
    free(redis_text(stage->site.redis, "SLOWLOG RESET"));
}

/* How often a worker has read a session whole. Commands in scripts are not in the slow log, and others' keys are not
 * counted. */
static long long whole_loads(const struct stage *stage)
{
    return redis_int(stage->site.redis, "EVAL %s 0",
                     "local count = 0 "
                     "for _, entry in ipairs(redis.call('SLOWLOG', 'GET', 10000)) do "
                     "  if entry[4][1] == 'HGETALL' and string.find(entry[4][2], '^mid:s:') then count = count + 1 end "
                     "end return count");
}

/* -------------------- what is asked for -------------------- */

Test(large_sessions, a_field_of_a_large_session_is_read_without_the_others)
{
    struct stage stage = stage_open(NULL);
    make_session(&stage, true);
    cr_expect_eq(stage_act(&stage, "get:a,get:c,user,get:absent,refresh,get:b,return", NULL), 200);
    cr_expect_eq(whole_loads(&stage), 0);
    cr_expect_eq(stage_act(&stage, "user,return", NULL), 200);
    cr_expect_eq(whole_loads(&stage), 0);
    cr_expect_eq(stage_act(&stage, "get:a,increment:a,set:b:2,commit,get:c,get:b,get:a,return", NULL), 200);
    cr_expect_eq(whole_loads(&stage), 0, "the view has moved on with its own commit");
    stage_close(&stage);
}

Test(large_sessions, a_small_session_is_read_at_once)
{
    struct stage stage = stage_open(NULL);
    make_session(&stage, false);
    cr_expect_eq(stage_act(&stage, "get:a,get:c,user,get:absent,get:b,return", NULL), 200);
    cr_expect_eq(whole_loads(&stage), 1);
    stage_close(&stage);
}

/* -------------------- one state -------------------- */

Test(large_sessions, fields_that_are_read_one_after_another_are_of_one_state)
{
    struct stage stage = stage_open(NULL);
    make_session(&stage, true);
    struct http_stream *stream =
        stage_stream(&stage, "open,sleep:0,sleep:0,sleep:0,get:a,begin,gate:x,get:b,get:a,get:c");
    stage_await_gate(&stage, "h", "x");
    cr_expect_eq(stage_act(&stage, "increment:a,increment:b,commit,return", NULL), 200);
    stage_open_gate(&stage, "h", "x");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    EXPECT_NOTE(&stage, "h.8", "get:b MID_OK 2");
    EXPECT_NOTE(&stage, "h.9", "get:a MID_OK 2"); /* what was read before the change is read again with b */
    EXPECT_NOTE(&stage, "h.10", "get:c MID_OK text");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(large_sessions, a_value_that_was_read_stays_while_others_are_read)
{
    struct stage stage = stage_open(NULL);
    make_session(&stage, true);
    struct http_stream *stream =
        stage_stream(&stage, "open,sleep:0,sleep:0,sleep:0,keep:c,begin,gate:x,get:b,kept,refresh,kept");
    stage_await_gate(&stage, "h", "x");
    cr_expect_eq(stage_act(&stage, "set:c:another-text-that-is-longer,set:b:3,commit,return", NULL), 200);
    stage_open_gate(&stage, "h", "x");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    EXPECT_NOTE(&stage, "h.8", "get:b MID_OK 3");
    EXPECT_NOTE(&stage, "h.9", "kept MID_OK unchanged");
    EXPECT_NOTE(&stage, "h.11", "kept MID_OK unchanged");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(large_sessions, a_logout_is_seen_by_the_next_field_that_is_asked_for)
{
    struct stage stage = stage_open(NULL);
    make_session(&stage, true);
    struct http_stream *stream = stage_stream(&stage, "open,sleep:0,sleep:0,sleep:0,get:a,begin,gate:x,get:b,get:a");
    stage_await_gate(&stage, "h", "x");
    cr_expect_eq(stage_act(&stage, "destroy,return", NULL), 200);
    stage_open_gate(&stage, "h", "x");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    EXPECT_NOTE(&stage, "h.8", "get:b MID_ENDED");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(large_sessions, a_lifetime_of_a_field_is_seen)
{
    struct stage stage = stage_open(NULL);
    make_session(&stage, true);
    cr_expect_eq(stage_act(&stage, "set-for:d:soon-gone:1000,commit,return", NULL), 200);
    cr_expect_eq(stage_act(&stage, "ping,ping,ping,ping,ping,get:d,sleep:1500,get:d,return", NULL), 200);
    EXPECT_NOTE(&stage, "h.6", "get:d MID_OK soon-gone");
    EXPECT_NOTE(&stage, "h.8", "get:d MID_OK nothing");
    stage_close(&stage);
}

/* -------------------- the same as small ones -------------------- */

/* The last one makes large sessions be read whole from then on. */
static const char *random_act(bool may_be_last)
{
    static const char *const acts[] = {
        "get:a",
        "get:b",
        "get:c",
        "get:d",
        "user",
        "refresh",
        "commit",
        "set:a:7",
        "set:c:words",
        "set:d:new",
        "increment:a",
        "increment:b",
        "increment:c",
        "append:c:x",
        "append:d:y",
        "delete:b",
        "delete:d",
        "take:a",
        "take:d",
        "set-if-absent:b:5",
        "set-if-absent:d:6",
        "compare-and-set:a:7:8",
        "compare-and-set:c:words:others",
        "renew:grace",
        "set-for:d:soon:600000",
    };
    return acts[random_below(sizeof(acts) / sizeof(acts[0]) - !may_be_last)];
}

static char *random_play(bool has_lifetimes)
{
    enum { ACTS_MAX = 12 };
    struct buffer acts = {0};
    size_t count = 1 + random_below(ACTS_MAX);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&acts, i > 0 ? "," : "");
        buffer_append_text(&acts, random_act(has_lifetimes));
    }
    buffer_append_text(&acts, ",get:a"); /* the answer, which has to be read not long before */
    buffer_append(&acts, "", 1);
    return acts.data;
}

Test(large_sessions, they_show_the_same_as_small_ones_whatever_is_done)
{
    enum { PLAYS = 300 };
    random_begin("large_sessions");
    struct stage small = stage_open(NULL);
    struct stage large = stage_open(NULL);
    make_session(&small, false);
    make_session(&large, true);
    for (int i = 0; i < PLAYS; i++) {
        if (i == PLAYS / 2) {
            long long loads[] = {whole_loads(&small), whole_loads(&large)};
            cr_expect_lt(loads[1], loads[0], "%lld, and %lld in small ones", loads[1], loads[0]);
        }
        OWNED char *acts = random_play(i > PLAYS / 2);
        int of_small = stage_act(&small, acts, NULL);
        int of_large = stage_act(&large, acts, NULL);
        OWNED char *log = of_large >= 500 ? site_log(&large.site) : NULL;
        cr_assert_eq(of_small, of_large, "%d and %d: %s\n%s", of_small, of_large, acts, log);
    }
    OWNED char *of_small = stage_notes(&small);
    OWNED char *of_large = stage_notes(&large);
    for (const char *a = of_small, *b = of_large; *a != '\0' && *b != '\0';) {
        size_t a_bytes = strcspn(a, "\n");
        size_t b_bytes = strcspn(b, "\n");
        bool is_filler = strncmp(a, "h.1 append:filler", 17) == 0;
        cr_assert(is_filler || (a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0), "\"%.*s\" and \"%.*s\"",
                  (int)a_bytes, a, (int)b_bytes, b);
        a += a_bytes + 1;
        b += b_bytes + 1;
    }
    stage_close(&large);
    stage_close(&small);
}
