/*
 * Whole numbers as text and back, without printf: it takes a third of the stack page that a waiting stream may use, and
 * a quarter of a microsecond.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream.h"

enum { NUMBER_TEXT_BYTES = 21 }; /* "-9223372036854775808" and a NUL */

/* Writes the number in decimal with a NUL behind; returns its length. */
size_t number_format(int64_t number, char text[static NUMBER_TEXT_BYTES]);

/*
 * A whole number in its one spelling, which is also Redis's: "0", or an optional '-' and digits that do not begin with
 * 0. False, with nothing written: anything else, also what does not fit.
 */
MID_CHECK bool number_parse(const char *text, int64_t *value);

#endif
