/*
 * The names of a session's fields: the visitor's own are stored in the Redis hash under these names as they are, and
 * the runtime's begin with '@'.
 */
#ifndef SESSION_FIELD_H
#define SESSION_FIELD_H

#include <stddef.h>

#include "midstream.h"

enum { SESSION_FIELD_BYTES_MAX = 64 };

/*
 * MID_OK, or MID_UNPROCESSABLE with a sentence in *limit (static; written only then) that names the limit:
 * "a field name has 1 to 64 bytes".
 */
MID_CHECK enum mid_error session_field_check(const char *name, size_t length, const char **limit);

#endif
