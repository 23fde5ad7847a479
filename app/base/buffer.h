/*
 * Bytes that grow at the end. The memory is the buffer's own; buffer_fini() gives it back.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

#include "midstream.h"

struct buffer {
    char *data; /* NULL while nothing was ever added; not NUL-terminated */
    size_t length;
    size_t capacity;
};

/* Makes room for `bytes` more and returns where they go; the caller adds what it wrote to `length`. Never NULL. */
char *buffer_reserve(struct buffer *buffer, size_t bytes);
void buffer_append(struct buffer *buffer, const void *data, size_t bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) MID_FORMAT(2, 3);
void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments) MID_FORMAT(2, 0);

/* Gives the memory back; the buffer is empty and may be used again. */
void buffer_fini(struct buffer *buffer);

#endif
