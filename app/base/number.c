/* Whole numbers as text. See number.h. */
#include "base/number.h"

#include <string.h>

size_t number_format(int64_t number, char text[static NUMBER_TEXT_BYTES])
{
    char digits[NUMBER_TEXT_BYTES];
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        digits[--at] = '-';
    size_t length = sizeof(digits) - at;
    memcpy(text, digits + at, length);
    text[length] = '\0';
    return length;
}

bool number_parse(const char *text, int64_t *value)
{
    bool is_negative = *text == '-';
    const char *digit = text + (is_negative ? 1 : 0);
    if (*digit == '\0' || (*digit == '0' && (is_negative || digit[1] != '\0')))
        return false;

    int64_t sum = 0; /* negative numbers reach one further, so the sum grows downwards */
    for (; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, *digit - '0', &sum))
            return false;
    }
    if (!is_negative && __builtin_sub_overflow(0, sum, &sum))
        return false;
    *value = sum;
    return true;
}
