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
