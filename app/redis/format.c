/* Commands in the form of printf. See format.h. */
#include "redis/format.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

/* The number of a line "*3" or "$5" (RESP), and the text behind it. */
static size_t take_count(const char **at)
{
    char *end;
    unsigned long count = strtoul(*at + 1, &end, 10);
    *at = end + 2;
    return count;
}

static_assert(sizeof(size_t) == sizeof(long), "%zu takes the argument of %lu");

/* hiredis does not know the modifier z. */
static const char *without_z(struct arena *arena, const char *format)
{
    char *copy = arena_strdup(arena, format);
    for (char *at = copy; (at = strchr(at, '%')) != NULL; at++) {
        at += 1 + strspn(at + 1, "#0-+ 0123456789.");
        if (*at == 'z')
            *at = 'l';
        if (*at == '\0')
            break;
    }
    return copy;
}

bool redis_format(struct arena *arena, size_t *count, struct redis_argument **arguments, const char *format,
                  va_list list)
{
    char *request = NULL;
    int bytes = redisvFormatCommand(&request, without_z(arena, format), list);
    if (bytes == -1)
        panic("out of memory for a command of Redis");
    if (bytes < 0)
        return false;
    const char *at = arena_strndup(arena, request, (size_t)bytes);
    redisFreeCommand(request);
    *count = take_count(&at);
    *arguments = arena_alloc(arena, *count * sizeof(**arguments));
    for (size_t i = 0; i < *count; i++) {
        size_t length = take_count(&at);
        (*arguments)[i] = (struct redis_argument){at, length};
        at += length + 2;
    }
    return true;
}
