/* Recorded changes of a session. See operation.h. */
#include "session/operation.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/panic.h"
#include "session/header.h"

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
                                 struct operation_text value, int64_t number)
{
    struct operation *operation = arena_zalloc(&operations->arena, sizeof(*operation));
    operation->code = operation->does = code;
    operation->field = copy_text(operations, field);
    operation->value = copy_text(operations, value);
    operation->number = number;
    *operations->end = operation;
    operations->end = &operation->next;
    operations->count++;
    return operation;
}

static struct operation *find_entry(const struct operations *operations)
{
    struct operation *operation = operations->first;
    while (operation != NULL && operation->code != OPERATION_ENTRY)
        operation = operation->next;
    return operation;
}

bool operations_have_entry(const struct operations *operations)
{
    return find_entry(operations) != NULL;
}

bool operations_have_entry_of(const struct operations *operations, const char *stream)
{
    for (const struct operation *operation = operations->first; operation != NULL; operation = operation->next)
        if (operation->code == OPERATION_ENTRY && strcmp(operation->field.data, stream) == 0)
            return true;
    return false;
}

void operations_count_last(const struct operations *operations, size_t *count, size_t *bytes)
{
    *count = *bytes = 0;
    for (const struct operation *operation = operations->first; operation != NULL; operation = operation->next) {
        bool is_entry = operation->code == OPERATION_ENTRY;
        *count = is_entry ? 0 : *count + 1;
        *bytes = is_entry ? 0 : *bytes + operation->field.bytes + operation->value.bytes;
    }
}

void operations_move(struct operations *to, struct operations *from)
{
    struct operation *last = find_entry(from);
    ENSURE(to->first == NULL);
    arena_fini(&to->arena);
    *to = *from;
    if (to->first == NULL)
        to->end = &to->first;
    operations_init(from);
    if (last == NULL || last->next == NULL)
        return;
    for (const struct operation *later = last->next; later != NULL; later = later->next, to->count--)
        operations_add(from, later->code, later->field, later->value, later->number);
    to->bytes -= from->bytes;
    to->end = &last->next;
    last->next = NULL;
}

/* -------------------- entries of durable streams -------------------- */

enum { ENTRY_TEXTS = 4 };

void operation_entry_pack(struct buffer *value, const struct journal_append *append)
{
    char epoch[NUMBER_TEXT_BYTES];
    number_format(append->epoch, epoch);
    const char *texts[ENTRY_TEXTS] = {append->event, append->incarnation, append->producer, epoch};
    for (size_t i = 0; i < ENTRY_TEXTS; i++)
        buffer_append(value, texts[i] != NULL ? texts[i] : "", texts[i] != NULL ? strlen(texts[i]) + 1 : 1);
    if (append->bytes > 0)
        buffer_append(value, append->data, append->bytes);
}

void operation_entry(const struct operation *operation, struct journal_append *append)
{
    const char *texts[ENTRY_TEXTS];
    const char *at = operation->value.data;
    for (size_t i = 0; i < ENTRY_TEXTS; at += strlen(at) + 1, i++)
        texts[i] = at[0] != '\0' ? at : NULL;
    *append = (struct journal_append){.event = texts[0],
                                      .incarnation = texts[1],
                                      .producer = texts[2],
                                      .number = JOURNAL_UNNUMBERED,
                                      .data = at,
                                      .bytes = operation->value.bytes - (size_t)(at - operation->value.data),
                                      .closes = operation->number != 0};
    if (!number_parse(texts[3], &append->epoch))
        append->epoch = 0;
}

/* -------------------- which there are -------------------- */

struct operation *operations_last(const struct operations *operations)
{
    struct operation *last = operations->first;
    while (last != NULL && last->next != NULL)
        last = last->next;
    return last;
}

bool operation_has_answer(const struct operation *operation)
{
    return operation->code == OPERATION_SET_IF_ABSENT || operation->code == OPERATION_COMPARE_AND_SET ||
           operation->code == OPERATION_TAKE;
}

static bool text_is_equal(struct operation_text a, struct operation_text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool operation_is_equal(const struct operation *operation, enum operation_code code, struct operation_text field,
                        struct operation_text value, int64_t number)
{
    return operation->code == code && operation->number == number && text_is_equal(operation->field, field) &&
           text_is_equal(operation->value, value);
}

/* -------------------- what they will do -------------------- */

/* The value that the view shows. False: nothing is known of it. `data` NULL: it is known not to be there. */
static bool known_value(const struct view *view, const char *field, struct operation_text *value)
{
    const struct view_field *known = view_find(view, field);
    if (known == NULL && !view->is_complete)
        return false;
    bool is_there = known != NULL && view_has_value(known);
    *value = (struct operation_text){is_there ? known->value : NULL, is_there ? known->value_bytes : 0};
    return true;
}

/* `was` is what the view showed before; `data` NULL in one of them: absent. */
static void foresee_change(struct operation *operation, struct operation_text was, struct operation_text will_be)
{
    size_t name_bytes = operation->field.bytes;
    operation->fields_change += (will_be.data != NULL) - (was.data != NULL);
    operation->size_change += will_be.data != NULL ? header_field_size(name_bytes, will_be.bytes) : 0;
    operation->size_change -= was.data != NULL ? header_field_size(name_bytes, was.bytes) : 0;
    operation->longest = will_be.bytes;
}

/* Until when the field will live; 0: as long as the session. */
static int64_t lifetime_end(const struct operation *operation, const struct view *view)
{
    if (operation->code == OPERATION_SET_FOR)
        return clock_unix_ms() + operation->number;
    bool keeps_end = operation->code == OPERATION_INCREMENT || operation->code == OPERATION_APPEND;
    const struct view_field *known = keeps_end ? view_find(view, operation->field.data) : NULL;
    return known != NULL && view_has_value(known) ? known->until_ms : 0;
}

static void show(struct operation *operation, struct view *view, const struct operation_text *was,
                 struct operation_text will_be)
{
    int64_t until_ms = lifetime_end(operation, view);
    if (was != NULL) {
        operation->is_foreseen = true;
        foresee_change(operation, *was, will_be);
    }
    view_set(view, operation->field.data, operation->field.bytes, will_be.data, will_be.bytes);
    if (until_ms != 0)
        view_set_until(view, operation->field.data, until_ms);
}

static void preview_increment(struct operations *operations, struct operation *operation, struct view *view,
                              const struct operation_text *was)
{
    int64_t number = 0;
    int64_t by;
    if (was == NULL || !number_parse(operation->value.data, &by))
        return;
    if (was->data != NULL && !number_parse(was->data, &number))
        return; /* the commit will refuse it */
    if (__builtin_add_overflow(number, by, &number))
        return;
    char *text = arena_alloc(&operations->arena, NUMBER_TEXT_BYTES);
    size_t bytes = number_format(number, text);
    show(operation, view, was, (struct operation_text){text, bytes});
}

/* The tail of value + text that fits into the bound. */
static void preview_append(struct operation *operation, struct view *view, const struct operation_text *was)
{
    if (was == NULL)
        return;
    struct operation_text text = operation->value;
    size_t max = (size_t)operation->number;
    size_t all = was->bytes + text.bytes;
    size_t cut = all > max ? all - max : 0;
    char *whole = malloc(all + 1);
    if (whole == NULL)
        panic("out of memory for a session field of %zu bytes", all);
    if (was->bytes > 0)
        memcpy(whole, was->data, was->bytes);
    if (text.bytes > 0)
        memcpy(whole + was->bytes, text.data, text.bytes);
    show(operation, view, was, (struct operation_text){whole + cut, all - cut});
    free(whole);
}

static struct operation_text copy_of(struct operations *operations, struct operation_text text)
{
    if (text.data == NULL)
        return text;
    return (struct operation_text){arena_strndup(&operations->arena, text.data, text.bytes), text.bytes};
}

/* Those with an answer: they come to a set, a delete, or nothing. */
static void preview_answer(struct operations *operations, struct operation *operation, struct view *view,
                           const struct operation_text *was)
{
    static const struct operation_text yes = {"1", 1};
    static const struct operation_text no = {"0", 1};
    if (was == NULL)
        return;
    struct operation_text new_value = operation->value;
    bool does_it = was->data != NULL;
    operation->is_foreseen = true;
    if (operation->code == OPERATION_TAKE) {
        operation->result = copy_of(operations, *was);
        operation->does = does_it ? OPERATION_DELETE : OPERATION_NOTHING;
        new_value = (struct operation_text){0};
    } else {
        if (operation->code == OPERATION_COMPARE_AND_SET) {
            struct operation_text expected = {operation->value.data, (size_t)operation->number};
            does_it = does_it && text_is_equal(*was, expected);
            new_value.data += operation->number;
            new_value.bytes -= (size_t)operation->number;
        } else {
            does_it = !does_it;
        }
        operation->result = does_it ? yes : no;
        operation->does = does_it ? OPERATION_SET : OPERATION_NOTHING;
    }
    if (does_it)
        show(operation, view, was, new_value);
}

void operation_preview(struct operations *operations, struct operation *operation, struct view *view)
{
    struct operation_text value;
    const struct operation_text *was = known_value(view, operation->field.data, &value) ? &value : NULL;
    operation->is_foreseen = false;
    operation->foreseen_at = view->has_lifetimes ? -1 : view->revision;
    operation->does = operation->code;
    operation->fields_change = 0;
    operation->size_change = 0;
    operation->longest = 0;
    switch (operation->code) {
    case OPERATION_SET:
    case OPERATION_SET_FOR:
        show(operation, view, was, operation->value);
        break;
    case OPERATION_DELETE:
        show(operation, view, was, (struct operation_text){0});
        break;
    case OPERATION_INCREMENT:
        preview_increment(operations, operation, view, was);
        break;
    case OPERATION_APPEND:
        preview_append(operation, view, was);
        break;
    case OPERATION_SET_IF_ABSENT:
    case OPERATION_COMPARE_AND_SET:
    case OPERATION_TAKE:
        preview_answer(operations, operation, view, was);
        break;
    case OPERATION_RENEW:    /* committed at once */
    case OPERATION_DESCRIBE: /* of the runtime's own fields the view has "@user" alone */
    case OPERATION_ENTRY:
    case OPERATION_NOTHING:
        break;
    }
}

void operations_preview(struct operations *operations, struct view *view)
{
    for (struct operation *operation = operations->first; operation != NULL; operation = operation->next)
        operation_preview(operations, operation, view);
}

void operations_show(struct operations *operations, struct view *view)
{
    for (struct operation *operation = operations->first; operation != NULL; operation = operation->next) {
        struct operation copy = *operation;
        operation_preview(operations, &copy, view);
    }
}

/* -------------------- what they have done -------------------- */

void operation_show_result(const struct operation *operation, struct view *view)
{
    bool was_done = operation->result.bytes == 1 && operation->result.data[0] == '1';
    struct operation_text field = operation->field;
    struct operation_text value = operation->value;
    switch (operation->code) {
    case OPERATION_INCREMENT:
        view_set(view, field.data, field.bytes, operation->result.data, operation->result.bytes);
        break;
    case OPERATION_SET_IF_ABSENT:
        if (was_done)
            view_set(view, field.data, field.bytes, value.data, value.bytes);
        break;
    case OPERATION_COMPARE_AND_SET:
        if (was_done)
            view_set(view, field.data, field.bytes, value.data + operation->number,
                     value.bytes - (size_t)operation->number);
        break;
    case OPERATION_TAKE:
        view_set(view, field.data, field.bytes, NULL, 0);
        break;
    case OPERATION_RENEW:
        view_set(view, field.data, field.bytes, value.bytes > 0 ? value.data : NULL, value.bytes);
        break;
    case OPERATION_SET:
    case OPERATION_SET_FOR:
    case OPERATION_DELETE:
    case OPERATION_APPEND:
    case OPERATION_DESCRIBE:
    case OPERATION_ENTRY:
    case OPERATION_NOTHING:
        break; /* what the preview showed is what was done */
    }
}

static bool has_field(const struct operation *first, struct operation_text field)
{
    for (const struct operation *operation = first; operation != NULL; operation = operation->next)
        if (text_is_equal(operation->field, field))
            return true;
    return false;
}

void operations_show_results(const struct operations *operations, const struct operations *later, struct view *view)
{
    for (const struct operation *operation = operations->first; operation != NULL; operation = operation->next)
        if (!has_field(operation->next, operation->field) && !has_field(later->first, operation->field))
            operation_show_result(operation, view);
}
