/* `midstream nginx`: which locations it prints. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "command/nginx_command.h"
#include "http/router.h"

static enum mid_error handler(struct mid_request *rq)
{
    (void)rq;
    return MID_OK;
}

/* Of a table that the router takes. The caller's to free. */
static char *printed(const struct mid_route routes[])
{
    char reason[256];
    struct router *router = router_new(routes, reason, sizeof(reason));
    cr_assert_not_null(router, "%s", reason);
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    nginx_command_print(out, router);
    fclose(out);
    router_free(router);
    return text;
}

Test(nginx_command, routes_within_nginxs_limits_need_nothing)
{
    static const struct mid_route routes[] = {
        MID_GET("/a", handler),
        MID_POST("/b", handler, .body_max_bytes = 1 << 20, .timeout_ms = 50000),
        {0},
    };
    char *text = printed(routes);
    cr_expect_str_eq(text, "");
    free(text);
}

Test(nginx_command, methods_of_one_place_are_one_location_with_the_larger_limits)
{
    static const struct mid_route routes[] = {
        MID_GET("/import", handler, .timeout_ms = 600000),
        MID_POST("/import", handler, .body_max_bytes = 1 << 30),
        MID_PUT("/photos/{name}/v1.0", handler, .body_max_bytes = 2 << 20),
        MID_DELETE("/photos/{id}/v1.0", handler, .timeout_ms = -1),
        {0},
    };
    char *text = printed(routes);
    cr_expect_str_eq(text, "location ~ \"^/import$\" {\n"
                           "    fastcgi_pass midstream;\n"
                           "    client_max_body_size 1073741824;\n"
                           "    fastcgi_read_timeout 610s;\n"
                           "}\n"
                           "location ~ \"^/photos/[^/]+/v1[.]0$\" {\n"
                           "    fastcgi_pass midstream;\n"
                           "    client_max_body_size 2097152;\n"
                           "    fastcgi_read_timeout 3600s;\n"
                           "}\n");
    free(text);
}

Test(nginx_command, patterns_become_regular_expressions_that_match_the_same_paths)
{
    static const struct mid_route routes[] = {
        MID_PUT("/a+b(c)/{path...}", handler, .body_max_bytes = 2 << 20),
        MID_PUT("/{path}", handler, .body_max_bytes = 2 << 20),
        MID_PUT("/{path...}", handler, .body_max_bytes = 3 << 20),
        MID_PUT("/a\"b", handler, .body_max_bytes = 2 << 20),
        {0},
    };
    char *text = printed(routes);
    cr_expect_not_null(strstr(text, "location ~ \"^/a[+]b[(]c[)]/.+$\" {"), "%s", text);
    cr_expect_not_null(strstr(text, "location ~ \"^/[^/]+$\" {"), "%s", text);
    cr_expect_not_null(strstr(text, "location ~ \"^/.+$\" {"), "%s", text);
    cr_expect_not_null(strstr(text, "# A pattern with such characters"), "%s", text);
    free(text);
}

/* nginx takes the first expression that matches, and the router the most special pattern. */
Test(nginx_command, locations_stand_in_the_order_of_the_router)
{
    static const struct mid_route routes[] = {
        MID_POST("/{path...}", handler, .body_max_bytes = 2 << 20),
        MID_POST("/a/{x}", handler, .body_max_bytes = 3 << 20),
        MID_POST("/a/big", handler, .body_max_bytes = 4 << 20),
        {0},
    };
    char *text = printed(routes);
    const char *literal = strstr(text, "^/a/big$"), *parameter = strstr(text, "^/a/[^/]+$"),
               *rest = strstr(text, "^/.+$");
    cr_expect(literal != NULL && literal < parameter && parameter < rest, "%s", text);
    free(text);
}

Test(nginx_command, numbers_that_nginx_cannot_read_are_those_that_it_can)
{
    static char longest[4200] = "/";
    static const struct mid_route routes[] = {
        MID_POST("/any", handler, .body_max_bytes = UINT64_MAX),
        MID_GET("/ever", handler, .timeout_ms = INT64_MAX),
        MID_PUT(longest, handler, .body_max_bytes = 2 << 20),
        {0},
    };
    memset(longest + 1, 'p', sizeof(longest) - 2);
    char *text = printed(routes);
    cr_expect_not_null(strstr(text, "client_max_body_size 0;"), "%s", text);
    cr_expect_not_null(strstr(text, "fastcgi_read_timeout 31536000s;"), "%s", text);
    cr_expect_not_null(strstr(text, ", or as long, needs a location of your own"), "%s", text);
    cr_expect_null(strstr(text, "pppp"));
    free(text);
}
