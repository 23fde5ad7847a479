/* Requests that another site made the visitor's browser send. See origin.h. */
#include "http/origin.h"

#include <string.h>
#include <strings.h>

bool origin_matters(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
}

bool origin_is_listed(const char *list, char separator, const char *origin)
{
    size_t length = strlen(origin);
    while (list != NULL && length > 0) {
        const char *end = strchrnul(list, separator);
        if ((size_t)(end - list) == length && strncasecmp(list, origin, length) == 0)
            return true;
        list = *end != '\0' ? end + 1 : NULL;
    }
    return false;
}

/* The length of `authority` without a port that is the scheme's own (RFC 9110, 4.2). */
static size_t length_without_port(const char *authority, const char *port)
{
    size_t length = strlen(authority);
    size_t port_length = strlen(port);
    bool has_port = length > port_length && strcmp(authority + length - port_length, port) == 0;
    return has_port ? length - port_length : length;
}

/* An origin "scheme://host:port" is the one that the request was sent to. */
static bool is_own(const char *origin, const struct origin_claims *claims)
{
    const char *scheme = claims->is_https ? "https://" : "http://";
    const char *port = claims->is_https ? ":443" : ":80";
    size_t length = strlen(scheme);
    if (claims->host == NULL || strncasecmp(origin, scheme, length) != 0)
        return false;
    size_t own = length_without_port(claims->host, port);
    return length_without_port(origin + length, port) == own && strncasecmp(origin + length, claims->host, own) == 0;
}

bool origin_is_missing(const struct origin_claims *claims)
{
    return origin_matters(claims->method) && claims->sec_fetch_site == NULL && claims->origin == NULL;
}

bool origin_is_ours(const struct origin_claims *claims, const char *trusted)
{
    const char *site = claims->sec_fetch_site;
    const char *origin = claims->origin;
    if (site != NULL && (strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0))
        return true;
    if (origin != NULL && origin_is_listed(trusted, ',', origin))
        return true;
    if (site != NULL)
        return false;
    if (origin == NULL)
        return true;
    return is_own(origin, claims);
}

bool origin_allows(const struct origin_claims *claims, const char *trusted)
{
    return !origin_matters(claims->method) || origin_is_ours(claims, trusted);
}

size_t origin_length(const char *text)
{
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    if (scheme == 0 || strncmp(text + scheme, "://", 3) != 0)
        return 0;
    size_t host = strcspn(text + scheme + 3, "/ \t,");
    return host > 0 ? scheme + 3 + host : 0;
}

bool origin_list_is_valid(const char *trusted)
{
    for (;;) {
        size_t length = origin_length(trusted);
        if (length == 0 || (trusted[length] != ',' && trusted[length] != '\0'))
            return false;
        if (trusted[length] == '\0')
            return true;
        trusted += length + 1;
    }
}

bool host_is_served(const char *host, const char *hosts)
{
    if (hosts == NULL || hosts[0] == '\0')
        return true;
    if (host == NULL)
        return false;
    const char *end = strchr(host, ']'); /* of an IPv6 address */
    size_t length = strcspn(end != NULL ? end : host, ":") + (end != NULL ? (size_t)(end - host) : 0);
    for (const char *name = hosts; *name != '\0';) {
        size_t name_length = strcspn(name, ",");
        if (name_length == length && strncasecmp(name, host, length) == 0)
            return true;
        name += name_length + (name[name_length] == ',');
    }
    return false;
}
