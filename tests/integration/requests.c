/* Requests: refusals, HEAD, bodies, connections. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fastcgi.h"
#include "fcgi/record_filter.h"
#include "site.h"

TestSuite(requests, .timeout = 90);

/* -------------------- refusals -------------------- */

Test(requests, what_is_wrong_is_refused_by_its_status_and_said)
{
    char *too_much = calloc(1, 65 * 1024 + 1);
    char *far_too_much = calloc(1, 2 * 1024 * 1024 + 1);
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
        char *url = stack_url(site.stack, rows[i].path);
        http_send(&(struct http_request){.method = rows[i].method,
                                         .url = url,
                                         .headers = SETTINGS("Accept: application/json", "Content-Type: text/plain"),
                                         .body = rows[i].body},
                  &response);
        char *error = text_printf("{\"error\":\"%s\",\"status\":%d,\"detail\":\"", rows[i].error, rows[i].status);
        cr_expect_eq(response.status, rows[i].status, "%s %s: %d", rows[i].method, rows[i].path, response.status);
        cr_expect(strncmp(response.body.data, error, strlen(error)) == 0, "%s: %s", rows[i].path, response.body.data);
        cr_expect(strstr(response.body.data, rows[i].says) != NULL, "%s: %s", rows[i].path, response.body.data);
        http_response_fini(&response);
        free(error);
        free(url);
    }
    free(far_too_much);
    free(too_much);
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
        char *allow = http_response_header(&response, "Allow", 0);
        cr_expect_str_eq(allow, rows[i][2], "%s %s: %s", rows[i][0], rows[i][1], allow);
        free(allow);
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
        char *url = stack_url(site.stack, "/nowhere");
        http_send(&(struct http_request){.url = url, .headers = SETTINGS(rows[i][0])}, &response);
        char *type = http_response_header(&response, "Content-Type", 0);
        char *caching = http_response_header(&response, "Cache-Control", 0);
        cr_expect_str_eq(type, rows[i][1]);
        cr_expect_str_eq(caching, "no-store");
        free(caching);
        free(type);
        free(url);
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
    char *length = http_response_header(&head, "Content-Length", 0);
    cr_assert_not_null(length);
    cr_expect_eq(strtoul(length, NULL, 10), get.body.length);
    free(length);
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
        char *sniff = http_response_header(&response, "X-Content-Type-Options", 0);
        char *policy = http_response_header(&response, "Content-Security-Policy", 0);
        cr_expect_str_eq(sniff, "nosniff");
        cr_expect(policy != NULL && strstr(policy, "default-src 'none'") != NULL);
        free(policy);
        free(sniff);
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
    char *response = raw_rest(fd);
    char *value = text_printf("\r\n\r\n59%0*d", VALUE_BYTES, 0);
    cr_expect(strncmp(response, "HTTP/1.1 200 ", 13) == 0 && text_ends(response, value), "%.600s", response);
    close(fd);
    free(value);
    free(response);
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
        char *url = stack_url(site.stack, rows[i].path);
        const char *body = strcmp(rows[i].method, "PUT") == 0 ? "value" : NULL;
        http_send(&(struct http_request){.method = rows[i].method,
                                         .url = url,
                                         .visitor = site.visitor,
                                         .headers = SETTINGS(rows[i].header),
                                         .body = body},
                  &response);
        cr_expect_eq(response.status, rows[i].status, "%s %s: %d", rows[i].method, rows[i].header, response.status);
        http_response_fini(&response);
        free(url);
    }
    site_close(&site);
}

/* -------------------- uploads -------------------- */

enum { UPLOAD_BYTES = 50 * 1000 * 1000 };

static char *upload_bytes(void)
{
    char *bytes = malloc(UPLOAD_BYTES);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < UPLOAD_BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    return bytes;
}

static int begin_upload(const struct site *site, const char *framing)
{
    char *cookie = cookie_jar_get(site->visitor, "mid");
    char *head =
        text_printf("POST /upload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\n"
                    "Cookie: mid=%s\r\n%s\r\n\r\n",
                    cookie, framing);
    int fd = raw_request(site, head);
    free(head);
    free(cookie);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t count)
{
    fastcgi_write(fd, &(struct buffer){.data = (char *)(uintptr_t)bytes, .length = count});
}

Test(requests, an_upload_is_read_as_it_comes_and_its_progress_is_seen_meanwhile)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    char *key = site_key(&site);
    char *bytes = upload_bytes();
    char *framing = text_printf("Content-Length: %d", UPLOAD_BYTES);
    int64_t before_kib = resident_kib(site_worker(&site));
    int fd = begin_upload(&site, framing);
    send_all(fd, bytes, UPLOAD_BYTES / 2);
    cr_assert(stored_reaches(&site, key, "uploaded", 1), "no progress is stored");
    cr_expect_lt(site_number(&site, "uploaded"), UPLOAD_BYTES);
    int64_t grown_kib = resident_kib(site_worker(&site)) - before_kib;
    cr_expect_lt(grown_kib, 16 * 1024, "the worker has grown by %lld KiB", (long long)grown_kib);
    send_all(fd, bytes + UPLOAD_BYTES / 2, UPLOAD_BYTES - UPLOAD_BYTES / 2);
    char *response = raw_rest(fd);

    unsigned char hash[crypto_generichash_BYTES];
    char hex[2 * crypto_generichash_BYTES + 1];
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)bytes, UPLOAD_BYTES, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    char *expected = text_printf("\r\n\r\n{\"bytes\":%d,\"blake2b\":\"%s\"}\n", UPLOAD_BYTES, hex);
    cr_expect(text_ends(response, expected), "%s", response);
    cr_expect_eq(site_number(&site, "uploaded"), UPLOAD_BYTES);
    close(fd);
    free(expected);
    free(response);
    free(framing);
    free(bytes);
    free(key);
    site_close(&site);
}

Test(requests, an_upload_in_chunks_has_the_same_hash)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    int fd = begin_upload(&site, "Transfer-Encoding: chunked");
    static const char chunks[] = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
    send_all(fd, chunks, sizeof(chunks) - 1);
    char *response = raw_rest(fd);
    unsigned char hash[crypto_generichash_BYTES];
    char hex[2 * crypto_generichash_BYTES + 1];
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)"hello world", 11, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    cr_expect(strstr(response, "{\"bytes\":11,") != NULL && strstr(response, hex) != NULL, "%s", response);
    close(fd);
    free(response);
    site_close(&site);
}

/* The numbers of the worker's sockets, by which the kernel tells one from another. */
static void add_sockets(pid_t pid, json_t *numbers)
{
    char *path = text_printf("/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    cr_assert_not_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char target[64] = "";
        char *link = text_printf("%s/%s", path, entry->d_name);
        if (readlink(link, target, sizeof(target) - 1) > 0 && strncmp(target, "socket:", 7) == 0)
            json_object_set_new(numbers, target, json_true());
        free(link);
    }
    closedir(directory);
    free(path);
}

static size_t socket_count(pid_t pid)
{
    json_t *numbers = json_object();
    add_sockets(pid, numbers);
    size_t count = json_object_size(numbers);
    json_decref(numbers);
    return count;
}

struct socket_wish {
    pid_t pid;
    size_t at_most;
};

static bool has_few_sockets(void *arg)
{
    const struct socket_wish *wish = arg;
    return socket_count(wish->pid) <= wish->at_most;
}

Test(requests, an_upload_that_its_client_gives_up_is_given_up)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    char *key = site_key(&site);
    char *bytes = upload_bytes();
    pid_t worker = site_worker(&site);
    size_t sockets = socket_count(worker);
    char *framing = text_printf("Content-Length: %d", UPLOAD_BYTES);
    int fd = begin_upload(&site, framing);
    send_all(fd, bytes, UPLOAD_BYTES / 10);
    cr_assert(stored_reaches(&site, key, "uploaded", 1));
    close(fd);
    cr_expect(wait_until(has_few_sockets, &(struct socket_wish){worker, sockets}, PATIENCE_MS),
              "the worker keeps the connection");
    cr_expect_lt(site_number(&site, "uploaded"), UPLOAD_BYTES);
    cr_expect_eq(site_worker(&site), worker);
    free(framing);
    free(bytes);
    free(key);
    site_close(&site);
}

Test(requests, a_connection_serves_on_after_every_kind_of_response)
{
    static const char *const rows[][3] = {
        {"GET", "/null", NULL},
        {"GET", "/stream?count=3&interval_ms=1", NULL},
        {"GET", "/events?count=2&interval_ms=1", NULL},
        {"GET", "/rows?count=0", NULL},
        {"GET", "/nowhere", NULL},
        {"POST", "/counter", "a body that nobody reads"},
        {"GET", "/after?delay_ms=50", NULL},
        {"PUT", "/api/session/%40x", "refused"},
        {"POST", "/upload", "some bytes"},
    };
    struct site site = site_open(NULL);
    pid_t worker = site_worker(&site);
    pid_t nginx_workers[64];
    size_t nginx_count = process_children(site.stack->nginx, nginx_workers, 64);
    json_t *numbers = json_object();
    add_sockets(worker, numbers);
    size_t before = json_object_size(numbers);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            site_send(&site, rows[i][0], rows[i][1], rows[i][2], NULL);
            add_sockets(worker, numbers);
        }
    }
    size_t new_count = json_object_size(numbers) - before;
    cr_expect_leq(new_count, nginx_count, "nginx has opened %zu connections for 45 requests", new_count);
    json_decref(numbers);

    /* These make nginx close the connection (FACTS 17); the worker does so, too. */
    size_t sockets = socket_count(worker);
    for (int round = 0; round < 20; round++) {
        cr_expect_eq(site_send(&site, "PUT", "/api/session/x", "value", NULL), 204);
        cr_expect_eq(site_send(&site, "HEAD", "/events", NULL, NULL), 200);
    }
    cr_expect(wait_until(has_few_sockets, &(struct socket_wish){worker, sockets + nginx_count}, PATIENCE_MS),
              "%zu sockets", socket_count(worker));
    site_close(&site);
}

/* -------------------- early refusals -------------------- */

enum { LARGE_BYTES = 50 * 1024 * 1024, LARGE_UPLOADS = 8 };

/* nginx is still sending the body when the answer comes; a reset would make it a 502. */
Test(requests, a_large_upload_that_is_refused_gets_the_reason)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_BODY_MAX_BYTES=100000000"));
    char *body = malloc(LARGE_BYTES);
    char *url = text_printf("%s/upload", site.stack->url);
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
    free(url);
    free(body);
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
    char *expected = text_printf("POST\n/asked-before/name\n%s\n"
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
    free(expected);
    free(url);
    site_close(&site);
}
