/*
 * Rules for HTTP fields: what may stand in one (RFC 9110, 5), and the little that we read out of Content-Type and
 * Accept.
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* A token (RFC 9110, 5.6.2): not empty, no blanks, no delimiters. */
bool field_name_is_valid(const char *name);

/* No CR and LF, which would begin another field, and no control character but HTAB (RFC 9110, 5.5). May be empty. */
bool field_value_is_valid(const char *value);

/* Fields that frame the message or belong to the connection (RFC 9110, 7.6.1, 8.6; RFC 9112, 6.1), or that are orders
 * to nginx (X-Accel-*) or CGI's (Status): no application's to send. */
bool field_is_of_server(const char *name);

/* Whether a Content-Type names the media type `type` ("application/json"), whatever its parameters. NULL does not. */
bool media_type_is(const char *content_type, const char *type);

struct field_parameter {
    const char *name;
    const char *value; /* NULL: it is not there */
};

/*
 * Whether `text` is `type` with parameters, such as `form-data; name="a"` (RFC 9110, 5.6.6), and well-formed; fills in
 * the values of those that are wanted, in the arena. A value is a token or a quoted string, in which a backslash before
 * '"' and '\\' is taken away, and stays before others, as browsers send paths of Windows. Names compare without case.
 * False also for one that is wanted and there twice, and for NULL.
 */
bool field_parse(const char *text, const char *type, struct field_parameter wanted[], size_t count,
                 struct arena *arena);

/*
 * Whether an error is better told as JSON than as text: when Accept names application/json with a weight above 0 that
 * is not below that of text/html and text/plain. Wildcards name nothing, so browsers and curl get text. NULL: false.
 */
bool accept_prefers_json(const char *accept);

#endif
