/*
 * Texts that tests make and look at. What is returned is the caller's to free, unless it is a piece of the argument.
 */
#ifndef SUPPORT_TEXT_H
#define SUPPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "midstream.h"
#include "support/owned.h"

char *text_printf(const char *format, ...) MID_FORMAT(1, 2);
bool text_ends(const char *text, const char *end);
const char *behind_retry(const char *body); /* of an event stream: each has a retry time of its own */

/* How often the part is in the text. */
size_t text_count(const char *text, const char *part);

#endif
