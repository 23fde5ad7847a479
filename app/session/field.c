/* The names of a session's fields. See field.h. */
#include "session/field.h"

#include <stdbool.h>

#include "base/utf8.h"

/* C0, DEL, and C1, which UTF-8 writes as C2 80 to C2 9F. The name is valid UTF-8, so C2 has a byte behind it. */
static bool has_control_character(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte < 0x20 || byte == 0x7f)
            return true;
        if (byte == 0xc2 && (unsigned char)name[i + 1] < 0xa0)
            return true;
    }
    return false;
}

enum mid_error session_field_check(const char *name, size_t length, const char **limit)
{
    const char *broken = NULL;
    if (length == 0 || length > SESSION_FIELD_BYTES_MAX)
        broken = "a field name has 1 to 64 bytes";
    else if (!utf8_is_valid(name, length))
        broken = "a field name is UTF-8";
    else if (has_control_character(name, length))
        broken = "a field name has no control characters";
    else if (name[0] == '@')
        broken = "a field name does not begin with '@'";

    if (broken == NULL)
        return MID_OK;
    *limit = broken;
    return MID_UNPROCESSABLE;
}
