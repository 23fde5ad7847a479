/*
 * What a request knows of its session's fields: those it has loaded, and those that its own commits have told it about.
 *
 * Each field is an allocation of its own, so that a stream that commits for hours holds the session once and no more.
 *
 * A value that was handed out (view_lend()) stays where it is, unchanged, through the next view_turn() until the one
 * after: when something takes its place meanwhile, it waits among the replaced ones. A turn is a commit or a refresh.
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
    bool is_lent;
    int64_t until_ms; /* on this machine's clock: it is gone from then on; 0: it has no lifetime of its own */
    char *value;      /* NUL-terminated as well; behind the name */
    char name[];
};

struct view {
    struct view_field *fields;
    struct view_field *replaced[2]; /* lent values: since the last turn, and since the one before */
    bool has_lifetimes;             /* some field had one since the view was last forgotten */
    bool is_complete;               /* a field that is not here does not exist */
    bool is_part;                   /* of a large record: "@user" is here, and what was asked for */
    int64_t revision;               /* at which it shows the record, but for what is recorded; -1: at none */
};

/* Frees everything, lent values too. */
void view_fini(struct view *view);

/* Forgets all fields; lent values live on. */
void view_forget(struct view *view);

/* A commit or a refresh begins. */
void view_turn(struct view *view);

/* The field, present or known to be absent, or NULL when nothing is known of it. */
struct view_field *view_find(const struct view *view, const char *name);

/* The field has a value, and its lifetime is not over. NULL is fine. */
bool view_has_value(const struct view_field *field);

/* NULL for `value`: absent. The bytes are copied. The field has no lifetime of its own then. */
void view_set(struct view *view, const char *name, size_t name_bytes, const void *value, size_t value_bytes);

/* For a field that is there. 0: it has no lifetime of its own. */
void view_set_until(struct view *view, const char *name, int64_t until_ms);

/* The value, for the application to keep as long as is said above. */
const char *view_lend(struct view_field *field);

/* A copy of bytes that are no field's, lent in the same way; with a NUL behind. */
const char *view_lend_copy(struct view *view, const void *value, size_t value_bytes);

#endif
