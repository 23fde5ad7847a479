/*
 * What our design takes for granted of nginx: a test here fails when a new version behaves otherwise.
 *
 * The test plays the worker: it stops the site's pool and listens on its socket.
 */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fastcgi.h"
#include "fcgi/record_filter.h"
#include "site.h"

TestSuite(facts, .timeout = 60);

struct play {
    struct site site;
    int listen_fd;
};

static bool has_ended(void *arg)
{
    return !process_is_alive(*(pid_t *)arg);
}

static struct play play_open(void)
{
    struct play play = {.site = site_open(NULL)};
    pid_t worker = site_worker(&play.site);
    process_signal(play.site.stack->master, SIGKILL);
    cr_assert(wait_until(has_ended, &worker, PATIENCE_MS), "a worker outlives its master");
    OWNED char *socket_path = text_printf("%s/worker-0.sock", play.site.stack->dir);
    play.listen_fd = fastcgi_listen(socket_path);
    return play;
}

static void play_close(struct play *play)
{
    close(play->listen_fd);
    site_close(&play->site);
}

static struct http_stream *ask(const struct play *play, const char *path, bool has_http2)
{
    const struct stack *stack = play->site.stack;
    OWNED char *url = text_printf("%s%s", has_http2 ? stack->url_h2 : stack->url, path);
    struct http_stream *stream =
        http_stream_open(&(struct http_request){.url = url, .has_http2 = has_http2}, NULL, NULL);
    return stream;
}

static void send_head(int fd)
{
    static const char head[] = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nbegun\n";
    struct buffer bytes = {0};
    fastcgi_record(&bytes, RECORD_STDOUT, 1, head, sizeof(head) - 1);
    fastcgi_write(fd, &bytes);
    buffer_fini(&bytes);
}

static int end_code(struct http_stream *stream)
{
    struct http_response response;
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_str_eq(response.body.data, "begun\n");
    int code = response.curl_code;
    http_response_fini(&response);
    return code;
}

Test(facts, fact_12_an_end_of_file_without_an_end_passes_for_a_complete_response)
{
    struct play play = play_open();
    for (int version = 1; version <= 2; version++) {
        struct http_stream *stream = ask(&play, "/stream", version == 2);
        int fd = fastcgi_accept(play.listen_fd, true);
        send_head(fd);
        cr_assert(http_stream_wait_text(stream, "begun\n", PATIENCE_MS));
        close(fd);
        cr_expect_eq(end_code(stream), 0, "HTTP/%d: good news: the cut has become visible by itself", version);
    }
    play_close(&play);
}

Test(facts, fact_13_a_record_of_version_0_is_a_visible_cut)
{
    static const char no_record[RECORD_HEADER_BYTES] = {0};
    struct play play = play_open();
    for (int version = 1; version <= 2; version++) {
        struct http_stream *stream = ask(&play, "/stream", version == 2);
        int fd = fastcgi_accept(play.listen_fd, true);
        send_head(fd);
        cr_assert(http_stream_wait_text(stream, "begun\n", PATIENCE_MS));
        cr_assert_eq(send(fd, no_record, sizeof(no_record), MSG_NOSIGNAL), RECORD_HEADER_BYTES);
        close(fd);
        cr_expect_eq(end_code(stream), version == 2 ? CURLE_HTTP2_STREAM : CURLE_PARTIAL_FILE, "HTTP/%d", version);
    }
    play_close(&play);
}

/* Which is why a cut has to wait until what was sent before it has been taken, or be made in the other way. */
Test(facts, fact_13_what_comes_together_with_a_record_of_version_0_is_lost)
{
    static const char head[] = "Status: 200 OK\r\n\r\nbegun\n";
    struct play play = play_open();
    struct http_response response;
    struct http_stream *stream = ask(&play, "/stream", false);
    int fd = fastcgi_accept(play.listen_fd, true);
    struct buffer bytes = {0};
    fastcgi_record(&bytes, RECORD_STDOUT, 1, head, sizeof(head) - 1);
    memset(buffer_reserve(&bytes, RECORD_HEADER_BYTES), 0, RECORD_HEADER_BYTES);
    bytes.length += RECORD_HEADER_BYTES;
    fastcgi_write(fd, &bytes);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect(response.curl_code != 0 || response.status >= 500, "%d", response.status);
    cr_expect_null(strstr(response.body.data, "begun"), "good news: it is not lost any more");
    http_response_fini(&response);
    buffer_fini(&bytes);
    close(fd);
    play_close(&play);
}

Test(facts, fact_13_a_connection_that_closes_with_a_record_unread_is_a_visible_cut)
{
    struct play play = play_open();
    for (int version = 1; version <= 2; version++) {
        struct http_stream *stream = ask(&play, "/stream", version == 2);
        int fd = fastcgi_accept(play.listen_fd, false);
        send_head(fd);
        if (version == 2) /* over HTTP/1.1, what was sent before the close arrives in any case; end_code() looks */
            cr_assert(http_stream_wait_text(stream, "begun\n", PATIENCE_MS));
        close(fd);
        cr_expect_eq(end_code(stream), version == 2 ? CURLE_HTTP2_STREAM : CURLE_PARTIAL_FILE, "HTTP/%d", version);
    }
    play_close(&play);
}

Test(facts, fact_14_a_client_that_leaves_is_an_end_of_file_and_no_record)
{
    char byte;
    struct play play = play_open();
    for (int version = 1; version <= 2; version++) {
        struct http_stream *stream = ask(&play, "/stream", version == 2);
        int fd = fastcgi_accept(play.listen_fd, true);
        send_head(fd);
        cr_assert(http_stream_wait_text(stream, "begun\n", PATIENCE_MS));
        http_stream_close(stream, NULL);
        cr_assert(fastcgi_is_closed(fd));
        ssize_t got = recv(fd, &byte, 1, 0);
        cr_expect(got == 0 || (got < 0 && errno == ECONNRESET), "HTTP/%d: nginx says something", version);
        close(fd);
    }
    play_close(&play);
}

Test(facts, fact_17_after_the_head_of_a_head_request_nginx_closes_the_connection)
{
    struct http_response response;
    struct play play = play_open();
    OWNED char *url = stack_url(play.site.stack, "/stream");
    struct http_stream *stream = http_stream_open(&(struct http_request){.method = "HEAD", .url = url}, NULL, NULL);
    int fd = fastcgi_accept(play.listen_fd, true);
    send_head(fd);
    cr_expect(fastcgi_is_closed(fd));
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.status, 200);
    http_response_fini(&response);
    close(fd);
    play_close(&play);
}
