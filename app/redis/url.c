/* Redis as a URL. See url.h. */
#include "redis/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The parts of a URL (RFC 3986, 3), in its text. */
struct parts {
    const char *scheme;
    size_t scheme_length;
    const char *user_info; /* NULL: none */
    size_t user_info_length;
    const char *host; /* and port */
    size_t host_length;
    const char *path; /* from its '/' on */
    size_t path_length;
    const char *query; /* NULL: none */
};

static void split(const char *text, struct parts *parts)
{
    const char *authority = strstr(text, "://") + 3;
    const char *end = authority + strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', (size_t)(end - authority));
    *parts = (struct parts){.scheme = text, .scheme_length = (size_t)(authority - 3 - text)};
    if (at != NULL) {
        parts->user_info = authority;
        parts->user_info_length = (size_t)(at - authority);
    }
    parts->host = at != NULL ? at + 1 : authority;
    parts->host_length = (size_t)(end - parts->host);
    parts->path = end;
    parts->path_length = strcspn(end, "?#");
    end += parts->path_length;
    parts->query = *end == '\0' ? NULL : end; /* with its '?', or a fragment's '#' */
}

static bool scheme_is(const struct parts *parts, const char *scheme)
{
    return parts->scheme_length == strlen(scheme) && strncasecmp(parts->scheme, scheme, parts->scheme_length) == 0;
}

static bool refuse(const struct parts *parts, const char *sentence, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "the URL of Redis (%.*s://...): %s",
             (int)(parts->scheme_length < 20 ? parts->scheme_length : 20), parts->scheme, sentence);
    return false;
}

/* -------------------- pieces -------------------- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes into `to`, which has room for size - 1 bytes and a NUL. False: it is longer, has a NUL or a line break, or a
 * '%' without two digits. */
static bool decode(const char *text, size_t length, char *to, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 1 < length ? digit_of(text[i + 1]) : -1;
            int low = i + 2 < length ? digit_of(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == '\0' || c == '\r' || c == '\n' || count + 1 >= size)
            return false;
        to[count++] = (char)c;
    }
    to[count] = '\0';
    return true;
}

static bool parse_database(const char *text, size_t length, int *database)
{
    int number = 0;
    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (text[i] - '0');
    }
    *database = number;
    return number <= REDIS_DATABASE_MAX;
}

static bool take_user_info(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    if (parts->user_info == NULL)
        return true;
    const char *colon = memchr(parts->user_info, ':', parts->user_info_length);
    size_t user_length = colon != NULL ? (size_t)(colon - parts->user_info) : parts->user_info_length;
    if (!decode(parts->user_info, user_length, url->user, sizeof(url->user)))
        return refuse(parts, "the user has at most 255 bytes, no NUL or line break, and '%' as %25", reason,
                      reason_size);
    if (colon != NULL &&
        !decode(colon + 1, parts->user_info_length - user_length - 1, url->password, sizeof(url->password)))
        return refuse(parts, "the password has at most 510 bytes, no NUL or line break, and '%' as %25", reason,
                      reason_size);
    return true;
}

/* -------------------- the two kinds -------------------- */

/* Of what redis_address_parse() says, the sentence: the text before it may be a part of a password with a '/' in it. */
static bool check_address(const struct parts *parts, const struct redis_url *url, char *reason, size_t reason_size)
{
    struct redis_address address;
    char problem[REDIS_HOST_LENGTH_MAX * 2];
    if (redis_address_parse(url->address, &address, problem, sizeof(problem)))
        return true;
    const char *sentence = strstr(problem, "\": ");
    return refuse(parts, sentence != NULL ? sentence + 3 : "the host is none", reason, reason_size);
}

static bool has_port(const struct parts *parts)
{
    const char *bracket = memchr(parts->host, ']', parts->host_length);
    const char *from = bracket != NULL ? bracket : parts->host;
    return memchr(from, ':', parts->host_length - (size_t)(from - parts->host)) != NULL;
}

/* The '%' before a zone is written as itself or, as RFC 6874 has it, as "%25"; no other character of a host needs one.
 */
static void copy_host(const struct parts *parts, char *to)
{
    for (size_t i = 0; i < parts->host_length; i++) {
        *to++ = parts->host[i];
        if (parts->host_length - i >= 3 && memcmp(parts->host + i, "%25", 3) == 0)
            i += 2;
    }
    *to = '\0';
}

static bool take_host(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    if (parts->host_length == 0)
        return refuse(parts, "the host is missing", reason, reason_size);
    if (parts->host_length >= sizeof(url->address) - sizeof(":65535"))
        return refuse(parts, "the host has to be 1 to 253 characters long", reason, reason_size);
    if (parts->host[0] != '[' && memchr(parts->host, '%', parts->host_length) != NULL)
        return refuse(parts, "the host holds a '%'", reason, reason_size);
    copy_host(parts, url->address);
    if (!has_port(parts))
        strcat(url->address, ":6379");
    if (parts->query != NULL)
        return refuse(parts, "it has no query and no fragment; the database is its path, /0", reason, reason_size);
    bool is_said = parts->path_length > 1;
    if (is_said && !parse_database(parts->path + 1, parts->path_length - 1, &url->database))
        return refuse(parts, "the path is the number of the database, from 0 to 65535", reason, reason_size);
    return check_address(parts, url, reason, reason_size);
}

static bool take_path(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    static const char prefix[] = "unix:";
    memcpy(url->address, prefix, sizeof(prefix));
    if (parts->host_length > 0 || parts->path_length < 2)
        return refuse(parts, "expected the absolute path of a socket, as in unix:///run/redis.sock", reason,
                      reason_size);
    if (!decode(parts->path, parts->path_length, url->address + strlen(prefix), REDIS_PATH_LENGTH_MAX + 1))
        return refuse(parts, "the path of the socket has at most 107 bytes, no NUL or line break, and '%' as %25",
                      reason, reason_size);
    if (parts->query == NULL)
        return true;
    bool is_database = strncmp(parts->query, "?db=", 4) == 0 &&
                       parse_database(parts->query + 4, strlen(parts->query + 4), &url->database);
    return is_database ||
           refuse(parts, "the query can be ?db=N, the number of the database from 0 to 65535", reason, reason_size);
}

static bool take(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    if (!take_user_info(parts, url, reason, reason_size))
        return false;
    url->is_tls = scheme_is(parts, "rediss");
    if (scheme_is(parts, "redis") || url->is_tls)
        return take_host(parts, url, reason, reason_size);
    if (scheme_is(parts, "unix"))
        return take_path(parts, url, reason, reason_size);
    return refuse(parts, "the scheme has to be redis, rediss or unix; Sentinel and Cluster are not supported", reason,
                  reason_size);
}

/* -------------------- the interface -------------------- */

bool redis_url_is(const char *text)
{
    return strstr(text, "://") != NULL;
}

bool redis_url_has_password(const char *text)
{
    struct parts parts;
    if (!redis_url_is(text))
        return false;
    split(text, &parts);
    return parts.user_info != NULL && memchr(parts.user_info, ':', parts.user_info_length) != NULL;
}

bool redis_url_parse(const char *text, struct redis_url *url, char *reason, size_t reason_size)
{
    struct parts parts;
    *url = (struct redis_url){.database = -1};
    split(text, &parts);
    if (take(&parts, url, reason, reason_size))
        return true;
    explicit_bzero(url, sizeof(*url));
    return false;
}
