/* How long things live: a field with a lifetime of its own, and sessions of visitors who are logged in, or not. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "stage.h"

TestSuite(lifetimes, .timeout = 60);

/* The body of the answer to acts: the value of the last one. */
static char *answer_of(const struct stage *stage, const char *acts)
{
    struct http_response response;
    int status = stage_act(stage, acts, &response);
    cr_assert_eq(status, 200, "%s: %d %s", acts, status, response.body.data);
    char *body = strdup(response.body.data);
    http_response_fini(&response);
    return body;
}

static void expect_answer(const struct stage *stage, const char *acts, const char *expected)
{
    OWNED char *answer = answer_of(stage, acts);
    cr_expect_str_eq(answer, expected, "%s: %s", acts, answer);
}

static bool is_gone(void *arg)
{
    OWNED char *answer = answer_of(arg, "get:flash,return");
    bool gone = strcmp(answer, "nothing") == 0;
    return gone;
}

Test(lifetimes, a_field_is_gone_for_every_reader_when_its_lifetime_is_over)
{
    struct stage stage = stage_open(NULL);
    int64_t before_ms = clock_unix_ms();
    cr_assert_eq(stage_act(&stage, "set:kept:1,set-for:flash:hello:1500,commit&who=m", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    cr_expect(stored_number(&stage.site, key, "@until:flash") >= before_ms + 1400);
    struct http_stream *stream = stage_stream(&stage, "open,begin:bytes,get:flash,gate:on,get:flash,get:kept");
    stage_await_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.3", "get:flash MID_OK hello");
    expect_answer(&stage, "get:flash,return", "hello");
    cr_assert(wait_until(is_gone, &stage, PATIENCE_MS), "it stays");
    cr_expect_geq(clock_unix_ms(), before_ms + 1400, "it went early");
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.5", "get:flash MID_OK nothing"); /* of a view that was loaded before */
    EXPECT_NOTE(&stage, "h.6", "get:kept MID_OK 1");
    http_stream_close(stream, NULL);

    /* The next commit takes it out of the record, and out of its counts. */
    cr_assert_eq(stage_act(&stage, "increment:kept,commit", NULL), 200);
    cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s flash", key), 0);
    cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s @until:flash", key), 0);
    struct header header = stored_header(&stage.site, key);
    cr_expect_eq(header.fields, 1);
    cr_expect_eq(header.flags & HEADER_HAS_DEADLINES, 0);
    stage_close(&stage);
}

Test(lifetimes, what_is_set_or_deleted_has_no_lifetime_and_what_is_appended_to_keeps_it)
{
    static const struct {
        const char *acts;
        bool has_lifetime;
    } rows[] = {
        {"append:flash:more:100,commit", true},
        {"set:flash:again,commit", false},
        {"set-for:flash:once:100000,commit", true},
        {"delete:flash,commit", false},
        {"set:flash:a,commit,set-for:flash:b:100000,commit", true},
        {"take:flash,return", false},
        {"set-for:flash:b:100000,set:flash:c,commit", false},
    };
    struct stage stage = stage_open(NULL);
    cr_assert_eq(stage_act(&stage, "set-for:flash:hello:100000,commit", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(stage_act(&stage, rows[i].acts, NULL), 200);
        cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s @until:flash", key), rows[i].has_lifetime, "%s",
                     rows[i].acts);
    }
    expect_answer(&stage, "get:flash,return", "c");
    stage_close(&stage);
}

/* Recorded while the field was there, committed when it is not. */
Test(lifetimes, a_commit_that_meets_a_deadline_leaves_no_view_that_is_wrong)
{
    struct stage stage = stage_open(NULL);
    cr_assert_eq(stage_act(&stage, "set-for:flash:hello:1000,commit&who=m", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = stage_stream(
        &stage, "open,begin:bytes,get:flash,append:flash:more:100,gate:on,commit,get:flash,set-if-absent:flash:other");
    stage_await_gate(&stage, "h", "on");
    cr_assert(wait_until(is_gone, &stage, PATIENCE_MS));
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.7", "get:flash MID_OK more");
    EXPECT_NOTE(&stage, "h.8", "set-if-absent:flash:other MID_OK not set");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(lifetimes, a_lifetime_outside_of_its_limits_is_refused)
{
    struct stage stage = stage_open(NULL);
    cr_expect_eq(stage_act(&stage, "set-for:flash:a:0,return", NULL), 422);
    cr_expect_eq(stage_act(&stage, "set-for:flash:a:-1,return", NULL), 422);
    cr_expect_eq(stage_act(&stage, "set-for:flash:a:31536000001,return", NULL), 422);
    cr_expect_eq(stage_act(&stage, "set-for:flash:a:31536000000,commit,return", NULL), 200);
    stage_close(&stage);
}

Test(lifetimes, a_login_begins_the_lifetimes_of_who_is_logged_in)
{
    struct http_response response;
    struct stage stage =
        stage_open(SETTINGS("MIDSTREAM_SESSION_IDLE_MS=600000", "MIDSTREAM_SESSION_ABSOLUTE_MS=1200000",
                            "MIDSTREAM_SESSION_USER_IDLE_MS=60000", "MIDSTREAM_SESSION_USER_ABSOLUTE_MS=240000"));
    cr_assert_eq(stage_act(&stage, "increment:n,commit", &response), 200);
    cr_expect_not_null(strstr(response.head.data, "Max-Age=1200;"), "%s", response.head.data);
    http_response_fini(&response);
    OWNED char *key = site_key(&stage.site);
    struct header anonymous = stored_header(&stage.site, key);
    cr_expect_eq(anonymous.expires_ms - anonymous.renewed_ms, 1200000);
    cr_expect_gt(redis_int(stage.site.redis, "PTTL %s", key), 500000);

    cr_assert_eq(stage_act(&stage, "renew:grace", &response), 200);
    cr_expect_not_null(strstr(response.head.data, "Max-Age=240;"), "%s", response.head.data);
    http_response_fini(&response);
    struct header user = stored_header(&stage.site, key);
    cr_expect_eq(user.expires_ms - user.renewed_ms, 240000);
    cr_expect_geq(user.renewed_ms, anonymous.renewed_ms);
    cr_expect_leq(redis_int(stage.site.redis, "PTTL %s", key), 60000);
    stage_close(&stage);
}
