/* Where Redis listens. See address.h. */
#include "redis/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char unix_prefix[] = "unix:";

/* What has an '@' was meant as a URL, and may have a password in it. */
static bool refuse(const char *text, const char *sentence, char *reason, size_t reason_size)
{
    if (strchr(text, '@') != NULL)
        snprintf(reason, reason_size, "the address of Redis (not shown, as it has an '@'): a URL begins with redis://");
    else
        snprintf(reason, reason_size, "the address of Redis, \"%s\": %s", text, sentence);
    return false;
}

static bool parse_port(const char *text, int *port)
{
    int value = 0;
    if (*text == '\0' || strlen(text) > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (*text - '0');
    }
    *port = value;
    return value >= 1 && value <= 65535;
}

static bool is_numeric_host(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

/* What may stand in a name, or in an address with its zone (RFC 4007, 11): anything that is not an accident. */
static bool is_host_text(const char *host)
{
    if (*host == '.')
        return false;
    for (; *host != '\0'; host++) {
        bool is_alphanumeric =
            (*host >= 'a' && *host <= 'z') || (*host >= 'A' && *host <= 'Z') || (*host >= '0' && *host <= '9');
        if (!is_alphanumeric && strchr(".-_:%", *host) == NULL)
            return false;
    }
    return true;
}

static bool parse_path(const char *text, struct redis_address *address, char *reason, size_t reason_size)
{
    const char *path = text + strlen(unix_prefix);
    if (path[0] == '\0')
        return refuse(text, "the path of the socket is missing", reason, reason_size);
    if (strlen(path) > REDIS_PATH_LENGTH_MAX)
        return refuse(text, "the path of the socket is longer than 107 bytes", reason, reason_size);

    *address = (struct redis_address){.is_unix = true, .is_numeric = true};
    memcpy(address->host, path, strlen(path) + 1);
    return true;
}

bool redis_address_parse(const char *text, struct redis_address *address, char *reason, size_t reason_size)
{
    if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0)
        return parse_path(text, address, reason, reason_size);

    const char *host = text;
    const char *host_end;
    const char *colon;
    bool is_bracketed = text[0] == '[';
    if (is_bracketed) {
        host = text + 1;
        host_end = strchr(host, ']');
        if (host_end == NULL || host_end[1] != ':')
            return refuse(text, "expected [ipv6]:port", reason, reason_size);
        colon = host_end + 1;
    } else {
        host_end = colon = strchr(text, ':');
        if (colon == NULL)
            return refuse(text, "expected unix:/path, host:port or [ipv6]:port", reason, reason_size);
        if (strchr(colon + 1, ':') != NULL)
            return refuse(text, "an IPv6 address stands in brackets: [ipv6]:port", reason, reason_size);
    }

    size_t length = (size_t)(host_end - host);
    struct redis_address parsed = {0};
    if (length == 0 || length > REDIS_HOST_LENGTH_MAX)
        return refuse(text, "the host has to be 1 to 253 characters long", reason, reason_size);
    if (!parse_port(colon + 1, &parsed.port))
        return refuse(text, "the port has to be a number from 1 to 65535", reason, reason_size);
    memcpy(parsed.host, host, length);
    if (!is_host_text(parsed.host))
        return refuse(text, "the host holds a character that no host has", reason, reason_size);
    if (is_bracketed && strchr(parsed.host, ':') == NULL)
        return refuse(text, "only an IPv6 address stands in brackets", reason, reason_size);

    parsed.is_numeric = is_bracketed || is_numeric_host(parsed.host);
    *address = parsed;
    return true;
}

size_t redis_address_parse_list(const char *text, struct redis_address list[], size_t max, char *reason,
                                size_t reason_size)
{
    char one[REDIS_HOST_LENGTH_MAX + sizeof("[]:65535")];
    size_t count = 0;
    for (;; text++) {
        size_t length = strcspn(text, ",");
        if (count == max || length >= sizeof(one)) {
            refuse(text, count == max ? "there are too many before it" : "it is too long", reason, reason_size);
            return 0;
        }
        memcpy(one, text, length);
        one[length] = '\0';
        if (!redis_address_parse(one, &list[count], reason, reason_size))
            return 0;
        if (list[count++].is_unix) {
            refuse(one, "expected host:port or [ipv6]:port", reason, reason_size);
            return 0;
        }
        text += length;
        if (*text == '\0')
            return count;
    }
}

bool redis_address_join(const char *host, int host_length, const char *port, int port_length,
                        struct redis_address *address)
{
    char text[REDIS_NAME_BYTES];
    char problem[REDIS_HOST_LENGTH_MAX * 2];
    bool is_ipv6 = memchr(host, ':', (size_t)host_length) != NULL;
    int length =
        snprintf(text, sizeof(text), is_ipv6 ? "[%.*s]:%.*s" : "%.*s:%.*s", host_length, host, port_length, port);
    return (size_t)length < sizeof(text) && redis_address_parse(text, address, problem, sizeof(problem)) &&
           !address->is_unix;
}

bool redis_address_is_same(const struct redis_address *a, const struct redis_address *b)
{
    return a->is_unix == b->is_unix && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

const char *redis_address_name(const struct redis_address *address, char name[static REDIS_NAME_BYTES])
{
    if (address->is_unix)
        snprintf(name, REDIS_NAME_BYTES, "unix:%s", address->host);
    else
        snprintf(name, REDIS_NAME_BYTES, strchr(address->host, ':') != NULL ? "[%s]:%d" : "%s:%d", address->host,
                 address->port);
    return name;
}
