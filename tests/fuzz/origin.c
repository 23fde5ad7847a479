/*
 * The lines of the input are a request's method, Sec-Fetch-Site, Origin, Host, and the settings of trusted origins and
 * of hosts; "-" is a field that is not there. Whoever may change something has said one of four things.
 */
#include "fuzz.h"

#include <strings.h>

#include "http/origin.h"
#include "support/lines.h"

static const char *field(const char *line)
{
    return strcmp(line, "-") == 0 ? NULL : line;
}

/* RFC 9110, 9.2.1 */
static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

static void check_origin(const struct origin_claims *claims, const char *trusted)
{
    bool is_allowed = origin_allows(claims, trusted);
    bool is_missing = origin_is_missing(claims);
    CLAIM(origin_matters(claims->method) == !is_safe(claims->method));
    if (is_missing)
        CLAIM(!is_safe(claims->method) && is_allowed);
    if (is_safe(claims->method)) {
        CLAIM(is_allowed && !is_missing);
        return;
    }
    if (!is_allowed || is_missing)
        return;
    const char *site = claims->sec_fetch_site;
    bool is_of_us = site != NULL && (strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0);
    bool is_trusted = claims->origin != NULL && trusted != NULL && strcasestr(trusted, claims->origin) != NULL;
    size_t scheme = claims->is_https ? strlen("https://") : strlen("http://");
    bool is_own = site == NULL && claims->origin != NULL && claims->host != NULL && strlen(claims->origin) >= scheme &&
                  strncasecmp(claims->origin, "http", 4) == 0;
    CLAIM(is_of_us || is_trusted || is_own);
}

/* Ports change nothing, and case neither. */
static void check_host(const char *host, const char *hosts)
{
    char longer[512];
    bool is_served = host_is_served(host, hosts);
    if (hosts[0] == '\0') {
        CLAIM(is_served);
        return;
    }
    if (host == NULL) {
        CLAIM(!is_served);
        return;
    }
    if (is_served && strpbrk(host, ":]") == NULL) {
        CLAIM(strcasestr(hosts, host) != NULL);
        snprintf(longer, sizeof(longer), "%s:8080", host);
        CLAIM(strlen(host) > sizeof(longer) - 6 || host_is_served(longer, hosts));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { METHOD, SITE, ORIGIN, HOST, TRUSTED, HOSTS, LINES };
    char *lines[LINES];
    char *text = fuzz_text(data, size);
    fuzz_lines(text, LINES, lines);
    for (int is_https = 0; is_https < 2; is_https++) {
        struct origin_claims claims = {.method = lines[METHOD],
                                       .sec_fetch_site = field(lines[SITE]),
                                       .origin = field(lines[ORIGIN]),
                                       .host = field(lines[HOST]),
                                       .is_https = is_https};
        const char *trusted = field(lines[TRUSTED]);
        check_origin(&claims, trusted != NULL && origin_list_is_valid(trusted) ? trusted : NULL);
        check_host(claims.host, lines[HOSTS]);
    }
    free(text);
    return 0;
}
