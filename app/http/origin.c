/* Requests that another site made the visitor's browser send. See origin.h. */
#include "http/origin.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

static bool is_in_list(const char *list, const char *origin)
{
    size_t length = strlen(origin);
    while (list != NULL && length > 0) {
        if (strcspn(list, ",") == length && strncasecmp(list, origin, length) == 0)
            return true;
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    return false;
}

/* The "host:port" of an origin "scheme://host:port", or NULL. */
static const char *host_of(const char *origin)
{
    const char *colon = strstr(origin, "://");
    return colon != NULL ? colon + 3 : NULL;
}

bool origin_allows(const struct origin_claims *claims, const char *trusted)
{
    if (is_safe(claims->method))
        return true;
    const char *site = claims->sec_fetch_site;
    const char *origin = claims->origin;
    if (site != NULL && (strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0))
        return true;
    if (origin != NULL && is_in_list(trusted, origin))
        return true;
    if (site != NULL)
        return false;
    if (origin == NULL)
        return true;
    const char *host = host_of(origin);
    return host != NULL && claims->host != NULL && strcasecmp(host, claims->host) == 0;
}

/* scheme://host or scheme://host:port, up to a comma or the end; the length, or 0. */
static size_t origin_length(const char *text)
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
