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
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    bool is_scheme = strspn(parts->scheme, plain) == parts->scheme_length && parts->scheme_length < 20;
    snprintf(reason, reason_size, "the URL of Redis (%.*s://...): %s", is_scheme ? (int)parts->scheme_length : 0,
             parts->scheme, sentence);
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
    struct redis_address addresses[REDIS_SENTINELS_MAX];
    char problem[REDIS_HOST_LENGTH_MAX * 2];
    bool is_good =
        url->master[0] != '\0' || url->is_cluster
            ? redis_address_parse_list(url->address, addresses, REDIS_SENTINELS_MAX, problem, sizeof(problem)) > 0
            : redis_address_parse(url->address, &addresses[0], problem, sizeof(problem));
    if (is_good)
        return true;
    const char *sentence = strstr(problem, "\": ");
    return refuse(parts, sentence != NULL ? sentence + 3 : "the host is none", reason, reason_size);
}

/* Whether a host, of which nothing stands behind `end`, has a port behind it. */
static bool has_port(const char *host, const char *end)
{
    const char *bracket = memchr(host, ']', (size_t)(end - host));
    const char *from = bracket != NULL ? bracket : host;
    return memchr(from, ':', (size_t)(end - from)) != NULL;
}

/* Appends one host as redis_address_parse() takes it. The '%' before a zone is written as itself or, as RFC 6874 has
 * it, as "%25"; no other character of a host needs one. */
static bool add_host(const struct parts *parts, const char *host, const char *end, const char *port, char *to,
                     char *reason, size_t reason_size)
{
    if (end == host)
        return refuse(parts, "the host is missing", reason, reason_size);
    if (end - host > REDIS_HOST_LENGTH_MAX)
        return refuse(parts, "the host has to be 1 to 253 characters long", reason, reason_size);
    if (*host != '[' && memchr(host, '%', (size_t)(end - host)) != NULL)
        return refuse(parts, "the host holds a '%'", reason, reason_size);
    for (const char *at = host; at < end; at++) {
        *to++ = *at;
        if (end - at >= 3 && memcmp(at, "%25", 3) == 0)
            at += 2;
    }
    strcpy(to, has_port(host, end) ? "" : port);
    return true;
}

/* The part of the path from `from` on. */
static bool take_database(const struct parts *parts, const char *from, struct redis_url *url, char *reason,
                          size_t reason_size)
{
    size_t length = (size_t)(parts->path + parts->path_length - from);
    if (parts->query != NULL)
        return refuse(parts, "it has no query and no fragment; the database is its path, /0", reason, reason_size);
    return length == 0 || parse_database(from, length, &url->database) ||
           refuse(parts, "the path is the number of the database, from 0 to 65535", reason, reason_size);
}

static bool take_host(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    return add_host(parts, parts->host, parts->host + parts->host_length, ":6379", url->address, reason, reason_size) &&
           take_database(parts, parts->path + (parts->path_length > 0), url, reason, reason_size) &&
           check_address(parts, url, reason, reason_size);
}

/* "/NAME" or "/NAME/DATABASE". */
static bool take_master(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *name = parts->path + (parts->path_length > 0);
    size_t length = strcspn(name, "/?#");
    if (length == 0 || length >= sizeof(url->master) || strspn(name, plain) < length)
        return refuse(parts, "behind the Sentinels stands the name of the master: letters, digits, '.', '-' and '_'",
                      reason, reason_size);
    memcpy(url->master, name, length);
    url->master[length] = '\0';
    return take_database(parts, name + length + (name[length] == '/'), url, reason, reason_size);
}

/* With commas between. `what` they are, and the port that one without any has. */
static bool add_hosts(const struct parts *parts, const char *what, const char *port, struct redis_url *url,
                      char *reason, size_t reason_size)
{
    char sentence[64];
    const char *all_end = parts->host + parts->host_length;
    size_t count = 0;
    for (const char *host = parts->host; host <= all_end; host++) {
        const char *comma = memchr(host, ',', (size_t)(all_end - host));
        const char *end = comma != NULL ? comma : all_end;
        if (count++ == REDIS_SENTINELS_MAX) {
            snprintf(sentence, sizeof(sentence), "at most %d %s", REDIS_SENTINELS_MAX, what);
            return refuse(parts, sentence, reason, reason_size);
        }
        if (count > 1)
            strcat(url->address, ",");
        if (!add_host(parts, host, end, port, url->address + strlen(url->address), reason, reason_size))
            return false;
        host = end;
    }
    return true;
}

static bool take_sentinels(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    return add_hosts(parts, "Sentinels", ":26379", url, reason, reason_size) &&
           take_master(parts, url, reason, reason_size) && check_address(parts, url, reason, reason_size);
}

/* A cluster has no databases but 0. */
static bool take_cluster(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    url->is_cluster = true;
    if (!add_hosts(parts, "nodes; the others are found", ":6379", url, reason, reason_size) ||
        !take_database(parts, parts->path + (parts->path_length > 0), url, reason, reason_size) ||
        !check_address(parts, url, reason, reason_size))
        return false;
    return url->database <= 0 || refuse(parts, "a cluster has the database 0 only", reason, reason_size);
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

/* "redis+WHAT", "redis-WHAT", or one of them with "rediss". */
static bool is_scheme_of(const struct parts *parts, const char *what)
{
    static const char *const begins[] = {"redis+", "redis-", "rediss+", "rediss-"};
    char scheme[32];
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        snprintf(scheme, sizeof(scheme), "%s%s", begins[i], what);
        if (scheme_is(parts, scheme))
            return true;
    }
    return false;
}

static bool take(const struct parts *parts, struct redis_url *url, char *reason, size_t reason_size)
{
    if (!take_user_info(parts, url, reason, reason_size))
        return false;
    if (scheme_is(parts, "unix"))
        return take_path(parts, url, reason, reason_size);
    url->is_tls = strncasecmp(parts->scheme, "rediss", 6) == 0;
    if (scheme_is(parts, "redis") || scheme_is(parts, "rediss"))
        return take_host(parts, url, reason, reason_size);
    if (is_scheme_of(parts, "sentinel"))
        return take_sentinels(parts, url, reason, reason_size);
    if (is_scheme_of(parts, "cluster"))
        return take_cluster(parts, url, reason, reason_size);
    return refuse(parts,
                  "the scheme has to be redis, redis+sentinel, redis+cluster, the same with rediss for TLS, or "
                  "unix",
                  reason, reason_size);
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
