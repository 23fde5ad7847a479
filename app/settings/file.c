/* The lines of a settings file. See file.h. */
#include "settings/file.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks off both ends of [begin, end), and ends it with a NUL. */
static char *trim(char *begin, char *end)
{
    while (begin < end && is_blank(*begin))
        begin++;
    while (end > begin && is_blank(end[-1]))
        end--;
    *end = '\0';
    return begin;
}

void settings_file_init(struct settings_file *file, char *text, size_t length)
{
    *file = (struct settings_file){.rest = text, .end = text + length};
}

static enum settings_line bad(const char **name, const char *sentence)
{
    *name = sentence;
    return SETTINGS_LINE_BAD;
}

static enum settings_line split(char *begin, char *end, const char **name, const char **value)
{
    if (memchr(begin, '\0', (size_t)(end - begin)) != NULL)
        return bad(name, "there is a NUL byte in the line");
    char *sign = memchr(begin, '=', (size_t)(end - begin));
    if (sign == NULL)
        return bad(name, "expected name = value");
    *value = trim(sign + 1, end);
    *name = trim(begin, sign);
    return SETTINGS_LINE;
}

enum settings_line settings_file_next(struct settings_file *file, const char **name, const char **value)
{
    while (file->rest < file->end) {
        char *begin = file->rest;
        char *end = memchr(begin, '\n', (size_t)(file->end - begin));
        if (end == NULL)
            end = file->end;
        file->rest = end < file->end ? end + 1 : end;
        file->line++;
        while (begin < end && is_blank(*begin))
            begin++;
        if (begin < end && *begin != '#')
            return split(begin, end, name, value);
    }
    return SETTINGS_END;
}
