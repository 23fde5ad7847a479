/*
 * Requests that another site made the visitor's browser send (cross-site request forgery).
 *
 * A browser says where a request comes from, in Sec-Fetch-Site (W3C Fetch Metadata) or in Origin (RFC 6454). This is
 * decided as Go's http.CrossOriginProtection does, but that schemes and ports count, too, where Origin alone says it;
 * and a client that says neither may send what it likes, but may not use a session by a cookie (see
 * mid_allow_missing_origin()).
 */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

/* What a request says of itself; NULL for a field that it does not have. */
struct origin_claims {
    const char *method;
    const char *sec_fetch_site;
    const char *origin;
    const char *host;
    bool is_https; /* as the web server has it, by the parameter HTTPS */
};

/* Whether a request of this method may change something (RFC 9110, 9.2.1), so that it matters where it comes from. */
bool origin_matters(const char *method);

/* Whether our own pages have sent it, or those of `trusted`, as below; or nothing says that it were others'. */
bool origin_is_ours(const struct origin_claims *claims, const char *trusted);

/*
 * Whether the request may change something. Safe methods (RFC 9110, 9.2.1) always may. `trusted` lists the origins that
 * may as well, "https://a.example,https://b.example:8443"; NULL for none.
 */
bool origin_allows(const struct origin_claims *claims, const char *trusted);

/* An unsafe request that says nothing of where it comes from. */
bool origin_is_missing(const struct origin_claims *claims);

/* Whether the Host of a request ("name", "name:port", or NULL) is one of a list "a.example,b.example"; all are, when
 * the list is empty or NULL. */
bool host_is_served(const char *host, const char *hosts);

/* Whether a list of origins, with `separator` between them, has this one. NULL has none. */
bool origin_is_listed(const char *list, char separator, const char *origin);

/* The length of the origin "scheme://host" or "scheme://host:port" at the beginning of the text, up to a '/', a comma
 * or a blank; 0: there is none. */
size_t origin_length(const char *text);

/* Whether a list has the form that origin_allows() takes. */
bool origin_list_is_valid(const char *trusted);

#endif
