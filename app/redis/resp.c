/* Commands in the form Redis reads them. See resp.h. */
#include "redis/resp.h"

#include <string.h>

enum { NUMBER_LINE_BYTES_MAX = 1 + 20 + 2 }; /* a mark, the digits of a size_t, CR LF */

/* Every request passes here several times: by hand it is a few instructions, with printf it is hundreds. */
static size_t write_number_line(char *line, char mark, size_t number)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);

    size_t length = 0;
    line[length++] = mark;
    while (count > 0)
        line[length++] = digits[--count];
    line[length++] = '\r';
    line[length++] = '\n';
    return length;
}

void resp_begin(struct buffer *buffer, size_t count)
{
    buffer->length = 0;
    buffer->length = write_number_line(buffer_reserve(buffer, NUMBER_LINE_BYTES_MAX), '*', count);
}

void resp_add(struct buffer *buffer, const void *data, size_t bytes)
{
    char *place = buffer_reserve(buffer, NUMBER_LINE_BYTES_MAX + bytes + 2);
    size_t length = write_number_line(place, '$', bytes);
    if (bytes > 0)
        memcpy(place + length, data, bytes);
    length += bytes;
    place[length++] = '\r';
    place[length++] = '\n';
    buffer->length += length;
}

void resp_add_text(struct buffer *buffer, const char *text)
{
    resp_add(buffer, text, strlen(text));
}
