/* `midstream nginx`. See nginx_command.h. */
#include "command/nginx_command.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* What nginx/site.conf says. */
enum { NGINX_BODY_BYTES = 1024 * 1024, NGINX_TIMEOUT_S = 60 };

/* nginx waits a little longer than the application, which says why it gives up; without a limit, as in stream.conf. */
enum { LONGER_S = 10, NO_LIMIT_S = 3600 };

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
    return route->timeout_ms < 0 ? NO_LIMIT_S : route->timeout_ms / 1000 + LONGER_S;
}

/* Of all methods of a place: to nginx it is one location. */
static struct needs needs_of(const struct mid_route routes[], const char *pattern)
{
    struct needs needs = {NGINX_BODY_BYTES, NGINX_TIMEOUT_S};
    for (const struct mid_route *route = routes; route->method != NULL; route++) {
        if (!is_same_place(route->pattern, pattern))
            continue;
        if (route->body_max_bytes > needs.body_bytes)
            needs.body_bytes = route->body_max_bytes;
        if (timeout_of(route) > needs.timeout_s)
            needs.timeout_s = timeout_of(route);
    }
    return needs;
}

static bool is_first_of_place(const struct mid_route routes[], const struct mid_route *route)
{
    while (!is_same_place(routes->pattern, route->pattern))
        routes++;
    return routes == route;
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

/* Always a regular expression: a location that somebody has written by hand (location = PATH) goes before it, and nginx
 * refuses none for being there twice. */
static void print_location(FILE *out, const char *pattern, const struct needs *needs)
{
    fputs("location ~ \"^", out);
    print_expression(out, pattern);
    fputs("$\" {\n    fastcgi_pass midstream;\n", out);
    if (needs->body_bytes > NGINX_BODY_BYTES)
        fprintf(out, "    client_max_body_size %" PRIu64 ";\n", needs->body_bytes);
    if (needs->timeout_s > NGINX_TIMEOUT_S)
        fprintf(out, "    fastcgi_read_timeout %" PRId64 "s;\n", needs->timeout_s);
    fputs("}\n", out);
}

void nginx_command_print(FILE *out, const struct mid_route routes[])
{
    for (const struct mid_route *route = routes; route->method != NULL; route++) {
        struct needs needs = needs_of(routes, route->pattern);
        bool is_needed = needs.body_bytes > NGINX_BODY_BYTES || needs.timeout_s > NGINX_TIMEOUT_S;
        if (!is_needed || !is_first_of_place(routes, route))
            continue;
        if (strpbrk(route->pattern, "\"\\^]\n\r\t") != NULL)
            fprintf(out, "# A pattern with such characters needs a location of your own.\n");
        else
            print_location(out, route->pattern, &needs);
    }
}
