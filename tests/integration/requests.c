/* Requests: refusals, HEAD, bodies, connections. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fastcgi.h"
#include "site.h"

TestSuite(requests, .timeout = 90);

/* -------------------- refusals -------------------- */

Test(requests, what_is_wrong_is_refused_by_its_status_and_said)
{
    OWNED char *too_much = calloc(1, 65 * 1024 + 1);
    OWNED char *far_too_much = calloc(1, 2 * 1024 * 1024 + 1);
    memset(too_much, 'x', 65 * 1024);
    memset(far_too_much, 'x', 2 * 1024 * 1024);
    const struct {
        const char *method;
        const char *path;
        const char *body;
        int status;
        const char *error;
        const char *says;
    } rows[] = {
        {"GET", "/nowhere", NULL, 404, "MID_NOT_FOUND", "nothing at this address"},
        {"GET", "/api/session/x/y", NULL, 404, "MID_NOT_FOUND", ""},
        {"POST", "/counter", "", 405, "MID_METHOD", "not allowed here"},
        {"GET", "/login", NULL, 405, "MID_METHOD", ""},
        {"PUT", "/api/session/big", too_much, 413, "MID_TOO_LARGE", "65536 bytes"},
        {"PUT", "/api/session/big", far_too_much, 413, "MID_TOO_LARGE", "the request body is too large"},
        {"GET", "/stream?count=many", NULL, 400, "MID_BAD_REQUEST", "the parameter \\\"count\\\" has to be"},
        {"GET", "/stream?count=-1", NULL, 400, "MID_BAD_REQUEST", "from 0 to 1000000"},
        {"GET", "/events?interval_ms=1.5", NULL, 400, "MID_BAD_REQUEST", "\\\"interval_ms\\\""},
        {"GET", "/rows?count=99999999999999999999", NULL, 400, "MID_BAD_REQUEST", "\\\"count\\\""},
        {"GET", "/chat", NULL, 400, "MID_BAD_REQUEST", "\\\"prompt\\\""},
        {"POST", "/api/session/n/increment?by=", "", 400, "MID_BAD_REQUEST", "\\\"by\\\""},
        {"POST", "/login", "user=grace", 400, "MID_BAD_REQUEST", "application/x-www-form-urlencoded"},
        {"GET", "/api/session/%FF", NULL, 400, "MID_BAD_REQUEST", ""},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        OWNED char *url = stack_url(site.stack, rows[i].path);
        http_send(&(struct http_request){.method = rows[i].method,
                                         .url = url,
                                         .headers = SETTINGS("Accept: application/json", "Content-Type: text/plain"),
                                         .body = rows[i].body},
                  &response);
        OWNED char *error = text_printf("{\"error\":\"%s\",\"status\":%d,\"detail\":\"", rows[i].error, rows[i].status);
        cr_expect_eq(response.status, rows[i].status, "%s %s: %d", rows[i].method, rows[i].path, response.status);
        cr_expect(strncmp(response.body.data, error, strlen(error)) == 0, "%s: %s", rows[i].path, response.body.data);
        cr_expect(strstr(response.body.data, rows[i].says) != NULL, "%s: %s", rows[i].path, response.body.data);
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(requests, a_wrong_method_is_told_the_right_ones)
{
    static const char *const rows[][3] = {
        {"POST", "/counter", "GET, HEAD, OPTIONS"},
        {"PATCH", "/api/session/x", "PUT, DELETE, OPTIONS"},
        {"DELETE", "/logout", "POST, OPTIONS"},
        {"PUT", "/api/session", "GET, HEAD, OPTIONS"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        cr_expect_eq(site_send(&site, rows[i][0], rows[i][1], NULL, &response), 405);
        OWNED char *allow = http_response_header(&response, "Allow", 0);
        cr_expect_str_eq(allow, rows[i][2], "%s %s: %s", rows[i][0], rows[i][1], allow);
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(requests, an_error_is_text_or_json_as_the_client_accepts)
{
    static const char *const rows[][2] = {
        {"Accept: application/json", "application/json"},
        {"Accept: text/plain", "text/plain; charset=utf-8"},
        {"Accept: text/plain;q=0.5, application/json", "application/json"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        OWNED char *url = stack_url(site.stack, "/nowhere");
        http_send(&(struct http_request){.url = url, .headers = SETTINGS(rows[i][0])}, &response);
        OWNED char *type = http_response_header(&response, "Content-Type", 0);
        OWNED char *caching = http_response_header(&response, "Cache-Control", 0);
        cr_expect_str_eq(type, rows[i][1]);
        cr_expect_str_eq(caching, "no-store");
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(requests, head_is_get_without_the_body)
{
    static const char *const paths[] = {"/",       "/null", "/counter", "/api/session", "/stream?count=1",
                                        "/events", "/rows", "/fail",    "/after",       "/nowhere"};
    struct site site = site_open(NULL);
    site_make_session(&site);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_response response;
        int status = site_send(&site, "HEAD", paths[i], NULL, &response);
        cr_expect_eq(status, strcmp(paths[i], "/nowhere") == 0 ? 404 : 200, "%s: %d", paths[i], status);
        cr_expect_eq(response.body.length, 0, "%s", paths[i]);
        http_response_fini(&response);
    }
    struct http_response get;
    struct http_response head;
    site_send(&site, "GET", "/null", NULL, &get);
    site_send(&site, "HEAD", "/null", NULL, &head);
    OWNED char *length = http_response_header(&head, "Content-Length", 0);
    cr_assert_not_null(length);
    cr_expect_eq(strtoul(length, NULL, 10), get.body.length);
    http_response_fini(&head);
    http_response_fini(&get);
    site_close(&site);
}

Test(requests, the_page_and_its_files_come_with_the_headers_that_protect_them)
{
    static const char *const paths[] = {"/", "/assets/app.js", "/assets/style.css", "/null", "/nowhere"};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_response response;
        site_send(&site, "GET", paths[i], NULL, &response);
        OWNED char *sniff = http_response_header(&response, "X-Content-Type-Options", 0);
        OWNED char *policy = http_response_header(&response, "Content-Security-Policy", 0);
        cr_expect_str_eq(sniff, "nosniff");
        cr_expect(policy != NULL && strstr(policy, "default-src 'none'") != NULL);
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(requests, thirty_kilobytes_of_header_fields_reach_the_handler)
{
    enum { FIELDS = 60, VALUE_BYTES = 490 };
    struct site site = site_open_app(NULL);
    struct buffer request = {0};
    buffer_append_text(&request, "GET /header/X-Field-59 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (int i = 0; i < FIELDS; i++)
        buffer_printf(&request, "X-Field-%d: %d%0*d\r\n", i, i, VALUE_BYTES, 0);
    buffer_append(&request, "\r\n", 3);
    int fd = raw_request(&site, request.data);
    OWNED char *response = raw_rest(fd);
    OWNED char *value = text_printf("\r\n\r\n59%0*d", VALUE_BYTES, 0);
    cr_expect(strncmp(response, "HTTP/1.1 200 ", 13) == 0 && text_ends(response, value), "%.600s", response);
    close(fd);
    buffer_fini(&request);
    site_close(&site);
}

Test(requests, another_site_may_look_but_not_change)
{
    static const struct {
        const char *method;
        const char *path;
        const char *header;
        int status;
    } rows[] = {
        {"PUT", "/api/session/x", "Sec-Fetch-Site: cross-site", 403},
        {"PUT", "/api/session/x", "Sec-Fetch-Site: same-site", 403},
        {"POST", "/logout", "Origin: https://evil.example", 403},
        {"DELETE", "/api/session/x", "Origin: null", 403},
        {"PUT", "/api/session/x", "Sec-Fetch-Site: same-origin", 204},
        {"PUT", "/api/session/x", "Origin: https://friend.example", 204},
        {"PUT", "/api/session/x", "X-Nothing: said", 204},
        {"GET", "/api/session", "Sec-Fetch-Site: cross-site", 200},
    };
    struct site site = site_open(SETTINGS("MIDSTREAM_TRUSTED_ORIGINS=https://friend.example"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        OWNED char *url = stack_url(site.stack, rows[i].path);
        const char *body = strcmp(rows[i].method, "PUT") == 0 ? "value" : NULL;
        http_send(&(struct http_request){.method = rows[i].method,
                                         .url = url,
                                         .visitor = site.visitor,
                                         .headers = SETTINGS(rows[i].header),
                                         .body = body},
                  &response);
        cr_expect_eq(response.status, rows[i].status, "%s %s: %d", rows[i].method, rows[i].header, response.status);
        http_response_fini(&response);
    }
    site_close(&site);
}

/* -------------------- early refusals -------------------- */

enum { LARGE_BYTES = 50 * 1024 * 1024, LARGE_UPLOADS = 8 };

/* nginx is still sending the body when the answer comes; a reset would make it a 502. */
Test(requests, a_large_upload_that_is_refused_gets_the_reason)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_BODY_MAX_BYTES=100000000"));
    OWNED char *body = malloc(LARGE_BYTES);
    OWNED char *url = text_printf("%s/upload", site.stack->url);
    cr_assert_not_null(body);
    memset(body, 'x', LARGE_BYTES);
    for (int i = 0; i < LARGE_UPLOADS; i++) {
        struct http_response response;
        http_send(&(struct http_request){.method = "POST",
                                         .url = url,
                                         .body = body,
                                         .body_bytes = LARGE_BYTES,
                                         .headers = (const char *const[]){"Sec-Fetch-Site: cross-site", NULL}},
                  &response);
        cr_expect_eq(response.status, 403, "upload %d: %d %s", i, response.status, response.body.data);
        http_response_fini(&response);
    }
    site_close(&site);
}

/* libfcgi's memory, in which they came, is given back with the head of a stream, and before after-response functions.
 */
Test(requests, what_was_asked_before_the_head_lives_as_long_as_the_request)
{
    struct site site = site_open_app(NULL);
    struct http_response response;
    const char *headers[] = {"Asked: yes, before", "X-Request-Id: an-id", "Content-Type: text/x-asked",
                             "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", NULL};
    char *url = stack_url(site.stack, "/asked-before/name?a=b");
    http_send(&(struct http_request){.method = "POST", .url = url, .headers = headers, .body = "x"}, &response);
    char id[33] = ""; /* nginx's */
    cr_expect_eq(sscanf(response.body.data, "POST /asked-before/name %32[0-9a-f]", id), 1, "%s", response.body.data);
    cr_expect_eq(strlen(id), 32);
    OWNED char *expected = text_printf("POST\n/asked-before/name\n%s\n"
                                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
                                       "name\nb\nyes, before\ntext/x-asked\n",
                                       id);
    cr_expect_str_eq(response.body.data, expected);
    cr_expect(site_wait_log(&site, "what=\"yes, before\""));
    http_response_fini(&response);
    free(url);
    url = stack_url(site.stack, "/asked-before/name?whole=1");
    headers[0] = "Asked: once more";
    http_send(&(struct http_request){.method = "POST", .url = url, .headers = headers, .body = "x"}, &response);
    cr_expect_eq(response.status, 200);
    cr_expect(site_wait_log(&site, "what=\"once more\""));
    http_response_fini(&response);
    free(url);
    site_close(&site);
}
