/* Responses that send the client elsewhere. */
#include <string.h>
#include <strings.h>

#include "http/origin.h"
#include "http/request.h"
#include "http/response.h"

/* A path of this site, or a URL of HTTP. Browsers take "//host" and, as a backslash is a slash to them, "/\host" for
 * another host (WHATWG URL, 4.4). */
static bool location_is_valid(const char *location)
{
    if (location[0] == '/')
        return location[1] != '/' && location[1] != '\\';
    return strncasecmp(location, "https://", 8) == 0 || strncasecmp(location, "http://", 7) == 0;
}

/* Printable ASCII stays, but for what no URL may have (RFC 3986, 2); a '%' too, whoever has written it. */
static char *encode(struct mid_request *rq, const char *location)
{
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = arena_alloc(&rq->arena, 3 * strlen(location) + 1);
    char *end = encoded;
    for (; *location != '\0'; location++) {
        unsigned char byte = (unsigned char)*location;
        if (byte > ' ' && byte < 0x7f && strchr("\"<>\\^`{|}", byte) == NULL) {
            *end++ = (char)byte;
            continue;
        }
        *end++ = '%';
        *end++ = digits[byte >> 4];
        *end++ = digits[byte & 0xf];
    }
    *end = '\0';
    return encoded;
}

enum mid_error mid_redirect(struct mid_request *rq, int status, const char *location)
{
    if (rq->response.phase != RESPONSE_NONE)
        return MID_HEAD_SENT;
    if (status == 0)
        status = origin_matters(rq->method) ? 303 : 302;
    if (status < 300 || status > 399)
        return mid_fail(rq, MID_UNPROCESSABLE, "the status of a redirect is 300 to 399, not %d", status);
    if (!location_is_valid(location))
        return mid_fail(rq, MID_UNPROCESSABLE, "a redirect needs a path (/...) or an http or https URL, not \"%.100s\"",
                        location);
    MID_TRY(mid_set_header(rq, "Location", encode(rq, location)));
    return mid_respond_empty(rq, status);
}
