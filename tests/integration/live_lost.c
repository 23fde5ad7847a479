/*
 * Notifications that never arrive, although the connection for them stands, as behind a proxy that does not pass them
 * on: what they would have told is found out by the next look at the record.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "proxy.h"
#include "stage.h"

TestSuite(live_lost, .timeout = 90);

/* Heartbeats are every second here, and looks without a stream every fifteen. */
enum { BEAT_MAX_MS = 8000, LOOK_MAX_MS = 22000 };

static void expect_swallowed(struct proxy *proxy)
{
    cr_expect_geq(proxy_swallowed(proxy), 1, "nothing was published");
}

Test(live_lost, the_end_of_a_session_is_found_by_a_heartbeat)
{
    struct http_response response;
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_HEARTBEAT_MS=1000"));
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping,set:a:1,commit&who=m", NULL), 200);
    struct http_stream *stream = stage_stream(&stage, "open,begin:events,sleep:600000,return&who=s");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    stage_await_listeners(&stage, "mid:ended", 1);
    proxy_swallow_messages(proxy);
    cr_assert_eq(stage_act(&stage, "destroy", NULL), 200);
    cr_assert(http_stream_wait_end(stream, BEAT_MAX_MS), "the stream goes on");
    http_stream_close(stream, &response);
    cr_expect(strstr(response.body.data, "event: session-ended") != NULL, "%s", response.body.data);
    http_response_fini(&response);
    expect_swallowed(proxy);
    proxy_close(proxy);
    stage_close(&stage);
}

/* Somebody waits, before or in a stream; a change that nobody is told of ends the wait. */
static void expect_change_found(const char *acts, int within_ms)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_HEARTBEAT_MS=1000"));
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping,set:a:1,commit&who=m", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = stage_stream(&stage, acts);
    stage_await_wait(&stage, key);
    proxy_swallow_messages(proxy);
    cr_assert_eq(stage_act(&stage, "set:a:2,commit", NULL), 200);
    cr_assert(http_stream_wait_end(stream, within_ms), "it is not found");
    http_stream_close(stream, NULL);
    expect_swallowed(proxy);
    proxy_close(proxy);
    OWNED char *notes = stage_notes(&stage);
    cr_expect(strstr(notes, "wait:60000 MID_OK") != NULL, "%s", notes);
    cr_expect(strstr(notes, "get:a MID_OK 2") != NULL, "%s", notes);
    stage_close(&stage);
}

Test(live_lost, a_change_is_found_by_a_heartbeat)
{
    expect_change_found("open,begin:events,get:a,wait:60000,get:a&who=s", BEAT_MAX_MS);
}

Test(live_lost, a_change_is_found_where_there_is_no_stream)
{
    expect_change_found("get:a,wait:60000,get:a&who=s", LOOK_MAX_MS);
}
