/* Every kind of response, crawled: the fields that protect it are there, each once, whoever answers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "site.h"

TestSuite(security_headers, .timeout = 90);

static const char *const expected[] = {
    "\r\nX-Content-Type-Options: nosniff\r\n",           "\r\nReferrer-Policy: same-origin\r\n",
    "\r\nCross-Origin-Opener-Policy: same-origin\r\n",   "\r\nCross-Origin-Resource-Policy: same-origin\r\n",
    "\r\nContent-Security-Policy: default-src 'none'; ", "base-uri 'none'; frame-ancestors 'none'\r\n",
};

static void expect_protected(const char *what, const char *response)
{
    const char *end = strstr(response, "\r\n\r\n");
    cr_assert_not_null(end, "%s: %s", what, response);
    OWNED char *head = strndup(response, (size_t)(end - response) + 2);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        cr_expect_eq(text_count(head, expected[i]), 1, "%s: %s%s", what, expected[i], head);
    static const char *const once[] = {
        "\r\nContent-Type:", "\r\nCache-Control:", "\r\nAllow:", "\r\nContent-Range:", "\r\nETag:"};
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        cr_expect_leq(text_count(head, once[i]), 1, "%s: %s more than once:\n%s", what, once[i] + 2, head);
    cr_expect_null(strstr(head, "\r\nServer: nginx/"), "%s: the version of nginx is told", what);
}

static bool is_unreachable(void *arg)
{
    return site_send(arg, "GET", "/null", NULL, NULL) == 502;
}

/* The response of HTTP/1.1, as it stands. */
static char *ask(const struct site *site, const char *line, const char *fields)
{
    OWNED char *request = text_printf("%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", line, fields);
    int fd = raw_request(site, request);
    char *response = raw_rest(fd);
    close(fd);
    return response;
}

static void expect_page(const struct site *site, const char *line, const char *fields, int status)
{
    OWNED char *what = text_printf("%s (%s)", line, fields);
    OWNED char *start = text_printf("HTTP/1.1 %d ", status);
    OWNED char *response = ask(site, line, fields);
    cr_expect_eq(strncmp(response, start, strlen(start)), 0, "%s: %.100s", what, response);
    expect_protected(what, response);
}

Test(security_headers, they_are_on_every_kind_of_response_once)
{
    static const struct {
        const char *line;
        const char *fields;
        int status;
    } rows[] = {
        /* files */
        {"GET /", "", 200},
        {"HEAD /", "", 200},
        {"GET /assets/app.js", "", 200},
        {"GET /assets/style.css", "Accept-Encoding: gzip\r\n", 200},
        {"GET /assets/app.js", "Range: bytes=0-9\r\n", 200},
        {"GET /assets/app.js", "Range: bytes=999999-\r\n", 200},
        {"GET /assets/app.js", "If-None-Match: *\r\n", 304},
        {"GET /assets/none.js", "", 404},
        {"POST /assets/app.js", "Content-Length: 0\r\n", 405},
        {"DELETE /assets/app.js", "", 405},
        {"GET /favicon.ico", "", 204},
        {"GET /%zz", "", 400},
        {"GET /null", "Host: twice\r\n", 400},
        /* workers */
        {"GET /null", "", 200},
        {"HEAD /null", "", 200},
        {"GET /counter", "", 200},
        {"GET /api/session", "", 200},
        {"GET /stream?count=2&interval_ms=1", "", 200},
        {"HEAD /stream", "", 200},
        {"GET /events?count=2&interval_ms=1", "", 200},
        {"GET /events", "Last-Event-ID: midstream-end\r\n", 204},
        {"GET /rows?count=2&interval_ms=1", "", 200},
        {"GET /fail?at=1", "", 200},
        {"GET /after?delay_ms=1", "", 200},
        {"GET /nowhere", "", 404},
        {"GET /nowhere", "Accept: application/json\r\n", 404},
        {"POST /null", "Content-Length: 0\r\n", 405},
        {"GET /stream?count=none", "", 400},
        {"PUT /api/session/x", "Content-Length: 1\r\nSec-Fetch-Site: cross-site\r\n\r\nx", 403},
        {"POST /login", "Content-Length: 99999999\r\n", 413},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_page(&site, rows[i].line, rows[i].fields, rows[i].status);

    site_stop_redis(&site);
    expect_page(&site, "GET /counter", "", 503);
    expect_page(&site, "GET /events", "Accept: text/event-stream\r\n", 200);
    site_resume_redis(&site);

    process_signal(site.stack->master, SIGKILL);
    cr_assert(wait_until(is_unreachable, &site, PATIENCE_MS));
    expect_page(&site, "GET /null", "", 502);
    expect_page(&site, "GET /events", "Accept: text/event-stream\r\n", 200);
    expect_page(&site, "GET /", "", 200);
    site_close(&site);
}

/* Such as nginx answers before it knows what is asked for: they have no address that a location could be found by. */
Test(security_headers, requests_that_cannot_be_read_are_answered_as_all_others)
{
    enum { TOO_LONG = 40000 };
    static const struct {
        const char *head; /* what is long comes in the place of LONG, at its end */
        const char *rest;
        int status;
    } rows[] = {
        {"nonsense", "\r\n\r\n", 400},
        {"GET /null HTTP/1.1\r\n", "\r\n", 400},
        {"POST /null HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n", "\r\n", 400},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n", "\r\n", 400},
        {"GET /LONG", " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {"GET /null HTTP/1.1\r\nHost: a\r\nX: LONG", "\r\n\r\n", 431},
        {"POST /null HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n", "\r\n", 501},
        {"GET / HTTP/9.9\r\nHost: a\r\n", "\r\n", 505},
    };
    char filler[TOO_LONG + 1];
    memset(filler, 'a', TOO_LONG);
    filler[TOO_LONG] = '\0';
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *mark = strstr(rows[i].head, "LONG");
        size_t head = mark != NULL ? (size_t)(mark - rows[i].head) : strlen(rows[i].head);
        OWNED char *request =
            text_printf("%.*s%s%s", (int)head, rows[i].head, mark != NULL ? filler : "", rows[i].rest);
        OWNED char *start = text_printf("HTTP/1.1 %d ", rows[i].status);
        OWNED char *body = text_printf("\r\n\r\n{\"error\":\"MID_%s\",\"status\":%d,",
                                       rows[i].status == 431 ? "TOO_LARGE" : "BAD_REQUEST", rows[i].status);
        int fd = raw_request(&site, request);
        OWNED char *response = raw_rest(fd);
        close(fd);
        cr_expect_eq(strncmp(response, start, strlen(start)), 0, "%s: %.100s", rows[i].head, response);
        cr_expect_not_null(strstr(response, body), "%s: %s", rows[i].head, response);
        expect_protected(rows[i].head, response);
    }
    site_close(&site);
}

Test(security_headers, nginx_says_which_methods_its_files_have)
{
    struct site site = site_open(NULL);
    char *response = ask(&site, "POST /assets/app.js", "Content-Length: 0\r\n");
    cr_expect_not_null(strstr(response, "\r\nAllow: GET, HEAD\r\n"), "%s", response);
    cr_expect_not_null(strstr(response, "{\"error\":\"MID_METHOD\",\"status\":405,"), "%s", response);
    free(response);
    response = ask(&site, "POST /null", "Content-Length: 0\r\n");
    cr_expect_eq(text_count(response, "\r\nAllow: "), 1, "%s", response);
    free(response);
    site_close(&site);
}

Test(security_headers, files_are_compressed_and_responses_of_workers_are_not)
{
    static const struct {
        const char *line;
        bool is_compressed;
    } rows[] = {{"GET /", true},      {"GET /assets/app.js", true},   {"GET /assets/style.css", true},
                {"GET /null", false}, {"GET /stream?count=1", false}, {"GET /api/session", false}};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OWNED char *response = ask(&site, rows[i].line, "Accept-Encoding: gzip\r\n");
        cr_expect_eq(text_count(response, "\r\nContent-Encoding: gzip\r\n"), rows[i].is_compressed, "%s: %.600s",
                     rows[i].line, response);
    }
    site_close(&site);
}
