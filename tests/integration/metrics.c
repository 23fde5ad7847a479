/*
 * The admin listener as an operator meets it: what is counted, that counts survive a worker, and that it answers when
 * nothing else does.
 */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "site.h"

TestSuite(metrics_of_a_site, .timeout = 90);

enum { PROBES = 21, PROBE_LIMIT_US = 50 * 1000 };

/* -------------------- helpers -------------------- */

static int admin_send(const struct site *site, const char *method, const char *path, struct http_response *response)
{
    char *url = text_printf("http://admin%s", path);
    http_send(&(struct http_request){.method = method, .url = url, .unix_socket = site->stack->admin_socket}, response);
    free(url);
    return response->status;
}

/* The status of a GET; its body is compared by the caller, if not NULL, who frees it. */
static int admin_get(const struct site *site, const char *path, char **body)
{
    struct http_response response;
    int status = admin_send(site, "GET", path, &response);
    cr_assert_eq(response.curl_code, CURLE_OK, "%s: %s", path, response.error);
    if (body != NULL)
        *body = strdup(response.body.data);
    http_response_fini(&response);
    return status;
}

/* A sample by all that stands before its value; -1: there is none. */
static double sample(const struct site *site, const char *series)
{
    char *text;
    double value = -1;
    cr_assert_eq(admin_get(site, "/metrics", &text), 200);
    char *line_begin = text_printf("\n%s ", series);
    const char *line = strstr(text, line_begin);
    if (line != NULL)
        value = strtod(line + strlen(line_begin), NULL);
    free(line_begin);
    free(text);
    return value;
}

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

struct readiness {
    const struct site *site;
    int status;
    const char *body_part;
};

static bool is_as_ready(void *arg)
{
    const struct readiness *expected = arg;
    char *body;
    bool is_so =
        admin_get(expected->site, "/ready", &body) == expected->status && strstr(body, expected->body_part) != NULL;
    free(body);
    return is_so;
}

static void await_ready(const struct site *site, int status, const char *body_part)
{
    struct readiness expected = {site, status, body_part};
    cr_assert(wait_until(is_as_ready, &expected, PATIENCE_MS), "/ready did not become %d with %s", status, body_part);
}

static int compare_times(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return (*a > *b) - (*a < *b);
}

/* The median of many probes, which one late turn of a busy machine does not change. */
static void expect_prompt(const struct site *site, const char *path)
{
    int64_t times_us[PROBES];
    for (int i = 0; i < PROBES; i++) {
        struct http_response response;
        admin_send(site, "GET", path, &response);
        cr_assert_eq(response.curl_code, CURLE_OK, "%s: %s", path, response.error);
        times_us[i] = response.total_us;
        http_response_fini(&response);
    }
    qsort(times_us, PROBES, sizeof(times_us[0]), compare_times);
    cr_expect_lt(times_us[PROBES / 2], PROBE_LIMIT_US, "%s took %lld us", path, (long long)times_us[PROBES / 2]);
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
    char *type = http_response_header(&response, "Content-Type", 0);
    cr_expect_str_eq(type, "text/plain; version=0.0.4; charset=utf-8");
    free(type);
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

    char *cookie = cookie_jar_get(site.visitor, "mid");
    size_t middle = strlen(cookie) / 2;
    cookie[middle] = cookie[middle] == 'A' ? 'B' : 'A';
    struct cookie_jar *forger = cookie_jar_new();
    char *url = stack_url(site.stack, "/counter");
    cookie_jar_set(forger, "mid", cookie);
    struct http_response response;
    http_send(&(struct http_request){.url = url, .visitor = forger}, &response);
    cr_expect_eq(response.status, 200);
    http_response_fini(&response);
    await_sample(&site, "midstream_session_cookies_total{verdict=\"forged\"}", 1);
    await_sample(&site, "midstream_session_cookies_total{verdict=\"valid\"}", 1);
    cookie_jar_free(forger);
    free(url);
    free(cookie);
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

/* -------------------- probes -------------------- */

Test(metrics_of_a_site, it_is_ready_when_a_worker_has_redis)
{
    struct site site = site_open(NULL);
    await_ready(&site, 200, "\"missing\":[]");
    cr_expect_eq(admin_get(&site, "/live", NULL), 200);
    process_signal(site.stack->redis, SIGKILL);
    await_ready(&site, 503, "\"Redis\"");
    cr_expect_eq(admin_get(&site, "/live", NULL), 200);
    site_close(&site);
}

Test(metrics_of_a_site, probes_are_answered_while_all_workers_are_stopped)
{
    struct site site = site_open_with(&(struct stack_options){.workers = 2});
    pid_t workers[STACK_WORKERS_MAX];
    await_ready(&site, 200, "\"workers\":2");
    size_t count = stack_workers(site.stack, workers);
    cr_assert_eq(count, 2);
    for (size_t i = 0; i < count; i++)
        process_signal(workers[i], SIGSTOP);
    expect_prompt(&site, "/live");
    expect_prompt(&site, "/ready");
    expect_prompt(&site, "/metrics");
    for (size_t i = 0; i < count; i++)
        process_signal(workers[i], SIGCONT);
    site_close(&site);
}

Test(metrics_of_a_site, probes_are_answered_while_all_workers_spin)
{
    struct site site = site_open_app(NULL);
    await_ready(&site, 200, "\"missing\":[]");
    struct http_stream *spinning = site_stream(&site, "/spin?ms=3000");
    /* It spins once its silence has begun. */
    int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (sample(&site, "midstream_worker_silence_seconds") < 0.3 && clock_monotonic_ms() < end_ms)
        continue;
    cr_assert_geq(sample(&site, "midstream_worker_silence_seconds"), 0.3);
    expect_prompt(&site, "/live");
    expect_prompt(&site, "/ready");
    http_stream_close(spinning, NULL);
    site_close(&site);
}

Test(metrics_of_a_site, probes_are_answered_while_redis_is_stopped)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=1000")); /* less than a request's patience */
    await_ready(&site, 200, "\"missing\":[]");
    process_signal(site.stack->redis, SIGSTOP);
    expect_prompt(&site, "/live");
    expect_prompt(&site, "/ready");
    expect_prompt(&site, "/metrics");
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL),
                 503); /* its connection is given up, and not had again */
    await_ready(&site, 503, "\"Redis\"");
    cr_expect_geq(sample(&site, "midstream_redis_timeouts_total"), 1);
    process_signal(site.stack->redis, SIGCONT);
    await_ready(&site, 200, "\"missing\":[]");
    cr_expect_geq(sample(&site, "midstream_redis_connects_total"), 2);
    site_close(&site);
}

/* -------------------- its HTTP -------------------- */

Test(metrics_of_a_site, other_addresses_and_methods_are_refused)
{
    struct site site = site_open(NULL);
    struct http_response response;
    cr_expect_eq(admin_get(&site, "/", NULL), 404);
    cr_expect_eq(admin_get(&site, "/metrics/", NULL), 404);
    cr_expect_eq(admin_get(&site, "/live?for=a+probe", NULL), 200);
    cr_expect_eq(admin_send(&site, "DELETE", "/live", &response), 405);
    char *allow = http_response_header(&response, "Allow", 0);
    cr_expect_str_eq(allow, "GET");
    free(allow);
    http_response_fini(&response);
    site_close(&site);
}

static int connect_admin(const struct site *site)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", site->stack->admin_socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

Test(metrics_of_a_site, clients_that_send_nothing_do_not_keep_others_out)
{
    enum { IDLE = 200 };
    struct site site = site_open(NULL);
    int idle[IDLE];
    for (int i = 0; i < IDLE; i++)
        idle[i] = connect_admin(&site);
    cr_expect_eq(admin_get(&site, "/live", NULL), 200);
    for (int i = 0; i < IDLE; i++)
        close(idle[i]);
    site_close(&site);
}

Test(metrics_of_a_site, what_is_not_http_is_a_bad_request)
{
    struct site site = site_open(NULL);
    static const char *const wrong[] = {"hello\r\n\r\n", "GET /live\r\n\r\n", " /live HTTP/1.1\r\n\r\n",
                                        "GET /live SMTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int fd = connect_admin(&site);
        cr_assert_eq(write(fd, wrong[i], strlen(wrong[i])), (ssize_t)strlen(wrong[i]));
        char *answer = raw_rest(fd);
        close(fd);
        cr_expect_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0, "%s -> %s", wrong[i], answer);
        free(answer);
    }
    site_close(&site);
}
