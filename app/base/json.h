/*
 * JSON strings, for logs and error bodies (RFC 8259, section 7).
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>

/*
 * Writes the text as the inside of a JSON string, with a NUL behind. Bytes that are not UTF-8 become U+FFFD. What does
 * not fit into `size` (at least 1) is cut between two characters. Returns the length written, without the NUL.
 */
size_t json_escape(char *out, size_t size, const char *text, size_t length);

#endif
