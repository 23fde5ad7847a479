/* Redis's `INFO memory`. See memory_info.h. */
#include "session/memory_info.h"

#include <string.h>

/* False: it is no whole number from 0 on, or too large. */
static bool parse_digits(const char *text, size_t length, int64_t *number)
{
    int64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *number = value;
    return length > 0;
}

/* A line of this name: false when it cannot be understood, or there was one before. Other lines are fine. */
static bool take_line(const char *line, size_t length, const char *name, int64_t *number)
{
    size_t name_length = strlen(name);
    if (length <= name_length || memcmp(line, name, name_length) != 0 || line[name_length] != ':')
        return true;
    return *number < 0 && parse_digits(line + name_length + 1, length - name_length - 1, number);
}

bool memory_info_parse(const char *text, size_t length, struct memory_figures *figures)
{
    struct memory_figures found = {-1, -1};
    const char *end = text + length;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line_length = (size_t)((newline != NULL ? newline : end) - text);
        size_t bare_length = line_length > 0 && text[line_length - 1] == '\r' ? line_length - 1 : line_length;
        if (!take_line(text, bare_length, "used_memory", &found.used_bytes) ||
            !take_line(text, bare_length, "maxmemory", &found.max_bytes))
            return false;
        text = newline != NULL ? newline + 1 : end;
    }
    if (found.used_bytes < 0 || found.max_bytes < 0)
        return false;
    *figures = found;
    return true;
}
