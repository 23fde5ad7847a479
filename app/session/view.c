/* What a request knows of its session's fields. See view.h. */
#include "session/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

enum { NUMBER_ROOM = 24 }; /* so that a counter never needs another allocation */

void view_fini(struct view *view)
{
    while (view->fields != NULL) {
        struct view_field *next = view->fields->next;
        free(view->fields);
        view->fields = next;
    }
    view->is_complete = false;
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
    return field;
}

void view_set(struct view *view, const char *name, size_t name_bytes, const void *value, size_t value_bytes)
{
    struct view_field **link = find_link(view, name, name_bytes);
    struct view_field *old = *link;
    if (old == NULL || old->value_room < value_bytes) {
        *link = field_new(name, name_bytes, value_bytes > NUMBER_ROOM ? value_bytes : NUMBER_ROOM);
        if (old != NULL)
            (*link)->next = old->next;
    }
    struct view_field *field = *link;
    field->is_absent = value == NULL;
    field->value_bytes = value_bytes;
    if (value_bytes > 0)
        memmove(field->value, value, value_bytes); /* it may be a piece of itself */
    field->value[value_bytes] = '\0';
    if (old != field)
        free(old);
}
