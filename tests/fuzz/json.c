/*
 * The input is a text of any bytes: escaped, it is read back by another reader of JSON as the same text, with U+FFFD
 * for what is no UTF-8; and UTF-8 is what a decoder written from RFC 3629 alone says it is.
 */
#include "fuzz.h"

#include <jansson.h>

#include "base/json.h"
#include "base/utf8.h"

/* RFC 3629, section 3: by the numbers that the sequences stand for. */
static size_t decode(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t number = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        number = number << 6 | (at[i] & 0x3f);
    }
    bool is_surrogate = number >= 0xd800 && number <= 0xdfff;
    return number < least[length] || is_surrogate || number > 0x10ffff ? 0 : length;
}

static void check_utf8(const uint8_t *data, size_t size)
{
    bool is_valid = true;
    for (size_t at = 0; at < size && is_valid;) {
        size_t length = decode(data + at, size - at);
        CLAIM(utf8_sequence_length((const char *)data + at, size - at) == length);
        is_valid = length > 0;
        at += length;
    }
    CLAIM(utf8_is_valid((const char *)data, size) == is_valid);
}

static void check_escaped(const char *text, size_t size, size_t room)
{
    char *out = malloc(room + 2);
    CLAIM(out != NULL);
    out[0] = '"';
    size_t length = json_escape(out + 1, room, text, size);
    CLAIM(length < room && strlen(out + 1) == length);
    strcat(out, "\"");
    json_t *again = json_loadb(out, length + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CLAIM(json_is_string(again));
    if (utf8_is_valid(text, size) && room > 6 * size) {
        CLAIM(json_string_length(again) == size);
        CLAIM(size == 0 || memcmp(json_string_value(again), text, size) == 0);
    }
    json_decref(again);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    check_utf8(data, size);
    check_escaped(text, size, 6 * size + 1);
    for (size_t room = 1; room < 16; room++)
        check_escaped(text, size, room);
    free(text);
    return 0;
}
