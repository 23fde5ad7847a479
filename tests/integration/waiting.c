/* What wakes a handler that waits. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "site.h"

TestSuite(waiting, .timeout = 60);

/*
 * Every heartbeat-ms a stream asks Redis whether its session is still there. What it waits for may come while that
 * question has no answer; then it may not wait for it until the next heartbeat.
 */
Test(waiting, a_descriptor_that_is_ready_during_the_question_of_a_heartbeat_ends_the_wait)
{
    enum { HEARTBEAT_MS = 3000, READY_MS = 3300, NEXT_HEARTBEAT_MS = 2 * HEARTBEAT_MS };
    struct site site = site_open_app(SETTINGS("MIDSTREAM_HEARTBEAT_MS=3000"));
    cr_assert_eq(site_send(&site, "GET", "/timer?ms=1", NULL, NULL), 200); /* a session is made */
    OWNED char *path = text_printf("/timer?ms=%d", READY_MS);
    struct http_stream *stream = site_stream(&site, path);
    struct http_response response;
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    usleep((HEARTBEAT_MS - 1000) * 1000);
    site_stop_redis(&site);
    usleep((READY_MS - HEARTBEAT_MS + 1200) * 1000);
    site_resume_redis(&site);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    const char *data = strstr(response.body.data, "data: ");
    cr_assert_not_null(data, "%s", response.body.data);
    long woken_ms = atol(data + strlen("data: "));
    cr_expect(woken_ms >= READY_MS && woken_ms < NEXT_HEARTBEAT_MS - 500, "it was woken after %ld ms", woken_ms);
    http_response_fini(&response);
    site_close(&site);
}

/* A worker that begins to drain at that moment tells the stream in its turn, and not when the next heartbeat comes. */
Test(waiting, a_drain_that_begins_during_the_question_of_a_heartbeat_is_told)
{
    enum { HEARTBEAT_MS = 6000 };
    struct http_response response;
    struct site site = site_open(SETTINGS("MIDSTREAM_HEARTBEAT_MS=6000", "MIDSTREAM_DRAIN_TIMEOUT_MS=4000"));
    site_make_session(&site);
    struct http_stream *stream = site_stream(&site, "/events?count=2&interval_ms=3600000");
    cr_assert(http_stream_wait_text(stream, "{\"event\":1}", PATIENCE_MS));
    usleep((HEARTBEAT_MS - 1000) * 1000);
    site_stop_redis(&site);
    usleep(1500 * 1000);
    process_signal(site.stack->master, SIGTERM);
    cr_assert(site_wait_log(&site, "worker.drain "));
    site_resume_redis(&site);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_not_null(strstr(response.body.data, "event: reconnect\n"), "%s", response.body.data);
    http_response_fini(&response);
    site_close(&site);
}
