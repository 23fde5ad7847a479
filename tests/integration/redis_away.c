/* Redis is away: who does not need it notices nothing, who does is told at once, and streams wait for its return. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "site.h"

TestSuite(redis_away, .timeout = 60);

static bool session_works(void *arg)
{
    return site_send(arg, "GET", "/counter", NULL, NULL) == 200;
}

static void expect_unavailable(const struct site *site, const char *method, const char *path)
{
    enum { TRIES = 5 };
    int64_t least_us = INT64_MAX; /* of several, since this machine may be busy */
    for (int i = 0; i < TRIES; i++) {
        struct http_response response;
        int status = site_send(site, method, path, NULL, &response);
        cr_expect_eq(status, 503, "%s: %d", path, status);
        cr_expect(strstr(response.head.data, "\r\nRetry-After: 1\r\n") != NULL, "%s", response.head.data);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s: the cookie was touched", path);
        least_us = response.total_us < least_us ? response.total_us : least_us;
        http_response_fini(&response);
    }
    cr_expect_lt(least_us, 100000, "%s: it took %lld us", path, (long long)least_us);
}

Test(redis_away, routes_with_a_session_are_unavailable_at_once_and_others_go_on)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    site_await_written(&site);
    site_kill_redis(&site);
    expect_unavailable(&site, "GET", "/counter");
    expect_unavailable(&site, "GET", "/api/session");
    expect_unavailable(&site, "GET", "/stream?count=1");
    expect_unavailable(&site, "GET", "/events?count=1");
    expect_unavailable(&site, "POST", "/logout");
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    cr_expect_eq(site_send(&site, "GET", "/", NULL, NULL), 200);
    cr_expect_eq(site_send(&site, "GET", "/nowhere", NULL, NULL), 404);

    site_start_redis(&site);
    cr_assert(wait_until(session_works, &site, PATIENCE_MS), "the workers do not find it again");
    int64_t counter = site_number(&site, "counter");
    cr_expect_geq(counter, 2, "the session is lost: %lld", (long long)counter);
    site_close(&site);
}

Test(redis_away, changes_that_have_to_be_durable_are_unavailable_at_once_too)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_COMMIT_DURABILITY=replica"));
    site_needs_one_redis(&site); /* without a replica */
    cr_assert(site_wait_log(&site, "redis.not-durable"));
    site_kill_redis(&site);
    expect_unavailable(&site, "GET", "/counter");
    site_close(&site);
}

Test(redis_away, a_redis_that_hangs_is_given_up_after_the_timeout)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=100"));
    site_make_session(&site);
    site_signal_redis(&site, SIGSTOP);
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 503);
    expect_unavailable(&site, "GET", "/counter"); /* by now it is known */
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    site_signal_redis(&site, SIGCONT);
    cr_assert(wait_until(session_works, &site, PATIENCE_MS));
    site_close(&site);
}

/* -------------------- a stall -------------------- */

static int ready_status(const struct site *site)
{
    struct http_response response;
    http_send(&(struct http_request){.url = "http://admin/ready", .unix_socket = site->stack->admin_socket}, &response);
    int status = response.status;
    http_response_fini(&response);
    return status;
}

static bool is_not_ready(void *arg)
{
    return ready_status(arg) == 503;
}

static bool is_ready(void *arg)
{
    return ready_status(arg) == 200;
}

/* The first to ask waits for as long as redis-head-timeout-ms says; by a clock of whole milliseconds, so that it may be
 * up to one less by another clock. */
static void expect_patience_to_end(const struct site *site, int64_t patience_ms, int64_t most_ms)
{
    struct http_response response;
    int status = site_send(site, "GET", "/counter", NULL, &response);
    cr_expect_eq(status, 503, "%d", status);
    cr_expect(strstr(response.head.data, "\r\nRetry-After: 1\r\n") != NULL, "%s", response.head.data);
    cr_expect_geq(response.total_us, (patience_ms - 1) * 1000, "it waited %lld us", (long long)response.total_us);
    cr_expect_lt(response.total_us, most_ms * 1000, "it took %lld us", (long long)response.total_us);
    http_response_fini(&response);
}

static void expect_told_once(const struct site *site, const char *event)
{
    OWNED char *log = site_log(site);
    cr_expect_eq(text_count(log, event), 1, "%s: %s", event, log);
}

static void expect_not_told(const struct site *site, const char *event)
{
    OWNED char *log = site_log(site);
    cr_expect_eq(text_count(log, event), 0, "%s: %s", event, log);
}

Test(redis_away, a_stall_of_two_seconds_is_told_to_requests_at_once_and_ridden_out_by_streams)
{
    enum { STALL_MS = 2000, HEAD_MS = 1000, BUSY_MS = 400 }; /* what a busy machine adds to a request */
    struct http_response response;
    struct site site = site_open(SETTINGS("MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=1000"));
    site_needs_one_redis(&site); /* of several, each is found out by itself */
    site_make_session(&site);
    struct http_stream *stream = site_stream(&site, "/events?count=40&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "id: 3\n", PATIENCE_MS));
    int64_t began_ms = clock_monotonic_ms();
    site_signal_redis(&site, SIGSTOP);
    expect_patience_to_end(&site, HEAD_MS, HEAD_MS + BUSY_MS);
    expect_unavailable(&site, "GET", "/counter");
    expect_unavailable(&site, "GET", "/stream?count=1");
    expect_unavailable(&site, "POST", "/logout");
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    cr_expect(wait_until(is_not_ready, &site, PATIENCE_MS));
    int64_t left_ms = STALL_MS - (clock_monotonic_ms() - began_ms);
    cr_expect_not(http_stream_wait_end(stream, left_ms > 0 ? (int)left_ms : 0), "it gave up");
    site_signal_redis(&site, SIGCONT);

    cr_assert(wait_until(session_works, &site, PATIENCE_MS));
    cr_expect(wait_until(is_ready, &site, PATIENCE_MS));
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_eq(text_count(response.body.data, "{\"event\":"), 40);
    cr_expect(text_ends(response.body.data, "event: end\ndata: {}\n\n"), "%s", response.body.data);
    cr_expect_eq(site_number(&site, "event"), 40);
    expect_told_once(&site, " redis.suspect ");
    expect_told_once(&site, " redis.trusted ");
    expect_told_once(&site, "resumed=no use=commands\n");
    expect_not_told(&site, " redis.lost ");
    http_response_fini(&response);
    site_close(&site);
}

/* -------------------- streams -------------------- */

Test(redis_away, a_stream_rides_out_a_restart)
{
    struct http_response response;
    struct site site = site_open(SETTINGS("MIDSTREAM_COMMIT_TIMEOUT_MS=15000"));
    free(redis_text(site.redis, "CONFIG SET appendfsync always")); /* what it answers survives the kill */
    struct http_stream *stream = site_stream(&site, "/events?count=40&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "id: 3\n", PATIENCE_MS));
    site_kill_redis(&site);
    cr_expect_not(http_stream_wait_end(stream, 1000), "it gave up");
    site_start_redis(&site);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect(
        text_ends(response.body.data, "id: 40\ndata: {\"event\":40}\n\nid: midstream-end\nevent: end\ndata: {}\n\n"),
        "%s", response.body.data);
    cr_expect_eq(text_count(response.body.data, "{\"event\":"), 40);
    cr_expect_eq(site_number(&site, "event"), 40);
    OWNED char *key = site_key(&site);
    cr_expect_eq(stored_header(&site, key).revision, 40, "a commit was lost or applied twice");
    http_response_fini(&response);
    site_close(&site);
}

Test(redis_away, a_stream_ends_visibly_when_redis_stays_away)
{
    struct http_response response;
    struct site site = site_open(SETTINGS("MIDSTREAM_COMMIT_TIMEOUT_MS=300"));
    struct http_stream *stream = site_stream(&site, "/events?count=100000&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "id: 3\n", PATIENCE_MS));
    site_kill_redis(&site);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_neq(response.curl_code, 0, "it ended as if it were complete");
    cr_expect(strstr(response.body.data, "event: failed\ndata: {\"error\":\"MID_UNAVAILABLE\"") != NULL, "%s",
              response.body.data);
    http_response_fini(&response);
    site_close(&site);
}

Test(redis_away, lost_scripts_are_loaded_again)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    free(redis_text(site.redis, "SCRIPT FLUSH"));
    site_make_session(&site);
    cr_expect_eq(site_number(&site, "counter"), 2);
    site_close(&site);
}
