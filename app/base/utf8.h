/*
 * UTF-8 (RFC 3629).
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length, 1 to 4, of the well-formed sequence that `text` begins with; 0 when there is none in `length` bytes. */
size_t utf8_sequence_length(const char *text, size_t length);

bool utf8_is_valid(const char *text, size_t length);

#endif
