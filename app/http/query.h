/*
 * Percent-encoded text: query strings, forms, paths; and the numbers in them.
 *
 * A query is forgiving, as browsers and the WHATWG URL standard are; a path and a number are strict, because two
 * spellings that different programs understand differently are how checks get bypassed.
 */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "midstream.h"

/*
 * The first parameter called `name` in an application/x-www-form-urlencoded text (WHATWG URL, 5.1), decoded into the
 * arena: '+' is a blank, a '%' without two hexadecimal digits stays as it is, bytes that are not UTF-8 become U+FFFD.
 * NULL: there is none, or its value holds a NUL (%00), which no C string can carry. `query` may be NULL.
 */
const char *query_find(const char *query, const char *name, struct arena *arena);

/* Whether the name occurs, whatever its value is. */
bool query_has(const char *query, const char *name);

/*
 * Decodes a path, or a piece of one, into the arena. False, with nothing written to *out: a '%' without two hexadecimal
 * digits, a NUL, or bytes that are not UTF-8. '+' is no blank here.
 */
MID_CHECK bool percent_decode_path(const char *path, size_t length, struct arena *arena, char **out);

/* The opposite: everything but unreserved characters, sub-delims, ':', '@' and '/' is encoded (RFC 3986, 3.3). */
const char *percent_encode_path(const char *path, struct arena *arena);

#endif
