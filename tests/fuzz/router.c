/* Any path finds a route with decoded parameters, or one of the three refusals. */
#include "fuzz.h"

#include "base/utf8.h"
#include "http/router.h"

static enum mid_error handler(struct mid_request *rq)
{
    (void)rq;
    return MID_OK;
}

static const struct mid_route routes[] = {
    MID_GET("/", handler),
    MID_GET("/a", handler),
    MID_POST("/a/b", handler),
    MID_GET("/a/{x}", handler),
    MID_PUT("/{x}/b", handler),
    MID_GET("/{x}/{y}/c", handler),
    MID_GET("/a/{x...}", handler),
    MID_DELETE("/{x}/{y...}", handler),
    {0},
};

static void check_params(const struct route_match *match)
{
    for (size_t i = 0; i < match->param_count; i++) {
        const char *value = match->params[i].value;
        CLAIM(value[0] != '\0' && utf8_is_valid(value, strlen(value)));
        CLAIM(strcmp(value, ".") != 0 && strcmp(value, "..") != 0);
        CLAIM(route_match_param(match, match->params[i].name) == value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct router *router;
    if (router == NULL)
        router = router_new(routes, (char[256]){0}, 256);

    char *path = fuzz_text(data, size);
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct arena arena;
        struct route_match match;
        arena_init(&arena);
        enum mid_error error = router_match(router, methods[i], path, &match, &arena);
        CLAIM(error == MID_OK || error == MID_NOT_FOUND || error == MID_METHOD || error == MID_BAD_REQUEST);
        if (error == MID_OK)
            check_params(&match);
        if (error == MID_METHOD)
            CLAIM(match.allow[0] != '\0' && strstr(match.allow, methods[i]) == NULL);
        arena_fini(&arena);
    }
    free(path);
    return 0;
}
