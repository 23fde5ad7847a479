/* The Cookie field: the value of the first, and how many there are. */
#include <criterion/criterion.h>

#include <string.h>

#include "http/cookie.h"

struct row {
    const char *line;
    int count;
    const char *value;
};

static const struct row rows[] = {
    {"mid=abc", 1, "abc"},
    {"a=1; mid=abc; b=2", 1, "abc"},
    {"a=1;mid=abc;b=2", 1, "abc"},
    {" mid = abc ", 1, "abc"},
    {"\tmid=abc\t;", 1, "abc"},
    {"mid=", 1, ""},
    {"mid=a=b", 1, "a=b"},
    {"mid=\"abc\"", 1, "\"abc\""},
    {"mid=first; mid=second", 2, "first"},
    {"mid=; mid=second", 2, ""},
    {"mid=a; x=1; mid=b; mid=c", 3, "a"},
    {";;; mid=abc;;", 1, "abc"},
    {"", 0, NULL},
    {";", 0, NULL},
    {"mid", 0, NULL},
    {"=mid=abc", 0, NULL},
    {"Mid=abc", 0, NULL},
    {"xmid=abc", 0, NULL},
    {"midx=abc", 0, NULL},
    {"mi=d=abc", 0, NULL},
    {"x=mid=abc", 0, NULL},
    {"x=\"; mid=abc\"", 1, "abc\""}, /* a quote is an ordinary character (RFC 6265, 5.4) */
    {"x=1, mid=abc", 0, NULL},
    {"m id=abc", 0, NULL},
};

Test(cookie, the_first_value_is_found_and_all_are_counted)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *value = NULL;
        size_t length = 4711;
        cr_expect_eq(cookie_find(rows[i].line, "mid", &value, &length), rows[i].count, "%s", rows[i].line);
        if (rows[i].count == 0)
            cr_expect(value == NULL && length == 4711, "%s: written without a cookie", rows[i].line);
        else
            cr_expect(length == strlen(rows[i].value) && memcmp(value, rows[i].value, length) == 0, "%s", rows[i].line);
    }
}

Test(cookie, several_lines_add_up)
{
    static const char *const lines[] = {"a=1", "mid=abc", "b=2; mid=def"};
    const char *value = NULL;
    size_t length = 0;
    int count = 0;
    for (size_t i = 0; i < 3; i++)
        count += cookie_find(lines[i], "mid", &value, &length);
    cr_assert_eq(count, 2);
}
