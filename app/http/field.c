/* Rules for HTTP fields. See field.h. */
#include "http/field.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool field_name_is_valid(const char *name)
{
    if (*name == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (!is_alphanumeric(*name) && strchr("!#$%&'*+-.^_`|~", *name) == NULL)
            return false;
    return true;
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

/* The media type that `at` begins with is `type`: nothing but blanks before the parameters, the next element, the end.
 */
static bool names_media_type(const char *at, const char *type)
{
    size_t length = strlen(type);
    if (strncasecmp(at, type, length) != 0)
        return false;
    at = skip_blanks(at + length);
    return *at == '\0' || *at == ';' || *at == ',';
}

bool media_type_is(const char *content_type, const char *type)
{
    return content_type != NULL && names_media_type(skip_blanks(content_type), type);
}

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

const char *field_parameter(const char *value, const char *name, struct arena *arena)
{
    size_t name_length = strlen(name);
    const char *at = value + strcspn(value, ";");
    while (*at == ';') {
        at = skip_blanks(at + 1);
        size_t length = strcspn(at, "=; \t");
        if (at[length] != '=')
            return NULL;
        bool is_it = length == name_length && strncasecmp(at, name, length) == 0;
        at += length + 1;
        bool is_quoted = *at == '"';
        at += is_quoted;
        const char *end = is_quoted ? end_of_quoted(at) : at + strcspn(at, " \t;,\"");
        if (end == NULL || (end == at && !is_quoted))
            return NULL;
        if (is_it)
            return is_quoted ? unquote(at, end, arena) : arena_strndup(arena, at, (size_t)(end - at));
        at = skip_blanks(end + is_quoted);
    }
    return NULL;
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
        if (names_media_type(range, "application/json") && weight > json)
            json = weight;
        if ((names_media_type(range, "text/html") || names_media_type(range, "text/plain")) && weight > text)
            text = weight;
        if (*at == '\0')
            break;
    }
    return json > 0 && json >= text;
}
