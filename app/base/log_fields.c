/* The fields of a log line. See log_fields.h. */
#include "base/log_fields.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A conversion, as far as the log knows them: an optional precision of strings and numbers, a length, a letter. */
struct conversion {
    int precision;      /* -1: none; -2: an argument */
    char length;        /* 0, 'h', 'H' (hh), 'l', 'L' (ll), 'z', 'j' or 't' */
    char letter;        /* d i u x s c p f g */
    const char *behind; /* in the format */
};

/* Reads one conversion, behind its '%'. False: one that is not known. */
static bool read_conversion(const char *at, struct conversion *conversion)
{
    *conversion = (struct conversion){.precision = -1};
    if (*at == '.' && at[1] == '*') {
        conversion->precision = -2;
        at += 2;
    } else if (*at == '.') {
        conversion->precision = 0;
        for (at++; *at >= '0' && *at <= '9' && conversion->precision < 1000; at++)
            conversion->precision = 10 * conversion->precision + (*at - '0');
    }
    if (*at != '\0' && strchr("hlzjt", *at) != NULL) {
        conversion->length = *at++;
        if (*at == conversion->length && (*at == 'h' || *at == 'l'))
            conversion->length = *at++ == 'h' ? 'H' : 'L';
    }
    if (*at == '\0' || strchr("diuxscpfg", *at) == NULL)
        return false;
    conversion->letter = *at;
    conversion->behind = at + 1;
    bool is_integer = strchr("diux", *at) != NULL;
    return is_integer ? conversion->precision == -1 : conversion->length == 0;
}

static bool is_key_character(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '_' || character == '-' || character == '.';
}

/* -------------------- whether the format has fields -------------------- */

/* The value from `at` to its end, which is the closing quote, a space, or the end. NULL: it is none. */
static const char *skip_value(const char *at, bool is_quoted)
{
    while (*at != '\0' && *at != (is_quoted ? '"' : ' ')) {
        struct conversion conversion;
        if (*at == '%' && at[1] != '%') {
            if (!read_conversion(at + 1, &conversion))
                return NULL;
            at = conversion.behind;
        } else if (*at == '%') {
            at += 2;
        } else if (!is_quoted && (*at == '"' || *at == '=')) {
            return NULL;
        } else {
            at++;
        }
    }
    return !is_quoted ? at : *at == '"' && (at[1] == '\0' || at[1] == ' ') ? at + 1 : NULL;
}

static bool has_fields(const char *format)
{
    int count = 0;
    while (*format != '\0') {
        const char *key = format;
        while (is_key_character(*format))
            format++;
        if (format == key || *format != '=' || ++count > LOG_FIELDS_MAX)
            return false;
        format++;
        bool is_quoted = *format == '"';
        format = skip_value(format + is_quoted, is_quoted);
        if (format == NULL)
            return false;
        if (*format == ' ')
            format++;
    }
    return count > 0;
}

/* -------------------- values -------------------- */

struct writer {
    char *at;
    char *end; /* where the last NUL may stand */
};

static void put(struct writer *out, const char *bytes, size_t length)
{
    size_t room = (size_t)(out->end - out->at);
    if (length > room)
        length = room;
    memcpy(out->at, bytes, length);
    out->at += length;
}

/* Behind a pointer, because a va_list that was handed on by value may not be used again. */
struct arguments {
    va_list list;
};

static intmax_t take_signed(struct arguments *arguments, char length)
{
    switch (length) {
    case 'l':
        return va_arg(arguments->list, long);
    case 'L':
        return va_arg(arguments->list, long long);
    case 'z':
    case 't':
        return va_arg(arguments->list, ptrdiff_t);
    case 'j':
        return va_arg(arguments->list, intmax_t);
    default:
        return va_arg(arguments->list, int);
    }
}

static uintmax_t take_unsigned(struct arguments *arguments, char length)
{
    switch (length) {
    case 'l':
        return va_arg(arguments->list, unsigned long);
    case 'L':
        return va_arg(arguments->list, unsigned long long);
    case 'z':
    case 't':
        return va_arg(arguments->list, size_t);
    case 'j':
        return va_arg(arguments->list, uintmax_t);
    default:
        return va_arg(arguments->list, unsigned int);
    }
}

static void put_string(struct writer *out, const char *text, int precision)
{
    if (text == NULL)
        text = "(null)";
    put(out, text, precision >= 0 ? strnlen(text, (size_t)precision) : strlen(text));
}

static void put_conversion(struct writer *out, const struct conversion *conversion, struct arguments *arguments)
{
    char text[400]; /* the longest is a double's */
    int length = 0;
    int precision = conversion->precision == -2 ? va_arg(arguments->list, int) : conversion->precision;
    switch (conversion->letter) {
    case 's':
        put_string(out, va_arg(arguments->list, const char *), precision);
        return;
    case 'c':
        text[0] = (char)va_arg(arguments->list, int);
        length = 1;
        break;
    case 'd':
    case 'i':
        length = snprintf(text, sizeof(text), "%jd", take_signed(arguments, conversion->length));
        break;
    case 'u':
        length = snprintf(text, sizeof(text), "%ju", take_unsigned(arguments, conversion->length));
        break;
    case 'x':
        length = snprintf(text, sizeof(text), "%jx", take_unsigned(arguments, conversion->length));
        break;
    case 'p':
        length = snprintf(text, sizeof(text), "%p", va_arg(arguments->list, void *));
        break;
    case 'f':
        length = snprintf(text, sizeof(text), "%.*f", precision >= 0 ? precision : 6, va_arg(arguments->list, double));
        break;
    default:
        length = snprintf(text, sizeof(text), "%.*g", precision >= 0 ? precision : 6, va_arg(arguments->list, double));
        break;
    }
    put(out, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

/* As JSON spells it (RFC 8259, section 6): digits, perhaps with a fraction. */
static bool is_decimal(const char *text, size_t length)
{
    size_t first = length > 0 && text[0] == '-';
    size_t dots = 0;
    if (length == first || length > 24 || (text[first] == '0' && length > first + 1 && text[first + 1] != '.'))
        return false;
    for (size_t i = first; i < length; i++) {
        bool is_dot = text[i] == '.' && i > first && i + 1 < length && dots++ == 0;
        if (!is_dot && (text[i] < '0' || text[i] > '9'))
            return false;
    }
    return true;
}

/* One value. Returns where the format goes on. */
static const char *format_value(struct log_field *field, struct writer *out, const char *format,
                                struct arguments *arguments)
{
    const char *begin = out->at;
    bool has_text = false; /* a conversion whose outcome is a text, whatever it looks like */
    while (*format != '\0' && *format != (field->is_quoted ? '"' : ' ')) {
        struct conversion conversion;
        if (*format != '%' || format[1] == '%') {
            put(out, format, 1);
            format += *format == '%' ? 2 : 1;
            continue;
        }
        if (!read_conversion(format + 1, &conversion))
            break; /* has_fields() has seen to it */
        put_conversion(out, &conversion, arguments);
        has_text = has_text || strchr("scpx", conversion.letter) != NULL;
        format = conversion.behind;
    }
    field->value = begin;
    field->value_length = (size_t)(out->at - begin);
    field->is_number = !field->is_quoted && !has_text && is_decimal(begin, field->value_length);
    *out->at = '\0';
    if (out->at < out->end)
        out->at++;
    return format + (field->is_quoted && *format == '"');
}

int log_fields_format(struct log_field fields[static LOG_FIELDS_MAX], char *room, size_t size, const char *format,
                      va_list arguments)
{
    if (!has_fields(format))
        return -1;
    struct writer out = {.at = room, .end = room + size - 1};
    struct arguments copy;
    va_copy(copy.list, arguments);
    int count = 0;
    while (*format != '\0') {
        size_t key_length = strcspn(format, "=");
        struct log_field *field = &fields[count++];
        *field =
            (struct log_field){.key = format, .key_length = key_length, .is_quoted = format[key_length + 1] == '"'};
        format = format_value(field, &out, format + key_length + 1 + field->is_quoted, &copy);
        if (*format == ' ')
            format++;
    }
    va_end(copy.list);
    return count;
}
