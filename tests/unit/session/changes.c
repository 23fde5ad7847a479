/* Which fields have changed between two reads that were asked for. */
#include <criterion/criterion.h>

#include <string.h>

#include "session/changes.h"

static struct changes changes;
static struct view view;

static void set(const char *name, const char *value)
{
    view_set(&view, name, strlen(name), value, value != NULL ? strlen(value) : 0);
}

static void begin(void)
{
    changes = (struct changes){0};
    view = (struct view){.is_complete = true};
}

static void end(void)
{
    changes_fini(&changes);
    view_fini(&view);
}

TestSuite(changes, .init = begin, .fini = end);

/* The application reads again, and finds this. */
static void read_again(const char *a, const char *b)
{
    changes_note(&changes, &view);
    set("a", a);
    set("b", b);
    changes_turn(&changes);
}

Test(changes, nothing_has_changed_before_the_second_read)
{
    set("a", "1");
    cr_expect_not(changes_have(&changes, &view, "a"));
}

Test(changes, values_that_came_went_or_became_others)
{
    set("a", "1");
    read_again("2", "new");
    cr_expect(changes_have(&changes, &view, "a"));
    cr_expect(changes_have(&changes, &view, "b"));
    cr_expect_not(changes_have(&changes, &view, "c"));
    read_again("2", NULL);
    cr_expect_not(changes_have(&changes, &view, "a"));
    cr_expect(changes_have(&changes, &view, "b"));
    read_again("2", NULL);
    cr_expect_not(changes_have(&changes, &view, "b"));
}

/* A read of the runtime's own does not hide what the application has not been told. */
Test(changes, a_read_in_between_is_not_what_is_compared_with)
{
    set("a", "1");
    read_again("1", "x");
    changes_note(&changes, &view);
    set("a", "2"); /* found by that read */
    read_again("2", "x");
    cr_expect(changes_have(&changes, &view, "a"));
    cr_expect_not(changes_have(&changes, &view, "b"));
}

Test(changes, what_was_not_known_may_have_changed)
{
    view.is_complete = false;
    view.is_part = true;
    set("a", "1");
    read_again("1", "x");
    cr_expect_not(changes_have(&changes, &view, "a"));
    cr_expect(changes_have(&changes, &view, "b"));
    cr_expect(changes_have(&changes, &view, "c"));
}
