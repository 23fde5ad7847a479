/* Recorded changes of a session. See operation.h. */
#include "session/operation.h"

#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "http/query.h"

void operations_init(struct operations *operations)
{
    *operations = (struct operations){0};
    operations->end = &operations->first;
}

void operations_drop(struct operations *operations)
{
    arena_fini(&operations->arena);
    operations_init(operations);
}

static struct operation_text copy_text(struct operations *operations, struct operation_text text)
{
    operations->bytes += text.bytes;
    return (struct operation_text){arena_strndup(&operations->arena, text.data, text.bytes), text.bytes};
}

struct operation *operations_add(struct operations *operations, enum operation_code code, struct operation_text field,
                                 int argument_count, const struct operation_text arguments[])
{
    struct operation *operation = arena_zalloc(&operations->arena, sizeof(*operation));
    operation->code = (char)code;
    operation->field = copy_text(operations, field);
    for (int i = 0; i < argument_count; i++)
        operation->arguments[i] = copy_text(operations, arguments[i]);
    *operations->end = operation;
    operations->end = &operation->next;
    operations->count++;
    return operation;
}

/* -------------------- what they do to the view -------------------- */

static void set(struct view *view, struct operation_text field, struct operation_text value)
{
    view_set(view, field.data, field.bytes, value.data, value.bytes);
}

/* The value that the view knows: false when nothing is known. An absent field is the empty text. */
static bool known_value(const struct view *view, const char *field, struct operation_text *value)
{
    const struct view_field *known = view_find(view, field);
    if (known == NULL && !view->is_complete)
        return false;
    bool is_absent = known == NULL || known->is_absent;
    *value = (struct operation_text){is_absent ? "" : known->value, is_absent ? 0 : known->value_bytes};
    return true;
}

static void preview_increment(const struct operation *operation, struct view *view)
{
    struct operation_text value;
    int64_t number = 0;
    int64_t by;
    if (!known_value(view, operation->field.data, &value) || !parse_int64(operation->arguments[0].data, &by))
        return;
    if (value.bytes > 0 && !parse_int64(value.data, &number))
        return; /* the commit will refuse it */
    if (__builtin_add_overflow(number, by, &number))
        return;
    char text[NUMBER_TEXT_BYTES];
    size_t bytes = number_format(number, text);
    set(view, operation->field, (struct operation_text){text, bytes});
}

/* The tail of value + text that fits into max bytes. */
static void preview_append(const struct operation *operation, struct view *view)
{
    struct operation_text value;
    if (!known_value(view, operation->field.data, &value))
        return;
    struct operation_text text = operation->arguments[0];
    size_t max = strtoul(operation->arguments[1].data, NULL, 10);
    size_t all = value.bytes + text.bytes;
    size_t cut = all > max ? all - max : 0;
    char *whole = malloc(all + 1);
    if (whole == NULL)
        return;
    if (value.bytes > 0)
        memcpy(whole, value.data, value.bytes);
    if (text.bytes > 0)
        memcpy(whole + value.bytes, text.data, text.bytes);
    set(view, operation->field, (struct operation_text){whole + cut, all - cut});
    free(whole);
}

void operation_preview(const struct operation *operation, struct view *view)
{
    switch ((enum operation_code)operation->code) {
    case OPERATION_SET:
        set(view, operation->field, operation->arguments[0]);
        break;
    case OPERATION_DELETE:
        set(view, operation->field, (struct operation_text){0});
        break;
    case OPERATION_INCREMENT:
        preview_increment(operation, view);
        break;
    case OPERATION_APPEND:
        preview_append(operation, view);
        break;
    case OPERATION_SET_IF_ABSENT:
    case OPERATION_COMPARE_AND_SET:
    case OPERATION_TAKE:
    case OPERATION_RENEW:
        break; /* these are committed at once */
    }
}

void operation_settle(const struct operation *operation, struct view *view)
{
    bool was_done = operation->result.bytes == 1 && operation->result.data[0] == '1';
    switch ((enum operation_code)operation->code) {
    case OPERATION_INCREMENT:
        set(view, operation->field, operation->result);
        break;
    case OPERATION_SET_IF_ABSENT:
        if (was_done)
            set(view, operation->field, operation->arguments[0]);
        break;
    case OPERATION_COMPARE_AND_SET:
        if (was_done)
            set(view, operation->field, operation->arguments[1]);
        break;
    case OPERATION_TAKE:
        set(view, operation->field, (struct operation_text){0});
        break;
    case OPERATION_SET:
    case OPERATION_DELETE:
    case OPERATION_APPEND:
    case OPERATION_RENEW:
        break; /* what the preview showed is what was done */
    }
}
