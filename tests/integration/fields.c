/* Fields and statuses of responses: those that an application may send leave, and the server's own are refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

static void expect_field(const struct http_response *response, const char *name, size_t index, const char *begin)
{
    OWNED char *value = http_response_header(response, name, index);
    cr_expect(value != NULL && strncmp(value, begin, strlen(begin)) == 0, "%s %zu is %s, not %s", name, index,
              value != NULL ? value : "not there", begin);
}

Test(fields, several_of_a_name_leave_beside_the_sessions_cookie)
{
    struct site site = site_open_app(NULL);
    struct http_response response;
    cr_assert_eq(site_send(&site, "GET", "/fields?session=1&name=ETag", NULL, &response), 200);
    expect_field(&response, "Link", 0, "</a>; rel=preload");
    expect_field(&response, "Link", 1, "</b>; rel=preload");
    expect_field(&response, "Set-Cookie", 0, "theme=dark");
    expect_field(&response, "Set-Cookie", 1, "lang=en");
    expect_field(&response, "Set-Cookie", 2, "mid=");
    expect_field(&response, "Cache-Control", 0, "no-store");
    cr_expect_null(http_response_header(&response, "Link", 2));
    cr_expect_null(http_response_header(&response, "Set-Cookie", 3));
    http_response_fini(&response);
    site_close(&site);
}

Test(fields, what_used_the_session_is_not_stored_and_the_rest_may_be)
{
    struct site site = site_open_app(NULL);
    struct http_response response;
    cr_assert_eq(site_send(&site, "GET", "/fields?session=1", NULL, NULL), 200);
    cr_assert_eq(site_send(&site, "GET", "/view", NULL, &response), 200); /* with a cookie already */
    expect_field(&response, "Cache-Control", 0, "no-store");
    http_response_fini(&response);
    cr_assert_eq(site_send(&site, "GET", "/null", NULL, &response), 200);
    cr_expect_null(http_response_header(&response, "Cache-Control", 0));
    http_response_fini(&response);
    site_close(&site);
}

Test(fields, those_of_the_server_are_refused_and_named)
{
    static const char *const names[] = {"Content-Length",
                                        "content-length",
                                        "Transfer-Encoding",
                                        "Connection",
                                        "Status",
                                        "X-Accel-Redirect",
                                        "X-Accel-Anything",
                                        "Upgrade",
                                        "Trailer",
                                        "Proxy-Connection",
                                        "Date",
                                        "Server",
                                        "Keep-Alive",
                                        "TE"};
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct http_response response;
        OWNED char *path = text_printf("/fields?name=%s", names[i]);
        cr_expect_eq(site_send(&site, "GET", path, NULL, &response), 422, "%s", names[i]);
        cr_expect_not_null(strstr(response.body.data, names[i]), "%s: %s", names[i], response.body.data);
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(fields, a_status_is_one_of_a_final_response)
{
    static const int refused[] = {-1, 0, 42, 100, 101, 103, 199, 600, 1000};
    static const int empty[] = {204, 205, 304};
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct http_response response;
        OWNED char *path = text_printf("/fields?status=%d", refused[i]);
        cr_expect_eq(site_send(&site, "GET", path, NULL, &response), 422, "%d", refused[i]);
        cr_expect_not_null(strstr(response.body.data, "200 to 599"), "%s", response.body.data);
        http_response_fini(&response);
    }
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        struct http_response response;
        OWNED char *path = text_printf("/fields?status=%d", empty[i]);
        cr_expect_eq(site_send(&site, "GET", path, NULL, &response), empty[i]);
        cr_expect_eq(response.body.length, 0, "%d has content: %s", empty[i], response.body.data);
        http_response_fini(&response);
    }
    site_close(&site);
}
