/* SIGTERM with open streams: who can finish, finishes; the others are told to come back, and nobody sees a false end.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

enum { RECONNECT_MS = 1000, DRAIN_MS = 4000 };

static struct site open_site(void)
{
    return site_open(SETTINGS("MIDSTREAM_DRAIN_TIMEOUT_MS=4000", "MIDSTREAM_RECONNECT_MS=1000"));
}

static void stop(const struct site *site)
{
    process_signal(site->stack->master, SIGTERM);
    cr_assert(site_wait_log(site, "worker.drain "));
}

static struct http_stream *open_stream(const struct site *site, const char *path, const char *until)
{
    struct http_stream *stream = site_stream(site, path);
    cr_assert(http_stream_wait_text(stream, until, PATIENCE_MS), "%s", path);
    return stream;
}

/* Waits for the end of the stream; the caller gives the response back. */
static struct http_response end_of(struct http_stream *stream)
{
    struct http_response response;
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    return response;
}

/* The time behind `field` is the setting, or up to a half more or less. */
static void expect_retry(const char *body, const char *field)
{
    const char *at = strstr(body, field);
    cr_assert_not_null(at, "%s", body);
    long retry_ms = strtol(at + strlen(field), NULL, 10);
    cr_expect_geq(retry_ms, RECONNECT_MS / 2);
    cr_expect_leq(retry_ms, RECONNECT_MS * 3 / 2);
}

Test(drain, an_event_stream_is_told_to_come_back_and_ends_without_saying_that_it_is_complete)
{
    struct site site = open_site();
    site_make_session(&site);
    struct http_stream *stream = open_stream(&site, "/events?count=1000&interval_ms=100", "{\"event\":3}");
    stop(&site);
    struct http_response response = end_of(stream);
    const char *body = response.body.data;
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_null(strstr(body, "event: end"), "%s", body);
    cr_expect_eq(text_count(body, "event: reconnect\n"), 1, "%s", body);
    expect_retry(body, "retry: ");
    cr_expect(text_ends(body, "}\n\n"), "%s", body);
    http_response_fini(&response);
    site_close(&site);
}

Test(drain, rows_say_that_they_are_to_be_asked_for_again_and_are_cut)
{
    struct site site = open_site();
    site_make_session(&site);
    struct http_stream *stream = open_stream(&site, "/rows?count=1000&interval_ms=100", "{\"row\":3,");
    stop(&site);
    struct http_response response = end_of(stream);
    const char *body = response.body.data;
    cr_expect_neq(response.curl_code, 0, "a client that looks at HTTP alone must see it too");
    cr_expect_null(strstr(body, "\"end\""), "%s", body);
    const char *last = strstr(body, "{\"reconnect\":true,");
    cr_assert_not_null(last, "%s", body);
    expect_retry(last, "\"retry_ms\":");
    http_response_fini(&response);
    site_close(&site);
}

Test(drain, bytes_are_cut)
{
    struct site site = open_site();
    site_make_session(&site);
    struct http_stream *stream = open_stream(&site, "/stream?count=1000&interval_ms=100", "Chunk 3\n");
    stop(&site);
    struct http_response response = end_of(stream);
    cr_expect_neq(response.curl_code, 0);
    http_response_fini(&response);
    site_close(&site);
}

Test(drain, a_stream_that_sleeps_for_long_is_woken)
{
    struct site site = open_site();
    site_make_session(&site);
    struct http_stream *stream = open_stream(&site, "/events?count=2&interval_ms=3600000", "{\"event\":1}");
    stop(&site);
    struct http_response response = end_of(stream);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_not_null(strstr(response.body.data, "event: reconnect\n"), "%s", response.body.data);
    http_response_fini(&response);
    site_close(&site);
}

Test(drain, what_ends_in_the_first_half_of_the_timeout_is_not_disturbed)
{
    struct site site = open_site();
    site_make_session(&site);
    struct http_stream *stream = open_stream(&site, "/events?count=10&interval_ms=100", "{\"event\":3}");
    stop(&site);
    struct http_response response = end_of(stream);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect(text_ends(response.body.data, "data: {\"event\":10}\n\nid: midstream-end\nevent: end\ndata: {}\n\n"),
              "%s", response.body.data);
    http_response_fini(&response);
    site_close(&site);
}

Test(drain, work_after_the_response_is_finished)
{
    struct site site = open_site();
    site_make_session(&site);
    OWNED char *key = site_key(&site);
    free(site_get(&site, "/after?delay_ms=1500"));
    stop(&site);
    cr_expect(stored_reaches(&site, key, "after", 1));
    cr_expect(site_wait_log(&site, "master.end"));
    OWNED char *log = site_log(&site);
    cr_expect_not_null(strstr(log, "unfinished=0"), "%s", log);
    site_close(&site);
}

Test(drain, clients_do_not_all_come_back_at_once)
{
    enum { STREAMS = 40 };
    struct site site = open_site();
    struct http_stream *streams[STREAMS];
    for (int i = 0; i < STREAMS; i++)
        streams[i] = open_stream(&site, "/events?count=2&interval_ms=3600000", "{\"event\":1}");
    stop(&site);
    int64_t first_us = INT64_MAX;
    int64_t last_us = 0;
    for (int i = 0; i < STREAMS; i++) {
        struct http_response response = end_of(streams[i]);
        cr_expect_not_null(strstr(response.body.data, "event: reconnect\n"));
        first_us = response.total_us < first_us ? response.total_us : first_us;
        last_us = response.total_us > last_us ? response.total_us : last_us;
        http_response_fini(&response);
    }
    /* They are told over a quarter of the timeout. */
    cr_expect_gt(last_us - first_us, DRAIN_MS / 8 * 1000);
    site_close(&site);
}

Test(drain, a_reload_tells_long_streams_to_come_back_to_the_new_workers)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_RELOAD_TIMEOUT_MS=2000", "MIDSTREAM_RECONNECT_MS=1000"));
    site_make_session(&site);
    pid_t before = site_worker(&site);
    struct http_stream *stream = open_stream(&site, "/events?count=1000&interval_ms=100", "{\"event\":3}");
    process_signal(site.stack->master, SIGHUP);
    struct http_response response = end_of(stream);
    cr_expect_not_null(strstr(response.body.data, "event: reconnect\n"), "%s", response.body.data);
    http_response_fini(&response);
    site_wait_new_worker(&site, before);
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    site_close(&site);
}
