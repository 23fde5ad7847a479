/*
 * FastCGI 1.0 as other web servers speak it, and as none would: what nginx never sends (management records, other
 * roles, padding, connections that are not kept), and what breaks the rules.
 */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fastcgi_talk.h"
#include "fcgi/record_filter.h"
#include "site.h"

TestSuite(fastcgi_records, .timeout = 90);

/* -------------------- FastCGI that no web server would send -------------------- */

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
    OWNED char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
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
    site_close(&site);
}

/* libfcgi calls a request whole when the stream ends between two parameters. */
Test(fastcgi_records, a_request_that_is_cut_anywhere_is_never_answered)
{
    struct site site = site_open(NULL);
    OWNED char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
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
    site_close(&site);
}

Test(fastcgi_records, a_request_that_comes_byte_by_byte_is_answered)
{
    struct site site = site_open(NULL);
    OWNED char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
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
    site_close(&site);
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
    for (int i = 0; i < repeated; i++) /* libfcgi overflows a buffer when it gets them */
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
