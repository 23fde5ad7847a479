/* What a request knows of its session's fields. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/view.h"

static struct view view;

static void tear_down(void)
{
    view_fini(&view);
}

TestSuite(view, .fini = tear_down);

static void set(const char *name, const char *value)
{
    view_set(&view, name, strlen(name), value, value != NULL ? strlen(value) : 0);
}

static void expect_field(const char *name, const char *value)
{
    struct view_field *field = view_find(&view, name);
    cr_assert_not_null(field, "nothing is known of %s", name);
    cr_expect_not(field->is_absent, "%s is absent", name);
    cr_expect_str_eq(field->value, value);
    cr_expect_eq(field->value_bytes, strlen(value));
    cr_expect_str_eq(field->name, name);
}

static size_t count_fields(void)
{
    size_t count = 0;
    for (struct view_field *field = view.fields; field != NULL; field = field->next)
        count++;
    return count;
}

Test(view, a_new_view_knows_nothing)
{
    cr_expect_null(view_find(&view, "x"));
    cr_expect_not(view.is_complete);
}

Test(view, what_is_set_is_found_and_can_be_set_again)
{
    set("one", "1");
    set("two", "2");
    set("three", "3");
    expect_field("one", "1");
    expect_field("three", "3");
    set("two", "a longer value than any number would be, so that it needs new memory");
    expect_field("two", "a longer value than any number would be, so that it needs new memory");
    set("two", "");
    expect_field("two", "");
    expect_field("one", "1");
    expect_field("three", "3");
    cr_expect_eq(count_fields(), 3, "a field is there once");
}

Test(view, an_absent_field_is_known_to_be_absent_until_it_is_set)
{
    set("x", NULL);
    struct view_field *field = view_find(&view, "x");
    cr_assert_not_null(field);
    cr_expect(field->is_absent);
    cr_expect_eq(field->value_bytes, 0);
    set("x", "here");
    expect_field("x", "here");
    set("x", NULL);
    cr_expect(view_find(&view, "x")->is_absent);
    cr_expect_eq(count_fields(), 1);
}

Test(view, names_that_begin_alike_are_different_fields)
{
    set("chunk", "1");
    view_set(&view, "chunks and more", 6, "2", 1); /* the first six bytes are the name */
    set("chun", "3");
    set("", "4");
    expect_field("chunk", "1");
    expect_field("chunks", "2");
    expect_field("chun", "3");
    expect_field("", "4");
}

Test(view, a_value_may_hold_any_byte)
{
    view_set(&view, "raw", 3, "a\0b\xff", 4);
    struct view_field *field = view_find(&view, "raw");
    cr_expect_eq(field->value_bytes, 4);
    cr_expect_arr_eq(field->value, "a\0b\xff", 5, "and a NUL behind it");
}

Test(view, a_counter_stays_where_it_is)
{
    set("n", "0");
    struct view_field *field = view_find(&view, "n");
    set("n", "-9223372036854775808");
    cr_expect_eq(view_find(&view, "n"), field, "every longer number took new memory");
    expect_field("n", "-9223372036854775808");
}

Test(view, a_value_may_be_set_to_a_piece_of_itself)
{
    set("tail", "0123456789");
    struct view_field *field = view_find(&view, "tail");
    view_set(&view, "tail", 4, field->value + 6, 4);
    expect_field("tail", "6789");
}

Test(view, a_cleared_view_can_be_filled_again)
{
    set("x", "1");
    view.is_complete = true;
    view_fini(&view);
    cr_expect_not(view.is_complete);
    cr_expect_null(view_find(&view, "x"));
    set("x", "2");
    expect_field("x", "2");
}

Test(view, a_lent_value_stays_unchanged_through_the_next_turn)
{
    set("x", "first");
    const char *lent = view_lend(view_find(&view, "x"));
    set("x", "second");
    expect_field("x", "second");
    cr_expect_str_eq(lent, "first");
    view_turn(&view);
    set("x", "third");
    view_forget(&view);
    set("x", "fourth");
    cr_expect_str_eq(lent, "first");
    expect_field("x", "fourth");
    view_turn(&view);
    cr_expect_null(view.replaced[0]);
    cr_expect_null(view.replaced[1], "what was lent before the last turn is still held");
}

Test(view, what_is_not_lent_takes_no_new_memory)
{
    set("n", "1");
    struct view_field *field = view_find(&view, "n");
    set("n", "2");
    cr_expect_eq(view_find(&view, "n"), field);
    view_forget(&view);
    cr_expect_null(view.replaced[0]);
}

Test(view, a_copy_is_lent_like_a_value)
{
    const char *copy = view_lend_copy(&view, "a\0b", 3);
    view_turn(&view);
    cr_expect_arr_eq(copy, "a\0b", 4);
    cr_expect_eq(count_fields(), 0);
}

Test(view, a_field_whose_lifetime_is_over_has_no_value)
{
    set("x", "1");
    view_set_until(&view, "x", 1000);
    cr_expect_not(view_has_value(view_find(&view, "x")));
    view_set_until(&view, "x", INT64_MAX);
    cr_expect(view_has_value(view_find(&view, "x")));
    view_set_until(&view, "x", 1000);
    set("x", "2");
    cr_expect(view_has_value(view_find(&view, "x")), "a value that is set lives as long as the session");
    cr_expect_not(view_has_value(NULL));
}
