/* A row of the table of routes. See row.h. */
#include "http/row.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "http/cross_site.h"
#include "http/router.h"

bool row_refuse(const struct row_reader *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->reason, reader->reason_size, format, arguments);
    va_end(arguments);
    return false;
}

static const char rest_mark[] = "...}";

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool segment_is_dot(const char *text)
{
    return strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
}

static bool check_method(const struct row_reader *reader, const struct mid_route *route)
{
    for (const char *c = route->method; *c != '\0' || c == route->method; c++)
        if (*c < 'A' || *c > 'Z')
            return row_refuse(reader, "route %s: the method \"%s\" has to be upper-case letters", route->pattern,
                              route->method);
    if (strcmp(route->method, "HEAD") == 0)
        return row_refuse(reader, "route %s: HEAD is answered by the route for GET", route->pattern);
    return true;
}

static bool check_options(const struct row_reader *reader, const struct mid_route *route)
{
    if (route->cross_site != NULL && !cross_site_is_valid(route->cross_site))
        return row_refuse(
            reader,
            "route %s %s: cross_site is \"*\" or origins like https://a.example with single spaces between them, not \"%s\"",
            route->method, route->pattern, route->cross_site);
    if (route->timeout_ms < -1)
        return row_refuse(reader, "route %s %s: timeout_ms is a time, 0, or -1 for none, not %lld", route->method,
                          route->pattern, (long long)route->timeout_ms);
    return true;
}

static bool check_route(const struct row_reader *reader, const struct mid_route *route)
{
    if (route->pattern == NULL)
        return row_refuse(reader, "a route for %s has no pattern", route->method);
    if (route->handler == NULL)
        return row_refuse(reader, "route %s %s has no handler", route->method, route->pattern);
    if (!check_method(reader, route))
        return false;
    if (route->pattern[0] != '/')
        return row_refuse(reader, "route \"%s\": a pattern has to begin with '/'", route->pattern);
    for (const char *c = route->pattern; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("%?#", *c) != NULL)
            return row_refuse(reader, "route \"%s\": a pattern is a decoded path, without spaces, '%%', '?' and '#'",
                              route->pattern);
    if (strchr(route->pattern, '*') != NULL)
        return row_refuse(
            reader,
            "route %s: there is no '*'; a segment that may be anything is written /{name}, and a rest {name...}",
            route->pattern);
    if (!utf8_is_valid(route->pattern, strlen(route->pattern)))
        return row_refuse(reader, "route \"%s\": the pattern is not UTF-8", route->pattern);
    return check_options(reader, route);
}

static bool check_param(const struct row_reader *reader, const struct row *row, const char *name)
{
    const char *pattern = row->route->pattern;
    if (*name == '\0')
        return row_refuse(reader, "route %s: a parameter has no name", pattern);
    for (const char *c = name; *c != '\0'; c++)
        if (!is_name_character(*c))
            return row_refuse(reader, "route %s: a parameter's name has letters, digits and '_' only", pattern);
    if (row->param_count == ROUTE_PARAMS_MAX)
        return row_refuse(reader, "route %s: more than %d parameters", pattern, ROUTE_PARAMS_MAX);
    for (size_t i = 0; i < row->segment_count; i++)
        if (row->segments[i].kind != SEGMENT_LITERAL && strcmp(row->segments[i].text, name) == 0)
            return row_refuse(reader, "route %s: two parameters are called %s", pattern, name);
    return true;
}

/* "{name}" or "{name...}"; anything else is a literal. */
static enum segment_kind kind_of(const char *text, size_t length)
{
    if (length < 2 || text[0] != '{' || text[length - 1] != '}')
        return SEGMENT_LITERAL;
    size_t dots = sizeof(rest_mark) - 1;
    return length >= dots && memcmp(text + length - dots, rest_mark, dots) == 0 ? SEGMENT_REST : SEGMENT_PARAM;
}

static bool add_segment(const struct row_reader *reader, struct row *row, const char *text, size_t length)
{
    const char *pattern = row->route->pattern;
    struct segment segment = {.kind = kind_of(text, length)};
    if (length == 0)
        return row_refuse(reader, "route %s: a segment is empty; a pattern does not end with '/'", pattern);
    if (segment.kind == SEGMENT_LITERAL) {
        segment.text = arena_strndup(reader->arena, text, length);
        if (strpbrk(segment.text, "{}") != NULL)
            return row_refuse(reader, "route %s: a parameter is a whole segment, as in /{name}/", pattern);
        if (segment_is_dot(segment.text))
            return row_refuse(reader, "route %s: \".\" and \"..\" are refused in requests", pattern);
    } else {
        size_t end = segment.kind == SEGMENT_REST ? sizeof(rest_mark) - 1 : 1;
        segment.text = arena_strndup(reader->arena, text + 1, length - 1 - end);
        if (!check_param(reader, row, segment.text))
            return false;
        if (segment.kind == SEGMENT_REST && text[length] != '\0')
            return row_refuse(reader, "route %s: {%s...} takes the rest of the path, so it has to be the last segment",
                              pattern, segment.text);
        row->param_count++;
    }
    row->segments[row->segment_count++] = segment;
    return true;
}

size_t path_segment_count(const char *path, size_t length)
{
    size_t count = 0;
    if (length <= 1)
        return 0;
    for (size_t i = 0; i < length; i++)
        count += path[i] == '/';
    return count;
}

bool row_read(const struct row_reader *reader, struct row *row, const struct mid_route *route)
{
    if (!check_route(reader, route))
        return false;
    *row = (struct row){.route = route, .pattern_length = strlen(route->pattern)};
    size_t count = path_segment_count(route->pattern, row->pattern_length);
    row->segments = arena_alloc(reader->arena, count * sizeof(row->segments[0]));
    for (const char *at = route->pattern + 1; row->segment_count < count;) {
        const char *end = strchrnul(at, '/');
        if (!add_segment(reader, row, at, (size_t)(end - at)))
            return false;
        at = end + 1;
    }
    return true;
}

int row_compare(const struct row *a, const struct row *b)
{
    for (size_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
        const struct segment *left = &a->segments[i];
        const struct segment *right = &b->segments[i];
        if (left->kind != right->kind)
            return left->kind > right->kind ? 1 : -1;
        int order = left->kind != SEGMENT_LITERAL ? 0 : strcmp(left->text, right->text);
        if (order != 0)
            return order;
    }
    return (a->segment_count > b->segment_count) - (a->segment_count < b->segment_count);
}
