/* Streams: their ends, whole and cut; clients that leave or stall; workers that die or are stopped. */
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

TestSuite(streams, .timeout = 90);

/* -------------------- ends -------------------- */

Test(streams, each_format_has_an_end_that_only_a_complete_stream_has)
{
    static const struct {
        const char *path;
        const char *type;
        const char *body;
    } rows[] = {
        {"/stream?count=3&interval_ms=1", "text/plain; charset=utf-8", "Chunk 1\nChunk 2\nChunk 3\n"},
        {"/events?count=2&interval_ms=1", "text/event-stream",
         "id: 1\ndata: {\"event\":1}\n\nid: 2\ndata: {\"event\":2}\n\nid: midstream-end\nevent: end\ndata: {}\n\n"},
        {"/rows?count=2&interval_ms=1", "application/x-ndjson",
         "{\"row\":1,\"square\":1}\n{\"row\":2,\"square\":4}\n{\"end\":true}\n"},
        {"/stream?count=0", "text/plain; charset=utf-8", ""},
        {"/events?count=0", "text/event-stream", "id: midstream-end\nevent: end\ndata: {}\n\n"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int version = 11; version <= 20; version += 9) {
            struct http_response response;
            char *url = text_printf("%s%s", version == 20 ? site.stack->url_h2 : site.stack->url, rows[i].path);
            http_send(&(struct http_request){.url = url, .has_http2 = version == 20}, &response);
            char *type = http_response_header(&response, "Content-Type", 0);
            char *length = http_response_header(&response, "Content-Length", 0);
            cr_expect_eq(response.curl_code, 0, "%s: %s", url, response.error);
            cr_expect_eq(response.http_version, version);
            cr_expect_str_eq(type, rows[i].type);
            cr_expect_str_eq(behind_retry(response.body.data), rows[i].body);
            cr_expect_null(length, "a stream's length is not known before its end");
            http_response_fini(&response);
            free(length);
            free(type);
            free(url);
        }
    }
    site_close(&site);
}

Test(streams, pieces_arrive_when_they_are_sent)
{
    struct site site = site_open(NULL);
    struct http_stream *stream = site_stream(&site, "/stream?count=3&interval_ms=500");
    cr_assert(http_stream_wait_text(stream, "Chunk 3\n", PATIENCE_MS));
    cr_assert_eq(http_stream_piece_count(stream), 3);
    cr_expect_geq(http_stream_piece(stream, 1).at_us - http_stream_piece(stream, 0).at_us, 250000);
    cr_expect_geq(http_stream_piece(stream, 2).at_us - http_stream_piece(stream, 1).at_us, 250000);
    http_stream_close(stream, NULL);
    site_close(&site);
}

Test(streams, a_head_request_starts_no_work)
{
    static const char *const paths[] = {"/stream", "/events", "/rows", "/fail", "/chat?prompt=x"};
    struct site site = site_open(NULL);
    site_make_session(&site);
    char *key = site_key(&site);
    int64_t revision = stored_header(&site, key).revision;
    for (size_t i = 0; i < 4; i++) {
        struct http_response response;
        cr_expect_eq(site_send(&site, "HEAD", paths[i], NULL, &response), 200);
        cr_expect_eq(response.body.length, 0);
        http_response_fini(&response);
    }
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200); /* by the same worker, behind them */
    cr_expect_eq(stored_header(&site, key).revision, revision, "a HEAD has changed the session");
    cr_expect_eq(redis_int(site.redis, "HEXISTS %s chunk", key), 0);
    free(key);
    site_close(&site);
}

Test(streams, a_handler_that_fails_in_the_middle_leaves_a_visible_cut)
{
    struct http_response response;
    struct site site = site_open(NULL);
    char *url = stack_url(site.stack, "/fail?at=3");
    char *url_h2 = text_printf("%s/fail?at=3", site.stack->url_h2);
    http_send(&(struct http_request){.url = url}, &response);
    cr_expect_eq(response.curl_code, CURLE_PARTIAL_FILE, "%d %s", response.curl_code, response.error);
    cr_expect_eq(response.status, 200);
    cr_expect_str_eq(response.body.data, "Chunk 1\nChunk 2\n", "what was sent before has to arrive");
    http_response_fini(&response);
    http_send(&(struct http_request){.url = url_h2, .has_http2 = true}, &response);
    cr_expect_eq(response.curl_code, CURLE_HTTP2_STREAM, "%d %s", response.curl_code, response.error);
    cr_expect_str_eq(response.body.data, "Chunk 1\nChunk 2\n");
    http_response_fini(&response);
    cr_expect(site_wait_log(&site, "request.failed"));

    /* At the first piece there is no head yet, but for streams it has gone. */
    pid_t worker = site_worker(&site);
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    cr_expect_eq(site_worker(&site), worker);
    free(url_h2);
    free(url);
    site_close(&site);
}

/* -------------------- workers that die, workers that are stopped -------------------- */

Test(streams, a_killed_worker_leaves_a_visible_cut_and_the_next_request_succeeds_within_a_second)
{
    struct site site = site_open(NULL);
    for (int version = 11; version <= 20; version += 9) {
        struct http_response response;
        pid_t worker = site_worker(&site);
        char *url =
            text_printf("%s/stream?count=1000&interval_ms=50", version == 20 ? site.stack->url_h2 : site.stack->url);
        char *next = stack_url(site.stack, "/counter");
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
        free(next);
        free(url);
    }
    char *log = site_log(&site);
    cr_expect_eq(text_count(log, "worker.killed"), 2, "%s", log);
    cr_expect(strstr(log, "signal=KILL") != NULL);
    free(log);
    site_close(&site);
}

Test(streams, a_stopped_pool_lets_its_streams_end)
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
    char *log = site_log(&site);
    cr_expect(strstr(log, "unfinished=0") != NULL, "%s", log);
    free(log);
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

Test(streams, a_drained_pool_exits_with_zero_also_when_a_stream_had_to_be_cut)
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

Test(streams, a_client_that_leaves_is_noticed_within_100_ms)
{
    enum { CLIENTS = 5 };
    struct site site = site_open_app(NULL);
    int64_t least_ms = INT64_MAX; /* of several, since this machine may be busy */
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    char *key = site_key(&site);
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
    free(key);
    site_close(&site);
}

Test(streams, a_stream_whose_client_left_changes_its_session_no_more)
{
    struct site site = site_open(NULL);
    struct http_stream *stream = site_stream(&site, "/events?count=100000&interval_ms=10");
    cr_assert(http_stream_wait_text(stream, "id: 3\n", PATIENCE_MS));
    char *key = site_key(&site);
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
    free(key);
    site_close(&site);
}

Test(streams, a_handler_may_carry_on_without_its_client)
{
    struct site site = site_open_app(NULL);
    struct http_stream *stream = site_stream(&site, "/outlive");
    cr_assert(http_stream_wait_text(stream, "step 2\n", PATIENCE_MS));
    char *key = site_key(&site);
    http_stream_close(stream, NULL);
    cr_expect(stored_reaches(&site, key, "step", 10), "it ended at %lld", (long long)stored_number(&site, key, "step"));
    char *outcomes = stored_wait(&site, key, "outcomes");
    cr_expect_str_eq(outcomes, "outlive:left ");
    free(outcomes);
    free(key);
    site_close(&site);
}

/* -------------------- silence, slowness, size -------------------- */

Test(streams, a_silent_stream_sends_heartbeats)
{
    static const struct {
        const char *path;
        const char *first; /* the first piece */
        const char *beats;
    } rows[] = {
        {"/events?count=2&interval_ms=100000", "id: 1\ndata: {\"event\":1}\n\n", ":\n\n:\n\n:\n\n"},
        {"/rows?count=2&interval_ms=100000", "{\"row\":1,\"square\":1}\n", "\n\n\n"},
    };
    struct site site = site_open(SETTINGS("MIDSTREAM_HEARTBEAT_MS=100"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_stream *stream = site_stream(&site, rows[i].path);
        char *expected = text_printf("%s%s", rows[i].first, rows[i].beats);
        cr_assert(http_stream_wait_text(stream, expected, PATIENCE_MS), "%s sends nothing", rows[i].path);
        char *body = http_stream_body(stream);
        cr_expect(strncmp(behind_retry(body), expected, strlen(expected)) == 0, "%s: %s", rows[i].path, body);
        size_t last = http_stream_piece_count(stream) - 1;
        int64_t between_us = http_stream_piece(stream, last).at_us - http_stream_piece(stream, 0).at_us;
        cr_expect_geq(between_us, 90000 * (int64_t)last, "they come too often");
        http_stream_close(stream, NULL);
        free(body);
        free(expected);
    }
    /* Bytes have no heartbeat: whatever was sent would be part of them. */
    struct http_stream *stream = site_stream(&site, "/stream?count=2&interval_ms=400");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    char *body = http_stream_body(stream);
    cr_expect_str_eq(body, "Chunk 1\nChunk 2\n");
    free(body);
    http_stream_close(stream, NULL);
    site_close(&site);
}

/* Reads what is left for a client that had stopped reading; true when HTTP says that it is complete. */
static bool rest_is_complete(int fd)
{
    char *rest = raw_rest(fd);
    bool is_complete = text_ends(rest, "0\r\n\r\n");
    free(rest);
    return is_complete;
}

Test(streams, a_stalled_client_is_dropped_with_a_visible_cut_while_others_go_on_in_bounded_memory)
{
    enum { STALLED = 8 };
    struct site site = site_open_app(SETTINGS("MIDSTREAM_STALL_TIMEOUT_MS=1500"));
    int clients[STALLED];
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    char *key = site_key(&site);
    char *cookie = cookie_jar_get(site.visitor, "mid");
    char *request = text_printf("GET /flood HTTP/1.1\r\nHost: localhost\r\nCookie: mid=%s\r\n\r\n", cookie);
    struct http_stream *other = site_stream(&site, "/increments?times=100000&interval_ms=10");
    cr_assert_eq(http_stream_wait_head(other, PATIENCE_MS), 200);
    int64_t before_kib = resident_kib(site_worker(&site));
    for (int i = 0; i < STALLED; i++) {
        clients[i] = raw_request(&site, request);
    }
    char *outcomes = stored_wait(&site, key, "outcomes");
    int64_t most_kib = 0;
    while (text_count(outcomes, "flood:left ") < STALLED) {
        int64_t now_kib = resident_kib(site_worker(&site));
        most_kib = now_kib > most_kib ? now_kib : most_kib;
        free(outcomes);
        outcomes = stored_wait(&site, key, "outcomes");
    }
    cr_expect_lt(most_kib - before_kib, 16 * 1024, "the worker grew by %lld KiB", (long long)(most_kib - before_kib));
    int64_t now = stored_number(&site, key, "own");
    cr_expect(stored_reaches(&site, key, "own", now + 10), "the other stream does not go on");
    cr_expect_not(http_stream_wait_end(other, 0));
    for (int i = 0; i < STALLED; i++) {
        cr_expect_not(rest_is_complete(clients[i]), "who reads on takes the cut stream for a complete one");
        close(clients[i]);
    }
    http_stream_close(other, NULL);
    free(outcomes);
    free(request);
    free(cookie);
    free(key);
    site_close(&site);
}

Test(streams, a_slow_client_gets_everything)
{
    struct http_response response;
    struct site site = site_open_app(NULL);
    char *url = stack_url(site.stack, "/big?bytes=3000000");
    http_send(&(struct http_request){.url = url, .receive_bytes_per_s = 2000000}, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_eq(response.body.length, 3000000);
    http_response_fini(&response);
    free(url);
    site_close(&site);
}

Test(streams, a_piece_of_any_size_arrives_whole)
{
    static const size_t sizes[] = {1, 65534, 65535, 65536, 131070, 131071, 1000000, 5000000};
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct http_response response;
        char *path = text_printf("/big?bytes=%zu", sizes[i]);
        cr_expect_eq(site_send(&site, "GET", path, NULL, &response), 200);
        cr_assert_eq(response.body.length, sizes[i], "%zu of %zu bytes", response.body.length, sizes[i]);
        size_t wrong = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            wrong += response.body.data[k] != (char)('a' + k % 23);
        cr_expect_eq(wrong, 0, "%zu bytes of %zu are others", wrong, sizes[i]);
        http_response_fini(&response);
        free(path);
    }
    site_close(&site);
}

Test(streams, ten_thousand_commits_in_one_stream_leave_the_worker_as_small_as_it_was)
{
    struct site site = site_open_app(NULL);
    struct http_stream *stream = site_stream(&site, "/increments?times=12000");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    char *key = site_key(&site);
    cr_assert(stored_reaches(&site, key, "own", 2000)); /* by then, whatever is kept for good is there */
    int64_t before_kib = resident_kib(site_worker(&site));
    cr_assert(http_stream_wait_text(stream, "{\"end\":true}\n", 60000));
    int64_t grown_kib = resident_kib(site_worker(&site)) - before_kib;
    cr_expect_eq(stored_number(&site, key, "own"), 12000);
    /* ASan keeps freed memory for a while (its quarantine), which is why this is not a few pages. */
    cr_expect_lt(grown_kib, 64 * 1024, "it grew by %lld KiB", (long long)grown_kib);
    http_stream_close(stream, NULL);
    free(key);
    site_close(&site);
}

/* -------------------- many -------------------- */

enum { MANY = 500 };

/* Reads what has come; true while the client's stream is open. */
static bool read_on(int fd, struct buffer *body)
{
    ssize_t got = recv(fd, buffer_reserve(body, 65536), 65536, MSG_DONTWAIT);
    body->length += got > 0 ? (size_t)got : 0;
    return got > 0 || (got < 0 && errno == EAGAIN);
}

Test(streams, five_hundred_at_a_time_are_all_complete)
{
    static struct pollfd wishes[MANY];
    static struct buffer bodies[MANY];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct site site = site_open_with(&(struct stack_options){.workers = 2});
    for (int i = 0; i < MANY; i++)
        wishes[i] = (struct pollfd){.fd = raw_request(&site, "GET /events?count=4&interval_ms=500 HTTP/1.1\r\n"
                                                             "Host: localhost\r\nConnection: close\r\n\r\n"),
                                    .events = POLLIN};
    int open_count = MANY;
    while (open_count > 0) {
        cr_assert_gt(poll(wishes, MANY, PATIENCE_MS), 0, "%d streams do not go on", open_count);
        for (int i = 0; i < MANY; i++) {
            if (wishes[i].revents == 0 || read_on(wishes[i].fd, &bodies[i]))
                continue;
            close(wishes[i].fd);
            wishes[i].fd = -1; /* poll() passes over it */
            open_count--;
        }
    }
    int complete_count = 0;
    for (int i = 0; i < MANY; i++) {
        buffer_append(&bodies[i], "", 1);
        complete_count += strstr(bodies[i].data, "id: 4\n") != NULL && text_ends(bodies[i].data, "\r\n0\r\n\r\n");
        buffer_fini(&bodies[i]);
    }
    cr_expect_eq(complete_count, MANY);
    cr_expect_eq(stored_sessions(&site), MANY);
    site_close(&site);
}
