/* The router: which route, which parameters, and which refusal. */
#include <criterion/criterion.h>

#include <string.h>

#include "http/router.h"

#define HANDLER(name)                                                                                                  \
    static enum mid_error name(struct mid_request *rq)                                                                 \
    {                                                                                                                  \
        (void)rq;                                                                                                      \
        return MID_OK;                                                                                                 \
    }
HANDLER(page)
HANDLER(session)
HANDLER(put_field)
HANDLER(delete_field)
HANDLER(increment)
HANDLER(null)
HANDLER(logout)
HANDLER(by_user)
HANDLER(by_me)
HANDLER(by_me_post)
HANDLER(by_user_photo)
HANDLER(by_me_item)

static const struct mid_route routes[] = {
    MID_GET("/", page),
    MID_GET("/api/session", session),
    MID_PUT("/api/session/{field}", put_field),
    MID_DELETE("/api/session/{field}", delete_field),
    MID_POST("/api/session/{field}/increment", increment),
    MID_GET("/null", null),
    MID_POST("/logout", logout),
    MID_GET("/users/{name}", by_user),
    MID_GET("/users/me", by_me),
    MID_POST("/users/me/{item}", by_me_post),
    MID_GET("/users/{name}/photo", by_user_photo),
    MID_GET("/users/me/{item}", by_me_item),
    MID_GET("/gr\xc3\xbc\xc3\x9f", page),
    {0},
};

static char reason[256];
static struct router *router;
static struct arena arena;

static void set_up(void)
{
    arena_init(&arena);
    router = router_new(routes, reason, sizeof(reason));
}

static void tear_down(void)
{
    router_free(router);
    arena_fini(&arena);
}

TestSuite(router, .init = set_up, .fini = tear_down);

struct row {
    const char *method;
    const char *path;
    enum mid_error error;
    mid_handler *handler;
    const char *value; /* of the first parameter */
};

static const struct row rows[] = {
    {"GET", "/", MID_OK, page, NULL},
    {"GET", "/null", MID_OK, null, NULL},
    {"GET", "/null?x=/api/session", MID_OK, null, NULL},
    {"GET", "/?x", MID_OK, page, NULL},
    {"GET", "/%6eull", MID_OK, null, NULL},
    {"GET", "/gr\xc3\xbc\xc3\x9f", MID_OK, page, NULL},
    {"GET", "/gr%C3%BC%c3%9f", MID_OK, page, NULL},
    {"HEAD", "/null", MID_OK, null, NULL},
    {"HEAD", "/users/eve", MID_OK, by_user, "eve"},
    {"POST", "/logout", MID_OK, logout, NULL},
    {"PUT", "/api/session/chunk", MID_OK, put_field, "chunk"},
    {"DELETE", "/api/session/chunk", MID_OK, delete_field, "chunk"},
    {"POST", "/api/session/chunk/increment?by=2", MID_OK, increment, "chunk"},
    {"PUT", "/api/session/a%2Fb", MID_OK, put_field, "a/b"},
    {"PUT", "/api/session/a%20b+c", MID_OK, put_field, "a b+c"},
    {"PUT", "/api/session/%40user", MID_OK, put_field, "@user"},
    {"PUT", "/api/session/%7Bfield%7D", MID_OK, put_field, "{field}"},
    {"PUT", "/api/session/...", MID_OK, put_field, "..."},
    {"PUT", "/api/session/x%3Fy", MID_OK, put_field, "x?y"},
    /* the most specific that has the method */
    {"GET", "/users/eve", MID_OK, by_user, "eve"},
    {"GET", "/users/me", MID_OK, by_me, NULL},
    {"GET", "/users/%6de", MID_OK, by_me, NULL},
    {"GET", "/users/me/photo", MID_OK, by_me_item, "photo"},
    {"GET", "/users/eve/photo", MID_OK, by_user_photo, "eve"},
    {"POST", "/users/me/photo", MID_OK, by_me_post, "photo"},
    /* nothing there */
    {"GET", "/nul", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/nulls", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/null/", MID_NOT_FOUND, NULL, NULL},
    {"GET", "//null", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/NULL", MID_NOT_FOUND, NULL, NULL},
    {"GET", "null", MID_NOT_FOUND, NULL, NULL},
    {"GET", "*", MID_NOT_FOUND, NULL, NULL},
    {"GET", "", MID_NOT_FOUND, NULL, NULL},
    {"GET", "//", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/api/session/", MID_NOT_FOUND, NULL, NULL},
    {"PUT", "/api/session/", MID_NOT_FOUND, NULL, NULL},
    {"PUT", "/api/session//increment", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/users/eve/friends", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/api%2Fsession", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/a/b/c/d/e/f/g/h/i/j", MID_NOT_FOUND, NULL, NULL},
    {"GET", "/users/{name}/friends", MID_NOT_FOUND, NULL, NULL},
    /* malformed */
    {"GET", "/%", MID_BAD_REQUEST, NULL, NULL},
    {"GET", "/%zz", MID_BAD_REQUEST, NULL, NULL},
    {"PUT", "/api/session/a%00b", MID_BAD_REQUEST, NULL, NULL},
    {"PUT", "/api/session/%ff", MID_BAD_REQUEST, NULL, NULL},
    {"PUT", "/api/session/\xff", MID_BAD_REQUEST, NULL, NULL},
    {"PUT", "/api/session/..", MID_BAD_REQUEST, NULL, NULL},
    {"PUT", "/api/session/%2e%2E", MID_BAD_REQUEST, NULL, NULL},
    {"GET", "/./null", MID_BAD_REQUEST, NULL, NULL},
};

Test(router, requests_find_their_route_or_their_refusal)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_match match;
        enum mid_error error = router_match(router, rows[i].method, rows[i].path, &match, &arena);
        cr_expect(error == rows[i].error, "%s %s: %s", rows[i].method, rows[i].path, mid_error_name(error));
        if (error != MID_OK || rows[i].error != MID_OK)
            continue;
        cr_expect(match.route->handler == rows[i].handler, "%s %s went to %s", rows[i].method, rows[i].path,
                  match.route->pattern);
        cr_expect(match.param_count == (rows[i].value != NULL), "%s %s", rows[i].method, rows[i].path);
        if (rows[i].value != NULL && match.param_count > 0)
            cr_expect_str_eq(match.params[0].value, rows[i].value);
    }
}

Test(router, a_wrong_method_is_told_which_ones_are_allowed)
{
    static const struct {
        const char *method;
        const char *path;
        const char *allow;
    } refusals[] = {
        {"POST", "/null", "GET, HEAD"},
        {"GET", "/logout", "POST"},
        {"HEAD", "/logout", "POST"},
        {"get", "/null", "GET, HEAD"},
        {"GET", "/api/session/chunk", "PUT, DELETE"},
        {"PATCH", "/api/session/a%2Fb", "PUT, DELETE"},
        {"PUT", "/users/me/photo", "POST, GET, HEAD"}, /* of two patterns, each method once */
        {"OPTIONS", "/", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct route_match match;
        cr_expect_eq(router_match(router, refusals[i].method, refusals[i].path, &match, &arena), MID_METHOD);
        cr_expect_str_eq(match.allow, refusals[i].allow);
    }
}

Test(router, a_plainly_spelled_literal_path_costs_no_memory)
{
    struct route_match match;
    cr_assert_eq(router_match(router, "GET", "/api/session?x=1", &match, &arena), MID_OK);
    cr_assert_null(arena.chunk);
}

Test(router, parameters_are_found_by_name)
{
    static const struct mid_route two[] = {MID_GET("/{user_1}/files/{file}", page), {0}};
    struct router *other = router_new(two, reason, sizeof(reason));
    struct route_match match;
    cr_assert_eq(router_match(other, "GET", "/eve/files/a%2Eb", &match, &arena), MID_OK);
    cr_expect_str_eq(route_match_param(&match, "user_1"), "eve");
    cr_expect_str_eq(route_match_param(&match, "file"), "a.b");
    router_free(other);
}

Test(router, a_parameter_that_the_pattern_does_not_have_is_null)
{
    struct route_match match;
    cr_assert_eq(router_match(router, "GET", "/null", &match, &arena), MID_OK);
    cr_expect_null(route_match_param(&match, "field"));
}

Test(router, many_literal_routes_are_all_found)
{
    enum { COUNT = 300 };
    static struct mid_route many[COUNT + 1];
    for (int i = 0; i < COUNT; i++)
        many[i] = (struct mid_route)MID_GET(arena_printf(&arena, "/route/%d", i * 7), null);
    struct router *other = router_new(many, reason, sizeof(reason));
    for (int i = 0; i < COUNT; i++) {
        struct route_match match;
        cr_assert_eq(router_match(other, "GET", many[i].pattern, &match, &arena), MID_OK);
        cr_assert(match.route == &many[i]);
    }
    router_free(other);
}

static const struct mid_route rest_routes[] = {
    MID_GET("/files/{path...}", page), MID_GET("/files/{name}", by_user),
    MID_GET("/files/new", null),       MID_DELETE("/{user}/{rest...}", delete_field),
    MID_GET("/{all...}", session),     {0},
};

Test(router, a_rest_takes_what_no_other_pattern_does)
{
    static const struct {
        const char *method;
        const char *path;
        enum mid_error error;
        mid_handler *handler;
        const char *param; /* its name and value, or NULL */
        const char *value;
    } asked[] = {
        {"GET", "/files/new", MID_OK, null, NULL, NULL},
        {"GET", "/files/old", MID_OK, by_user, "name", "old"},
        {"GET", "/files/a/b", MID_OK, page, "path", "a/b"},
        {"GET", "/files/a//b/", MID_OK, page, "path", "a//b/"},
        {"GET", "/files/%41/b%20c", MID_OK, page, "path", "A/b c"},
        {"GET", "/files/a/b%2Fc", MID_BAD_REQUEST, NULL, NULL, NULL},
        {"GET", "/files/a%2Fb", MID_OK, by_user, "name", "a/b"}, /* one segment, as everywhere */
        {"GET", "/files/a/../b", MID_BAD_REQUEST, NULL, NULL, NULL},
        {"GET", "/files/a/%2e%2e/b", MID_BAD_REQUEST, NULL, NULL, NULL},
        {"GET", "/files/", MID_OK, session, "all", "files/"},
        {"GET", "/", MID_NOT_FOUND, NULL, NULL, NULL},
        {"GET", "//x", MID_NOT_FOUND, NULL, NULL, NULL},
        {"DELETE", "/files/x/y", MID_OK, delete_field, "rest", "x/y"},
        {"DELETE", "/files", MID_METHOD, NULL, NULL, NULL},
        {"PUT", "/files/x", MID_METHOD, NULL, NULL, NULL},
    };
    struct router *other = router_new(rest_routes, reason, sizeof(reason));
    cr_assert_not_null(other, "%s", reason);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct route_match match = {0};
        enum mid_error error = router_match(other, asked[i].method, asked[i].path, &match, &arena);
        cr_expect_eq(error, asked[i].error, "%s %s: %s", asked[i].method, asked[i].path, mid_error_name(error));
        if (error != MID_OK)
            continue;
        cr_expect(match.route->handler == asked[i].handler, "%s %s: %s", asked[i].method, asked[i].path,
                  match.route->pattern);
        if (asked[i].param != NULL)
            cr_expect_str_eq(route_match_param(&match, asked[i].param), asked[i].value, "%s", asked[i].path);
    }
    router_free(other);
}

Test(router, an_empty_table_finds_nothing)
{
    static const struct mid_route none[] = {{0}};
    struct router *other = router_new(none, reason, sizeof(reason));
    struct route_match match;
    cr_assert_eq(router_match(other, "GET", "/", &match, &arena), MID_NOT_FOUND);
    router_free(other);
    router_free(NULL);
}

/* A table of the application that is wrong ends the start, whatever is wrong with it. */
#define REFUSED(what, ...)                                                                                             \
    Test(router, what##_is_refused_at_the_start)                                                                       \
    {                                                                                                                  \
        static const struct mid_route wrong[] = {__VA_ARGS__, {0}};                                                    \
        cr_assert_null(router_new(wrong, reason, sizeof(reason)));                                                     \
        cr_expect(strstr(reason, "route ") != NULL, "%s", reason);                                                     \
        if (wrong[0].pattern != NULL && wrong[0].pattern[0] == '/')                                                    \
            cr_expect_not_null(strstr(reason, wrong[0].pattern), "%s does not name %s", reason, wrong[0].pattern);     \
    }
REFUSED(a_star, MID_GET("/files/*", null))
REFUSED(a_missing_method, MID_ROUTE(NULL, "/a", null))
REFUSED(a_pattern_without_slash, MID_ROUTE("GET", "null", null))
REFUSED(an_empty_pattern, MID_ROUTE("GET", "", null))
REFUSED(a_missing_pattern, MID_ROUTE("GET", NULL, null))
REFUSED(a_missing_handler, MID_ROUTE("GET", "/null", NULL))
REFUSED(an_empty_segment, MID_GET("/a//b", null))
REFUSED(a_slash_at_the_end, MID_GET("/a/", null))
REFUSED(a_parameter_without_name, MID_GET("/{}", null))
REFUSED(a_parameter_with_a_strange_name, MID_GET("/{a-b}", null))
REFUSED(half_a_parameter, MID_GET("/{name", null))
REFUSED(a_parameter_inside_of_a_segment, MID_GET("/x{name}", null))
REFUSED(a_parameter_called_twice, MID_GET("/{a}/{a}", null))
REFUSED(a_ninth_parameter, MID_GET("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", null))
REFUSED(a_percent_in_a_pattern, MID_GET("/a%20b", null))
REFUSED(a_query_in_a_pattern, MID_GET("/a?b", null))
REFUSED(a_blank_in_a_pattern, MID_GET("/a b", null))
REFUSED(a_dot_segment, MID_GET("/a/../b", null))
REFUSED(a_pattern_that_is_not_utf8, MID_GET("/\xff", null))
REFUSED(a_method_in_lower_case, MID_ROUTE("get", "/", null))
REFUSED(an_empty_method, MID_ROUTE("", "/", null))
REFUSED(a_head_route, MID_ROUTE("HEAD", "/", null))
REFUSED(a_duplicate_route, MID_GET("/a", null), MID_POST("/a", null), MID_GET("/a", page))
REFUSED(a_duplicate_under_another_parameter_name, MID_GET("/{a}/x", null), MID_GET("/{b}/x", page))
REFUSED(a_rest_that_is_not_the_last_segment, MID_GET("/a/{rest...}/b", null))
REFUSED(a_rest_without_name, MID_GET("/a/{...}", null))
REFUSED(two_rests, MID_GET("/a/{b...}", null), MID_GET("/a/{c...}", page))
REFUSED(an_origin_with_a_path, MID_GET("/a", null, .cross_site = "https://a.example/"))
REFUSED(origins_with_commas, MID_GET("/a", null, .cross_site = "https://a.example,https://b.example"))
REFUSED(no_origin, MID_GET("/a", null, .cross_site = ""))
REFUSED(a_negative_time_limit, MID_GET("/a", null, .timeout_ms = -2))
