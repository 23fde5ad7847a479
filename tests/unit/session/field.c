/* The names of a session's fields, and the sentence that names the limit. */
#include <criterion/criterion.h>

#include <string.h>

#include "session/field.h"

#define X16 "xxxxxxxxxxxxxxxx"

struct row {
    const char *name;
    const char *limit; /* NULL: allowed */
};

static const struct row rows[] = {
    {"chunk", NULL},
    {"a", NULL},
    {"with blank", NULL},
    {"user@example.org", NULL},
    {"gr\xc3\xbc\xc3\x9f", NULL},
    {"\xc2\xa0", NULL}, /* the first character behind C1 */
    {X16 X16 X16 X16, NULL},
    {"", "a field name has 1 to 64 bytes"},
    {X16 X16 X16 X16 "x", "a field name has 1 to 64 bytes"},
    {"@user", "a field name does not begin with '@'"},
    {"@", "a field name does not begin with '@'"},
    {"a\nb", "a field name has no control characters"},
    {"\x01", "a field name has no control characters"},
    {"del\x7f", "a field name has no control characters"},
    {"\xc2\x80", "a field name has no control characters"},
    {"x\xc2\x9f", "a field name has no control characters"},
    {"a\xff", "a field name is UTF-8"},
    {"cut\xc2", "a field name is UTF-8"},
    {"\xed\xa0\x80", "a field name is UTF-8"},
};

Test(session_field, each_limit_is_named)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *limit = NULL;
        enum mid_error error = session_field_check(rows[i].name, strlen(rows[i].name), &limit);
        cr_expect(error == (rows[i].limit == NULL ? MID_OK : MID_UNPROCESSABLE), "%s", rows[i].name);
        if (rows[i].limit == NULL)
            cr_expect_null(limit, "%s was refused: %s", rows[i].name, limit);
        else
            cr_expect_str_eq(limit, rows[i].limit);
    }
}

Test(session_field, an_embedded_nul_is_a_control_character)
{
    const char *limit = NULL;
    cr_assert_eq(session_field_check("a\0b", 3, &limit), MID_UNPROCESSABLE);
    cr_assert_str_eq(limit, "a field name has no control characters");
}
