/* The journal, as the application writes it. See journal.h. */
#include "journal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_ROOM = 512 };

static void make_room(struct line *line, size_t bytes)
{
    if (line->length + bytes <= line->room)
        return;
    while (line->room < line->length + bytes)
        line->room = line->room > 0 ? 2 * line->room : LINE_ROOM;
    line->text = realloc(line->text, line->room);
    if (line->text == NULL)
        abort();
}

void line_begin(struct line *line)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *line = (struct line){0};
    line_printf(line, "%lld", (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

void line_printf(struct line *line, const char *format, ...)
{
    make_room(line, LINE_ROOM);
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(line->text + line->length, LINE_ROOM, format, arguments);
    va_end(arguments);
    if (bytes < 0 || bytes >= LINE_ROOM)
        abort();
    line->length += (size_t)bytes;
}

void line_add_bytes(struct line *line, const char *data, size_t bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    make_room(line, 3 * bytes);
    char *at = line->text + line->length;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte > ' ' && byte < 0x7f && byte != '%') {
            *at++ = (char)byte;
            continue;
        }
        *at++ = '%';
        *at++ = digits[byte >> 4];
        *at++ = digits[byte & 0x0f];
    }
    line->length = (size_t)(at - line->text);
}

void line_write(struct line *line)
{
    static int fd = -1;
    if (fd < 0)
        fd = open(getenv("MODEL_JOURNAL"), O_WRONLY | O_APPEND | O_CLOEXEC);
    line_printf(line, "\n");
    if (fd < 0 || write(fd, line->text, line->length) != (ssize_t)line->length)
        abort(); /* without a journal nothing is proved */
    free(line->text);
}
