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
static struct operation *apply(enum operation_code code, const char *value, int64_t number)
{
    struct operation *operation = operations_add(&operations, code, text_of("x"), text_of(value), number);
    operation_preview(&operations, operation, &view);
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
    const char *value;
    int64_t number;
    const char *preview;
    enum operation_code does;
    int fields_change;
    int64_t size_change; /* the name counts 1, a value at least 20 */
};

#define LONG_VALUE "0123456789012345678901234"

static const struct row rows[] = {
    {NULL, OPERATION_SET, "new", 0, "new", OPERATION_SET, 1, 21},
    {"old", OPERATION_SET, "new", 0, "new", OPERATION_SET, 0, 0},
    {"old", OPERATION_SET, "", 0, "", OPERATION_SET, 0, 0},
    {"old", OPERATION_SET, LONG_VALUE, 0, LONG_VALUE, OPERATION_SET, 0, 5},
    {LONG_VALUE, OPERATION_SET, "", 0, "", OPERATION_SET, 0, -5},
    {NULL, OPERATION_SET_FOR, "new", 1000000, "new", OPERATION_SET_FOR, 1, 21},
    {"old", OPERATION_DELETE, NULL, 0, "(absent)", OPERATION_DELETE, -1, -21},
    {NULL, OPERATION_DELETE, NULL, 0, "(absent)", OPERATION_DELETE, 0, 0},
    {NULL, OPERATION_INCREMENT, "1", 0, "1", OPERATION_INCREMENT, 1, 21},
    {"41", OPERATION_INCREMENT, "1", 0, "42", OPERATION_INCREMENT, 0, 0},
    {"41", OPERATION_INCREMENT, "-42", 0, "-1", OPERATION_INCREMENT, 0, 0},
    {"9223372036854775806", OPERATION_INCREMENT, "1", 0, "9223372036854775807", OPERATION_INCREMENT, 0, 0},
    {"9223372036854775807", OPERATION_INCREMENT, "-9223372036854775808", 0, "-1", OPERATION_INCREMENT, 0, 0},
    {NULL, OPERATION_APPEND, "abc", 10, "abc", OPERATION_APPEND, 1, 21},
    {"abc", OPERATION_APPEND, "def", 10, "abcdef", OPERATION_APPEND, 0, 0},
    {"abc", OPERATION_APPEND, "def", 6, "abcdef", OPERATION_APPEND, 0, 0},
    {"abc", OPERATION_APPEND, "def", 5, "bcdef", OPERATION_APPEND, 0, 0},
    {"abc", OPERATION_APPEND, "def", 2, "ef", OPERATION_APPEND, 0, 0},
    {"abc", OPERATION_APPEND, "", 2, "bc", OPERATION_APPEND, 0, 0},
    {"abc", OPERATION_APPEND, "def", 1, "f", OPERATION_APPEND, 0, 0},
    {"abc", OPERATION_APPEND, LONG_VALUE, 100, "abc" LONG_VALUE, OPERATION_APPEND, 0, 8},
    {"abc", OPERATION_SET_IF_ABSENT, "new", 0, "abc", OPERATION_NOTHING, 0, 0},
    {NULL, OPERATION_SET_IF_ABSENT, "new", 0, "new", OPERATION_SET, 1, 21},
    {"abc", OPERATION_COMPARE_AND_SET, "abcnew", 3, "new", OPERATION_SET, 0, 0},
    {"abc", OPERATION_COMPARE_AND_SET, "abcnew", 2, "abc", OPERATION_NOTHING, 0, 0},
    {NULL, OPERATION_COMPARE_AND_SET, "new", 0, "(absent)", OPERATION_NOTHING, 0, 0},
    {"", OPERATION_COMPARE_AND_SET, "new", 0, "new", OPERATION_SET, 0, 0},
    {"abc", OPERATION_TAKE, NULL, 0, "(absent)", OPERATION_DELETE, -1, -21},
    {NULL, OPERATION_TAKE, NULL, 0, "(absent)", OPERATION_NOTHING, 0, 0},
};

Test(operation, the_view_shows_what_will_have_been_done_and_how_the_record_changes)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_with(rows[i].before);
        struct operation *operation = apply(rows[i].code, rows[i].value, rows[i].number);
        cr_expect_str_eq(shown(), rows[i].preview, "row %zu: %s", i, shown());
        cr_expect(operation->is_foreseen, "row %zu", i);
        cr_expect_eq(operation->does, rows[i].does, "row %zu: %c", i, operation->does);
        cr_expect_eq(operation->fields_change, rows[i].fields_change, "row %zu: %d", i, operation->fields_change);
        cr_expect_eq(operation->size_change, rows[i].size_change, "row %zu", i);
    }
}

Test(operation, what_the_commit_will_refuse_or_redis_decides_is_not_foreseen)
{
    static const struct row refused[] = {
        {"9223372036854775807", OPERATION_INCREMENT, "1", 0, "9223372036854775807", OPERATION_INCREMENT, 0, 0},
        {"-9223372036854775808", OPERATION_INCREMENT, "-1", 0, "-9223372036854775808", OPERATION_INCREMENT, 0, 0},
        {"not a number", OPERATION_INCREMENT, "1", 0, "not a number", OPERATION_INCREMENT, 0, 0},
        {"abc", OPERATION_RENEW, NULL, 0, "abc", OPERATION_RENEW, 0, 0},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        begin_with(refused[i].before);
        struct operation *operation = apply(refused[i].code, refused[i].value, 0);
        cr_expect_str_eq(shown(), refused[i].preview, "row %zu: %s", i, shown());
        cr_expect_not(operation->is_foreseen, "row %zu", i);
    }
}

Test(operation, the_answer_of_a_question_is_foreseen)
{
    begin_with("here");
    cr_expect_str_eq(apply(OPERATION_SET_IF_ABSENT, "new", 0)->result.data, "0");
    cr_expect_str_eq(apply(OPERATION_COMPARE_AND_SET, "therenew", 5)->result.data, "0");
    cr_expect_str_eq(apply(OPERATION_COMPARE_AND_SET, "herenew", 4)->result.data, "1");
    cr_expect_str_eq(apply(OPERATION_TAKE, NULL, 0)->result.data, "new", "by what was recorded before");
    cr_expect_null(apply(OPERATION_TAKE, NULL, 0)->result.data);
    cr_expect_str_eq(apply(OPERATION_SET_IF_ABSENT, "newer", 0)->result.data, "1");
}

Test(operation, what_depends_on_an_unknown_value_stays_unknown)
{
    view.is_complete = false;
    cr_expect_not(apply(OPERATION_INCREMENT, "1", 0)->is_foreseen);
    cr_expect_str_eq(shown(), "(unknown)");
    cr_expect_not(apply(OPERATION_APPEND, "abc", 10)->is_foreseen);
    cr_expect_str_eq(shown(), "(unknown)");
    cr_expect_not(apply(OPERATION_TAKE, NULL, 0)->is_foreseen);
    cr_expect_not(apply(OPERATION_SET, "7", 0)->is_foreseen, "what it takes away is not known");
    cr_expect(apply(OPERATION_INCREMENT, "1", 0)->is_foreseen);
    cr_expect_str_eq(shown(), "8", "from a value that was set it can be told");
}

static void settle(struct operation *operation, const char *result)
{
    operation->result = text_of(result);
    operation_show_result(operation, &view);
}

Test(operation, the_answer_shows_what_was_done)
{
    view.is_complete = false;
    settle(apply(OPERATION_INCREMENT, "1", 0), "1001"); /* others have incremented, too */
    cr_expect_str_eq(shown(), "1001");
    settle(apply(OPERATION_SET_IF_ABSENT, "new", 0), "0");
    cr_expect_str_eq(shown(), "1001");
    settle(apply(OPERATION_COMPARE_AND_SET, "othernewer", 5), "0");
    cr_expect_str_eq(shown(), "1001");
    settle(apply(OPERATION_COMPARE_AND_SET, "othernewer", 5), "1");
    cr_expect_str_eq(shown(), "newer", "Redis had another value, and its answer counts");
    settle(apply(OPERATION_TAKE, NULL, 0), "newer");
    cr_expect_str_eq(shown(), "(absent)");
    settle(apply(OPERATION_SET_IF_ABSENT, "new", 0), "1");
    cr_expect_str_eq(shown(), "new");
}

Test(operation, moved_operations_leave_an_empty_list_that_can_be_used)
{
    struct operations moved;
    operations_init(&moved);
    operations_add(&operations, OPERATION_DELETE, text_of("a"), text_of(NULL), 0);
    operations_move(&moved, &operations);
    cr_expect_eq(moved.count, 1);
    cr_expect_eq(operations.count, 0);
    operations_add(&moved, OPERATION_DELETE, text_of("b"), text_of(NULL), 0);
    operations_add(&operations, OPERATION_DELETE, text_of("c"), text_of(NULL), 0);
    cr_expect_str_eq(moved.first->next->field.data, "b");
    cr_expect_str_eq(operations.first->field.data, "c");
    operations_drop(&moved);
}

static void add_entry(const char *event, const char *data, size_t bytes)
{
    struct buffer value = {0};
    operation_entry_pack(
        &value, &(struct journal_append){
                    .event = event, .incarnation = "0011", .producer = "p", .epoch = 7, .data = data, .bytes = bytes});
    operations_add(&operations, OPERATION_ENTRY, text_of("stream"), (struct operation_text){value.data, value.length},
                   0);
    buffer_fini(&value);
}

Test(operation, an_entry_of_a_durable_stream_ends_a_commit_and_what_follows_waits)
{
    struct operations commit;
    struct journal_append entry;
    operations_init(&commit);
    apply(OPERATION_SET, "first", 0);
    add_entry("token", "a\0b", 3);
    apply(OPERATION_APPEND, "second", 9);
    add_entry(NULL, "", 0);
    cr_assert(operations_have_entry(&operations));
    operations_move(&commit, &operations);
    cr_expect_eq(commit.count, 2);
    cr_expect_eq(commit.bytes, strlen("x") + strlen("first") + strlen("stream") + sizeof("token") + sizeof("0011") +
                                   sizeof("p") + sizeof("7") + 3);
    cr_expect_str_eq(commit.first->value.data, "first");
    operation_entry(operations_last(&commit), &entry);
    cr_expect(entry.bytes == 3 && memcmp(entry.data, "a\0b", 3) == 0);
    cr_expect_str_eq(entry.event, "token");
    cr_expect_str_eq(entry.incarnation, "0011");
    cr_expect_str_eq(entry.producer, "p");
    cr_expect_eq(entry.epoch, 7);
    cr_expect_null(operations_last(&commit)->next);

    cr_expect_eq(operations.count, 2);
    cr_expect_eq(operations.first->code, OPERATION_APPEND);
    cr_expect_eq(operations.first->does, OPERATION_APPEND, "it is sent as it is, though nothing is foreseen");
    cr_expect_eq(operations.first->number, 9);
    cr_expect_not(operations.first->is_foreseen);
    operations_drop(&commit);
    operations_move(&commit, &operations);
    cr_expect_eq(commit.count, 2);
    operation_entry(operations_last(&commit), &entry);
    cr_expect_eq(entry.bytes, 0);
    cr_expect_null(entry.event);
    cr_expect_eq(operations.count, 0);
    cr_expect_not(operations_have_entry(&operations));
    apply(OPERATION_SET, "third", 0);
    cr_expect_eq(operations.count, 1);
    operations_drop(&commit);
}

Test(operation, operations_keep_their_order_and_copies_of_their_texts)
{
    char field[] = "field";
    char value[] = "value";
    operations_add(&operations, OPERATION_SET, text_of(field), text_of(value), 0);
    operations_add(&operations, OPERATION_DELETE, text_of("y"), text_of(NULL), 0);
    memset(field, '-', sizeof(field) - 1);
    memset(value, '-', sizeof(value) - 1);
    cr_expect_eq(operations.count, 2);
    cr_expect_eq(operations.bytes, 5 + 5 + 1);
    cr_assert_not_null(operations.first);
    cr_expect_str_eq(operations.first->field.data, "field");
    cr_expect_str_eq(operations.first->value.data, "value");
    cr_expect_eq(operations.first->next->code, OPERATION_DELETE);
    cr_expect_null(operations.first->next->next);

    operations_drop(&operations);
    cr_expect_eq(operations.count, 0);
    cr_expect_null(operations.first);
    operations_add(&operations, OPERATION_DELETE, text_of("z"), text_of(NULL), 0);
    cr_expect_str_eq(operations.first->field.data, "z");
}

Test(operation, what_is_settled_does_not_hide_what_follows_on_the_field)
{
    struct operations later;
    operations_init(&later);
    begin_with("41");
    struct operation *increment = apply(OPERATION_INCREMENT, "1", 0);
    apply(OPERATION_SET, "new", 0);
    increment->result = text_of("42");
    operations_show_results(&operations, &later, &view);
    cr_expect_str_eq(shown(), "new");
    operations_drop(&later);
}

Test(operation, what_is_settled_does_not_hide_what_was_recorded_since)
{
    struct operations later;
    operations_init(&later);
    begin_with("41");
    struct operation *increment = apply(OPERATION_INCREMENT, "1", 0);
    operation_preview(&later, operations_add(&later, OPERATION_DELETE, text_of("x"), text_of(NULL), 0), &view);
    increment->result = text_of("42");
    operations_show_results(&operations, &later, &view);
    cr_expect_str_eq(shown(), "(absent)");
    operations_drop(&later);
}
