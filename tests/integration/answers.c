/* Cookies of the application, redirections, addresses, and commands of Redis in the form of printf. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "site.h"

TestSuite(answers, .timeout = 60);

/* The field of the response to that request; NULL: none. */
static char *field_of(const struct site *site, const char *method, const char *path, int status, const char *name)
{
    struct http_response response;
    cr_expect_eq(site_send(site, method, path, NULL, &response), status, "%s %s: %d %s", method, path, response.status,
                 response.body.data);
    char *value = http_response_header(&response, name, 0);
    http_response_fini(&response);
    return value;
}

/* -------------------- cookies -------------------- */

struct cookie_row {
    const char *query;
    int status;
    const char *cookie; /* NULL: refused */
};

static void expect_cookies(const struct site *site, size_t count, const struct cookie_row rows[])
{
    for (size_t i = 0; i < count; i++) {
        OWNED char *path = text_printf("/cookie?%s", rows[i].query);
        OWNED char *cookie = field_of(site, "POST", path, rows[i].status, "Set-Cookie");
        bool is_right = rows[i].cookie == NULL ? cookie == NULL : cookie != NULL && strcmp(cookie, rows[i].cookie) == 0;
        cr_expect(is_right, "%s: %s", path, cookie != NULL ? cookie : "none");
    }
}

Test(answers, a_cookie_of_the_application_is_safe_unless_it_says_otherwise)
{
    static const struct cookie_row rows[] = {
        {"name=theme&value=dark", 204, "theme=dark; Path=/; HttpOnly; SameSite=Lax"},
        {"name=theme&value=", 204, "theme=; Path=/; HttpOnly; SameSite=Lax"},
        {"name=a&value=1&max_age=3600&same_site=1", 204, "a=1; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict"},
        {"name=a&value=1&max_age=-1", 204, "a=1; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
        {"name=a&value=1&path=/x&domain=example.org&readable=1", 204, "a=1; Path=/x; Domain=example.org; SameSite=Lax"},
        {"name=&value=1", 422, NULL},
        {"name=a%3Bb&value=1", 422, NULL},
        {"value=1", 422, NULL},
        {"name=a", 422, NULL},
        {"name=a&value=1%3B%20Domain=evil", 422, NULL},
        {"name=a&value=1%0D%0ASet-Cookie:%20b=1", 422, NULL},
        {"name=a&value=%22x%22", 422, NULL},
        {"name=a&value=1&path=x", 422, NULL},
        {"name=a&value=1&path=/%3BDomain=evil", 422, NULL},
        {"name=a&value=1&domain=a%3Bb", 422, NULL},
        {"name=a&value=1&max_age=-2", 422, NULL},
        {"name=a&value=1&same_site=2", 422, NULL}, /* None without Secure */
        {"name=__Secure-a&value=1", 422, NULL},
        {"name=mid&value=1", 422, NULL}, /* the session's */
        {"name=__Host-mid&value=1", 422, NULL},
    };
    struct site site = site_open_app(NULL);
    expect_cookies(&site, sizeof(rows) / sizeof(rows[0]), rows);
    site_close(&site);
}

Test(answers, a_cookie_of_the_request_is_the_first_of_its_name)
{
    struct site site = site_open_app(NULL);
    struct http_response response;
    OWNED char *url = stack_url(site.stack, "/cookie/theme");
    http_send(&(struct http_request){.url = url, .headers = SETTINGS("Cookie: x=1; theme=dark; theme=light; y=2")},
              &response);
    cr_expect_eq(response.status, 200);
    cr_expect_str_eq(response.body.data, "dark");
    http_response_fini(&response);
    cr_expect_eq(site_send(&site, "GET", "/cookie/none", NULL, NULL), 404);
    site_close(&site);
}

/* -------------------- redirections -------------------- */

Test(answers, a_redirection_stays_on_this_site_or_names_a_url)
{
    static const struct {
        const char *method;
        const char *query;
        int status;
        const char *location;
    } rows[] = {
        {"GET", "to=/report/7", 302, "/report/7"},
        {"POST", "to=/report/7", 303, "/report/7"},
        {"POST", "to=/report/7&status=307", 307, "/report/7"},
        {"GET", "to=https://example.org/a?b=c%23d", 302, "https://example.org/a?b=c#d"},
        {"GET", "to=/gr%C3%BC%C3%9F%20e%25?q=%22x%22", 302, "/gr%C3%BC%C3%9F%20e%?q=%22x%22"},
        {"GET", "to=/a%0D%0ASet-Cookie:%20b=1", 302, "/a%0D%0ASet-Cookie:%20b=1"},
        {"GET", "to=//evil.example/", 422, NULL},
        {"GET", "to=/%5Cevil.example/", 422, NULL},
        {"GET", "to=javascript:alert(1)", 422, NULL},
        {"GET", "to=evil.example", 422, NULL},
        {"GET", "to=", 422, NULL},
        {"GET", "to=/&status=200", 422, NULL},
    };
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OWNED char *path = text_printf("/redirect?%s", rows[i].query);
        OWNED char *location = field_of(&site, rows[i].method, path, rows[i].status, "Location");
        bool is_right =
            rows[i].location == NULL ? location == NULL : location != NULL && strcmp(location, rows[i].location) == 0;
        cr_expect(is_right, "%s: %s", path, location != NULL ? location : "none");
    }
    site_close(&site);
}

Test(answers, the_address_of_who_asks_is_what_nginx_has_seen)
{
    struct site site = site_open_app(NULL);
    OWNED char *address = site_get(&site, "/remote");
    cr_expect_str_eq(address, "127.0.0.1");
    site_close(&site);
}

/* -------------------- Redis -------------------- */

Test(answers, what_is_inserted_into_a_command_of_redis_stays_one_word)
{
    static const char *const values[] = {"a b", "\r\n*1\r\n", "%s %b %d", "\"'\\", "$5\r\nhello"};
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct http_response response;
        cr_expect_eq(site_send(&site, "POST", "/keep/one%20two%0D%0A", values[i], &response), i == 0 ? 204 : 200);
        if (i > 0)
            cr_expect_str_eq(response.body.data, values[i - 1]);
        http_response_fini(&response);
    }
    cr_expect_eq(redis_int(site.redis, "HLEN app:kept"), 1);
    cr_expect_eq(site_send(&site, "POST", "/keep/a?wrong=1", "x", NULL), 500);
    cr_expect_eq(site_send(&site, "POST", "/keep/a?block=1", "x", NULL), 403);
    site_close(&site);
}
