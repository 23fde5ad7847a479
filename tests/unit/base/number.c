/* Whole numbers as text. */
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
