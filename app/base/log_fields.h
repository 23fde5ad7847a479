/*
 * The fields of a log line, from a format of the form
 *
 *     worker=%d reason="%s" took_ms=%lld
 *
 * Each `key=value` is a field. Its value is a number if it is one integer conversion, or digits; otherwise a text, with
 * or without quotes in the format. So no value, whatever its bytes, can become a field or a line of its own.
 */
#ifndef BASE_LOG_FIELDS_H
#define BASE_LOG_FIELDS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { LOG_FIELDS_MAX = 24 };

struct log_field {
    const char *key; /* within the format */
    size_t key_length;
    const char *value; /* within the room; with a NUL behind */
    size_t value_length;
    bool is_number;
    bool is_quoted; /* in the format */
};

/*
 * Formats the values into `room`, cutting what does not fit. Returns how many fields there are; -1: the format is not
 * of that form (it is free text, or has conversions with flags or a width), and no argument was taken.
 */
int log_fields_format(struct log_field fields[static LOG_FIELDS_MAX], char *room, size_t size, const char *format,
                      va_list arguments);

#endif
