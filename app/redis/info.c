/* The text that INFO answers. See info.h. */
#include "redis/info.h"

#include <stddef.h>
#include <string.h>

const char *redis_info_find(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return NULL;
}
