/* UTF-8. See utf8.h; the byte ranges are those of the table in RFC 3629, section 4. */
#include "base/utf8.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t utf8_sequence_length(const char *text, size_t length)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (length == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    if (byte[0] >= 0xc2 && byte[0] <= 0xdf)
        return length >= 2 && is_tail(byte[1]) ? 2 : 0;
    if (byte[0] >= 0xe0 && byte[0] <= 0xef) {
        if (length < 3 || !is_tail(byte[1]) || !is_tail(byte[2]))
            return 0;
        if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f))
            return 0; /* overlong, or a surrogate */
        return 3;
    }
    if (byte[0] >= 0xf0 && byte[0] <= 0xf4) {
        if (length < 4 || !is_tail(byte[1]) || !is_tail(byte[2]) || !is_tail(byte[3]))
            return 0;
        if ((byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f))
            return 0; /* overlong, or above U+10FFFF */
        return 4;
    }
    return 0;
}

bool utf8_is_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t sequence = utf8_sequence_length(text + i, length - i);
        if (sequence == 0)
            return false;
        i += sequence;
    }
    return true;
}
