/*
 * Which route answers a request. See router.h.
 *
 * The routes are sorted so that of several that match a path the most specific comes first: segment by segment,
 * literals before parameters. Routes without parameters are also found by a hash of their whole path, which is what
 * most requests need; the others, and paths that spell a literal with '%', are looked for one route after the other.
 */
#include "http/router.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "base/utf8.h"
#include "http/cross_site.h"
#include "http/query.h"

enum { SEGMENTS_MAX = 256 }; /* of a path whose rest is a parameter */

/* In the order in which patterns are tried. */
enum segment_kind { SEGMENT_LITERAL, SEGMENT_PARAM, SEGMENT_REST };

struct segment {
    const char *text; /* the literal, or the parameter's name */
    enum segment_kind kind;
};

struct row {
    const struct mid_route *route;
    struct segment *segments;
    size_t segment_count; /* "/" has none */
    size_t param_count;
    size_t pattern_length;
};

struct router {
    struct arena arena; /* of all that follows */
    struct row *rows;
    size_t row_count;
    size_t segments_max;      /* of the longest path that may match */
    const struct row **slots; /* the first row of each literal pattern, by the hash of the pattern */
    size_t slot_mask;         /* the number of slots, a power of two, less one */
    char *reason;             /* while the table is read: why it is refused */
    size_t reason_size;
};

/* -------------------- the table -------------------- */

/* FNV-1a: short, and good enough for keys that the application chose. */
static size_t hash_path(const char *path, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)path[i]) * 16777619u;
    return hash;
}

static bool refuse(const struct router *router, const char *format, ...) MID_FORMAT(2, 3);

static bool refuse(const struct router *router, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(router->reason, router->reason_size, format, arguments);
    va_end(arguments);
    return false;
}

static const char rest_mark[] = "...}";

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_dot_segment(const char *text)
{
    return strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
}

static bool check_method(const struct router *router, const struct mid_route *route)
{
    for (const char *c = route->method; *c != '\0' || c == route->method; c++)
        if (*c < 'A' || *c > 'Z')
            return refuse(router, "route %s: the method \"%s\" has to be upper-case letters", route->pattern,
                          route->method);
    if (strcmp(route->method, "HEAD") == 0)
        return refuse(router, "route %s: HEAD is answered by the route for GET", route->pattern);
    return true;
}

static bool check_options(const struct router *router, const struct mid_route *route)
{
    if (route->cross_site != NULL && !cross_site_is_valid(route->cross_site))
        return refuse(
            router,
            "route %s %s: cross_site is \"*\" or origins like https://a.example with single spaces between them, not \"%s\"",
            route->method, route->pattern, route->cross_site);
    if (route->timeout_ms < -1)
        return refuse(router, "route %s %s: timeout_ms is a time, 0, or -1 for none, not %lld", route->method,
                      route->pattern, (long long)route->timeout_ms);
    return true;
}

static bool check_route(const struct router *router, const struct mid_route *route)
{
    if (route->pattern == NULL)
        return refuse(router, "a route for %s has no pattern", route->method);
    if (route->handler == NULL)
        return refuse(router, "route %s %s has no handler", route->method, route->pattern);
    if (!check_method(router, route))
        return false;
    if (route->pattern[0] != '/')
        return refuse(router, "route \"%s\": a pattern has to begin with '/'", route->pattern);
    for (const char *c = route->pattern; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("%?#", *c) != NULL)
            return refuse(router, "route \"%s\": a pattern is a decoded path, without spaces, '%%', '?' and '#'",
                          route->pattern);
    if (strchr(route->pattern, '*') != NULL)
        return refuse(
            router,
            "route %s: there is no '*'; a segment that may be anything is written /{name}, and a rest {name...}",
            route->pattern);
    if (!utf8_is_valid(route->pattern, strlen(route->pattern)))
        return refuse(router, "route \"%s\": the pattern is not UTF-8", route->pattern);
    return check_options(router, route);
}

static bool check_param(const struct router *router, const struct row *row, const char *name)
{
    const char *pattern = row->route->pattern;
    if (*name == '\0')
        return refuse(router, "route %s: a parameter has no name", pattern);
    for (const char *c = name; *c != '\0'; c++)
        if (!is_name_character(*c))
            return refuse(router, "route %s: a parameter's name has letters, digits and '_' only", pattern);
    if (row->param_count == ROUTE_PARAMS_MAX)
        return refuse(router, "route %s: more than %d parameters", pattern, ROUTE_PARAMS_MAX);
    for (size_t i = 0; i < row->segment_count; i++)
        if (row->segments[i].kind != SEGMENT_LITERAL && strcmp(row->segments[i].text, name) == 0)
            return refuse(router, "route %s: two parameters are called %s", pattern, name);
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

static bool add_segment(struct router *router, struct row *row, const char *text, size_t length)
{
    const char *pattern = row->route->pattern;
    struct segment segment = {.kind = kind_of(text, length)};
    if (length == 0)
        return refuse(router, "route %s: a segment is empty; a pattern does not end with '/'", pattern);
    if (segment.kind == SEGMENT_LITERAL) {
        segment.text = arena_strndup(&router->arena, text, length);
        if (strpbrk(segment.text, "{}") != NULL)
            return refuse(router, "route %s: a parameter is a whole segment, as in /{name}/", pattern);
        if (is_dot_segment(segment.text))
            return refuse(router, "route %s: \".\" and \"..\" are refused in requests", pattern);
    } else {
        size_t end = segment.kind == SEGMENT_REST ? sizeof(rest_mark) - 1 : 1;
        segment.text = arena_strndup(&router->arena, text + 1, length - 1 - end);
        if (!check_param(router, row, segment.text))
            return false;
        if (segment.kind == SEGMENT_REST && text[length] != '\0')
            return refuse(router, "route %s: {%s...} takes the rest of the path, so it has to be the last segment",
                          pattern, segment.text);
        row->param_count++;
    }
    row->segments[row->segment_count++] = segment;
    return true;
}

/* The number of segments of a path; 0 for "/". */
static size_t count_segments(const char *path, size_t length)
{
    size_t count = 0;
    if (length <= 1)
        return 0;
    for (size_t i = 0; i < length; i++)
        count += path[i] == '/';
    return count;
}

static bool read_route(struct router *router, struct row *row, const struct mid_route *route)
{
    if (!check_route(router, route))
        return false;
    *row = (struct row){.route = route, .pattern_length = strlen(route->pattern)};
    size_t count = count_segments(route->pattern, row->pattern_length);
    row->segments = arena_alloc(&router->arena, count * sizeof(row->segments[0]));
    for (const char *at = route->pattern + 1; row->segment_count < count;) {
        const char *end = strchrnul(at, '/');
        if (!add_segment(router, row, at, (size_t)(end - at)))
            return false;
        at = end + 1;
    }
    if (count > 0 && row->segments[count - 1].kind == SEGMENT_REST)
        count = SEGMENTS_MAX;
    if (count > router->segments_max)
        router->segments_max = count;
    return true;
}

/* 0: the two patterns match the same paths. */
static int row_compare(const struct row *a, const struct row *b)
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

/* Rows of one path keep the order of the application's table, so that Allow lists the methods in it. */
static int row_order(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    int order = row_compare(left, right);
    return order != 0 ? order : (left->route > right->route) - (left->route < right->route);
}

static bool has_no_duplicates(const struct router *router)
{
    for (size_t i = 0; i < router->row_count; i++)
        for (size_t k = i + 1; k < router->row_count && row_compare(&router->rows[i], &router->rows[k]) == 0; k++)
            if (strcmp(router->rows[i].route->method, router->rows[k].route->method) == 0)
                return refuse(router, "route %s %s is there twice, also as %s", router->rows[i].route->method,
                              router->rows[i].route->pattern, router->rows[k].route->pattern);
    return true;
}

/* Where the literal path is, or the free slot where it belongs. */
static const struct row **find_slot(const struct router *router, const char *path, size_t length)
{
    size_t i = hash_path(path, length) & router->slot_mask;
    for (; router->slots[i] != NULL; i = (i + 1) & router->slot_mask) {
        const struct row *row = router->slots[i];
        if (row->pattern_length == length && memcmp(row->route->pattern, path, length) == 0)
            break;
    }
    return &router->slots[i];
}

static void hash_literals(struct router *router)
{
    size_t count = 4;
    while (count < 2 * router->row_count) /* at most half full: short probes, and always a free slot to end at */
        count *= 2;
    router->slot_mask = count - 1;
    router->slots = arena_zalloc(&router->arena, count * sizeof(router->slots[0]));
    for (size_t i = 0; i < router->row_count; i++) {
        const struct row *row = &router->rows[i];
        if (row->param_count > 0)
            continue;
        const struct row **slot = find_slot(router, row->route->pattern, row->pattern_length);
        if (*slot == NULL)
            *slot = row;
    }
}

static bool read_table(struct router *router, const struct mid_route routes[])
{
    const struct mid_route *end = &routes[router->row_count];
    if (end->pattern != NULL || end->handler != NULL)
        return refuse(router, "route %s has no method; the table ends with a row of zeros",
                      end->pattern != NULL ? end->pattern : "(without a pattern)");
    for (size_t i = 0; i < router->row_count; i++)
        if (!read_route(router, &router->rows[i], &routes[i]))
            return false;
    qsort(router->rows, router->row_count, sizeof(router->rows[0]), row_order);
    return has_no_duplicates(router);
}

struct router *router_new(const struct mid_route routes[], char *reason, size_t reason_size)
{
    struct router *router = calloc(1, sizeof(*router));
    if (router == NULL)
        panic("out of memory for the routes");
    arena_init(&router->arena);
    router->reason = reason;
    router->reason_size = reason_size;
    while (routes[router->row_count].method != NULL)
        router->row_count++;
    router->rows = arena_alloc(&router->arena, router->row_count * sizeof(router->rows[0]));
    if (!read_table(router, routes)) {
        router_free(router);
        return NULL;
    }
    hash_literals(router);
    return router;
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    arena_fini(&router->arena);
    free(router);
}

/* -------------------- a request -------------------- */

static bool route_answers(const struct mid_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* The route of a literal path for this method, or NULL. */
static const struct mid_route *find_literal(const struct router *router, const char *method, const char *path,
                                            size_t length)
{
    const struct row *first = *find_slot(router, path, length);
    if (first == NULL)
        return NULL;
    const struct row *end = router->rows + router->row_count;
    for (const struct row *row = first; row < end && row_compare(row, first) == 0; row++)
        if (route_answers(row->route, method))
            return row->route;
    return NULL;
}

/* Splits, then decodes. *segments is in the arena. */
static enum mid_error decode_segments(const char *path, size_t length, size_t count, struct arena *arena,
                                      char ***segments)
{
    char **decoded = arena_alloc(arena, count * sizeof(decoded[0]));
    const char *at = path + 1;
    const char *end = path + length;
    for (size_t i = 0; i < count; i++) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *segment_end = slash != NULL ? slash : end;
        if (!percent_decode_path(at, (size_t)(segment_end - at), arena, &decoded[i]) || is_dot_segment(decoded[i]))
            return MID_BAD_REQUEST;
        at = segment_end + 1;
    }
    *segments = decoded;
    return MID_OK;
}

static bool segment_matches(const struct segment *segment, const char *text)
{
    return segment->kind == SEGMENT_LITERAL ? strcmp(segment->text, text) == 0 : text[0] != '\0';
}

static bool ends_with_rest(const struct row *row)
{
    return row->segment_count > 0 && row->segments[row->segment_count - 1].kind == SEGMENT_REST;
}

static bool row_matches(const struct row *row, char *const segments[], size_t count)
{
    if (ends_with_rest(row) ? count < row->segment_count : count != row->segment_count)
        return false;
    for (size_t i = 0; i < row->segment_count; i++)
        if (!segment_matches(&row->segments[i], segments[i]))
            return false;
    return true;
}

/* The segments with '/' between them. NULL: one of them has a '/' of its own. */
static const char *join(char *const segments[], size_t count, struct arena *arena)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (strchr(segments[i], '/') != NULL)
            return NULL;
        bytes += strlen(segments[i]) + 1;
    }
    char *whole = arena_alloc(arena, bytes);
    char *end = stpcpy(whole, segments[0]);
    for (size_t i = 1; i < count; i++)
        end = stpcpy(stpcpy(end, "/"), segments[i]);
    return whole;
}

static enum mid_error fill_match(struct route_match *match, const struct row *row, char *const segments[], size_t count,
                                 struct arena *arena)
{
    match->route = row->route;
    match->param_count = 0;
    for (size_t i = 0; i < row->segment_count; i++) {
        const struct segment *segment = &row->segments[i];
        if (segment->kind == SEGMENT_LITERAL)
            continue;
        const char *value = segment->kind == SEGMENT_REST ? join(segments + i, count - i, arena) : segments[i];
        if (value == NULL)
            return MID_BAD_REQUEST;
        match->params[match->param_count++] = (struct route_param){segment->text, value};
    }
    return MID_OK;
}

static bool list_names(const char *list, const char *method)
{
    size_t length = strlen(method);
    for (const char *at = list; (at = strstr(at, method)) != NULL; at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static const char *add_method(const char *list, const char *method, struct arena *arena)
{
    if (list == NULL)
        return method;
    return list_names(list, method) ? list : arena_printf(arena, "%s, %s", list, method);
}

enum mid_error router_match(const struct router *router, const char *method, const char *path_raw,
                            struct route_match *match, struct arena *arena)
{
    size_t length = strcspn(path_raw, "?");
    const struct mid_route *literal = find_literal(router, method, path_raw, length);
    if (literal != NULL) {
        match->route = literal;
        match->param_count = 0;
        return MID_OK;
    }

    size_t count = count_segments(path_raw, length);
    if (path_raw[0] != '/' || count > router->segments_max)
        return MID_NOT_FOUND;
    char **segments;
    MID_TRY(decode_segments(path_raw, length, count, arena, &segments));

    const char *allow = NULL;
    for (size_t i = 0; i < router->row_count; i++) {
        const struct row *row = &router->rows[i];
        if (!row_matches(row, segments, count))
            continue;
        if (route_answers(row->route, method))
            return fill_match(match, row, segments, count, arena);
        allow = add_method(allow, row->route->method, arena);
        if (strcmp(row->route->method, "GET") == 0)
            allow = add_method(allow, "HEAD", arena);
    }
    if (allow == NULL)
        return MID_NOT_FOUND;
    match->allow = allow;
    return MID_METHOD;
}

const char *route_match_param(const struct route_match *match, const char *name)
{
    for (size_t i = 0; i < match->param_count; i++)
        if (strcmp(match->params[i].name, name) == 0)
            return match->params[i].value;
    if (match->route == NULL)
        return NULL;
    panic("route %s has no parameter %s", match->route->pattern, name);
}
