/*
 * JSON by jansson: values that are packed by its format, so that no value can break the text, and bodies that are
 * parsed. What handlers call is in midstream.h.
 */
#ifndef HTTP_JSON_H
#define HTTP_JSON_H

#include <stdarg.h>

#include "base/buffer.h"
#include "midstream.h"

/*
 * Appends the value as one line. MID_UNPROCESSABLE: a value is not UTF-8, or NULL where the format has no '?'.
 * MID_FAILED: the format is none. Nothing is appended then, and the request's detail says why.
 */
MID_CHECK enum mid_error json_pack_append(struct mid_request *rq, struct buffer *out, const char *format,
                                          va_list arguments);

/* Whether this is one JSON text. MID_UNPROCESSABLE: it is not, and the request's detail says why. */
MID_CHECK enum mid_error json_check(struct mid_request *rq, const char *text, size_t bytes);

#endif
