/* Which commits can go the fast way, and the header that they make. */
#include <criterion/criterion.h>

#include <string.h>

#include "base/clock.h"
#include "session/foresight.h"

static struct commit commit;
static struct view view;
static struct header header;
static struct commit_terms terms;

static void set_up(void)
{
    operations_init(&commit.operations);
    commit.id[0] = 7;
    view.is_complete = true;
    view.revision = 10;
    view_set(&view, "name", 4, "Grace", 5);
    header = (struct header){
        .generation = 3, .login = 2, .revision = 10, .touched_ms = clock_unix_ms(), .fields = 1, .size = 24};
    memset(header.commits, 9, sizeof(header.commits));
    terms = (struct commit_terms){.generation = 3, .header = &header};
}

static void tear_down(void)
{
    operations_drop(&commit.operations);
    view_fini(&view);
}

TestSuite(foresight, .init = set_up, .fini = tear_down);

static void record(enum operation_code code, const char *field, const char *value)
{
    struct operation *operation =
        operations_add(&commit.operations, code, (struct operation_text){field, strlen(field)},
                       (struct operation_text){value, strlen(value)}, 0);
    operation_preview(&commit.operations, operation, &view);
}

/* The settings of a store that was not opened allow nothing: limits are not what is tested here. */
static bool foreseen(struct header *next)
{
    struct store_settings *settings = (struct store_settings *)(uintptr_t)store_settings();
    settings->fields_max = 2;
    settings->value_bytes_max = 30;
    settings->size_max = 80;
    settings->idle_ms = settings->user_idle_ms = 1000000;
    return foresee(&commit, &terms, next);
}

static bool is_fast(void)
{
    struct header next;
    return foreseen(&next);
}

Test(foresight, the_next_header_has_the_commit_and_what_it_does_to_the_fields)
{
    struct header next;
    record(OPERATION_SET, "city", "a place with a long name");
    cr_assert(foreseen(&next));
    cr_expect_eq(next.revision, 11);
    cr_expect_eq(next.fields, 2);
    cr_expect_eq(next.size, 24 + 4 + 24);
    cr_expect_eq(next.commits[0][0], 7);
    cr_expect_eq(next.commits[1][0], 9);
    cr_expect_eq(next.generation, 3);
    cr_expect_eq(next.touched_ms, header.touched_ms);
}

Test(foresight, limits_send_a_commit_the_slow_way)
{
    record(OPERATION_SET, "city", "a value of more than thirty bytes");
    cr_expect_not(is_fast(), "the value");
    operations_drop(&commit.operations);
    record(OPERATION_SET, "street", "");
    record(OPERATION_SET, "town", "");
    cr_expect_not(is_fast(), "the fields");
}

Test(foresight, increments_need_no_view_and_other_operations_do)
{
    struct header next;
    view.revision = 9;
    record(OPERATION_INCREMENT, "n", "1");
    cr_assert(foreseen(&next));
    cr_expect_eq(next.fields, 1, "Redis looks whether the field is a new one");
    record(OPERATION_SET, "name", "Ada");
    cr_expect_not(is_fast());
}

Test(foresight, an_increment_stands_first_and_a_field_is_touched_once)
{
    record(OPERATION_SET, "name", "Ada");
    record(OPERATION_INCREMENT, "n", "1");
    cr_expect_not(is_fast());
    operations_drop(&commit.operations);
    record(OPERATION_SET, "name", "Ada");
    record(OPERATION_SET, "name", "Grace");
    cr_expect_not(is_fast());
}

Test(foresight, a_handle_from_before_the_login_goes_the_slow_way_to_be_refused)
{
    record(OPERATION_SET, "name", "Ada");
    terms.generation = 2;
    cr_expect(is_fast(), "a login of the same user");
    terms.is_cookie = true;
    cr_expect_not(is_fast(), "an old cookie");
    terms.is_cookie = false;
    terms.generation = 1;
    cr_expect_not(is_fast(), "from before the login");
}

Test(foresight, what_is_in_doubt_or_rests_on_a_revision_needs_that_very_revision)
{
    record(OPERATION_SET, "name", "Ada");
    commit.is_in_doubt = true;
    cr_expect_not(is_fast(), "no revision is known");
    commit.knows_revision = true;
    commit.revision = 9;
    cr_expect_not(is_fast());
    commit.revision = 10;
    cr_expect(is_fast());
    commit.is_in_doubt = false;
    commit.must_hold = true;
    cr_expect(is_fast());
    commit.revision = 9;
    cr_expect_not(is_fast());
}

Test(foresight, what_redis_has_to_do_by_its_clock_goes_the_slow_way)
{
    record(OPERATION_SET, "name", "Ada");
    terms.is_activity = true;
    cr_expect(is_fast());
    header.touched_ms -= 1000000;
    cr_expect_not(is_fast(), "the idle lifetime is to be renewed");
    terms.is_activity = false;
    cr_expect(is_fast());
    header.flags = HEADER_HAS_DEADLINES;
    cr_expect_not(is_fast());
}

/* It may be the first that comes with the new one, which puts the old one out. */
Test(foresight, a_cookie_of_a_record_that_owes_one_goes_the_slow_way)
{
    record(OPERATION_SET, "name", "Ada");
    header.flags |= HEADER_OWES_COOKIE;
    cr_expect(is_fast());
    terms.is_cookie = true;
    cr_expect_not(is_fast());
    header.flags = 0;
    cr_expect(is_fast());
}
