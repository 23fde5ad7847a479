/* What a request knows of its session's fields. See view.h. */
#include "session/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/panic.h"

enum { NUMBER_ROOM = 24 }; /* so that a counter never needs another allocation */

static void free_fields(struct view_field **fields)
{
    while (*fields != NULL) {
        struct view_field *next = (*fields)->next;
        free(*fields);
        *fields = next;
    }
}

/* The field is out of the list. */
static void retire(struct view *view, struct view_field *field)
{
    if (!field->is_lent) {
        free(field);
        return;
    }
    field->next = view->replaced[0];
    view->replaced[0] = field;
}

void view_fini(struct view *view)
{
    free_fields(&view->fields);
    free_fields(&view->replaced[0]);
    free_fields(&view->replaced[1]);
    view->is_complete = false;
    view->is_part = false;
    view->has_lifetimes = false;
    view->revision = -1;
}

void view_forget(struct view *view)
{
    while (view->fields != NULL) {
        struct view_field *field = view->fields;
        view->fields = field->next;
        retire(view, field);
    }
    view->is_complete = false;
    view->is_part = false;
    view->has_lifetimes = false;
    view->revision = -1;
}

void view_turn(struct view *view)
{
    free_fields(&view->replaced[1]);
    view->replaced[1] = view->replaced[0];
    view->replaced[0] = NULL;
}

/* The link that points to the field, or the last one, which is NULL. */
static struct view_field **find_link(struct view *view, const char *name, size_t name_bytes)
{
    struct view_field **link = &view->fields;
    while (*link != NULL && (strncmp((*link)->name, name, name_bytes) != 0 || (*link)->name[name_bytes] != '\0'))
        link = &(*link)->next;
    return link;
}

struct view_field *view_find(const struct view *view, const char *name)
{
    for (struct view_field *field = view->fields; field != NULL; field = field->next)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

bool view_has_value(const struct view_field *field)
{
    return field != NULL && !field->is_absent && (field->until_ms == 0 || clock_unix_ms() < field->until_ms);
}

void view_set_until(struct view *view, const char *name, int64_t until_ms)
{
    struct view_field *field = view_find(view, name);
    if (field == NULL)
        return;
    field->until_ms = until_ms;
    view->has_lifetimes = view->has_lifetimes || until_ms != 0;
}

static struct view_field *field_new(const char *name, size_t name_bytes, size_t value_room)
{
    struct view_field *field = malloc(sizeof(*field) + name_bytes + 1 + value_room + 1);
    if (field == NULL)
        panic("out of memory for a session field of %zu bytes", value_room);
    memcpy(field->name, name, name_bytes);
    field->name[name_bytes] = '\0';
    field->value = field->name + name_bytes + 1;
    field->value_room = value_room;
    field->next = NULL;
    field->is_lent = false;
    return field;
}

static void put_value(struct view_field *field, const void *value, size_t value_bytes)
{
    field->is_absent = value == NULL;
    field->until_ms = 0;
    field->value_bytes = value_bytes;
    if (value != NULL && value_bytes > 0)
        memmove(field->value, value, value_bytes); /* it may be a piece of itself */
    field->value[value_bytes] = '\0';
}

void view_set(struct view *view, const char *name, size_t name_bytes, const void *value, size_t value_bytes)
{
    struct view_field **link = find_link(view, name, name_bytes);
    struct view_field *old = *link;
    if (old != NULL && old->value_room >= value_bytes && !old->is_lent) {
        put_value(old, value, value_bytes);
        return;
    }
    struct view_field *field = field_new(name, name_bytes, value_bytes > NUMBER_ROOM ? value_bytes : NUMBER_ROOM);
    put_value(field, value, value_bytes);
    *link = field;
    if (old != NULL) {
        field->next = old->next;
        retire(view, old);
    }
}

const char *view_lend(struct view_field *field)
{
    field->is_lent = true;
    return field->value;
}

const char *view_lend_copy(struct view *view, const void *value, size_t value_bytes)
{
    struct view_field *copy = field_new("", 0, value_bytes);
    put_value(copy, value, value_bytes);
    copy->is_lent = true;
    retire(view, copy);
    return copy->value;
}
