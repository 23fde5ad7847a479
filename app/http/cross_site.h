/*
 * Routes that pages of other sites may call: the CORS protocol (Fetch, 3.2), and what such a request may do.
 *
 * A request from elsewhere has no session, so that a route that is open to other sites is not open to their forging
 * requests of our visitors; and its response is readable with cookies only to the origins that trusted-origins names.
 */
#ifndef HTTP_CROSS_SITE_H
#define HTTP_CROSS_SITE_H

#include "http/request.h"

/* Whether a route's list, "*" or "https://a.example https://b.example", has the form that it has to have. */
bool cross_site_is_valid(const char *list);

/*
 * Sets the fields of the response to a request of this route, and whether the request is from elsewhere. `trusted` as
 * in origin_allows(). False: it may not be answered.
 */
bool cross_site_admit(struct mid_request *rq, const struct mid_route *route, const char *trusted);

/* Sets the fields of the response to an OPTIONS that may be a preflight: what the route that it asks for allows. NULL:
 * there is none. */
void cross_site_tell(struct mid_request *rq, const struct mid_route *asked, const char *trusted);

#endif
