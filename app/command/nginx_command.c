/* `midstream nginx`. See nginx_command.h. */
#include "command/nginx_command.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* What nginx/site.conf says. */
enum { NGINX_BODY_BYTES = 1024 * 1024, NGINX_TIMEOUT_S = 60 };

/* nginx waits a little longer than the application, which says why it gives up; without a limit, as in stream.conf. */
enum { LONGER_S = 10, NO_LIMIT_S = 3600, TIMEOUT_MAX_S = 365 * 86400 };

/* nginx reads no word that is longer than its buffer of 4096 bytes. */
enum { EXPRESSION_BYTES_MAX = 2000 };

struct needs {
    uint64_t body_bytes;
    int64_t timeout_s;
};

/* Both match the same paths: parameters may have other names. */
static bool is_same_place(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        if (*a == '{') {
            const char *a_end = strchr(a, '}');
            const char *b_end = strchr(b, '}');
            if ((strncmp(a_end - 3, "...", 3) == 0) != (strncmp(b_end - 3, "...", 3) == 0))
                return false;
            a = a_end;
            b = b_end;
        }
        a++;
        b++;
    }
    return *a == *b;
}

static int64_t timeout_of(const struct mid_route *route)
{
    if (route->timeout_ms < 0)
        return NO_LIMIT_S;
    int64_t timeout_s = route->timeout_ms / 1000;
    return timeout_s < TIMEOUT_MAX_S ? timeout_s + LONGER_S : TIMEOUT_MAX_S;
}

/* Of all methods of a place: to nginx it is one location. */
static struct needs needs_of(const struct router *router, const char *pattern)
{
    struct needs needs = {NGINX_BODY_BYTES, NGINX_TIMEOUT_S};
    const struct mid_route *route;
    for (size_t i = 0; (route = router_route(router, i)) != NULL; i++) {
        if (!is_same_place(route->pattern, pattern))
            continue;
        if (route->body_max_bytes > needs.body_bytes)
            needs.body_bytes = route->body_max_bytes;
        if (timeout_of(route) > needs.timeout_s)
            needs.timeout_s = timeout_of(route);
    }
    return needs;
}

static bool is_first_of_place(const struct router *router, const struct mid_route *route)
{
    size_t i = 0;
    while (!is_same_place(router_route(router, i)->pattern, route->pattern))
        i++;
    return router_route(router, i) == route;
}

/* The pattern as a regular expression: literal characters in brackets where they would mean something. */
static void print_expression(FILE *out, const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at == '{') {
            const char *end = strchr(at, '}');
            fputs(strncmp(end - 3, "...", 3) == 0 ? ".+" : "[^/]+", out);
            at = end;
        } else
            fprintf(out, strchr("$()*+.?[|", *at) != NULL ? "[%c]" : "%c", *at);
    }
}

/* Always a regular expression: a location that somebody has written by hand (= PATH, or ^~ PREFIX) goes before it, and
 * nginx refuses none for being there twice. */
static void print_location(FILE *out, const char *pattern, const struct needs *needs)
{
    fputs("location ~ \"^", out);
    print_expression(out, pattern);
    fputs("$\" {\n    fastcgi_pass midstream;\n", out);
    if (needs->body_bytes > INT64_MAX)
        fputs("    client_max_body_size 0;\n", out); /* none: nginx reads no larger number */
    else if (needs->body_bytes > NGINX_BODY_BYTES)
        fprintf(out, "    client_max_body_size %" PRIu64 ";\n", needs->body_bytes);
    if (needs->timeout_s > NGINX_TIMEOUT_S)
        fprintf(out, "    fastcgi_read_timeout %" PRId64 "s;\n", needs->timeout_s);
    fputs("}\n", out);
}

void nginx_command_print(FILE *out, const struct router *router)
{
    const struct mid_route *route;
    for (size_t i = 0; (route = router_route(router, i)) != NULL; i++) {
        struct needs needs = needs_of(router, route->pattern);
        bool is_needed = needs.body_bytes > NGINX_BODY_BYTES || needs.timeout_s > NGINX_TIMEOUT_S;
        if (!is_needed || !is_first_of_place(router, route))
            continue;
        if (strpbrk(route->pattern, "\"\\^]\n\r\t") != NULL || strlen(route->pattern) > EXPRESSION_BYTES_MAX / 3)
            fprintf(out, "# A pattern with such characters, or as long, needs a location of your own.\n");
        else
            print_location(out, route->pattern, &needs);
    }
}
