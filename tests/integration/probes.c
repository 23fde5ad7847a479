/* Probes: /live and /ready, whatever the workers do, and the HTTP of the admin process. */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "admin.h"
#include "site.h"

TestSuite(probes, .timeout = 90);

enum { PROBES = 21, PROBE_LIMIT_US = 50 * 1000 };

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

/* -------------------- probes -------------------- */

Test(probes, it_is_ready_when_a_worker_has_redis)
{
    struct site site = site_open(NULL);
    await_ready(&site, 200, "\"missing\":[]");
    cr_expect_eq(admin_get(&site, "/live", NULL), 200);
    site_needs_one_redis(&site);
    process_signal(site.stack->redis, SIGKILL);
    await_ready(&site, 503, "\"Redis\"");
    cr_expect_eq(admin_get(&site, "/live", NULL), 200);
    site_close(&site);
}

Test(probes, probes_are_answered_while_all_workers_are_stopped)
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

Test(probes, probes_are_answered_while_all_workers_spin)
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

Test(probes, probes_are_answered_while_redis_is_stopped)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=1000")); /* less than a request's patience */
    await_ready(&site, 200, "\"missing\":[]");
    site_signal_redis(&site, SIGSTOP);
    expect_prompt(&site, "/live");
    expect_prompt(&site, "/ready");
    expect_prompt(&site, "/metrics");
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL),
                 503); /* its connection is given up, and not had again */
    await_ready(&site, 503, "\"Redis\"");
    cr_expect_geq(sample(&site, "midstream_redis_timeouts_total"), 1);
    site_signal_redis(&site, SIGCONT);
    await_ready(&site, 200, "\"missing\":[]");
    cr_expect_geq(sample(&site, "midstream_redis_connects_total"), 2);
    site_close(&site);
}

/* -------------------- its HTTP -------------------- */

Test(probes, other_addresses_and_methods_are_refused)
{
    struct site site = site_open(NULL);
    struct http_response response;
    cr_expect_eq(admin_get(&site, "/", NULL), 404);
    cr_expect_eq(admin_get(&site, "/metrics/", NULL), 404);
    cr_expect_eq(admin_get(&site, "/live?for=a+probe", NULL), 200);
    cr_expect_eq(admin_send(&site, "DELETE", "/live", &response), 405);
    OWNED char *allow = http_response_header(&response, "Allow", 0);
    cr_expect_str_eq(allow, "GET");
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

Test(probes, clients_that_send_nothing_do_not_keep_others_out)
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

Test(probes, what_is_not_http_is_a_bad_request)
{
    struct site site = site_open(NULL);
    static const char *const wrong[] = {"hello\r\n\r\n", "GET /live\r\n\r\n", " /live HTTP/1.1\r\n\r\n",
                                        "GET /live SMTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int fd = connect_admin(&site);
        cr_assert_eq(write(fd, wrong[i], strlen(wrong[i])), (ssize_t)strlen(wrong[i]));
        OWNED char *answer = raw_rest(fd);
        close(fd);
        cr_expect_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0, "%s -> %s", wrong[i], answer);
    }
    site_close(&site);
}
