/* The Cookie field. See cookie.h. */
#include "http/cookie.h"

#include <stdbool.h>
#include <string.h>

struct slice {
    const char *data;
    size_t length;
};

static struct slice trim(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct slice){at, (size_t)(end - at)};
}

static bool slice_equals(struct slice slice, const char *text, size_t length)
{
    return slice.length == length && memcmp(slice.data, text, length) == 0;
}

int cookie_find(const char *line, const char *name, const char **value, size_t *length)
{
    int count = 0;
    size_t name_length = strlen(name);
    for (const char *at = line; *at != '\0';) {
        const char *end = strchrnul(at, ';');
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (equals != NULL && slice_equals(trim(at, equals), name, name_length) && count++ == 0) {
            struct slice first = trim(equals + 1, end);
            *value = first.data;
            *length = first.length;
        }
        at = *end != '\0' ? end + 1 : end;
    }
    return count;
}
