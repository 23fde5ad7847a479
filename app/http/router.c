/*
 * Which route answers a request. See router.h.
 *
 * The routes are sorted so that of several that match a path the most specific comes first: segment by segment,
 * literals before parameters. Routes without parameters are also found by a hash of their whole path, which is what
 * most requests need; the others, and paths that spell a literal with '%', are looked for one route after the other.
 */
#include "http/router.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "http/query.h"
#include "http/row.h"

enum { SEGMENTS_MAX = 256 }; /* of a path whose rest is a parameter */

struct router {
    struct arena arena; /* of all that follows */
    struct row *rows;
    size_t row_count;
    size_t segments_max;      /* of the longest path that may match */
    const struct row **slots; /* the first row of each literal pattern, by the hash of the pattern */
    size_t slot_mask;         /* the number of slots, a power of two, less one */
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

/* Rows of one path keep the order of the application's table, so that Allow lists the methods in it. */
static int row_order(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    int order = row_compare(left, right);
    return order != 0 ? order : (left->route > right->route) - (left->route < right->route);
}

static bool has_no_duplicates(const struct router *router, const struct row_reader *reader)
{
    for (size_t i = 0; i < router->row_count; i++)
        for (size_t k = i + 1; k < router->row_count && row_compare(&router->rows[i], &router->rows[k]) == 0; k++)
            if (strcmp(router->rows[i].route->method, router->rows[k].route->method) == 0)
                return row_refuse(reader, "route %s %s is there twice, also as %s", router->rows[i].route->method,
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

/* Of the paths that may match. */
static void note_longest(struct router *router)
{
    for (size_t i = 0; i < router->row_count; i++) {
        const struct row *row = &router->rows[i];
        size_t longest = row_ends_with_rest(row) ? SEGMENTS_MAX : row->segment_count;
        if (longest > router->segments_max)
            router->segments_max = longest;
    }
}

static bool read_table(struct router *router, const struct mid_route routes[], const struct row_reader *reader)
{
    const struct mid_route *end = &routes[router->row_count];
    if (end->pattern != NULL || end->handler != NULL)
        return row_refuse(reader, "route %s has no method; the table ends with a row of zeros",
                          end->pattern != NULL ? end->pattern : "(without a pattern)");
    for (size_t i = 0; i < router->row_count; i++)
        if (!row_read(reader, &router->rows[i], &routes[i]))
            return false;
    note_longest(router);
    qsort(router->rows, router->row_count, sizeof(router->rows[0]), row_order);
    return has_no_duplicates(router, reader);
}

struct router *router_new(const struct mid_route routes[], char *reason, size_t reason_size)
{
    struct router *router = calloc(1, sizeof(*router));
    if (router == NULL)
        panic("out of memory for the routes");
    arena_init(&router->arena);
    while (routes[router->row_count].method != NULL)
        router->row_count++;
    router->rows = arena_alloc(&router->arena, router->row_count * sizeof(router->rows[0]));
    struct row_reader reader = {&router->arena, reason, reason_size};
    if (!read_table(router, routes, &reader)) {
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

const struct mid_route *router_route(const struct router *router, size_t number)
{
    return number < router->row_count ? router->rows[number].route : NULL;
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
        if (!percent_decode_path(at, (size_t)(segment_end - at), arena, &decoded[i]) || segment_is_dot(decoded[i]))
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

static bool row_matches(const struct row *row, char *const segments[], size_t count)
{
    if (row_ends_with_rest(row) ? count < row->segment_count : count != row->segment_count)
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

    size_t count = path_segment_count(path_raw, length);
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
    return NULL;
}
