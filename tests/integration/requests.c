/* Requests: refusals, HEAD, bodies, connections, and FastCGI that no web server would send. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <sodium.h>
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
        {"POST", "/counter", "GET, HEAD"},
        {"PATCH", "/api/session/x", "PUT, DELETE"},
        {"DELETE", "/logout", "POST"},
        {"PUT", "/api/session", "GET, HEAD"},
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
        text_printf("POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: mid=%s\r\n%s\r\n\r\n",
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

/* Overflows a buffer in libfcgi when it gets there (FACTS 10). */
static void put_get_values(struct buffer *out)
{
    struct buffer pairs = {0};
    for (int i = 0; i < 1000; i++)
        fastcgi_pair(&pairs, "FCGI_MAX_CONNS", "");
    fastcgi_record(out, 9, 0, pairs.data, pairs.length);
    buffer_fini(&pairs);
}

static void put_get_values_inside(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    put_get_values(out);
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

static void put_authorizer(struct buffer *out)
{
    fastcgi_begin(out, 1, 2, 0);
    put_params(out, NULL, NULL);
}

static void put_unknown_role(struct buffer *out)
{
    fastcgi_begin(out, 1, 0x1001, 0);
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

static void put_another_request(struct buffer *out)
{
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, 0);
    fastcgi_record(out, RECORD_PARAMS, 2, NULL, 0);
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

Test(requests, malformed_fastcgi_ends_its_connection_and_nothing_else)
{
    static put_bytes *const rows[] = {
        put_text,
        put_zeros,
        put_noise,
        put_get_values,
        put_get_values_inside,
        put_huge_length,
        put_too_many_params,
        put_authorizer,
        put_unknown_role,
        put_request_zero,
        put_two_begins,
        put_another_request,
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
Test(requests, a_request_that_is_cut_anywhere_is_never_answered)
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

Test(requests, a_request_that_comes_byte_by_byte_is_answered)
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

/* A web server waits for END_REQUEST. What comes before it is not taken for a request, nor for an end of the client. */
Test(requests, a_request_that_does_not_wait_for_the_end_of_the_one_before_is_not_answered)
{
    struct site site = site_open(NULL);
    char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
    struct buffer requests = {0};
    fastcgi_get(&requests, "/null", NULL, FASTCGI_KEEP);
    fastcgi_get(&requests, "/null", NULL, FASTCGI_KEEP);
    int fd = fastcgi_connect(socket_path);
    fastcgi_write(fd, &requests);
    struct fastcgi_answer answer = fastcgi_read_answer(fd);
    cr_expect(answer.has_end && strstr(answer.out.data, "\"route\":\"null\"") != NULL, "%s", answer.out.data);
    cr_expect(fastcgi_is_closed(fd));
    fastcgi_answer_fini(&answer);
    close(fd);
    buffer_fini(&requests);
    free(socket_path);
    site_close(&site);
}

Test(requests, a_connection_that_stops_in_the_middle_of_a_request_is_ended)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_READ_TIMEOUT_MS=200"));
    char *socket_path = text_printf("%s/worker-0.sock", site.stack->dir);
    struct buffer request = {0};
    fastcgi_begin(&request, 1, FASTCGI_RESPONDER, 0);
    int fd = fastcgi_connect(socket_path);
    fastcgi_write(fd, &request);
    cr_expect(fastcgi_is_closed(fd));
    cr_expect(site_wait_log(&site, "connection.read-timeout"));
    close(fd);
    buffer_fini(&request);
    free(socket_path);
    site_close(&site);
}
