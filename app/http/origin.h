/*
 * Requests that another site made the visitor's browser send (cross-site request forgery).
 *
 * Decided as Go's http.CrossOriginProtection does: a browser says where a request comes from, in Sec-Fetch-Site (W3C
 * Fetch Metadata) or in Origin (RFC 6454), and a client that says neither is no browser, so nobody's cookie is abused.
 */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include <stdbool.h>

/* What a request says of itself; NULL for a field that it does not have. */
struct origin_claims {
    const char *method;
    const char *sec_fetch_site;
    const char *origin;
    const char *host;
};

/*
 * Whether the request may change something. Safe methods (RFC 9110, 9.2.1) always may. `trusted` lists the origins that
 * may as well, "https://a.example,https://b.example:8443"; NULL for none.
 */
bool origin_allows(const struct origin_claims *claims, const char *trusted);

/* Whether a list has the form that origin_allows() takes. */
bool origin_list_is_valid(const char *trusted);

#endif
