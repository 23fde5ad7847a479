/* The router: which route, which parameters, and which refusal. */
#include <criterion/criterion.h>

#include <signal.h>
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
    {"GET", "/", page},
    {"GET", "/api/session", session},
    {"PUT", "/api/session/{field}", put_field},
    {"DELETE", "/api/session/{field}", delete_field},
    {"POST", "/api/session/{field}/increment", increment},
    {"GET", "/null", null},
    {"POST", "/logout", logout},
    {"GET", "/users/{name}", by_user},
    {"GET", "/users/me", by_me},
    {"POST", "/users/me/{item}", by_me_post},
    {"GET", "/users/{name}/photo", by_user_photo},
    {"GET", "/users/me/{item}", by_me_item},
    {"GET", "/gr\xc3\xbc\xc3\x9f", page},
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
    static const struct mid_route two[] = {{"GET", "/{user_1}/files/{file}", page}, {0}};
    struct router *other = router_new(two, reason, sizeof(reason));
    struct route_match match;
    cr_assert_eq(router_match(other, "GET", "/eve/files/a%2Eb", &match, &arena), MID_OK);
    cr_expect_str_eq(route_match_param(&match, "user_1"), "eve");
    cr_expect_str_eq(route_match_param(&match, "file"), "a.b");
    router_free(other);
}

Test(router, asking_for_a_parameter_that_the_pattern_does_not_have_is_a_bug, .signal = SIGABRT)
{
    struct route_match match;
    cr_assert_eq(router_match(router, "GET", "/null", &match, &arena), MID_OK);
    route_match_param(&match, "field");
}

Test(router, many_literal_routes_are_all_found)
{
    enum { COUNT = 300 };
    static struct mid_route many[COUNT + 1];
    for (int i = 0; i < COUNT; i++)
        many[i] = (struct mid_route){"GET", arena_printf(&arena, "/route/%d", i * 7), null};
    struct router *other = router_new(many, reason, sizeof(reason));
    for (int i = 0; i < COUNT; i++) {
        struct route_match match;
        cr_assert_eq(router_match(other, "GET", many[i].pattern, &match, &arena), MID_OK);
        cr_assert(match.route == &many[i]);
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
REFUSED(a_star, {"GET", "/files/*", null})
REFUSED(a_missing_method, {NULL, "/a", null})
REFUSED(a_pattern_without_slash, {"GET", "null", null})
REFUSED(an_empty_pattern, {"GET", "", null})
REFUSED(a_missing_pattern, {"GET", NULL, null})
REFUSED(a_missing_handler, {"GET", "/null", NULL})
REFUSED(an_empty_segment, {"GET", "/a//b", null})
REFUSED(a_slash_at_the_end, {"GET", "/a/", null})
REFUSED(a_parameter_without_name, {"GET", "/{}", null})
REFUSED(a_parameter_with_a_strange_name, {"GET", "/{a-b}", null})
REFUSED(half_a_parameter, {"GET", "/{name", null})
REFUSED(a_parameter_inside_of_a_segment, {"GET", "/x{name}", null})
REFUSED(a_parameter_called_twice, {"GET", "/{a}/{a}", null})
REFUSED(a_ninth_parameter, {"GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", null})
REFUSED(a_percent_in_a_pattern, {"GET", "/a%20b", null})
REFUSED(a_query_in_a_pattern, {"GET", "/a?b", null})
REFUSED(a_blank_in_a_pattern, {"GET", "/a b", null})
REFUSED(a_dot_segment, {"GET", "/a/../b", null})
REFUSED(a_pattern_that_is_not_utf8, {"GET", "/\xff", null})
REFUSED(a_method_in_lower_case, {"get", "/", null})
REFUSED(an_empty_method, {"", "/", null})
REFUSED(a_head_route, {"HEAD", "/", null})
REFUSED(a_duplicate_route, {"GET", "/a", null}, {"POST", "/a", null}, {"GET", "/a", page})
REFUSED(a_duplicate_under_another_parameter_name, {"GET", "/{a}/x", null}, {"GET", "/{b}/x", page})
