/* What a list of sessions shows of one: mid_session_describe() in midstream/user.h. */
#include <string.h>

#include "base/utf8.h"
#include "http/request.h"
#include "session/session.h"

/* The end of the longest beginning of the text that has at most so many bytes and no part of a character. */
static size_t cut(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    if (length <= most)
        return length;
    for (length = most; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80; length--)
        continue;
    return length;
}

/* C0, DEL, and of valid UTF-8 C1 (C2 80 to C2 9F), which terminals understand. */
static bool is_control(const char *text, size_t at)
{
    unsigned char byte = (unsigned char)text[at];
    unsigned char next = (unsigned char)text[at + 1];
    unsigned char previous = at > 0 ? (unsigned char)text[at - 1] : 0;
    return byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next < 0xa0) || (previous == 0xc2 && byte < 0xa0);
}

/* Writes the text as it may be shown, with a '?' for what is no character, and returns its length. */
static size_t write_shown(char *shown, const char *text, size_t most)
{
    size_t length = text != NULL ? cut(text, most) : 0;
    bool is_utf8 = utf8_is_valid(text != NULL ? text : "", length);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        shown[i] = !is_control(text, i) && (is_utf8 || byte < 0x80) ? text[i] : '?';
    }
    return length;
}

enum mid_error mid_session_describe(struct mid_session *session, const char *address, const char *agent)
{
    char about[STORE_ADDRESS_BYTES + STORE_AGENT_BYTES];
    enum mid_error error = MID_OK;
    if (session_is_over(session))
        return MID_ENDED;
    size_t length = write_shown(about, address, STORE_ADDRESS_BYTES - 1);
    about[length++] = '\n';
    length += write_shown(about + length, agent, STORE_AGENT_BYTES - 1);
    session_record(session, OPERATION_DESCRIBE, "@about", (struct operation_text){about, length}, 0, &error);
    return error;
}
