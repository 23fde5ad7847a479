/* Waiting for more of a durable stream: nothing is missed, and what is over is told. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "integration/proxy.h"
#include "integration/random.h"
#include "streams.h"

TestSuite(durable_wait, .timeout = 120);

/* Below the 15 s after which who has heard nothing looks. */
enum { HEARD_MS = 10000 };

static void expect_heard(const struct stage *stage, int64_t begun_ms, const char *number, const char *expected)
{
    OWNED char *note = stage_note(stage, number);
    cr_expect_str_eq(note, expected);
    cr_expect_lt(clock_monotonic_ms() - begun_ms, HEARD_MS, "%s: it was not heard, but found", expected);
}

static bool is_watched(void *arg)
{
    const struct stage *stage = arg;
    char key[JOURNAL_KEY_BYTES];
    stream_key(stage, "a", key);
    return stored_number(&stage->site, key, "watched") > 0;
}

/* Until somebody is subscribed to the session's stream "a", and has marked it. */
static void await_wait(struct stage *stage)
{
    char key[JOURNAL_KEY_BYTES];
    stream_key(stage, "a", key);
    stage_await_listeners(stage, key, 1);
    cr_assert(wait_until(is_watched, stage, PATIENCE_MS));
}

static struct http_stream *begin(struct stage *stage, const char *acts)
{
    stage_act(stage, "log-create:a,log-append:x&who=m", NULL);
    OWNED char *all = text_printf("log-find:a,begin:bytes,%s", acts);
    return stage_stream(stage, all);
}

Test(durable_wait, an_append_ends_a_wait_and_so_does_the_end)
{
    int64_t begun_ms;
    struct stage stage = stage_open(NULL);
    struct http_stream *handler =
        begin(&stage, "log-wait:0:60000,log-wait:1:60000,log-read:1,log-wait:3:60000,log-wait:3:0");
    await_wait(&stage);
    EXPECT_NOTE(&stage, "h.3", "log-wait:0:60000 MID_OK 1");
    begun_ms = clock_monotonic_ms();
    stage_act(&stage, "log-find:a,log-append:yz&who=o", NULL);
    expect_heard(&stage, begun_ms, "h.5", "log-read:1 MID_OK yz");
    begun_ms = clock_monotonic_ms();
    stage_act(&stage, "log-find:a,log-close&who=p", NULL);
    expect_heard(&stage, begun_ms, "h.6", "log-wait:3:60000 MID_OK 3");
    EXPECT_NOTE(&stage, "h.7", "log-wait:3:0 MID_OK 3");
    http_stream_close(handler, NULL);
    stage_close(&stage);
}

Test(durable_wait, an_entry_of_a_commit_ends_a_wait_in_another_worker)
{
    int64_t begun_ms;
    struct stage stage = stage_open(NULL);
    struct http_stream *handler = begin(&stage, "log-wait:1:60000,log-wait:2:60000");
    await_wait(&stage);
    begun_ms = clock_monotonic_ms();
    stage_act(&stage, "log-find:a,log-commit:y&who=o", NULL);
    expect_heard(&stage, begun_ms, "h.3", "log-wait:1:60000 MID_OK 2");
    begun_ms = clock_monotonic_ms();
    stage_add_task(&stage, "log-find:a,log-append:z");
    expect_heard(&stage, begun_ms, "h.4", "log-wait:2:60000 MID_OK 3");
    http_stream_close(handler, NULL);
    stage_close(&stage);
}

Test(durable_wait, without_an_append_it_ends_with_its_time)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a,log-append:x,log-wait:1:0,log-wait:1:50,log-wait:0:50", NULL);
    EXPECT_NOTE(&stage, "h.3", "log-wait:1:0 MID_TIMEOUT");
    EXPECT_NOTE(&stage, "h.4", "log-wait:1:50 MID_TIMEOUT");
    EXPECT_NOTE(&stage, "h.5", "log-wait:0:50 MID_OK 1");
    stage_close(&stage);
}

Test(durable_wait, who_waits_is_told_that_the_stream_has_gone_though_there_is_another_one)
{
    int64_t begun_ms;
    struct stage stage = stage_open(NULL);
    struct http_stream *handler =
        begin(&stage, "log-wait:1:60000,log-wait:1:60000,gate:on,log-find:a,log-wait:3:60000,log-wait:4:60000");
    await_wait(&stage);
    begun_ms = clock_monotonic_ms();
    stage_act(&stage, "log-find:a,log-delete,log-create:a,log-append:new&who=o", NULL);
    expect_heard(&stage, begun_ms, "h.3", "log-wait:1:60000 MID_NOT_FOUND");
    expect_heard(&stage, begun_ms, "h.4", "log-wait:1:60000 MID_NOT_FOUND");
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.6", "log-find:a MID_OK 3 0");
    cr_assert(wait_until(is_watched, &stage, PATIENCE_MS));
    begun_ms = clock_monotonic_ms();
    stage_act(&stage, "log-find:a,log-append:x&who=p", NULL);
    expect_heard(&stage, begun_ms, "h.7", "log-wait:3:60000 MID_OK 4");
    stage_act(&stage, "log-find:a,log-close&who=q", NULL);
    expect_heard(&stage, begun_ms, "h.8", "log-wait:4:60000 MID_OK 4");
    http_stream_close(handler, NULL);
    stage_close(&stage);
}

Test(durable_wait, a_logout_ends_a_wait)
{
    struct stage stage = stage_open(NULL);
    struct http_stream *handler = begin(&stage, "open,log-wait:1:60000");
    await_wait(&stage);
    stage_act(&stage, "destroy&who=o", NULL);
    EXPECT_NOTE(&stage, "h.4", "log-wait:1:60000 MID_ENDED");
    http_stream_close(handler, NULL);
    stage_close(&stage);
}

/* Redis is emptied, or has lost what the handle has read. */
Test(durable_wait, what_redis_has_lost_is_not_waited_for)
{
    struct stage stage = stage_open(NULL);
    char key[JOURNAL_KEY_BYTES];
    struct http_stream *handler = begin(&stage, "log-wait:1:60000,log-wait:2:60000");
    await_wait(&stage);
    stream_key(&stage, "a", key);
    redis_int(stage.site.redis, "HSET %s tail 0", key);
    redis_int(stage.site.redis, "PUBLISH %s looks", key);
    EXPECT_NOTE(&stage, "h.3", "log-wait:1:60000 MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "h.4", "log-wait:2:60000 MID_NOT_FOUND");
    http_stream_close(handler, NULL);
    stage_close(&stage);
}

Test(durable_wait, messages_that_are_lost_are_made_up_for)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a,log-append:x&who=m", NULL);
    struct proxy *proxy = proxy_open(&stage.site);
    struct http_stream *handler = stage_stream(&stage, "ping,log-find:a,begin:bytes,log-wait:1:60000");
    await_wait(&stage);
    proxy_swallow_messages(proxy);
    stage_act(&stage, "log-find:a,log-append:y&who=o", NULL);
    EXPECT_NOTE(&stage, "h.4", "log-wait:1:60000 MID_OK 2");
    cr_expect_gt(proxy_swallowed(proxy), 0);
    http_stream_close(handler, NULL);
    proxy_close(proxy);
    stage_close(&stage);
}

Test(durable_wait, redis_may_be_away_meanwhile)
{
    struct stage stage = stage_open(NULL);
    struct http_stream *handler = begin(&stage, "log-wait:1:60000");
    await_wait(&stage);
    site_await_written(&stage.site);
    site_kill_redis(&stage.site);
    site_start_redis(&stage.site);
    stage_act(&stage, "ping,log-find:a,log-append:y&who=o", NULL);
    EXPECT_NOTE(&stage, "h.3", "log-wait:1:60000 MID_OK 2");
    http_stream_close(handler, NULL);
    stage_close(&stage);
}

/* -------------------- following -------------------- */

static void expect_followed(struct http_stream *reader, const char *numbers)
{
    struct http_response response;
    cr_expect(http_stream_wait_end(reader, 4 * PATIENCE_MS));
    http_stream_close(reader, &response);
    cr_expect_str_eq(response.body.data, numbers);
    http_response_fini(&response);
}

/* Readers begin at any time while a task writes, and then connections to Redis are cut. */
Test(durable_wait, every_reader_gets_everything_in_order)
{
    enum { NUMBERS = 600, READERS = 8, CUTS = 6 };
    struct http_stream *readers[READERS];
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_TASK_BACKOFF_MS=20"));
    random_begin("durable_wait::every_reader_gets_everything_in_order");
    OWNED char *numbers = numbers_until(NUMBERS);
    stage_act(&stage, "log-create:a&who=m", NULL);
    OWNED char *path = text_printf("/act-task?attempts=10&acts=log-create:a,log-fill:%d:close,return", NUMBERS);
    cr_assert_eq(site_send(&stage.site, "POST", path, "", NULL), 202);
    for (int i = 0; i < READERS; i++) {
        OWNED char *acts = text_printf("begin:bytes,log-find:a,log-follow&who=r%d", i);
        readers[i] = stage_stream(&stage, acts);
        cr_assert(http_stream_wait_bytes(readers[i], 1, PATIENCE_MS));
        usleep((useconds_t)random_below(30000));
    }
    for (int i = 0; i < CUTS; i++) {
        redis_int(stage.site.redis, "CLIENT KILL TYPE %s SKIPME yes", random_chance(50) ? "pubsub" : "normal");
        usleep((useconds_t)random_below(60000));
    }
    for (int i = 0; i < READERS; i++)
        expect_followed(readers[i], numbers);
    stage_close(&stage);
}
