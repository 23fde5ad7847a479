/* Bytes that grow at the end. See buffer.h. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

char *buffer_reserve(struct buffer *buffer, size_t bytes)
{
    if (buffer->capacity - buffer->length < bytes) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity * 2 : 256;
        while (capacity - buffer->length < bytes)
            capacity *= 2;
        char *data = realloc(buffer->data, capacity);
        if (data == NULL)
            panic("out of memory for a buffer of %zu bytes", capacity);
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    if (bytes == 0)
        return;
    memcpy(buffer_reserve(buffer, bytes), data, bytes);
    buffer->length += bytes;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    size_t room = buffer->capacity - buffer->length;
    int length = vsnprintf(room > 0 ? buffer->data + buffer->length : NULL, room, format, arguments);
    if (length < 0)
        panic("malformed format: %s", format);
    if ((size_t)length >= room)
        vsnprintf(buffer_reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, again);
    buffer->length += (size_t)length;
    va_end(again);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(buffer, format, arguments);
    va_end(arguments);
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
