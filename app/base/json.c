/* JSON strings. See json.h. */
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

size_t json_escape(char *out, size_t size, const char *text, size_t length)
{
    size_t written = 0;
    for (size_t i = 0; i < length;) {
        char piece[8];
        size_t taken = utf8_sequence_length(text + i, length - i);
        unsigned char byte = (unsigned char)text[i];
        if (taken == 0) {
            memcpy(piece, "\xef\xbf\xbd", 4);
            taken = 1;
        } else if (byte == '"' || byte == '\\') {
            snprintf(piece, sizeof(piece), "\\%c", byte);
        } else if (byte == '\n') {
            memcpy(piece, "\\n", 3);
        } else if (byte < 0x20 || byte == 0x7f) {
            snprintf(piece, sizeof(piece), "\\u%04x", byte);
        } else {
            memcpy(piece, text + i, taken);
            piece[taken] = '\0';
        }
        size_t bytes = strlen(piece);
        if (written + bytes >= size)
            break;
        memcpy(out + written, piece, bytes);
        written += bytes;
        i += taken;
    }
    out[written] = '\0';
    return written;
}
