/* Recorded changes: what the view shows of them before Redis has answered, and afterwards. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "session/operation.h"

static struct view view;
static struct operations operations;

static void set_up(void)
{
    operations_init(&operations);
    view.is_complete = true;
}

static void tear_down(void)
{
    operations_drop(&operations);
    view_fini(&view);
}

TestSuite(operation, .init = set_up, .fini = tear_down);

static struct operation_text text_of(const char *text)
{
    return text != NULL ? (struct operation_text){text, strlen(text)} : (struct operation_text){0};
}

/* Records the operation on field "x" and shows it in the view. */
static struct operation *apply(enum operation_code code, const char *first, const char *second)
{
    struct operation_text arguments[] = {text_of(first), text_of(second)};
    int count = second != NULL ? 2 : first != NULL ? 1 : 0;
    struct operation *operation = operations_add(&operations, code, text_of("x"), count, arguments);
    operation_preview(operation, &view);
    return operation;
}

static void begin_with(const char *value)
{
    view_set(&view, "x", 1, value, value != NULL ? strlen(value) : 0);
}

/* The view's value; "(absent)", or "(unknown)". */
static const char *shown(void)
{
    const struct view_field *field = view_find(&view, "x");
    if (field == NULL)
        return view.is_complete ? "(absent)" : "(unknown)";
    return field->is_absent ? "(absent)" : field->value;
}

struct row {
    const char *before; /* NULL: absent */
    enum operation_code code;
    const char *arguments[2];
    const char *preview;
};

static const struct row rows[] = {
    {NULL, OPERATION_SET, {"new"}, "new"},
    {"old", OPERATION_SET, {"new"}, "new"},
    {"old", OPERATION_SET, {""}, ""},
    {"old", OPERATION_DELETE, {NULL}, "(absent)"},
    {NULL, OPERATION_DELETE, {NULL}, "(absent)"},
    {NULL, OPERATION_INCREMENT, {"1"}, "1"},
    {"41", OPERATION_INCREMENT, {"1"}, "42"},
    {"41", OPERATION_INCREMENT, {"-42"}, "-1"},
    {"9223372036854775806", OPERATION_INCREMENT, {"1"}, "9223372036854775807"},
    {"9223372036854775807", OPERATION_INCREMENT, {"-9223372036854775808"}, "-1"},
    {"9223372036854775807", OPERATION_INCREMENT, {"1"}, "9223372036854775807"}, /* the commit will refuse it */
    {"-9223372036854775808", OPERATION_INCREMENT, {"-1"}, "-9223372036854775808"},
    {"not a number", OPERATION_INCREMENT, {"1"}, "not a number"},
    {NULL, OPERATION_APPEND, {"abc", "10"}, "abc"},
    {"abc", OPERATION_APPEND, {"def", "10"}, "abcdef"},
    {"abc", OPERATION_APPEND, {"def", "6"}, "abcdef"},
    {"abc", OPERATION_APPEND, {"def", "5"}, "bcdef"},
    {"abc", OPERATION_APPEND, {"def", "2"}, "ef"},
    {"abc", OPERATION_APPEND, {"", "2"}, "bc"},
    {"abc", OPERATION_APPEND, {"def", "1"}, "f"},
    {"abc", OPERATION_SET_IF_ABSENT, {"new"}, "abc"}, /* these are committed at once, and shown then */
    {NULL, OPERATION_SET_IF_ABSENT, {"new"}, "(absent)"},
    {"abc", OPERATION_COMPARE_AND_SET, {"abc", "new"}, "abc"},
    {"abc", OPERATION_TAKE, {NULL}, "abc"},
    {"abc", OPERATION_RENEW, {NULL}, "abc"},
};

Test(operation, the_view_shows_what_will_have_been_done)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_with(rows[i].before);
        apply(rows[i].code, rows[i].arguments[0], rows[i].arguments[1]);
        cr_expect_str_eq(shown(), rows[i].preview, "row %zu: %s", i, shown());
    }
}

Test(operation, what_depends_on_an_unknown_value_stays_unknown)
{
    view.is_complete = false;
    apply(OPERATION_INCREMENT, "1", NULL);
    cr_expect_str_eq(shown(), "(unknown)");
    apply(OPERATION_APPEND, "abc", "10");
    cr_expect_str_eq(shown(), "(unknown)");
    apply(OPERATION_SET, "7", NULL);
    apply(OPERATION_INCREMENT, "1", NULL);
    cr_expect_str_eq(shown(), "8", "from a value that was set it can be told");
}

static void settle(struct operation *operation, const char *result)
{
    operation->result = text_of(result);
    operation_settle(operation, &view);
}

Test(operation, the_answer_shows_what_was_done)
{
    view.is_complete = false;
    settle(apply(OPERATION_INCREMENT, "1", NULL), "1001"); /* others have incremented, too */
    cr_expect_str_eq(shown(), "1001");
    settle(apply(OPERATION_SET_IF_ABSENT, "new", NULL), "0");
    cr_expect_str_eq(shown(), "1001");
    settle(apply(OPERATION_SET_IF_ABSENT, "new", NULL), "1");
    cr_expect_str_eq(shown(), "new");
    settle(apply(OPERATION_COMPARE_AND_SET, "other", "newer"), "0");
    cr_expect_str_eq(shown(), "new");
    settle(apply(OPERATION_COMPARE_AND_SET, "new", "newer"), "1");
    cr_expect_str_eq(shown(), "newer");
    settle(apply(OPERATION_TAKE, NULL, NULL), "newer");
    cr_expect_str_eq(shown(), "(absent)");
}

Test(operation, operations_keep_their_order_and_copies_of_their_texts)
{
    char field[] = "field";
    char value[] = "value";
    operations_add(&operations, OPERATION_SET, text_of(field), 1, (struct operation_text[]){text_of(value)});
    operations_add(&operations, OPERATION_DELETE, text_of("y"), 0, NULL);
    memset(field, '-', sizeof(field) - 1);
    memset(value, '-', sizeof(value) - 1);
    cr_expect_eq(operations.count, 2);
    cr_expect_eq(operations.bytes, 5 + 5 + 1);
    cr_assert_not_null(operations.first);
    cr_expect_str_eq(operations.first->field.data, "field");
    cr_expect_str_eq(operations.first->arguments[0].data, "value");
    cr_expect_eq(operations.first->next->code, OPERATION_DELETE);
    cr_expect_null(operations.first->next->next);

    operations_drop(&operations);
    cr_expect_eq(operations.count, 0);
    cr_expect_null(operations.first);
    operations_add(&operations, OPERATION_DELETE, text_of("z"), 0, NULL);
    cr_expect_str_eq(operations.first->field.data, "z");
}
