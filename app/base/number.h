/*
 * Whole numbers as text, without printf: it takes a third of the stack page that a waiting stream may use, and a
 * quarter of a microsecond.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_BYTES = 21 }; /* "-9223372036854775808" and a NUL */

/* Writes the number in decimal with a NUL behind; returns its length. */
size_t number_format(int64_t number, char text[static NUMBER_TEXT_BYTES]);

#endif
