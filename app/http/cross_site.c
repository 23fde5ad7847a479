/* Routes that pages of other sites may call. See cross_site.h. */
#include "http/cross_site.h"

#include <string.h>
#include <strings.h>

#include "http/field.h"
#include "http/origin.h"
#include "http/response.h"

/* Browsers keep what a preflight has told no longer than this, whatever is said (Chromium: 2 h). */
#define PREFLIGHT_MAX_AGE_S "7200"

enum { REQUEST_FIELDS_BYTES_MAX = 4096 }; /* that a preflight may ask for: the answer has to fit into a head */

static bool is_any(const char *list)
{
    return list != NULL && strcmp(list, "*") == 0;
}

bool cross_site_is_valid(const char *list)
{
    if (is_any(list))
        return true;
    for (;;) {
        size_t length = origin_length(list);
        if (length == 0 || (list[length] != ' ' && list[length] != '\0'))
            return false;
        if (list[length] == '\0')
            return true;
        list += length + 1;
    }
}

static bool lists(const char *list, const char *origin)
{
    return is_any(list) || origin_is_listed(list, ' ', origin);
}

/* What the CORS protocol says to this origin. Without credentials, unless it is trusted like our own pages. */
static void allow_origin(struct mid_request *rq, const struct mid_route *route, const char *origin, const char *trusted)
{
    bool is_trusted = origin_is_listed(trusted, ',', origin);
    if (is_any(route->cross_site) && !is_trusted) {
        response_set_field(rq, "Access-Control-Allow-Origin", "*");
        return;
    }
    response_set_field(rq, "Access-Control-Allow-Origin", arena_strdup(&rq->arena, origin));
    if (is_trusted)
        response_set_field(rq, "Access-Control-Allow-Credentials", "true");
}

bool cross_site_admit(struct mid_request *rq, const struct mid_route *route, const char *trusted)
{
    const char *https = request_param_line(rq, "HTTPS", 0); /* as CGI programs are told: "on", or absent */
    struct origin_claims claims = {
        .method = rq->method,
        .sec_fetch_site = request_field(rq, "Sec-Fetch-Site"),
        .origin = request_field(rq, "Origin"),
        .host = request_field(rq, "Host"),
        .is_https = https != NULL && https[0] != '\0' && strcasecmp(https, "off") != 0,
    };
    rq->is_origin_missing = origin_is_missing(&claims);
    bool is_listed = route->cross_site != NULL &&
                     (claims.origin != NULL ? lists(route->cross_site, claims.origin) : is_any(route->cross_site));
    rq->response.varies_by_origin = route->cross_site != NULL; /* whoever asks */
    if (is_listed && claims.origin != NULL)
        allow_origin(rq, route, claims.origin, trusted);
    /* A link to here, which is safe and has no Origin, is the visitor's own step; an image of a page is not. */
    const char *mode = request_field(rq, "Sec-Fetch-Mode");
    bool is_link =
        claims.origin == NULL && !origin_matters(rq->method) && (mode == NULL || strcasecmp(mode, "navigate") == 0);
    bool is_page_elsewhere = !origin_is_ours(&claims, trusted) && !is_link;
    rq->is_from_elsewhere = route->cross_site != NULL && is_page_elsewhere;
    return is_listed || origin_allows(&claims, trusted);
}

void cross_site_tell(struct mid_request *rq, const struct mid_route *asked, const char *trusted)
{
    const char *origin = request_field(rq, "Origin");
    const char *method = request_field(rq, "Access-Control-Request-Method");
    const char *fields = request_field(rq, "Access-Control-Request-Headers");
    response_add_field(rq, "Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    if (origin != NULL && asked != NULL && asked->cross_site != NULL && lists(asked->cross_site, origin)) {
        allow_origin(rq, asked, origin, trusted);
        response_set_field(rq, "Access-Control-Allow-Methods", arena_strdup(&rq->arena, method));
        if (fields != NULL && field_value_is_valid(fields) && strlen(fields) <= REQUEST_FIELDS_BYTES_MAX)
            response_set_field(rq, "Access-Control-Allow-Headers", arena_strdup(&rq->arena, fields));
        response_set_field(rq, "Access-Control-Max-Age", PREFLIGHT_MAX_AGE_S);
    }
}
