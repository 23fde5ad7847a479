/*
 * A stream ends with its session: at once, whoever has ended that, and without any change of its own. Where nothing is
 * said of it, the heartbeat of these sites is a minute, which no test waits for.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage.h"

TestSuite(live_ends, .timeout = 90);

#define QUIET "MIDSTREAM_HEARTBEAT_MS=60000"

static void make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:a:1,commit&who=m", NULL), 200);
}

/* A stream that waits, as that player; it is there when this returns. */
static struct http_stream *open_waiting(const struct stage *stage, const char *who)
{
    OWNED char *acts = text_printf("open,begin:events,sleep:600000,return&who=%s", who);
    struct http_stream *stream = stage_stream(stage, acts);
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    return stream;
}

/* Its body, when it has ended. */
static char *body_of_end(struct http_stream *stream)
{
    struct http_response response;
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS), "the stream goes on");
    http_stream_close(stream, &response);
    char *body = text_printf("%s", response.body.data);
    http_response_fini(&response);
    return body;
}

static void expect_session_ended(struct http_stream *stream)
{
    OWNED char *body = body_of_end(stream);
    cr_expect(strstr(body, "event: session-ended") != NULL, "%s", body);
}

static void expect_reconnect(struct http_stream *stream)
{
    OWNED char *body = body_of_end(stream);
    cr_expect(strstr(body, "event: reconnect") != NULL, "%s", body);
}

static void expect_to_go_on(struct http_stream *stream)
{
    cr_expect(!http_stream_wait_end(stream, 500), "the stream has ended");
    http_stream_close(stream, NULL);
}

/* -------------------- what ends it -------------------- */

Test(live_ends, a_logout)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *one = open_waiting(&stage, "s1");
    struct http_stream *two = open_waiting(&stage, "s2");
    stage_await_listeners(&stage, "mid:ended", 1);
    cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
    expect_session_ended(one);
    expect_session_ended(two);
    stage_close(&stage);
}

Test(live_ends, a_logout_right_after_the_first_stream_of_a_worker_began)
{
    for (int i = 0; i < 5; i++) {
        struct stage stage = stage_open(SETTINGS(QUIET));
        make_session(&stage);
        struct http_stream *stream = open_waiting(&stage, "s");
        cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
        expect_session_ended(stream);
        stage_close(&stage);
    }
}

Test(live_ends, a_login_of_another_user)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream = open_waiting(&stage, "s");
    stage_await_listeners(&stage, "mid:ended", 1);
    cr_assert_eq(stage_act(&stage, "renew:grace", NULL), 200);
    expect_reconnect(stream);
    stage_close(&stage);
}

Test(live_ends, not_a_login_of_the_same_user)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    cr_assert_eq(stage_act(&stage, "renew:grace&who=m", NULL), 200);
    struct http_stream *stream = open_waiting(&stage, "s");
    stage_await_listeners(&stage, "mid:ended", 1);
    cr_assert_eq(stage_act(&stage, "renew:grace", NULL), 200);
    expect_to_go_on(stream);
    stage_close(&stage);
}

Test(live_ends, not_the_logout_of_somebody_else)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream = open_waiting(&stage, "s");
    stage_await_listeners(&stage, "mid:ended", 1);
    struct site other = stage.site;
    other.visitor = cookie_jar_new();
    cr_assert_eq(site_send(&other, "POST", "/act?acts=set:a:1,commit,destroy&who=o", "", NULL), 200);
    cookie_jar_free(other.visitor);
    expect_to_go_on(stream);
    stage_close(&stage);
}

Test(live_ends, the_end_of_the_idle_lifetime)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_SESSION_IDLE_MS=2000"));
    make_session(&stage);
    expect_session_ended(open_waiting(&stage, "s"));
    stage_close(&stage);
}

/* The visitor is there until shortly before it, so that the idle lifetime would end later. */
Test(live_ends, the_end_of_the_absolute_lifetime)
{
    enum { LIFETIME_MS = 3000 };
    struct stage stage =
        stage_open(SETTINGS(QUIET, "MIDSTREAM_SESSION_USER_ABSOLUTE_MS=3000", "MIDSTREAM_SESSION_USER_IDLE_MS=3000"));
    cr_assert_eq(stage_act(&stage, "renew:grace&who=m", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_waiting(&stage, "s");
    usleep(1000000);
    cr_assert_eq(stage_act(&stage, "get:a", NULL), 200);
    struct header header = stored_header(&stage.site, key);
    cr_expect_gt(header.touched_ms + LIFETIME_MS, header.expires_ms);
    cr_expect_eq(redis_int(stage.site.redis, "PEXPIRETIME %s", key), header.expires_ms);
    expect_session_ended(stream);
    stage_close(&stage);
}

/* The stream knows the record as it was when it began. */
Test(live_ends, not_an_idle_lifetime_that_another_request_has_renewed)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_SESSION_IDLE_MS=3000"));
    make_session(&stage);
    struct http_stream *stream = open_waiting(&stage, "s");
    for (int i = 0; i < 6; i++) {
        usleep(1000000);
        cr_assert_eq(stage_act(&stage, "get:a", NULL), 200);
    }
    expect_to_go_on(stream);
    stage_close(&stage);
}

/* -------------------- who hears of it -------------------- */

Test(live_ends, streams_of_all_workers_end)
{
    enum { WORKERS = 3, STREAMS = 12 };
    struct http_stream *streams[STREAMS];
    struct site site = site_open_with(&(struct stack_options){.workers = WORKERS, .environment = SETTINGS(QUIET)});
    site_make_session(&site);
    for (int i = 0; i < STREAMS; i++) {
        streams[i] = site_stream(&site, "/events?count=1000&interval_ms=600000");
        cr_assert(http_stream_wait_text(streams[i], "data: ", PATIENCE_MS));
    }
    cr_assert_eq(site_send(&site, "POST", "/logout", "", NULL), 204);
    for (int i = 0; i < STREAMS; i++)
        expect_session_ended(streams[i]);
    site_close(&site);
}

Test(live_ends, a_stream_that_sends_without_waiting_ends)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream = stage_stream(&stage, "open,begin:events,chatter,return&who=s");
    cr_assert(http_stream_wait_text(stream, "line", PATIENCE_MS));
    stage_await_listeners(&stage, "mid:ended", 1);
    cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
    EXPECT_NOTE(&stage, "s.3", "chatter MID_ENDED");
    expect_session_ended(stream);
    stage_close(&stage);
}

/* A worker without streams of sessions has no connection for what it does not need. */
Test(live_ends, nobody_listens_without_a_stream)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
    stage_await_listeners(&stage, "mid:ended", 0);
    stage_close(&stage);
}

/* -------------------- lost notifications -------------------- */

Test(live_ends, a_logout_while_the_connection_is_cut)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    for (int i = 0; i < 10; i++) {
        make_session(&stage);
        struct http_stream *stream = open_waiting(&stage, "s");
        stage_await_listeners(&stage, "mid:ended", 1);
        redis_int(stage.site.redis, "CLIENT KILL TYPE pubsub");
        cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
        expect_session_ended(stream);
    }
    stage_close(&stage);
}

Test(live_ends, a_logout_after_redis_was_restarted)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    site_needs_one_redis(&stage.site);
    make_session(&stage);
    struct http_stream *stream = open_waiting(&stage, "s");
    stage_await_listeners(&stage, "mid:ended", 1);
    site_await_written(&stage.site);
    site_kill_redis(&stage.site);
    site_start_redis(&stage.site);
    stage_await_listeners(&stage, "mid:ended", 1);
    cr_assert_eq(stage_act(&stage, "ping,destroy,return", NULL), 200); /* by the other connection */
    expect_session_ended(stream);
    stage_close(&stage);
}

/* What is published may be lost on its way, and a user may lack the right to hear or to publish: nothing fails for it,
 * and a heartbeat finds out. */
Test(live_ends, without_the_rights_a_heartbeat_finds_out)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_HEARTBEAT_MS=1000"));
    site_needs_one_redis(&stage.site);
    free(redis_text(stage.site.redis, "ACL SETUSER default resetchannels"));
    make_session(&stage);
    struct http_stream *stream = open_waiting(&stage, "s");
    cr_assert(site_wait_log(&stage.site, "redis.not-subscribed"));
    cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
    EXPECT_NOTE(&stage, "h.1", "destroy MID_OK");
    expect_session_ended(stream);
    stage_close(&stage);
}
