/*
 * Pages of other sites: which routes they may call, what they can read, and that they get no session by it. The
 * browser's part (Fetch, 3.2) is played: Origin, Sec-Fetch-Site, and the visitor's cookie where a browser might send
 * it.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(cross_site, .timeout = 60);

#define TRUSTED "https://b.example:8443"

/* With the cookies of the site's visitor. */
static int ask(const struct site *site, const char *method, const char *path, const char *const headers[],
               struct http_response *response)
{
    OWNED char *url = stack_url(site->stack, path);
    http_send(&(struct http_request){.method = method, .url = url, .visitor = site->visitor, .headers = headers},
              response);
    return response->status;
}

struct row {
    const char *method;
    const char *path;
    const char *origin;
    int status;
    const char *body;
    const char *allow_origin; /* NULL: no such field */
    bool has_credentials;
};

static void expect_field(const struct row *row, const struct http_response *response, const char *name,
                         const char *value)
{
    OWNED char *found = http_response_header(response, name, 0);
    bool is_right = value == NULL ? found == NULL : found != NULL && strcmp(found, value) == 0;
    cr_expect(is_right, "%s %s from %s: %s: %s", row->method, row->path, row->origin, name,
              found != NULL ? found : "none");
}

static void expect(const struct site *site, const struct row *row)
{
    struct http_response response;
    OWNED char *origin = text_printf("Origin: %s", row->origin);
    const char *headers[] = {origin, "Sec-Fetch-Site: cross-site", NULL};
    int status = ask(site, row->method, row->path, headers, &response);
    cr_expect_eq(status, row->status, "%s %s from %s: %d %s", row->method, row->path, row->origin, status,
                 response.body.data);
    cr_expect(strstr(response.body.data, row->body) != NULL, "%s %s from %s: %s", row->method, row->path, row->origin,
              response.body.data);
    expect_field(row, &response, "Access-Control-Allow-Origin", row->allow_origin);
    expect_field(row, &response, "Access-Control-Allow-Credentials", row->has_credentials ? "true" : NULL);
    OWNED char *cookie = http_response_header(&response, "Set-Cookie", 0);
    cr_expect(cookie == NULL || row->has_credentials, "%s %s from %s: Set-Cookie: %s", row->method, row->path,
              row->origin, cookie);
    http_response_fini(&response);
}

Test(cross_site, a_route_is_open_to_the_origins_that_it_names_and_the_session_to_trusted_ones_only)
{
    static const struct row rows[] = {
        {"POST", "/whose", "https://a.example", 403, "another site", NULL, false},
        {"GET", "/whose", "https://a.example", 200, "1", NULL, false}, /* nobody can read that there */
        {"POST", "/whose/anybody", "https://a.example", 200, "none", "*", false},
        {"POST", "/whose/anybody", "null", 200, "none", "*", false},
        {"POST", "/whose/anybody?open=1", "https://a.example", 403, "has no session here", "*", false},
        {"GET", "/whose/anybody", "https://a.example", 200, "none", "*", false},
        {"GET", "/whose/anybody?open=1", "https://a.example", 403, "has no session here", "*", false},
        {"HEAD", "/whose/anybody?open=1", "https://a.example", 403, "", "*", false},
        {"GET", "/whose/partner?open=1", "https://c.example", 403, "has no session here", NULL, false},
        {"PUT", "/whose/partner", "https://a.example", 200, "none", "https://a.example", false},
        {"PUT", "/whose/partner?open=1", "https://a.example", 403, "has no session here", "https://a.example", false},
        {"PUT", "/whose/partner", "http://a.example", 403, "another site", NULL, false},
        {"PUT", "/whose/partner", "https://a.example.evil", 403, "another site", NULL, false},
        {"PUT", "/whose/partner", "https://b.example", 403, "another site", NULL, false},
        {"PUT", "/whose/partner?open=1", TRUSTED, 200, "2", TRUSTED, true},
        {"POST", "/whose/anybody?open=1", TRUSTED, 200, "3", TRUSTED, true},
        {"GET", "/whose/partner", TRUSTED, 200, "3", TRUSTED, true},
        {"GET", "/nowhere", TRUSTED, 404, "nothing at this address", NULL, false},
    };
    struct site site = site_open_app(SETTINGS("MIDSTREAM_TRUSTED_ORIGINS=" TRUSTED));
    cr_assert_eq(site_send(&site, "GET", "/whose?open=1", NULL, NULL), 200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(&site, &rows[i]);
    site_close(&site);
}

/* A link on another site's page: nothing of it is a script's to read, and the visitor has their session. */
Test(cross_site, a_link_to_a_route_that_other_sites_may_call_is_the_visitors_own_step)
{
    static const char *const link[] = {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", NULL};
    struct site site = site_open_app(NULL);
    struct http_response response;
    cr_expect_eq(ask(&site, "GET", "/whose/anybody?open=1", link, &response), 200);
    cr_expect_str_eq(response.body.data, "1");
    http_response_fini(&response);
    site_close(&site);
}

/* Its cookie comes along if the page is one of a sibling's, which is the same site to SameSite. */
Test(cross_site, an_image_of_a_page_elsewhere_has_no_session)
{
    static const char *const sites[] = {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"};
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < 2; i++) {
        const char *const image[] = {sites[i], "Sec-Fetch-Mode: no-cors", NULL};
        struct http_response response;
        cr_expect_eq(ask(&site, "GET", "/whose/anybody?open=1", image, &response), 403, "%s", sites[i]);
        http_response_fini(&response);
    }
    site_close(&site);
}

/* What a cache holds of one origin is not given to another. */
Test(cross_site, responses_vary_with_the_origin_whoever_asks)
{
    struct site site = site_open_app(NULL);
    struct http_response response;
    cr_expect_eq(site_send(&site, "GET", "/whose/partner", NULL, &response), 200);
    OWNED char *own = http_response_header(&response, "Vary", 0);
    OWNED char *vary = http_response_header(&response, "Vary", 1);
    cr_expect(own != NULL && strcmp(own, "Accept-Language") == 0, "Vary: %s", own != NULL ? own : "none");
    cr_expect(vary != NULL && strcmp(vary, "Origin") == 0, "Vary: %s", vary != NULL ? vary : "none");
    http_response_fini(&response);
    site_close(&site);
}

static void expect_preflight(const struct site *site, const char *path, const char *method, const char *allowed)
{
    struct http_response response;
    OWNED char *asked = text_printf("Access-Control-Request-Method: %s", method);
    const char *headers[] = {"Origin: https://a.example", asked, "Access-Control-Request-Headers: x-one, content-type",
                             "Sec-Fetch-Site: cross-site", NULL};
    struct row row = {.method = "OPTIONS", .path = path, .origin = method};
    cr_expect_eq(ask(site, "OPTIONS", path, headers, &response), 204, "%s %s", method, path);
    expect_field(&row, &response, "Access-Control-Allow-Origin", allowed);
    expect_field(&row, &response, "Access-Control-Allow-Methods", allowed != NULL ? method : NULL);
    expect_field(&row, &response, "Access-Control-Allow-Headers", allowed != NULL ? "x-one, content-type" : NULL);
    expect_field(&row, &response, "Access-Control-Max-Age", allowed != NULL ? "7200" : NULL);
    http_response_fini(&response);
}

Test(cross_site, a_preflight_is_told_what_the_route_that_it_asks_for_allows)
{
    struct site site = site_open_app(NULL);
    expect_preflight(&site, "/whose/anybody", "POST", "*");
    expect_preflight(&site, "/whose/anybody", "DELETE", NULL);
    expect_preflight(&site, "/whose/partner", "PUT", "https://a.example");
    expect_preflight(&site, "/whose/partner", "GET", "https://a.example");
    expect_preflight(&site, "/whose", "POST", NULL);
    site_close(&site);
}
