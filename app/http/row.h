/*
 * A row of the table of routes: its pattern, read into segments. Between row.c and router.c.
 */
#ifndef HTTP_ROW_H
#define HTTP_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "midstream.h"

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

/* What reading a row needs: memory for its segments, and room for the reason why it is refused. */
struct row_reader {
    struct arena *arena;
    char *reason;
    size_t reason_size;
};

/* False, with a reason that names the route: it is malformed. */
MID_CHECK bool row_read(const struct row_reader *reader, struct row *row, const struct mid_route *route);

/* False; writes the reason. */
bool row_refuse(const struct row_reader *reader, const char *format, ...) MID_FORMAT(2, 3);

/* In the order in which patterns are tried; 0: they match the same paths. */
int row_compare(const struct row *a, const struct row *b);

/* The last segment takes the rest of the path. */
static inline bool row_ends_with_rest(const struct row *row)
{
    return row->segment_count > 0 && row->segments[row->segment_count - 1].kind == SEGMENT_REST;
}

/* The number of segments of a path; 0 for "/". */
size_t path_segment_count(const char *path, size_t length);

/* "." or "..". */
bool segment_is_dot(const char *text);

#endif
