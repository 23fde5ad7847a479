/*
 * mid_session_wait(): somebody else's change ends it, one's own does not, and none is lost, whatever becomes of the
 * notifications. The heartbeat of these sites is a minute, which no test waits for.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "random.h"
#include "stage.h"

TestSuite(live_waits, .timeout = 90);

#define QUIET "MIDSTREAM_HEARTBEAT_MS=60000"

static void make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:a:1,set:b:1,commit&who=m", NULL), 200);
}

static struct http_stream *open_stream(const struct stage *stage, const char *acts)
{
    OWNED char *path = text_printf("open,begin:events,%s&who=s", acts);
    struct http_stream *stream = stage_stream(stage, path);
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    return stream;
}

static long long published(const struct stage *stage)
{
    OWNED char *info = redis_text(stage->site.redis, "INFO commandstats");
    const char *at = strstr(info, "cmdstat_publish:calls=");
    return at != NULL ? atoll(at + strlen("cmdstat_publish:calls=")) : 0;
}

/* -------------------- what ends it -------------------- */

Test(live_waits, anothers_change_ends_it_and_is_there)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(
        &stage, "get:a,wait:60000,get:a,changed:a,changed:b,changed:c,wait:60000,get:c,changed:c,changed:a");
    stage_await_wait(&stage, key);
    stage_act(&stage, "set:a:2,commit", NULL);
    EXPECT_NOTE(&stage, "s.4", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.5", "get:a MID_OK 2");
    EXPECT_NOTE(&stage, "s.6", "changed:a MID_OK yes");
    EXPECT_NOTE(&stage, "s.7", "changed:b MID_OK no");
    EXPECT_NOTE(&stage, "s.8", "changed:c MID_OK no");
    stage_act(&stage, "set:c:3,commit&who=i", NULL);
    EXPECT_NOTE(&stage, "s.10", "get:c MID_OK 3");
    EXPECT_NOTE(&stage, "s.11", "changed:c MID_OK yes");
    EXPECT_NOTE(&stage, "s.12", "changed:a MID_OK no");
    http_stream_close(stream, NULL);
    stage_await_listeners(&stage, key, 0);
    stage_close(&stage);
}

/* Both ways of a commit publish: an increment alone, set and delete that are foreseen, and what Redis computes. */
Test(live_waits, a_change_of_any_kind_ends_it)
{
    static const char *const changes[] = {"increment:n,commit",       "get:a,set:a:5,commit",
                                          "get:b,delete:b,commit",    "set:x:1,set:x:2,commit",
                                          "append:t:word,commit",     "take:x",
                                          "set-for:y:1:60000,commit", "renew:"};
    enum { CHANGES = sizeof(changes) / sizeof(changes[0]) };
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(
        &stage, "wait:60000,wait:60000,wait:60000,wait:60000,wait:60000,wait:60000,wait:60000,wait:60000,get:a");
    stage_await_wait(&stage, key);
    for (int i = 0; i < CHANGES; i++) {
        OWNED char *acts = text_printf("%s&who=h%d", changes[i], i);
        OWNED char *note = text_printf("s.%d", 3 + i);
        stage_act(&stage, acts, NULL);
        EXPECT_NOTE(&stage, note, "wait:60000 MID_OK");
    }
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(live_waits, a_change_between_reading_and_waiting_is_not_lost)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream = open_stream(&stage, "get:a,gate:read,wait:60000,get:a");
    stage_await_gate(&stage, "s", "read");
    stage_act(&stage, "set:a:2,commit", NULL);
    stage_open_gate(&stage, "s", "read");
    EXPECT_NOTE(&stage, "s.5", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.6", "get:a MID_OK 2");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(live_waits, own_commits_do_not_end_it)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream = open_stream(
        &stage,
        "increment:n,commit,wait:300,increment:n,commit,wait:300,set:a:5,set:a:6,commit,wait:300,take:a,wait:300");
    EXPECT_NOTE(&stage, "s.5", "wait:300 MID_TIMEOUT");
    EXPECT_NOTE(&stage, "s.8", "wait:300 MID_TIMEOUT");
    EXPECT_NOTE(&stage, "s.12", "wait:300 MID_TIMEOUT");
    EXPECT_NOTE(&stage, "s.14", "wait:300 MID_TIMEOUT");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* An own commit that came later does not hide another's that was never read. */
Test(live_waits, anothers_change_before_an_own_commit_ends_it)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream =
        open_stream(&stage, "get:a,wait:100,gate:go,increment:n,commit,wait:60000,get:a,wait:300");
    stage_await_gate(&stage, "s", "go");
    stage_act(&stage, "set:a:2,commit", NULL);
    stage_open_gate(&stage, "s", "go");
    EXPECT_NOTE(&stage, "s.8", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.9", "get:a MID_OK 2");
    EXPECT_NOTE(&stage, "s.10", "wait:300 MID_TIMEOUT");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(live_waits, what_is_recorded_is_kept)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(&stage, "set:b:mine,wait:60000,get:b,commit,get:a");
    stage_await_wait(&stage, key);
    stage_act(&stage, "set:a:2,commit", NULL);
    EXPECT_NOTE(&stage, "s.4", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.5", "get:b MID_OK mine");
    EXPECT_NOTE(&stage, "s.7", "get:a MID_OK 2");
    OWNED char *stored = redis_text(stage.site.redis, "HGET %s b", key);
    cr_expect_str_eq(stored, "mine");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* -------------------- other ends -------------------- */

Test(live_waits, a_logout_and_anothers_login_end_it)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(&stage, "wait:60000");
    stage_await_wait(&stage, key);
    stage_act(&stage, "renew:grace", NULL);
    EXPECT_NOTE(&stage, "s.3", "wait:60000 MID_ENDED");
    http_stream_close(stream, NULL);
    stream = stage_stream(&stage, "open,begin:events,wait:60000&who=t");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    stage_await_listeners(&stage, key, 1);
    stage_act(&stage, "destroy&who=i", NULL);
    EXPECT_NOTE(&stage, "t.3", "wait:60000 MID_ENDED");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(live_waits, a_client_that_leaves_and_a_worker_that_drains_end_it)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_RELOAD_TIMEOUT_MS=3000"));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(&stage, "wait:60000");
    stage_await_wait(&stage, key);
    http_stream_close(stream, NULL);
    EXPECT_NOTE(&stage, "s.3", "wait:60000 MID_GONE");
    stream = stage_stream(&stage, "open,begin:events,wait:60000&who=t");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    stage_await_listeners(&stage, key, 1);
    process_signal(stage.site.stack->master, SIGHUP);
    EXPECT_NOTE(&stage, "t.3", "wait:60000 MID_DRAINING");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* -------------------- where it may be called -------------------- */

Test(live_waits, before_the_head_as_in_long_polling)
{
    struct http_response response;
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *poll = stage_stream(&stage, "get:a,wait:60000,get:a&who=s");
    stage_await_wait(&stage, key);
    stage_act(&stage, "set:a:2,commit", NULL);
    cr_assert(http_stream_wait_end(poll, PATIENCE_MS));
    http_stream_close(poll, &response);
    cr_expect_eq(response.status, 200);
    EXPECT_NOTE(&stage, "s.2", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.3", "get:a MID_OK 2");
    http_response_fini(&response);
    cr_assert_eq(stage_act(&stage, "wait:50&who=i", NULL), 200);
    EXPECT_NOTE(&stage, "i.1", "wait:50 MID_TIMEOUT");
    stage_close(&stage);
}

Test(live_waits, a_request_waits_no_longer_than_it_may)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_REQUEST_TIMEOUT_MS=1500"));
    make_session(&stage);
    stage_act(&stage, "wait:60000", NULL);
    EXPECT_NOTE(&stage, "h.1", "wait:60000 MID_TIMEOUT");
    stage_close(&stage);
}

/* Nobody can have changed what is not there. */
Test(live_waits, a_visitor_without_a_session_gets_one)
{
    struct http_response response;
    struct stage stage = stage_open(SETTINGS(QUIET));
    cr_assert_eq(stage_act(&stage, "open,wait:100,get:a", &response), 200);
    EXPECT_NOTE(&stage, "h.2", "wait:100 MID_TIMEOUT");
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1);
    http_response_fini(&response);
    stage_close(&stage);
}

Test(live_waits, in_a_task)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    stage_add_task(&stage, "get:a,wait:60000,get:a");
    stage_await_wait(&stage, key);
    stage_act(&stage, "set:a:2,commit", NULL);
    EXPECT_NOTE(&stage, "t1.2", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "t1.3", "get:a MID_OK 2");
    stage_close(&stage);
}

Test(live_waits, a_large_session_of_which_a_part_was_read)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_SESSION_VALUE_MAX_BYTES=16384"));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    stage_act(&stage, "rounds:2&who=r", NULL);
    stage_act(&stage, "get:a&who=r2", NULL);
    struct http_stream *stream = open_stream(&stage, "get:a,wait:60000,get:a,changed:a,get:b");
    stage_await_wait(&stage, key);
    stage_act(&stage, "set:a:2,commit", NULL);
    EXPECT_NOTE(&stage, "s.4", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.5", "get:a MID_OK 2");
    EXPECT_NOTE(&stage, "s.6", "changed:a MID_OK yes");
    EXPECT_NOTE(&stage, "s.7", "get:b MID_OK 1");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* -------------------- what it costs -------------------- */

Test(live_waits, a_session_that_nobody_waits_for_publishes_nothing)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    struct http_stream *stream = open_stream(&stage, "sleep:60000");
    stage_act(&stage, "increment:n,commit,get:a,set:a:2,commit,set:a:3,set:a:4,commit,take:a", NULL);
    cr_expect_eq(published(&stage), 0);
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* A mark of a quarter of an hour ago, which nobody has renewed. */
Test(live_waits, a_mark_that_is_over_publishes_nothing_and_goes)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    uint8_t bytes[HEADER_BYTES];
    struct header header = stored_header(&stage.site, key);
    int64_t unit = time(NULL) * 1000LL / HEADER_WATCH_UNIT_MS - 4;
    header.flags |= (uint8_t)((1 + unit % HEADER_WATCH_UNITS) << HEADER_WATCH_SHIFT);
    header_pack(&header, bytes);
    redis_int(stage.site.redis, "HSET %s @ %b", key, bytes, sizeof(bytes));
    cr_assert(stage_is_watched(&stage, key));
    stage_act(&stage, "get:a,set:a:2,commit,increment:n,commit", NULL);
    stage_act(&stage, "set:a:2,set:a:3,commit&who=i", NULL);
    cr_expect_eq(published(&stage), 0);
    cr_expect_not(stage_is_watched(&stage, key));
    stage_close(&stage);
}

/* -------------------- lost notifications -------------------- */

Test(live_waits, a_change_while_the_connection_is_cut)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    for (int i = 0; i < 10; i++) {
        OWNED char *acts = text_printf("open,begin:events,get:n,wait:60000&who=s%d", i);
        OWNED char *note = text_printf("s%d.4", i);
        OWNED char *change = text_printf("increment:n,commit&who=h%d", i);
        struct http_stream *stream = stage_stream(&stage, acts);
        stage_await_wait(&stage, key);
        redis_int(stage.site.redis, "CLIENT KILL TYPE pubsub");
        stage_act(&stage, change, NULL);
        EXPECT_NOTE(&stage, note, "wait:60000 MID_OK");
        http_stream_close(stream, NULL);
        stage_await_listeners(&stage, key, 0);
    }
    stage_close(&stage);
}

Test(live_waits, a_change_after_redis_was_restarted)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    site_needs_one_redis(&stage.site);
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(&stage, "get:a,wait:60000,get:a");
    stage_await_wait(&stage, key);
    site_await_written(&stage.site);
    site_kill_redis(&stage.site);
    site_start_redis(&stage.site);
    stage_act(&stage, "ping,set:a:2,commit", NULL);
    EXPECT_NOTE(&stage, "s.4", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.5", "get:a MID_OK 2");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* Without Redis, the end of a wait is its end and nothing else. */
Test(live_waits, a_wait_is_over_in_time_without_redis)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_REDIS_TIMEOUT_MS=500"));
    site_needs_one_redis(&stage.site);
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(&stage, "wait:1000,deaf:go,wait:2000,wait:100");
    stage_await_wait(&stage, key);
    stage_await_gate(&stage, "s", "go");
    site_await_written(&stage.site);
    stage_open_gate(&stage, "s", "go");
    site_kill_redis(&stage.site);
    EXPECT_NOTE(&stage, "s.5", "wait:2000 MID_TIMEOUT");
    EXPECT_NOTE(&stage, "s.6", "wait:100 MID_TIMEOUT");
    http_stream_close(stream, NULL);
    site_start_redis(&stage.site);
    stage_close(&stage);
}

/* The session's node of a cluster may have been taken for dead meanwhile. */
static void await_session(const struct stage *stage)
{
    for (int i = 0; i < PATIENCE_MS / 100 && stage_act(stage, "get:a,return&who=w", NULL) != 200; i++)
        usleep(100000);
}

Test(live_waits, a_redis_that_is_silent_for_long_is_waited_for)
{
    struct stage stage = stage_open(SETTINGS(QUIET, "MIDSTREAM_REDIS_TIMEOUT_MS=500"));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = open_stream(&stage, "get:a,wait:60000,get:a");
    stage_await_wait(&stage, key);
    site_stop_redis(&stage.site);
    cr_assert(site_wait_log(&stage.site, "reason=\"no answer in time\" use=notifications"));
    site_resume_redis(&stage.site);
    await_session(&stage);
    cr_assert_eq(stage_act(&stage, "set:a:2,commit,return", NULL), 200);
    EXPECT_NOTE(&stage, "s.4", "wait:60000 MID_OK");
    EXPECT_NOTE(&stage, "s.5", "get:a MID_OK 2");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* Writers and cuts of the connection at random: who follows arrives at the last value, and is not woken for nothing. */
Test(live_waits, nothing_is_lost_whatever_comes_between)
{
    enum { CHANGES = 150 };
    random_begin("live_waits::nothing_is_lost_whatever_comes_between");
    struct stage stage = stage_open(SETTINGS(QUIET));
    make_session(&stage);
    OWNED char *key = site_key(&stage.site);
    OWNED char *acts = text_printf("follow:n:%d", CHANGES);
    struct http_stream *stream = open_stream(&stage, acts);
    for (int i = 0; i < CHANGES; i++) {
        OWNED char *change = text_printf("%s,commit&who=h%d", random_below(2) ? "increment:n" : "get:n,increment:n", i);
        if (random_below(8) == 0)
            redis_int(stage.site.redis, "CLIENT KILL TYPE pubsub");
        stage_act(&stage, change, NULL);
        usleep((useconds_t)random_below(20000));
    }
    OWNED char *expected = text_printf("follow:n:%d MID_OK followed", CHANGES);
    EXPECT_NOTE(&stage, "s.3", expected);
    http_stream_close(stream, NULL);
    stage_await_listeners(&stage, key, 0);
    stage_close(&stage);
}
