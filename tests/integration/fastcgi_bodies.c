/* FastCGI 1.0: bodies and their time, and what a request is for. */
#include <criterion/criterion.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "fastcgi_talk.h"
#include "fcgi/record_filter.h"
#include "site.h"

TestSuite(fastcgi_bodies, .timeout = 90);

/* -------------------- bodies -------------------- */

Test(fastcgi_bodies, a_body_that_is_not_as_long_as_told_is_a_400)
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

Test(fastcgi_bodies, a_head_that_comes_too_slowly_is_a_408)
{
    struct talk talk = talk_open(SETTINGS("MIDSTREAM_REQUEST_TIMEOUT_MS=1500"));
    fastcgi_begin(&talk.bytes, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    say(&talk);
    put_params(&talk.bytes, "HTTP_X_LONG", "and longer, and longer");
    dribble(&talk, "Status: 408 ");
    talk_close(&talk);
}

Test(fastcgi_bodies, a_body_that_comes_too_slowly_is_a_408)
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

Test(fastcgi_bodies, a_connection_that_stops_in_the_middle_of_a_request_is_answered_and_closed)
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
Test(fastcgi_bodies, a_body_that_comes_steadily_has_its_time)
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
Test(fastcgi_bodies, what_has_come_of_a_body_is_taken_out_of_the_socket_while_the_rest_is_awaited)
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

Test(fastcgi_bodies, the_target_is_read_from_what_there_is)
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
