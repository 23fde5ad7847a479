/* Texts that tests make and look at. See text.h. */
#include "support/text.h"

#include <stdarg.h>
#include <string.h>

#include "base/buffer.h"

char *text_printf(const char *format, ...)
{
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    buffer_append(&text, "", 1);
    return text.data;
}

bool text_ends(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

const char *behind_retry(const char *body)
{
    return strncmp(body, "retry: ", strlen("retry: ")) == 0 ? strchr(body, '\n') + 1 : body;
}

size_t text_count(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}
