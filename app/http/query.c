/* Percent-encoded text. See query.h. */
#include "http/query.h"

#include <string.h>

#include "base/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that "%XX" at `at` stands for; -1 when there is no such triple. */
static int percent_byte(const char *at, const char *end)
{
    if (end - at < 3 || *at != '%')
        return -1;
    int high = hex_digit(at[1]);
    int low = hex_digit(at[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* One decoded byte of a form; moves `at` behind what it was written with. */
static char take_form_byte(const char **at, const char *end)
{
    int byte = percent_byte(*at, end);
    if (byte >= 0) {
        *at += 3;
        return (char)byte;
    }
    char c = *(*at)++;
    return c == '+' ? ' ' : c;
}

static bool form_equals(const char *at, const char *end, const char *name)
{
    while (at < end) {
        char c = take_form_byte(&at, end);
        if (c == '\0' || c != *name) /* an encoded NUL is not the end of `name` */
            return false;
        name++;
    }
    return *name == '\0';
}

/* A copy in which every byte that belongs to no character is U+FFFD. */
static char *replace_malformed_utf8(const char *text, size_t length, struct arena *arena)
{
    char *copy = arena_alloc(arena, 3 * length + 1);
    char *out = copy;
    for (size_t i = 0; i < length;) {
        size_t sequence = utf8_sequence_length(text + i, length - i);
        out = sequence > 0 ? mempcpy(out, text + i, sequence) : mempcpy(out, "\xef\xbf\xbd", 3);
        i += sequence > 0 ? sequence : 1;
    }
    *out = '\0';
    return copy;
}

static const char *form_decode(const char *at, const char *end, struct arena *arena)
{
    char *text = arena_alloc(arena, (size_t)(end - at) + 1);
    size_t length = 0;
    while (at < end) {
        char c = take_form_byte(&at, end);
        if (c == '\0')
            return NULL;
        text[length++] = c;
    }
    text[length] = '\0';
    return utf8_is_valid(text, length) ? text : replace_malformed_utf8(text, length, arena);
}

/* Where the first value of the name begins, and *end behind it; NULL: the name does not occur. */
static const char *find_value(const char *query, const char *name, const char **end)
{
    for (const char *at = query; at != NULL && *at != '\0'; at = **end != '\0' ? *end + 1 : *end) {
        *end = strchrnul(at, '&');
        const char *equals = memchr(at, '=', (size_t)(*end - at));
        const char *name_end = equals != NULL ? equals : *end;
        if (at < *end && form_equals(at, name_end, name))
            return equals != NULL ? equals + 1 : *end;
    }
    return NULL;
}

const char *query_find(const char *query, const char *name, struct arena *arena)
{
    const char *end;
    const char *value = find_value(query, name, &end);
    return value != NULL ? form_decode(value, end, arena) : NULL;
}

bool query_has(const char *query, const char *name)
{
    const char *end;
    return find_value(query, name, &end) != NULL;
}

bool percent_decode_path(const char *path, size_t length, struct arena *arena, char **out)
{
    char *text = arena_alloc(arena, length + 1);
    size_t decoded = 0;
    for (const char *at = path, *end = path + length; at < end;) {
        int byte = *at == '%' ? percent_byte(at, end) : (unsigned char)*at;
        if (byte <= 0)
            return false;
        at += *at == '%' ? 3 : 1;
        text[decoded++] = (char)byte;
    }
    text[decoded] = '\0';
    if (!utf8_is_valid(text, decoded))
        return false;
    *out = text;
    return true;
}

const char *percent_encode_path(const char *path, struct arena *arena)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/";
    static const char digits[] = "0123456789ABCDEF";
    char *text = arena_alloc(arena, 3 * strlen(path) + 1);
    char *end = text;
    for (; *path != '\0'; path++) {
        if (strchr(plain, *path) != NULL) {
            *end++ = *path;
        } else {
            *end++ = '%';
            *end++ = digits[(unsigned char)*path >> 4];
            *end++ = digits[(unsigned char)*path & 15];
        }
    }
    *end = '\0';
    return text;
}
