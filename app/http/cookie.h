/*
 * The Cookie field (RFC 6265, 5.4): "name=value; name=value".
 */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include <stddef.h>

/* The session's own (RFC 6265bis, 4.1.3.2), over TLS and without. */
#define COOKIE_OF_SESSION_SECURE "__Host-mid"
#define COOKIE_OF_SESSION        "mid"

/*
 * How many cookies called `name` (compared with case) the field line holds. The first one's value goes to *value and
 * *length: a piece of `line`, without the blanks around it, quotes kept, not NUL-terminated; written only when the
 * result is not 0. Allocates nothing.
 *
 * A request may have several Cookie lines (RFC 9113, 8.2.3): ask each of them and add up. More than one cookie of a
 * name means that somebody else set one too, and that none of them can be trusted.
 */
int cookie_find(const char *line, const char *name, const char **value, size_t *length);

#endif
