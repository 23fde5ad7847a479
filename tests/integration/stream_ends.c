/* Streams whose worker dies or is stopped, and streams whose client leaves. */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "fastcgi.h"
#include "site.h"

TestSuite(stream_ends, .timeout = 90);

/* -------------------- workers that die, workers that are stopped -------------------- */

Test(stream_ends, a_killed_worker_leaves_a_visible_cut_and_the_next_request_succeeds_within_a_second)
{
    struct site site = site_open(NULL);
    for (int version = 11; version <= 20; version += 9) {
        struct http_response response;
        pid_t worker = site_worker(&site);
        char *url =
            text_printf("%s/stream?count=1000&interval_ms=50", version == 20 ? site.stack->url_h2 : site.stack->url);
        OWNED char *next = stack_url(site.stack, "/counter");
        struct http_stream *stream =
            http_stream_open(&(struct http_request){.url = url, .has_http2 = version == 20}, NULL, NULL);
        cr_assert(http_stream_wait_text(stream, "Chunk 2\n", PATIENCE_MS));
        process_signal(worker, SIGKILL);
        cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
        http_stream_close(stream, &response);
        cr_expect_eq(response.curl_code, version == 20 ? CURLE_HTTP2_STREAM : CURLE_PARTIAL_FILE, "HTTP %d: %d %s",
                     version, response.curl_code, response.error);
        http_response_fini(&response);

        int64_t killed_ms = clock_monotonic_ms();
        do { /* the new worker may still be connecting to Redis */
            http_send(&(struct http_request){.url = next, .timeout_ms = 1000}, &response);
            int status = response.status;
            http_response_fini(&response);
            if (status == 200)
                break;
        } while (clock_monotonic_ms() - killed_ms < 1000);
        cr_expect_lt(clock_monotonic_ms() - killed_ms, 1000);
        site_wait_new_worker(&site, worker);
        free(url);
    }
    OWNED char *log = site_log(&site);
    cr_expect_eq(text_count(log, "worker.killed"), 2, "%s", log);
    cr_expect(strstr(log, "signal=KILL") != NULL);
    site_close(&site);
}

Test(stream_ends, a_stopped_pool_lets_its_streams_end)
{
    struct site site = site_open(NULL);
    struct http_response response;
    struct http_stream *stream = site_stream(&site, "/events?count=10&interval_ms=100");
    cr_assert(http_stream_wait_text(stream, "id: 2\n", PATIENCE_MS));
    pid_t master = site.stack->master;
    process_signal(master, SIGTERM);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect(strstr(response.body.data, "id: 10\n") != NULL &&
                  text_ends(response.body.data, "event: end\ndata: {}\n\n"),
              "%s", response.body.data);
    http_response_fini(&response);
    cr_expect(site_wait_log(&site, "master.end"));
    OWNED char *log = site_log(&site);
    cr_expect(strstr(log, "unfinished=0") != NULL, "%s", log);
    site_close(&site);
}

static int open_raw_stream(const char *socket_path, const char *path)
{
    struct buffer request = {0};
    char head[64] = "";
    fastcgi_get(&request, path, NULL, FASTCGI_KEEP);
    int fd = fastcgi_connect(socket_path);
    fastcgi_write(fd, &request);
    struct pollfd wish = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&wish, 1, PATIENCE_MS), 1);
    cr_assert_gt(recv(fd, head, sizeof(head) - 1, MSG_PEEK), 0);
    cr_assert(strstr(head + 8, "Status: 200") != NULL, "%s", head + 8);
    buffer_fini(&request);
    return fd;
}

Test(stream_ends, a_drained_pool_exits_with_zero_also_when_a_stream_had_to_be_cut)
{
    struct site site = site_open(NULL);
    char *socket_path;
    pid_t master = site_start_pool(&site, "drained", "--drain-timeout-ms=5000", &socket_path);
    int fd = open_raw_stream(socket_path, "/fail?at=1000000");
    close(fd);
    fd = open_raw_stream(socket_path, "/null");
    process_signal(master, SIGTERM);
    cr_expect_eq(process_wait(master, PATIENCE_MS), 0);
    close(fd);
    cr_expect(access(socket_path, F_OK) != 0, "the socket was left behind");
    free(socket_path);

    /* Beyond the drain timeout: the client sees the cut, and the exit code is still zero. */
    master = site_start_pool(&site, "cut", "--drain-timeout-ms=300", &socket_path);
    fd = open_raw_stream(socket_path, "/fail?at=1000000");
    process_signal(master, SIGTERM);
    struct fastcgi_answer answer = fastcgi_read_answer(fd);
    cr_expect(answer.is_closed && !answer.has_end, "a cut stream has an end");
    cr_expect_eq(process_wait(master, PATIENCE_MS), 0);
    fastcgi_answer_fini(&answer);
    close(fd);
    free(socket_path);
    site_close(&site);
}

/* -------------------- clients that leave -------------------- */

Test(stream_ends, a_client_that_leaves_is_noticed_within_100_ms)
{
    enum { CLIENTS = 5 };
    struct site site = site_open_app(NULL);
    int64_t least_ms = INT64_MAX; /* of several, since this machine may be busy */
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    for (int i = 0; i < CLIENTS; i++) {
        redis_int(site.redis, "HDEL %s over_ms", key);
        struct http_stream *stream = site_stream(&site, "/rest"); /* sleeps for an hour */
        cr_assert(http_stream_wait_text(stream, "resting\n", PATIENCE_MS));
        int64_t left_ms = clock_unix_ms();
        http_stream_close(stream, NULL);
        free(stored_wait(&site, key, "over_ms"));
        int64_t noticed_ms = stored_number(&site, key, "over_ms") - left_ms;
        least_ms = noticed_ms < least_ms ? noticed_ms : least_ms;
    }
    cr_expect_leq(least_ms, 100, "%lld ms", (long long)least_ms);
    site_close(&site);
}

Test(stream_ends, a_stream_whose_client_left_changes_its_session_no_more)
{
    struct site site = site_open(NULL);
    struct http_stream *stream = site_stream(&site, "/events?count=100000&interval_ms=10");
    cr_assert(http_stream_wait_text(stream, "id: 3\n", PATIENCE_MS));
    OWNED char *key = site_key(&site);
    http_stream_close(stream, NULL);
    int64_t before;
    int64_t now = stored_number(&site, key, "event");
    int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    do {
        before = now;
        usleep(300000); /* thirty events long */
        now = stored_number(&site, key, "event");
    } while (now != before && clock_monotonic_ms() < end_ms);
    cr_expect_eq(now, before, "it goes on without its client");
    site_close(&site);
}

Test(stream_ends, a_handler_may_carry_on_without_its_client)
{
    struct site site = site_open_app(NULL);
    struct http_stream *stream = site_stream(&site, "/outlive");
    cr_assert(http_stream_wait_text(stream, "step 2\n", PATIENCE_MS));
    OWNED char *key = site_key(&site);
    http_stream_close(stream, NULL);
    cr_expect(stored_reaches(&site, key, "step", 10), "it ended at %lld", (long long)stored_number(&site, key, "step"));
    OWNED char *outcomes = stored_wait(&site, key, "outcomes");
    cr_expect_str_eq(outcomes, "outlive:left ");
    site_close(&site);
}
