/*
 * The admin listener as an operator meets it: what is counted, that counts survive a worker, and that it answers when
 * nothing else does.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "admin.h"
#include "site.h"

TestSuite(metrics_of_a_site, .timeout = 90);

/* -------------------- helpers -------------------- */

struct expectation {
    const struct site *site;
    const char *series;
    double value;
};

static bool has_value(void *arg)
{
    const struct expectation *expected = arg;
    return sample(expected->site, expected->series) == expected->value;
}

static void await_sample(const struct site *site, const char *series, double value)
{
    struct expectation expected = {site, series, value};
    cr_expect(wait_until(has_value, &expected, PATIENCE_MS), "%s is %g, not %g", series, sample(site, series), value);
}

static void get_and_drop(const struct site *site, const char *path)
{
    free(site_get(site, path));
}

/* The master's child that is no worker. */
static pid_t admin_process(const struct site *site)
{
    pid_t children[STACK_WORKERS_MAX + 1];
    pid_t workers[STACK_WORKERS_MAX];
    size_t worker_count = stack_workers(site->stack, workers);
    size_t count = process_children(site->stack->master, children, STACK_WORKERS_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        bool is_worker = false;
        for (size_t k = 0; k < worker_count; k++)
            is_worker = is_worker || workers[k] == children[i];
        if (!is_worker)
            return children[i];
    }
    return 0;
}

/* -------------------- the text -------------------- */

static int run_promtool(const char *metrics, struct buffer *output)
{
    FILE *file = tmpfile();
    FILE *says = tmpfile();
    cr_assert(file != NULL && says != NULL);
    fputs(metrics, file);
    rewind(file);
    const char *const argv[] = {"promtool", "check", "metrics", NULL};
    pid_t pid = process_spawn(
        argv,
        &(struct process_options){.input_fd = fileno(file), .output_fd = fileno(says), .has_errors_in_output = true});
    int code = process_wait(pid, PATIENCE_MS);
    rewind(says);
    output->length += fread(buffer_reserve(output, 4096), 1, 4096, says);
    buffer_append(output, "", 1);
    fclose(file);
    fclose(says);
    return code;
}

Test(metrics_of_a_site, promtool_has_nothing_to_say)
{
    struct site site = site_open(NULL);
    get_and_drop(&site, "/counter");
    get_and_drop(&site, "/stream?count=2&interval_ms=1");
    cr_assert_eq(site_send(&site, "GET", "/nothing/here", NULL, NULL), 404);
    await_sample(&site, "midstream_streams_ended_total{reason=\"complete\"}", 1);

    char *text;
    struct buffer output = {0};
    cr_assert_eq(admin_get(&site, "/metrics", &text), 200);
    cr_expect_eq(run_promtool(text, &output), 0, "promtool: %s", output.data);
    cr_expect_str_eq(output.data, "");
    buffer_fini(&output);
    free(text);
    site_close(&site);
}

Test(metrics_of_a_site, the_metrics_are_prometheus_text)
{
    struct site site = site_open(NULL);
    struct http_response response;
    cr_assert_eq(admin_send(&site, "GET", "/metrics", &response), 200);
    OWNED char *type = http_response_header(&response, "Content-Type", 0);
    cr_expect_str_eq(type, "text/plain; version=0.0.4; charset=utf-8");
    http_response_fini(&response);
    site_close(&site);
}

/* -------------------- what is counted -------------------- */

Test(metrics_of_a_site, requests_are_counted_by_route_and_status)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_MEMORY_PERCENT=0")); /* or commands come by themselves */
    for (int i = 0; i < 3; i++)
        get_and_drop(&site, "/counter");
    cr_assert_eq(site_send(&site, "GET", "/nothing/here", NULL, NULL), 404);
    cr_assert_eq(site_send(&site, "GET", "/stream?count=x", NULL, NULL), 400);
    cr_assert_eq(site_send(&site, "PUT", "/api/session/name", "value", NULL), 204);
    await_sample(&site, "midstream_requests_total{method=\"GET\",route=\"/counter\",status=\"200\"}", 3);
    await_sample(&site, "midstream_requests_total{method=\"any\",route=\"none\",status=\"404\"}", 1);
    await_sample(&site, "midstream_requests_total{method=\"GET\",route=\"/stream\",status=\"400\"}", 1);
    await_sample(&site, "midstream_requests_total{method=\"PUT\",route=\"/api/session/{field}\",status=\"204\"}", 1);
    await_sample(&site, "midstream_request_duration_seconds_count{method=\"GET\",route=\"/counter\"}", 3);
    await_sample(&site, "midstream_redis_connected", 1);
    cr_expect_gt(sample(&site, "midstream_redis_commands_total"), 0);
    cr_expect_eq(sample(&site, "midstream_redis_command_duration_seconds_count"),
                 sample(&site, "midstream_redis_commands_total"));
    cr_expect_gt(sample(&site, "midstream_sent_bytes_total"), 0);
    cr_expect_gt(sample(&site, "midstream_received_bytes_total"), 0);
    site_close(&site);
}

Test(metrics_of_a_site, the_head_of_a_stream_is_timed_apart_from_its_end)
{
    struct site site = site_open(NULL);
    get_and_drop(&site, "/stream?count=2&interval_ms=300");
    await_sample(&site, "midstream_request_duration_seconds_count{method=\"GET\",route=\"/stream\"}", 1);
    double head_s = sample(&site, "midstream_request_first_byte_seconds_sum{method=\"GET\",route=\"/stream\"}");
    double whole_s = sample(&site, "midstream_request_duration_seconds_sum{method=\"GET\",route=\"/stream\"}");
    cr_expect_geq(whole_s - head_s, 0.29, "head %g s, whole %g s", head_s, whole_s);
    site_close(&site);
}

Test(metrics_of_a_site, streams_are_counted_while_they_are_open_and_by_how_they_end)
{
    struct site site = site_open(NULL);
    struct http_stream *stream = site_stream(&site, "/stream?count=1000&interval_ms=1000");
    cr_assert(http_stream_wait_text(stream, "Chunk 1", PATIENCE_MS));
    await_sample(&site, "midstream_streams_open", 1);
    await_sample(&site, "midstream_requests_in_flight", 1);
    http_stream_close(stream, NULL);
    await_sample(&site, "midstream_streams_ended_total{reason=\"client_left\"}", 1);
    await_sample(&site, "midstream_streams_open", 0);

    struct http_stream *failing = site_stream(&site, "/fail?at=1");
    cr_assert(http_stream_wait_end(failing, PATIENCE_MS));
    http_stream_close(failing, NULL);
    get_and_drop(&site, "/stream?count=1");
    await_sample(&site, "midstream_streams_ended_total{reason=\"failed\"}", 1);
    await_sample(&site, "midstream_streams_ended_total{reason=\"complete\"}", 1);
    await_sample(&site, "midstream_streams_begun_total", 3);
    site_close(&site);
}

Test(metrics_of_a_site, session_operations_are_counted_by_phase)
{
    struct site site = site_open(NULL);
    get_and_drop(&site, "/stream?count=2&interval_ms=1");
    get_and_drop(&site, "/chat?prompt=hello");
    get_and_drop(&site, "/api/session");
    get_and_drop(&site, "/after?delay_ms=1");
    const char *const series = "midstream_session_operations_total{operation=\"%s\",phase=\"%s\",result=\"ok\"}";
    static const struct {
        const char *operation;
        const char *phase;
    } seen[] = {{"create", "before_head"}, {"load", "before_head"},   {"commit", "in_stream"},
                {"commit", "at_end"},      {"commit", "before_head"}, {"commit", "after_response"}};
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        char name[160];
        snprintf(name, sizeof(name), series, seen[i].operation, seen[i].phase);
        int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
        while (sample(&site, name) < 1 && clock_monotonic_ms() < end_ms)
            continue;
        cr_expect_geq(sample(&site, name), 1, "%s", name);
    }
    site_close(&site);
}

Test(metrics_of_a_site, a_forged_cookie_is_counted)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    get_and_drop(&site, "/counter");
    await_sample(&site, "midstream_session_cookies_total{verdict=\"valid\"}", 1);

    OWNED char *cookie = cookie_jar_get(site.visitor, "mid");
    size_t middle = strlen(cookie) / 2;
    cookie[middle] = cookie[middle] == 'A' ? 'B' : 'A';
    struct cookie_jar *forger = cookie_jar_new();
    OWNED char *url = stack_url(site.stack, "/counter");
    cookie_jar_set(forger, "mid", cookie);
    struct http_response response;
    http_send(&(struct http_request){.url = url, .visitor = forger}, &response);
    cr_expect_eq(response.status, 200);
    http_response_fini(&response);
    await_sample(&site, "midstream_session_cookies_total{verdict=\"forged\"}", 1);
    await_sample(&site, "midstream_session_cookies_total{verdict=\"valid\"}", 1);
    cookie_jar_free(forger);
    site_close(&site);
}

/* -------------------- workers that die -------------------- */

Test(metrics_of_a_site, counters_survive_a_killed_worker)
{
    struct site site = site_open(NULL);
    for (int i = 0; i < 5; i++)
        get_and_drop(&site, "/counter");
    struct http_stream *stream = site_stream(&site, "/stream?count=1000&interval_ms=1000");
    cr_assert(http_stream_wait_text(stream, "Chunk 1", PATIENCE_MS));
    pid_t worker = site_worker(&site);
    process_signal(worker, SIGKILL);
    site_wait_new_worker(&site, worker);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, NULL);

    const char *const requests = "midstream_requests_total{method=\"GET\",route=\"/counter\",status=\"200\"}";
    cr_expect_eq(sample(&site, requests), 5);
    cr_expect_eq(sample(&site, "midstream_streams_ended_total{reason=\"crashed\"}"), 1);
    cr_expect_eq(sample(&site, "midstream_streams_open"), 0);
    cr_expect_eq(sample(&site, "midstream_worker_restarts_total{cause=\"signal\"}"), 1);
    get_and_drop(&site, "/counter");
    await_sample(&site, requests, 6);
    await_sample(&site, "midstream_workers{state=\"up\"}", 1);
    site_close(&site);
}

Test(metrics_of_a_site, a_killed_admin_process_comes_back)
{
    struct site site = site_open(NULL);
    pid_t admin = admin_process(&site);
    cr_assert_gt(admin, 0);
    process_signal(admin, SIGKILL);
    int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    pid_t next = 0;
    while ((next == 0 || next == admin) && clock_monotonic_ms() < end_ms)
        next = admin_process(&site);
    cr_assert(next > 0 && next != admin, "there is no new admin process");
    cr_expect_eq(admin_get(&site, "/live", NULL), 200);
    cr_expect_eq(sample(&site, "midstream_worker_restarts_total{cause=\"signal\"}"), 0);
    site_close(&site);
}
