/* The chunked transfer coding: a byte decides at a time, save inside of a chunk. */
#include "chunked.h"

enum { SIZE_DIGITS_MAX = 15 }; /* so that the size cannot overflow */

void chunked_init(struct chunked *chunked)
{
    *chunked = (struct chunked){.place = CHUNKED_AT_SIZE};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum chunked_result size_line_end(struct chunked *chunked)
{
    if (chunked->size_digits == 0)
        return CHUNKED_BROKEN;
    chunked->place = chunked->left_bytes > 0 ? CHUNKED_AT_DATA : CHUNKED_AT_TRAILER;
    chunked->size_digits = 0;
    chunked->line_bytes = 0;
    return CHUNKED_MORE;
}

static enum chunked_result size_byte(struct chunked *chunked, char c)
{
    int value = hex_value(c);
    if (value >= 0) {
        if (++chunked->size_digits > SIZE_DIGITS_MAX)
            return CHUNKED_BROKEN;
        chunked->left_bytes = chunked->left_bytes * 16 + (uint64_t)value;
        return CHUNKED_MORE;
    }
    if (c == '\n')
        return size_line_end(chunked);
    if (c != '\r' && c != ';' && c != ' ' && c != '\t')
        return CHUNKED_BROKEN;
    chunked->place = CHUNKED_AT_EXTENSION;
    return CHUNKED_MORE;
}

/* CR LF, and nothing else, stands behind the data of a chunk. */
static enum chunked_result data_end_byte(struct chunked *chunked, char c)
{
    if (c != "\r\n"[chunked->line_bytes])
        return CHUNKED_BROKEN;
    if (++chunked->line_bytes == 2) {
        chunked->place = CHUNKED_AT_SIZE;
        chunked->left_bytes = 0;
    }
    return CHUNKED_MORE;
}

/* Trailer fields are skipped; an empty line ends them. */
static enum chunked_result trailer_byte(struct chunked *chunked, char c)
{
    if (c == '\n') {
        if (chunked->line_bytes == 0)
            return CHUNKED_END;
        chunked->line_bytes = 0;
    } else if (c != '\r') {
        chunked->line_bytes++;
    }
    return CHUNKED_MORE;
}

static enum chunked_result framing_byte(struct chunked *chunked, char c)
{
    switch (chunked->place) {
    case CHUNKED_AT_SIZE:
        return size_byte(chunked, c);
    case CHUNKED_AT_EXTENSION:
        return c == '\n' ? size_line_end(chunked) : CHUNKED_MORE;
    case CHUNKED_AT_DATA_END:
        return data_end_byte(chunked, c);
    case CHUNKED_AT_TRAILER:
        return trailer_byte(chunked, c);
    case CHUNKED_AT_DATA:
        break;
    }
    return CHUNKED_BROKEN;
}

static void take_part(struct chunked *chunked, const char **data, size_t *bytes, struct chunked_part *part)
{
    size_t here = *bytes < chunked->left_bytes ? *bytes : (size_t)chunked->left_bytes;
    *part = (struct chunked_part){.data = *data, .bytes = here};
    *data += here;
    *bytes -= here;
    chunked->left_bytes -= here;
    if (chunked->left_bytes == 0)
        chunked->place = CHUNKED_AT_DATA_END;
}

enum chunked_result chunked_next(struct chunked *chunked, const char **data, size_t *bytes, struct chunked_part *part)
{
    while (*bytes > 0) {
        if (chunked->place == CHUNKED_AT_DATA) {
            take_part(chunked, data, bytes, part);
            return CHUNKED_PART;
        }
        enum chunked_result result = framing_byte(chunked, **data);
        if (result == CHUNKED_BROKEN)
            return result;
        (*data)++;
        (*bytes)--;
        if (result == CHUNKED_END)
            return result;
    }
    return CHUNKED_MORE;
}
