/* Streams: their ends, whole and cut; clients that leave or stall; workers that die or are stopped. */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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
            OWNED char *url = text_printf("%s%s", version == 20 ? site.stack->url_h2 : site.stack->url, rows[i].path);
            http_send(&(struct http_request){.url = url, .has_http2 = version == 20}, &response);
            OWNED char *type = http_response_header(&response, "Content-Type", 0);
            OWNED char *length = http_response_header(&response, "Content-Length", 0);
            cr_expect_eq(response.curl_code, 0, "%s: %s", url, response.error);
            cr_expect_eq(response.http_version, version);
            cr_expect_str_eq(type, rows[i].type);
            cr_expect_str_eq(behind_retry(response.body.data), rows[i].body);
            cr_expect_null(length, "a stream's length is not known before its end");
            http_response_fini(&response);
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
    OWNED char *key = site_key(&site);
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
    site_close(&site);
}

Test(streams, a_handler_that_fails_in_the_middle_leaves_a_visible_cut)
{
    struct http_response response;
    struct site site = site_open(NULL);
    OWNED char *url = stack_url(site.stack, "/fail?at=3");
    OWNED char *url_h2 = text_printf("%s/fail?at=3", site.stack->url_h2);
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
        OWNED char *expected = text_printf("%s%s", rows[i].first, rows[i].beats);
        cr_assert(http_stream_wait_text(stream, expected, PATIENCE_MS), "%s sends nothing", rows[i].path);
        OWNED char *body = http_stream_body(stream);
        cr_expect(strncmp(behind_retry(body), expected, strlen(expected)) == 0, "%s: %s", rows[i].path, body);
        size_t last = http_stream_piece_count(stream) - 1;
        int64_t between_us = http_stream_piece(stream, last).at_us - http_stream_piece(stream, 0).at_us;
        cr_expect_geq(between_us, 90000 * (int64_t)last, "they come too often");
        http_stream_close(stream, NULL);
    }
    /* Bytes have no heartbeat: whatever was sent would be part of them. */
    struct http_stream *stream = site_stream(&site, "/stream?count=2&interval_ms=400");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    OWNED char *body = http_stream_body(stream);
    cr_expect_str_eq(body, "Chunk 1\nChunk 2\n");
    http_stream_close(stream, NULL);
    site_close(&site);
}

/* Reads what is left for a client that had stopped reading; true when HTTP says that it is complete. */
static bool rest_is_complete(int fd)
{
    OWNED char *rest = raw_rest(fd);
    bool is_complete = text_ends(rest, "0\r\n\r\n");
    return is_complete;
}

Test(streams, a_stalled_client_is_dropped_with_a_visible_cut_while_others_go_on_in_bounded_memory)
{
    enum { STALLED = 8 };
    struct site site = site_open_app(SETTINGS("MIDSTREAM_STALL_TIMEOUT_MS=1500"));
    int clients[STALLED];
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    OWNED char *cookie = cookie_jar_get(site.visitor, "mid");
    OWNED char *request = text_printf("GET /flood HTTP/1.1\r\nHost: localhost\r\nCookie: mid=%s\r\n\r\n", cookie);
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
    site_close(&site);
}

Test(streams, a_slow_client_gets_everything)
{
    struct http_response response;
    struct site site = site_open_app(NULL);
    OWNED char *url = stack_url(site.stack, "/big?bytes=3000000");
    http_send(&(struct http_request){.url = url, .receive_bytes_per_s = 2000000}, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_eq(response.body.length, 3000000);
    http_response_fini(&response);
    site_close(&site);
}

Test(streams, a_piece_of_any_size_arrives_whole)
{
    static const size_t sizes[] = {1, 65534, 65535, 65536, 131070, 131071, 1000000, 5000000};
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct http_response response;
        OWNED char *path = text_printf("/big?bytes=%zu", sizes[i]);
        cr_expect_eq(site_send(&site, "GET", path, NULL, &response), 200);
        cr_assert_eq(response.body.length, sizes[i], "%zu of %zu bytes", response.body.length, sizes[i]);
        size_t wrong = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            wrong += response.body.data[k] != (char)('a' + k % 23);
        cr_expect_eq(wrong, 0, "%zu bytes of %zu are others", wrong, sizes[i]);
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(streams, ten_thousand_commits_in_one_stream_leave_the_worker_as_small_as_it_was)
{
    struct site site = site_open_app(NULL);
    struct http_stream *stream = site_stream(&site, "/increments?times=12000");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    OWNED char *key = site_key(&site);
    cr_assert(stored_reaches(&site, key, "own", 2000)); /* by then, whatever is kept for good is there */
    int64_t before_kib = resident_kib(site_worker(&site));
    cr_assert(http_stream_wait_text(stream, "{\"end\":true}\n", 60000));
    int64_t grown_kib = resident_kib(site_worker(&site)) - before_kib;
    cr_expect_eq(stored_number(&site, key, "own"), 12000);
    /* ASan keeps freed memory for a while (its quarantine), which is why this is not a few pages. */
    cr_expect_lt(grown_kib, 64 * 1024, "it grew by %lld KiB", (long long)grown_kib);
    http_stream_close(stream, NULL);
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
