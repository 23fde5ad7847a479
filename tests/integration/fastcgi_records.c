/*
 * FastCGI 1.0 as other web servers speak it, and as none would: what nginx never sends (management records, other
 * roles, padding, connections that are not kept), and what breaks the rules.
 */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fastcgi.h"
#include "fcgi/record_filter.h"
#include "site.h"

TestSuite(fastcgi_records, .timeout = 90);

/* -------------------- FastCGI that no web server would send -------------------- */

static const char *const good_params[][2] = {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/null"}};

static void put_params(struct buffer *out, const char *extra_name, const char *extra_value)
{
    struct buffer pairs = {0};
    for (size_t i = 0; i < 2; i++)
        fastcgi_pair(&pairs, good_params[i][0], good_params[i][1]);
    if (extra_name != NULL)
        fastcgi_pair(&pairs, extra_name, extra_value);
    for (size_t at = 0; at < pairs.length; at += 65535) {
        size_t bytes = pairs.length - at < 65535 ? pairs.length - at : 65535;
        fastcgi_record(out, RECORD_PARAMS, 1, pairs.data + at, bytes);
    }
    buffer_fini(&pairs);
}

typedef void put_bytes(struct buffer *out);

static void put_text(struct buffer *out)
{
    buffer_append_text(out, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void put_zeros(struct buffer *out)
{
    memset(buffer_reserve(out, 4096), 0, 4096);
    out->length += 4096;
}

static void put_noise(struct buffer *out)
{
    randombytes_buf_deterministic(buffer_reserve(out, 100000), 100000, (const unsigned char[32]){7});
    out->length += 100000;
}

static void put_request_zero(struct buffer *out)
{
    fastcgi_begin(out, 0, FASTCGI_RESPONDER, 0);
}

static void put_two_begins(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
}

static void put_body_before_params(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_record(out, RECORD_STDIN, 1, "x", 1);
}

static void put_unknown_type(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_record(out, 77, 1, "x", 1);
}

static void put_response_records(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_record(out, RECORD_STDOUT, 1, "Status: 200 OK\r\n\r\n", 18);
}

static void put_data(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    put_params(out, NULL, NULL);
    fastcgi_record(out, RECORD_PARAMS, 1, NULL, 0);
    fastcgi_record(out, 8, 1, "x", 1);
}

static void put_params_cut_in_a_pair(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_record(out, RECORD_PARAMS, 1, "\x0e\x03REQUEST", 9);
    fastcgi_record(out, RECORD_PARAMS, 1, NULL, 0);
}

static void put_abort(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    put_params(out, NULL, NULL);
    fastcgi_record(out, RECORD_ABORT_REQUEST, 1, NULL, 0);
}

Test(fastcgi_records, malformed_fastcgi_ends_its_connection_and_nothing_else)
{
    static put_bytes *const rows[] = {
        put_text,
        put_zeros,
        put_noise,
        put_request_zero,
        put_two_begins,
        put_unknown_type,
        put_body_before_params,
        put_response_records,
        put_data,
        put_params_cut_in_a_pair,
        put_abort,
    };
    struct site site = site_open(NULL);
    char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
    pid_t worker = site_worker(&site);
    struct http_stream *stream = site_stream(&site, "/events?count=100000&interval_ms=20");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer bytes = {0};
        rows[i](&bytes);
        int fd = fastcgi_connect(socket_path);
        fastcgi_write(fd, &bytes);
        struct fastcgi_answer answer = fastcgi_read_answer(fd);
        cr_expect(answer.is_closed && !answer.has_end && answer.out.length == 1, "row %zu got an answer: %s", i,
                  answer.out.data);
        fastcgi_answer_fini(&answer);
        close(fd);
        buffer_fini(&bytes);
        cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200, "row %zu has hurt others", i);
    }
    cr_expect_eq(site_worker(&site), worker, "the worker has died");
    cr_expect_not(http_stream_wait_end(stream, 0), "a stream was ended");
    http_stream_close(stream, NULL);
    free(socket_path);
    site_close(&site);
}

/* FACTS 3: libfcgi calls a request whole when the stream ends between two parameters. */
Test(fastcgi_records, a_request_that_is_cut_anywhere_is_never_answered)
{
    struct site site = site_open(NULL);
    char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
    struct buffer request = {0};
    pid_t worker = site_worker(&site);
    fastcgi_get(&request, "/null", NULL, 0);
    size_t params_end = request.length - 2 * RECORD_HEADER_BYTES;
    for (size_t length = 0; length <= params_end; length++) {
        int fd = fastcgi_connect(socket_path);
        fastcgi_write(fd, &(struct buffer){.data = request.data, .length = length});
        shutdown(fd, SHUT_WR);
        struct fastcgi_answer answer = fastcgi_read_answer(fd);
        cr_expect_eq(answer.out.length, 1, "after %zu bytes: %s", length, answer.out.data);
        fastcgi_answer_fini(&answer);
        close(fd);
    }
    cr_expect_eq(site_worker(&site), worker);
    buffer_fini(&request);
    free(socket_path);
    site_close(&site);
}

Test(fastcgi_records, a_request_that_comes_byte_by_byte_is_answered)
{
    struct site site = site_open(NULL);
    char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
    struct buffer request = {0};
    fastcgi_get(&request, "/null", NULL, FASTCGI_KEEP);
    int fd = fastcgi_connect(socket_path);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < request.length; i++) {
            fastcgi_write(fd, &(struct buffer){.data = request.data + i, .length = 1});
            usleep(100);
        }
        struct fastcgi_answer answer = fastcgi_read_answer(fd);
        cr_expect(answer.has_end && strstr(answer.out.data, "\"route\":\"null\"") != NULL, "%s", answer.out.data);
        fastcgi_answer_fini(&answer);
    }
    close(fd);
    buffer_fini(&request);
    free(socket_path);
    site_close(&site);
}

/* -------------------- a conversation -------------------- */

/* A site, a connection to its worker, and what is about to be sent on it. */
struct talk {
    struct site site;
    char *socket_path;
    int fd;
    struct buffer bytes;
};

static struct talk talk_open(const char *const settings[])
{
    struct talk talk = {.site = site_open_app(settings)};
    talk.socket_path = text_printf("%s/worker-0.sock", talk.site.stack->dir);
    talk.fd = fastcgi_connect(talk.socket_path);
    return talk;
}

static void talk_close(struct talk *talk)
{
    close(talk->fd);
    buffer_fini(&talk->bytes);
    free(talk->socket_path);
    site_close(&talk->site);
}

static void say(struct talk *talk)
{
    fastcgi_write(talk->fd, &talk->bytes);
    talk->bytes.length = 0;
}

static void expect_record(struct talk *talk, int type, int id, const void *content, size_t bytes)
{
    struct fastcgi_raw_record record = fastcgi_read_raw(talk->fd);
    cr_expect_eq(record.type, type, "type %d, not %d", record.type, type);
    cr_expect_eq(record.id, id, "id %d, not %d", record.id, id);
    cr_expect(record.content.length == bytes && (bytes == 0 || memcmp(record.content.data, content, bytes) == 0),
              "%zu bytes of other content", record.content.length);
    buffer_fini(&record.content);
}

/* A complete response with this text in it. */
static void expect_answer(struct talk *talk, const char *text)
{
    struct fastcgi_answer answer = fastcgi_read_answer(talk->fd);
    cr_expect(answer.has_end && strstr(answer.out.data, text) != NULL, "not \"%s\", but: %s", text, answer.out.data);
    fastcgi_answer_fini(&answer);
}

static const char null_answer[] = "Status: 200 OK\r\n";

static void put_get(struct buffer *out, const char *path, int flags)
{
    fastcgi_get(out, path, NULL, flags);
}

/* -------------------- 3.3 and 5.1: padding, and connections that are not kept -------------------- */

Test(fastcgi_records, padding_is_legal_everywhere)
{
    struct talk talk = talk_open(NULL);
    for (int padding = 0; padding < 256; padding += 51) {
        struct buffer plain = {0};
        put_get(&plain, "/null", FASTCGI_KEEP);
        fastcgi_pad(&talk.bytes, &plain, (uint8_t)padding);
        buffer_fini(&plain);
        say(&talk);
        expect_answer(&talk, null_answer);
    }
    talk_close(&talk);
}

Test(fastcgi_records, a_connection_that_is_not_kept_is_closed_after_the_response_and_not_before)
{
    struct talk talk = talk_open(NULL);
    for (int i = 0; i < 20; i++) {
        int fd = fastcgi_connect(talk.socket_path);
        struct buffer bytes = {0};
        fastcgi_post(&bytes, "/redis", "PING\n", "5", 0);
        /* In pieces: the body comes when the head has long been read. */
        for (size_t at = 0; at < bytes.length; at += 40) {
            fastcgi_write(fd, &(struct buffer){.data = bytes.data + at,
                                               .length = bytes.length - at < 40 ? bytes.length - at : 40});
            usleep((useconds_t)(i % 4 * 100));
        }
        struct fastcgi_answer answer = fastcgi_read_answer(fd);
        cr_expect(answer.has_end && strstr(answer.out.data, "PONG") != NULL, "%s", answer.out.data);
        cr_expect(fastcgi_is_closed(fd));
        fastcgi_answer_fini(&answer);
        buffer_fini(&bytes);
        close(fd);
    }
    talk_close(&talk);
}

/* -------------------- 4: management records -------------------- */

static void put_get_values(struct buffer *out, int repeated)
{
    struct buffer pairs = {0};
    fastcgi_pair(&pairs, "FCGI_MPXS_CONNS", "");
    for (int i = 0; i < repeated; i++) /* libfcgi overflows a buffer when it gets them (FACTS 10) */
        fastcgi_pair(&pairs, "FCGI_MAX_CONNS", "");
    fastcgi_pair(&pairs, "FCGI_UNHEARD_OF", "");
    fastcgi_record(out, RECORD_GET_VALUES, 0, pairs.data, pairs.length);
    buffer_fini(&pairs);
}

static void expect_values(struct talk *talk)
{
    struct buffer pairs = {0};
    fastcgi_pair(&pairs, "FCGI_MPXS_CONNS", "0");
    fastcgi_pair(&pairs, "FCGI_MAX_CONNS", "25000");
    expect_record(talk, RECORD_GET_VALUES_RESULT, 0, pairs.data, pairs.length);
    buffer_fini(&pairs);
}

Test(fastcgi_records, values_are_told_between_requests_and_inside_of_them)
{
    struct talk talk = talk_open(NULL);
    put_get_values(&talk.bytes, 1);
    say(&talk);
    expect_values(&talk);
    put_get_values(&talk.bytes, 20);
    put_get(&talk.bytes, "/null", FASTCGI_KEEP);
    say(&talk);
    expect_values(&talk);
    expect_answer(&talk, null_answer);
    fastcgi_begin(&talk.bytes, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    put_get_values(&talk.bytes, 1);
    put_params(&talk.bytes, NULL, NULL);
    fastcgi_record(&talk.bytes, RECORD_PARAMS, 1, NULL, 0);
    put_get_values(&talk.bytes, 1);
    fastcgi_record(&talk.bytes, RECORD_STDIN, 1, NULL, 0);
    say(&talk);
    expect_values(&talk);
    expect_values(&talk);
    expect_answer(&talk, null_answer);
    talk_close(&talk);
}

Test(fastcgi_records, an_unknown_type_is_called_so)
{
    struct talk talk = talk_open(NULL);
    fastcgi_record(&talk.bytes, 77, 0, "x", 1);
    put_get(&talk.bytes, "/null", FASTCGI_KEEP);
    say(&talk);
    expect_record(&talk, RECORD_UNKNOWN_TYPE, 0, "\x4d\0\0\0\0\0\0", 8);
    expect_answer(&talk, null_answer);
    talk_close(&talk);
}

/* -------------------- 5.4 and 5.5: requests that are refused, or given up -------------------- */

Test(fastcgi_records, another_role_and_a_request_inside_of_another_are_refused_and_the_connection_goes_on)
{
    struct talk talk = talk_open(NULL);
    fastcgi_begin(&talk.bytes, 3, 2, FASTCGI_KEEP); /* an authorizer */
    fastcgi_record(&talk.bytes, RECORD_PARAMS, 3, NULL, 0);
    put_get(&talk.bytes, "/null", FASTCGI_KEEP);
    say(&talk);
    expect_record(&talk, RECORD_END_REQUEST, 3, "\0\0\0\0\3\0\0", 8);
    expect_answer(&talk, null_answer);

    fastcgi_begin(&talk.bytes, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    put_params(&talk.bytes, NULL, NULL);
    fastcgi_begin(&talk.bytes, 2, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_record(&talk.bytes, RECORD_PARAMS, 2, NULL, 0);
    fastcgi_record(&talk.bytes, RECORD_STDIN, 2, NULL, 0);
    fastcgi_record(&talk.bytes, RECORD_PARAMS, 1, NULL, 0);
    fastcgi_record(&talk.bytes, RECORD_STDIN, 1, NULL, 0);
    say(&talk);
    expect_record(&talk, RECORD_END_REQUEST, 2, "\0\0\0\0\1\0\0", 8);
    expect_answer(&talk, null_answer);
    talk_close(&talk);
}

/* A web server waits for END_REQUEST. What comes before it waits, and is served then. */
Test(fastcgi_records, a_request_that_does_not_wait_for_the_end_of_the_one_before_is_answered_after_it)
{
    struct talk talk = talk_open(NULL);
    for (int i = 0; i < 5; i++)
        put_get(&talk.bytes, "/null", FASTCGI_KEEP);
    say(&talk);
    for (int i = 0; i < 5; i++)
        expect_answer(&talk, null_answer);
    talk_close(&talk);
}

Test(fastcgi_records, a_stream_and_a_wait_that_are_given_up_end)
{
    static const char *const paths[] = {"/rest", "/sleep"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct talk talk = talk_open(NULL);
        put_get(&talk.bytes, paths[i], FASTCGI_KEEP);
        say(&talk);
        if (i == 0)
            free(fastcgi_read_raw(talk.fd).content.data); /* the head */
        else
            usleep(100000);
        put_get_values(&talk.bytes, 1); /* which is not what it waits for */
        fastcgi_record(&talk.bytes, RECORD_ABORT_REQUEST, 1, NULL, 0);
        say(&talk);
        struct fastcgi_answer answer = fastcgi_read_answer(talk.fd);
        cr_expect(answer.is_closed, "%s goes on", paths[i]);
        fastcgi_answer_fini(&answer);
        talk_close(&talk);
    }
}

Test(fastcgi_records, an_abort_right_behind_its_request_ends_the_stream)
{
    struct talk talk = talk_open(NULL);
    put_get(&talk.bytes, "/rest", FASTCGI_KEEP);
    fastcgi_record(&talk.bytes, RECORD_ABORT_REQUEST, 1, NULL, 0);
    say(&talk);
    struct fastcgi_answer answer = fastcgi_read_answer(talk.fd);
    cr_expect(answer.is_closed, "it goes on");
    fastcgi_answer_fini(&answer);
    talk_close(&talk);
}

Test(fastcgi_records, a_connection_that_is_not_kept_ends_without_a_reset_also_behind_padding)
{
    struct talk talk = talk_open(NULL);
    for (int i = 0; i < 20; i++) {
        struct buffer plain = {0};
        char byte;
        int fd = fastcgi_connect(talk.socket_path);
        put_get(&plain, "/null", 0);
        fastcgi_pad(&talk.bytes, &plain, 255);
        fastcgi_write(fd, &talk.bytes);
        struct fastcgi_answer answer = fastcgi_read_answer(fd);
        cr_expect(answer.has_end);
        cr_expect_eq(recv(fd, &byte, 1, 0), 0, "not the end, but a reset");
        fastcgi_answer_fini(&answer);
        close(fd);
        talk.bytes.length = 0;
        buffer_fini(&plain);
    }
    talk_close(&talk);
}

Test(fastcgi_records, an_abort_of_a_request_that_is_over_is_nothing)
{
    struct talk talk = talk_open(NULL);
    put_get(&talk.bytes, "/null", FASTCGI_KEEP);
    say(&talk);
    expect_answer(&talk, null_answer);
    fastcgi_record(&talk.bytes, RECORD_ABORT_REQUEST, 1, NULL, 0);
    put_get(&talk.bytes, "/null", FASTCGI_KEEP);
    say(&talk);
    expect_answer(&talk, null_answer);
    talk_close(&talk);
}

static void put_huge_length(struct buffer *out)
{
    static const unsigned char pair[] = {0x80 | 0x7f, 0xff, 0xff, 0xff, 0x80 | 0x7f, 0xff, 0xff, 0xff, 'x'};
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_record(out, RECORD_PARAMS, 1, pair, sizeof(pair));
}

static void put_too_many_params(struct buffer *out)
{
    char value[60001];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    put_params(out, "A", value);
    put_params(out, "B", value);
}

Test(fastcgi_records, more_parameters_than_allowed_are_a_431)
{
    static put_bytes *const rows[] = {put_huge_length, put_too_many_params};
    struct talk talk = talk_open(NULL);
    for (size_t i = 0; i < 2; i++) {
        rows[i](&talk.bytes);
        say(&talk);
        expect_answer(&talk, "Status: 431 Request Header Fields Too Large\r\n");
        cr_expect(fastcgi_is_closed(talk.fd));
        close(talk.fd);
        talk.fd = fastcgi_connect(talk.socket_path);
    }
    talk_close(&talk);
}

/* -------------------- bodies -------------------- */

Test(fastcgi_records, a_body_that_is_not_as_long_as_told_is_a_400)
{
    static const struct {
        const char *length;
        const char *says;
    } rows[] = {
        {"4", "longer than its Content-Length"},
        {"6", "the body has 5 bytes"},
        {"five", "not a number"},
        {"-5", "not a number"},
        {"5,5", "not a number"},
        {"0x5", "not a number"},
        {"99999999999999999999", "not a number"},
    };
    struct talk talk = talk_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fastcgi_post(&talk.bytes, "/redis", "PING\n", rows[i].length, FASTCGI_KEEP);
        say(&talk);
        struct fastcgi_answer answer = fastcgi_read_answer(talk.fd);
        cr_expect(strstr(answer.out.data, "Status: 400 ") != NULL && strstr(answer.out.data, rows[i].says) != NULL,
                  "\"%s\": %s", rows[i].length, answer.out.data);
        fastcgi_answer_fini(&answer);
    }
    fastcgi_post(&talk.bytes, "/redis", "PING\n", "005", FASTCGI_KEEP);
    fastcgi_post(&talk.bytes, "/redis", "PING\n", "", FASTCGI_KEEP);
    say(&talk);
    expect_answer(&talk, "PONG");
    expect_answer(&talk, "PONG");
    talk_close(&talk);
}

/* -------------------- time -------------------- */

/* Sends what is left in pieces of a byte, slowly, until an answer comes. */
static void dribble(struct talk *talk, const char *expected)
{
    struct buffer bytes = talk->bytes;
    size_t at = 0;
    while (at < bytes.length && !fastcgi_has_answer(talk->fd, 100)) {
        fastcgi_write(talk->fd, &(struct buffer){.data = bytes.data + at, .length = 1});
        at++;
    }
    cr_expect_lt(at, bytes.length, "nobody minds");
    expect_answer(talk, expected);
    cr_expect(fastcgi_is_closed(talk->fd));
    talk->bytes.length = 0;
}

Test(fastcgi_records, a_head_that_comes_too_slowly_is_a_408)
{
    struct talk talk = talk_open(SETTINGS("MIDSTREAM_REQUEST_TIMEOUT_MS=1500"));
    fastcgi_begin(&talk.bytes, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    say(&talk);
    put_params(&talk.bytes, "HTTP_X_LONG", "and longer, and longer");
    dribble(&talk, "Status: 408 ");
    talk_close(&talk);
}

Test(fastcgi_records, a_body_that_comes_too_slowly_is_a_408)
{
    char body[256];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    struct talk talk = talk_open(SETTINGS("MIDSTREAM_REQUEST_TIMEOUT_MS=1500"));
    fastcgi_post(&talk.bytes, "/redis", body, "255", FASTCGI_KEEP);
    size_t head_bytes = talk.bytes.length - 255 - (size_t)2 * RECORD_HEADER_BYTES;
    fastcgi_write(talk.fd, &(struct buffer){.data = talk.bytes.data, .length = head_bytes});
    memmove(talk.bytes.data, talk.bytes.data + head_bytes, talk.bytes.length - head_bytes);
    talk.bytes.length -= head_bytes;
    dribble(&talk, "Status: 408 ");
    talk_close(&talk);
}

Test(fastcgi_records, a_connection_that_stops_in_the_middle_of_a_request_is_answered_and_closed)
{
    struct talk talk = talk_open(SETTINGS("MIDSTREAM_READ_TIMEOUT_MS=200"));
    fastcgi_begin(&talk.bytes, 1, FASTCGI_RESPONDER, 0);
    say(&talk);
    expect_answer(&talk, "Status: 408 ");
    cr_expect(fastcgi_is_closed(talk.fd));
    cr_expect(site_wait_log(&talk.site, "connection.read-timeout"));
    talk_close(&talk);
}

/* 2 KiB take 1.2 s, a tenth of what they add. */
Test(fastcgi_records, a_body_that_comes_steadily_has_its_time)
{
    struct talk talk = talk_open(SETTINGS("MIDSTREAM_REQUEST_TIMEOUT_MS=500"));
    char body[2049] = "PING\n";
    memset(body + 5, '\n', sizeof(body) - 6);
    fastcgi_post(&talk.bytes, "/redis", body, "2048", FASTCGI_KEEP);
    for (size_t at = 0; at < talk.bytes.length; at += 200) {
        size_t left = talk.bytes.length - at;
        fastcgi_write(talk.fd, &(struct buffer){.data = talk.bytes.data + at, .length = left < 200 ? left : 200});
        usleep(100000);
    }
    struct fastcgi_answer answer = fastcgi_read_answer(talk.fd);
    cr_expect(answer.has_end && strstr(answer.out.data, "Status: 408") == NULL, "%s", answer.out.data);
    fastcgi_answer_fini(&answer);
    talk_close(&talk);
}

/* What the other side has not taken out of the socket (unix(7), SIOCOUTQ); -1: the kernel does not tell. */
static int untaken_bytes(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

static bool is_all_taken(void *arg)
{
    return untaken_bytes(*(int *)arg) == 0;
}

/* Or over TCP a few bytes that stay could hold up the whole window. */
Test(fastcgi_records, what_has_come_of_a_body_is_taken_out_of_the_socket_while_the_rest_is_awaited)
{
    enum { REST_BYTES = 50 }; /* and the record that ends the body */
    struct talk talk = talk_open(NULL);
    char body[101] = "PING\n";
    memset(body + 5, '\n', sizeof(body) - 6);
    fastcgi_post(&talk.bytes, "/redis", body, "100", FASTCGI_KEEP);
    size_t first = talk.bytes.length - REST_BYTES - RECORD_HEADER_BYTES;
    fastcgi_write(talk.fd, &(struct buffer){.data = talk.bytes.data, .length = first});
    cr_expect(wait_until(is_all_taken, &talk.fd, PATIENCE_MS), "%d bytes are held", untaken_bytes(talk.fd));
    fastcgi_write(talk.fd, &(struct buffer){.data = talk.bytes.data + first, .length = talk.bytes.length - first});
    struct fastcgi_answer answer = fastcgi_read_answer(talk.fd);
    cr_expect(answer.has_end, "%s", answer.out.data);
    fastcgi_answer_fini(&answer);
    talk_close(&talk);
}

/* -------------------- what a request is for -------------------- */

static void put_request(struct buffer *out, const char *const pairs[][2])
{
    struct buffer params = {0};
    for (size_t i = 0; pairs[i][0] != NULL; i++)
        fastcgi_pair(&params, pairs[i][0], pairs[i][1]);
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_record(out, RECORD_PARAMS, 1, params.data, params.length);
    fastcgi_record(out, RECORD_PARAMS, 1, NULL, 0);
    fastcgi_record(out, RECORD_STDIN, 1, NULL, 0);
    buffer_fini(&params);
}

Test(fastcgi_records, the_target_is_read_from_what_there_is)
{
    static const char *const rows[][6][2] = {
        {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/header/X-Which"}, {"HTTP_X_WHICH", "origin-form"}},
        {{"REQUEST_METHOD", "GET"},
         {"REQUEST_URI", "http://a.example/header/X-Which"},
         {"HTTP_X_WHICH", "absolute-form"}},
        {{"REQUEST_METHOD", "GET"},
         {"REQUEST_URI", "HTTPS://a.example:8443/header/X-Which?a=b"},
         {"HTTP_X_WHICH", "absolute-form with a query"}},
        {{"REQUEST_METHOD", "GET"},
         {"SCRIPT_NAME", "/header"},
         {"PATH_INFO", "/X-Which"},
         {"HTTP_X_WHICH", "two pieces"}},
        {{"REQUEST_METHOD", "GET"},
         {"SCRIPT_NAME", "/header/X-Which"},
         {"QUERY_STRING", "a=b"},
         {"HTTP_X_WHICH", "a script"}},
        {{"REQUEST_METHOD", "GET"}, {"PATH_INFO", "/header/X-Which"}, {"HTTP_X_WHICH", "a path"}},
        {{"REQUEST_METHOD", "GET"},
         {"REQUEST_URI", "/header/X-Which"},
         {"REQUEST_URI", "/null"},
         {"HTTP_X_WHICH", "the first one"},
         {"HTTP_X_WHICH", "the second one"}},
    };
    struct talk talk = talk_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *expected = NULL;
        for (size_t k = 0; k < 6 && rows[i][k][0] != NULL && expected == NULL; k++)
            if (strcmp(rows[i][k][0], "HTTP_X_WHICH") == 0)
                expected = rows[i][k][1];
        put_request(&talk.bytes, rows[i]);
        say(&talk);
        expect_answer(&talk, expected);
    }
    talk_close(&talk);
}
