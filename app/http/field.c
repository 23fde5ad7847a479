/* Rules for HTTP fields. See field.h. */
#include "http/field.h"

#include <string.h>
#include <strings.h>

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t token_length(const char *at)
{
    size_t length = 0;
    while (at[length] != '\0' && (is_alphanumeric(at[length]) || strchr("!#$%&'*+-.^_`|~", at[length]) != NULL))
        length++;
    return length;
}

bool field_name_is_valid(const char *name)
{
    size_t length = token_length(name);
    return length > 0 && name[length] == '\0';
}

bool field_value_is_valid(const char *value)
{
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

bool field_is_of_server(const char *name)
{
    static const char *const names[] = {"Connection", "Content-Length", "Date", "Keep-Alive", "Proxy-Connection",
                                        "Server",     "Status",         "TE",   "Trailer",    "Transfer-Encoding",
                                        "Upgrade"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return strncasecmp(name, "X-Accel-", 8) == 0;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* What is behind the `type` that `at` begins with, and blanks; NULL: it begins with something else. */
static const char *skip_type(const char *at, const char *type)
{
    size_t length = strlen(type);
    return strncasecmp(at, type, length) == 0 ? skip_blanks(at + length) : NULL;
}

bool media_type_is(const char *content_type, const char *type)
{
    const char *at = content_type != NULL ? skip_type(skip_blanks(content_type), type) : NULL;
    return at != NULL && (*at == '\0' || *at == ';');
}

/* -------------------- parameters -------------------- */

/* Where the quoted string ends, whose first '"' is before `at`: at its last one, or NULL. */
static const char *end_of_quoted(const char *at)
{
    for (; *at != '\0'; at++) {
        if (*at == '"')
            return at;
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
    }
    return NULL;
}

static const char *unquote(const char *at, const char *end, struct arena *arena)
{
    char *text = arena_alloc(arena, (size_t)(end - at) + 1);
    char *to = text;
    for (; at < end; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        *to++ = *at;
    }
    *to = '\0';
    return text;
}

/* Takes the value at `at` and moves behind it. NULL: there is none. */
static const char *take_value(const char **at, struct arena *arena)
{
    bool is_quoted = **at == '"';
    const char *begin = *at + is_quoted;
    const char *end = is_quoted ? end_of_quoted(begin) : begin + strcspn(begin, " \t;,\"");
    if (end == NULL || (end == begin && !is_quoted))
        return NULL;
    *at = end + is_quoted;
    return is_quoted ? unquote(begin, end, arena) : arena_strndup(arena, begin, (size_t)(end - begin));
}

/* Takes the parameter at `at` and moves behind it. */
static bool take_parameter(const char **at, struct field_parameter wanted[], size_t count, struct arena *arena)
{
    const char *name = *at;
    size_t length = token_length(name);
    if (length == 0 || name[length] != '=')
        return false;
    *at += length + 1;
    const char *value = take_value(at, arena);
    for (size_t i = 0; i < count && value != NULL; i++) {
        if (strlen(wanted[i].name) != length || strncasecmp(wanted[i].name, name, length) != 0)
            continue;
        if (wanted[i].value != NULL)
            return false;
        wanted[i].value = value;
    }
    return value != NULL;
}

bool field_parse(const char *text, const char *type, struct field_parameter wanted[], size_t count, struct arena *arena)
{
    const char *at = text != NULL ? skip_type(skip_blanks(text), type) : NULL;
    while (at != NULL && *at == ';') {
        at = skip_blanks(at + 1);
        if (*at != ';' && *at != '\0' && !take_parameter(&at, wanted, count, arena))
            return false;
        at = skip_blanks(at);
    }
    return at != NULL && *at == '\0';
}

/* -------------------- Accept (RFC 9110, 12.5.1) -------------------- */

enum { WEIGHT_ONE = 1000 }; /* weights have at most three decimals, so thousandths are exact */

/* The next ';' or ',' outside of quotes, or the end. */
static const char *find_delimiter(const char *at)
{
    bool is_quoted = false;
    for (; *at != '\0'; at++) {
        if (is_quoted && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (*at == ';' || *at == ','))
            break;
    }
    return at;
}

/* A qvalue (RFC 9110, 12.4.2) in thousandths; 0, "not acceptable", for what is none. */
static int parse_weight(const char *at)
{
    if (*at != '0' && *at != '1')
        return 0;
    int weight = (*at++ - '0') * WEIGHT_ONE;
    if (*at == '.') {
        at++;
        for (int unit = WEIGHT_ONE / 10; unit > 0 && *at >= '0' && *at <= '9'; unit /= 10)
            weight += (*at++ - '0') * unit;
    }
    at = skip_blanks(at);
    bool is_at_end = *at == '\0' || *at == ';' || *at == ',';
    return is_at_end && weight <= WEIGHT_ONE ? weight : 0;
}

/* The media range that `at` begins with is `type`, whatever its parameters. */
static bool range_is(const char *at, const char *type)
{
    at = skip_type(at, type);
    return at != NULL && (*at == '\0' || *at == ';' || *at == ',');
}

/* The weight of the element whose media range ends at `at`; moves `at` to the element's end. */
static int take_weight(const char **at)
{
    int weight = WEIGHT_ONE;
    while (**at == ';') {
        const char *parameter = skip_blanks(*at + 1);
        if (strncasecmp(parameter, "q=", 2) == 0)
            weight = parse_weight(parameter + 2);
        *at = find_delimiter(parameter);
    }
    return weight;
}

bool accept_prefers_json(const char *accept)
{
    if (accept == NULL)
        return false;
    int json = 0, text = 0;
    for (const char *at = accept;; at++) {
        const char *range = skip_blanks(at);
        at = find_delimiter(range);
        int weight = take_weight(&at);
        if (range_is(range, "application/json") && weight > json)
            json = weight;
        if ((range_is(range, "text/html") || range_is(range, "text/plain")) && weight > text)
            text = weight;
        if (*at == '\0')
            break;
    }
    return json > 0 && json >= text;
}
