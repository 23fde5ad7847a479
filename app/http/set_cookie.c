/* Cookies of the application. The session's is session/cookie.c's. */
#include <string.h>

#include "http/cookie.h"
#include "http/field.h"
#include "http/request.h"
#include "http/response.h"

/* What browsers keep (RFC 6265bis, 5.6). */
enum {
    COOKIE_BYTES_MAX = 4096,    /* of a name and a value together */
    ATTRIBUTE_BYTES_MAX = 1024, /* a longer path or domain is none */
};

const char *mid_cookie(struct mid_request *rq, const char *name)
{
    const char *line;
    for (int k = 0; (line = request_param_line(rq, "HTTP_COOKIE", k)) != NULL; k++) {
        const char *value;
        size_t length;
        if (cookie_find(line, name, &value, &length) > 0)
            return arena_strndup(&rq->arena, value, length);
    }
    return NULL;
}

/* cookie-octet (RFC 6265, 4.1.1). */
static bool value_is_valid(const char *value)
{
    for (; *value != '\0'; value++)
        if (*value <= ' ' || *value >= 0x7f || strchr("\",;\\", *value) != NULL)
            return false;
    return true;
}

/* NULL is fine. */
static bool path_is_valid(const char *path)
{
    if (path == NULL)
        return true;
    for (const char *at = path; *at != '\0'; at++)
        if (*at <= ' ' || *at >= 0x7f || *at == ';')
            return false;
    return path[0] == '/' && strlen(path) <= ATTRIBUTE_BYTES_MAX;
}

/* NULL is fine. */
static bool domain_is_valid(const char *domain)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t length = domain != NULL ? strlen(domain) : 1;
    return domain == NULL || (length > 0 && length <= ATTRIBUTE_BYTES_MAX && strspn(domain, characters) == length);
}

static bool has_prefix(const char *name, const char *prefix)
{
    return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

/* What browsers ask of names with certain prefixes (RFC 6265bis, 4.1.3); what is wrong with it, or NULL. */
static const char *fault_of_prefix(const struct mid_cookie *cookie, bool is_secure)
{
    static const char *const prefixes[] = {"__Secure-", "__Host-", "__Http-"}; /* and __Host-Http- */
    const char *name = cookie->name;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (has_prefix(name, prefixes[i]) && !is_secure)
            return "browsers take it over TLS only (cookie-secure)";
    if ((has_prefix(name, "__Http-") || has_prefix(name, "__Host-Http-")) && cookie->is_readable)
        return "scripts cannot read a cookie of this name";
    if (has_prefix(name, "__Host-") &&
        (cookie->domain != NULL || (cookie->path != NULL && strcmp(cookie->path, "/") != 0)))
        return "__Host- needs the path / and no domain";
    return NULL;
}

/* What is wrong with it, or NULL. */
static const char *fault_of(const struct mid_cookie *cookie, bool is_secure)
{
    const char *name = cookie->name;
    if (name == NULL || !field_name_is_valid(name))
        return "its name has to be a token";
    if (strcmp(name, COOKIE_OF_SESSION) == 0 || strcmp(name, COOKIE_OF_SESSION_SECURE) == 0)
        return "the name is that of the session's cookie";
    if (cookie->value == NULL || !value_is_valid(cookie->value))
        return "its value may have neither blanks, quotation marks, commas, semicolons, backslashes nor other than ASCII";
    if (strlen(name) + strlen(cookie->value) > COOKIE_BYTES_MAX)
        return "name and value have at most 4096 bytes";
    if (!path_is_valid(cookie->path))
        return "its path has to begin with '/', without blanks and semicolons, and has at most 1024 bytes";
    if (!domain_is_valid(cookie->domain))
        return "its domain is not a host name";
    if (cookie->max_age_s < -1)
        return "max_age_s is a time, 0, or -1";
    if (!is_secure && cookie->same_site == MID_SAME_SITE_NONE)
        return "browsers take it over TLS only (cookie-secure)";
    return fault_of_prefix(cookie, is_secure);
}

static const char *same_site_of(enum mid_same_site same_site)
{
    return same_site == MID_SAME_SITE_NONE ? "None" : same_site == MID_SAME_SITE_STRICT ? "Strict" : "Lax";
}

enum mid_error mid_set_cookie(struct mid_request *rq, const struct mid_cookie *cookie)
{
    bool is_secure = request_settings()->cookie_is_secure;
    const char *fault = fault_of(cookie, is_secure);
    if (fault != NULL)
        return mid_fail(rq, MID_UNPROCESSABLE, "the cookie \"%.64s\": %s", cookie->name != NULL ? cookie->name : "",
                        fault);
    const char *path = cookie->path != NULL ? cookie->path : "/";
    const char *domain = cookie->domain != NULL ? arena_printf(&rq->arena, "; Domain=%s", cookie->domain) : "";
    const char *max_age = "";
    if (cookie->max_age_s != 0)
        max_age =
            arena_printf(&rq->arena, "; Max-Age=%lld", cookie->max_age_s > 0 ? (long long)cookie->max_age_s : 0ll);
    return response_put_cookie(rq, arena_printf(&rq->arena, "%s=%s; Path=%s%s%s%s%s; SameSite=%s", cookie->name,
                                                cookie->value, path, domain, max_age,
                                                cookie->is_readable ? "" : "; HttpOnly", is_secure ? "; Secure" : "",
                                                same_site_of(cookie->same_site)));
}
