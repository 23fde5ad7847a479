/*
 * What a request knows of its session's fields: those it has loaded, and those that its own commits have told it about.
 *
 * Each field is an allocation of its own, so that a stream that commits for hours holds the session once and no more.
 */
#ifndef SESSION_VIEW_H
#define SESSION_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view_field {
    struct view_field *next;
    size_t value_bytes;
    size_t value_room;
    bool is_absent; /* known not to be there */
    char *value;    /* NUL-terminated as well; behind the name */
    char name[];
};

struct view {
    struct view_field *fields;
    bool is_complete; /* a field that is not here does not exist */
};

void view_fini(struct view *view);

/* The field, present or known to be absent, or NULL when nothing is known of it. */
struct view_field *view_find(const struct view *view, const char *name);

/* NULL for `value`: absent. The bytes are copied. */
void view_set(struct view *view, const char *name, size_t name_bytes, const void *value, size_t value_bytes);

#endif
