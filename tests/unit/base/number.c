/* Whole numbers as text, and back. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

Test(number, is_written_as_printf_would)
{
    const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 99, 100, 1234567890, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[NUMBER_TEXT_BYTES];
        char expected[32];
        snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        cr_expect_eq(number_format(numbers[i], text), strlen(expected));
        cr_expect_str_eq(text, expected);
    }
}

struct number_row {
    const char *text;
    bool is_number;
    int64_t value;
};

static const struct number_row numbers[] = {
    {"0", true, 0},
    {"7", true, 7},
    {"-1", true, -1},
    {"1000", true, 1000},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN},
    {"9223372036854775808", false, 0},
    {"-9223372036854775809", false, 0},
    {"92233720368547758070", false, 0},
    {"99999999999999999999999999999999", false, 0},
    {"", false, 0},
    {"-", false, 0},
    {"--1", false, 0},
    {"+1", false, 0},
    {"-0", false, 0},
    {"01", false, 0},
    {"-01", false, 0},
    {" 1", false, 0},
    {"1 ", false, 0},
    {"1e3", false, 0},
    {"0x10", false, 0},
    {"1.0", false, 0},
    {"ten", false, 0},
};

Test(number, has_one_spelling)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int64_t value = 4711;
        cr_expect(number_parse(numbers[i].text, &value) == numbers[i].is_number, "\"%s\"", numbers[i].text);
        int64_t expected = numbers[i].is_number ? numbers[i].value : 4711;
        cr_expect(value == expected, "\"%s\" gave %" PRId64, numbers[i].text, value);
    }
}
