/* Commands in the form of printf: what becomes of their arguments. */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "redis/format.h"

/* The arguments in brackets, or "malformed"; until the next call. */
static const char *formatted(const char *format, ...)
{
    static char text[256];
    struct arena arena;
    struct redis_argument *arguments;
    size_t count;
    size_t end = 0;
    va_list list;
    arena_init(&arena);
    va_start(list, format);
    bool is_format = redis_format(&arena, &count, &arguments, format, list);
    va_end(list);
    text[0] = '\0';
    for (size_t i = 0; is_format && i < count; i++)
        end += (size_t)snprintf(text + end, sizeof(text) - end, "[%.*s]", (int)arguments[i].bytes,
                                (const char *)arguments[i].data);
    arena_fini(&arena);
    return is_format ? text : "malformed";
}

Test(redis_format, spaces_of_the_format_separate_arguments_and_those_of_values_do_not)
{
    cr_expect_str_eq(formatted("PING"), "[PING]");
    cr_expect_str_eq(formatted("SET app:%s %s", "a b", "c d"), "[SET][app:a b][c d]");
    cr_expect_str_eq(formatted("SET a %b", "x\r\ny", (size_t)4), "[SET][a][x\r\ny]");
    cr_expect_str_eq(formatted("SET a %s", ""), "[SET][a][]");
}

/* As the header lists them. */
Test(redis_format, numbers_are_as_in_printf)
{
    cr_expect_str_eq(formatted("A %d %i %u", -1, 2, 3u), "[A][-1][2][3]");
    cr_expect_str_eq(formatted("A %ld %lld", -4l, -5ll), "[A][-4][-5]");
    cr_expect_str_eq(formatted("A %zu:%zu %5zu", SIZE_MAX, (size_t)7, (size_t)8), "[A][18446744073709551615:7][    8]");
    cr_expect_str_eq(formatted("A 100%% %zu %%zu", (size_t)9), "[A][100%][9][%zu]");
}

Test(redis_format, other_conversions_are_malformed)
{
    cr_expect_str_eq(formatted("A %y", 1), "malformed");
    cr_expect_str_eq(formatted("A %zs", "a"), "malformed");
}
