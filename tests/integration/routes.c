/* What a route can say beside its handler, and what the runtime answers for it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(routes, .timeout = 60);

struct row {
    const char *method;
    const char *path;
    const char *header; /* or NULL */
    int status;
    const char *body; /* a piece of it */
};

static int send_row(const struct site *site, const struct row *row, struct http_response *response)
{
    const char *headers[] = {row->header, NULL};
    OWNED char *url = stack_url(site->stack, row->path);
    http_send(&(struct http_request){.method = row->method, .url = url, .headers = headers}, response);
    return response->status;
}

static void expect_rows(const struct site *site, size_t count, const struct row rows[])
{
    for (size_t i = 0; i < count; i++) {
        struct http_response response;
        const struct row *row = &rows[i];
        int status = send_row(site, row, &response);
        cr_expect_eq(status, row->status, "%s %s: %d %s", row->method, row->path, status, response.body.data);
        cr_expect(strstr(response.body.data, row->body) != NULL, "%s %s: %s", row->method, row->path,
                  response.body.data);
        http_response_fini(&response);
    }
}

static void expect_header(const struct http_response *response, const char *name, const char *value)
{
    OWNED char *found = http_response_header(response, name, 0);
    cr_expect(found != NULL && strcmp(found, value) == 0, "%s: %s", name, found != NULL ? found : "none");
}

Test(routes, what_comes_before_the_handler_can_refuse_answer_or_let_it_be_called)
{
    static const struct row rows[] = {
        {"GET", "/for-users", NULL, 401, "who is it?"},
        {"GET", "/for-users", "X-User: guest", 200, "before\n"},
        {"GET", "/for-users", "X-User: grace", 200, "1"},
    };
    struct site site = site_open_app(NULL);
    struct http_response response;
    expect_rows(&site, sizeof(rows) / sizeof(rows[0]), rows);
    cr_expect_eq(send_row(&site, &rows[0], &response), 401);
    expect_header(&response, "WWW-Authenticate", "Cookie"); /* RFC 9110, 15.5.2: there is one */
    http_response_fini(&response);
    site_close(&site);
}

Test(routes, the_rest_of_a_path_is_one_parameter)
{
    static const struct row rows[] = {
        {"GET", "/files/a", NULL, 200, "a"},
        {"GET", "/files/a/b%20c/d.txt", NULL, 200, "a/b c/d.txt"},
        {"GET", "/files/a/one", NULL, 200, "a"}, /* the other route's parameter */
        {"GET", "/files/a/one/", NULL, 200, "a/one/"},
        {"GET", "/files/", NULL, 404, "nothing at this address"},
        {"GET", "/files/a%2Fb", NULL, 400, "malformed"},
        {"GET", "/files/..%2Fb", NULL, 400, "malformed"},
    };
    struct site site = site_open_app(NULL);
    expect_rows(&site, sizeof(rows) / sizeof(rows[0]), rows);
    site_close(&site);
}

Test(routes, limits_are_the_route_s_own)
{
    struct site site = site_open_app(SETTINGS("MIDSTREAM_BODY_MAX_BYTES=100000"));
    struct http_response response;
    OWNED char *large = malloc(300001);
    memset(large, 'x', 300000);
    large[300000] = '\0';
    cr_expect_eq(site_send(&site, "POST", "/small", "0123456789", NULL), 200);
    cr_expect_eq(site_send(&site, "POST", "/small", "0123456789a", NULL), 413);
    cr_expect_eq(site_send(&site, "POST", "/large", large, &response), 200);
    cr_expect_str_eq(response.body.data, "300000");
    http_response_fini(&response);
    cr_expect_eq(site_send(&site, "GET", "/quick", NULL, &response), 504);
    cr_expect_lt(response.total_us, 30ll * 1000 * 1000);
    http_response_fini(&response);
    site_close(&site);
}

Test(routes, options_is_answered_with_the_methods_of_the_path)
{
    static const struct row known = {"OPTIONS", "/whose", NULL, 204, ""};
    static const struct row wrong = {"DELETE", "/whose", NULL, 405, "not allowed here"};
    static const struct row unknown = {"OPTIONS", "/nowhere", NULL, 404, "nothing at this address"};
    struct site site = site_open_app(NULL);
    struct http_response response;
    cr_expect_eq(send_row(&site, &known, &response), 204);
    expect_header(&response, "Allow", "GET, HEAD, POST, OPTIONS");
    http_response_fini(&response);
    cr_expect_eq(send_row(&site, &wrong, &response), 405);
    expect_header(&response, "Allow", "GET, HEAD, POST, OPTIONS");
    http_response_fini(&response);
    expect_rows(&site, 1, &unknown);
    site_close(&site);
}
