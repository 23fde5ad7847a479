/*
 * Complete responses. For responses that are sent in pieces see midstream/stream.h.
 */
#ifndef MIDSTREAM_RESPONSE_H
#define MIDSTREAM_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/*
 * mid_set_header() sets a response header, replacing all of that name; mid_add_header() adds one, as needed for
 * Set-Cookie and Link. Both strings are copied. MID_HEAD_SENT: the head has been sent. MID_UNPROCESSABLE: the name is
 * not a token; the value contains CR, LF or another control character (RFC 9110, 5.5); the header is controlled by the
 * server (Content-Length, Transfer-Encoding, Connection, Status, X-Accel-*...); or the headers would exceed 14 KiB,
 * nginx's limit. If the request has opened its session, `Cache-Control: no-store` is sent unless the handler has set
 * Cache-Control.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_set_header(struct mid_request *rq, const char *name, const char *value);
MID_PUBLIC MID_CHECK enum mid_error mid_add_header(struct mid_request *rq, const char *name, const char *value);

/*
 * A cookie of the application, sent as Set-Cookie (RFC 6265, 4.1). The session cookie is sent by the runtime. By
 * default a cookie is valid for all paths, is Secure if the setting cookie-secure is on, has SameSite=Lax, and is not
 * readable by scripts (HttpOnly).
 */
enum mid_same_site { MID_SAME_SITE_LAX, MID_SAME_SITE_STRICT, MID_SAME_SITE_NONE };

struct mid_cookie {
    const char *name;
    const char *value;            /* ASCII without spaces, '"', ',', ';' and '\\' */
    const char *path;             /* NULL: "/" */
    const char *domain;           /* NULL: this host only */
    int64_t max_age_s;            /* 0: until the browser is closed; -1: delete the cookie */
    enum mid_same_site same_site; /* MID_SAME_SITE_NONE needs cookie-secure */
    bool is_readable;             /* scripts may read it (no HttpOnly) */
};

/* Replaces a cookie of the same name that this response already sets, whatever its path (RFC 6265, 4.1.1). Strings are
 * copied. MID_HEAD_SENT: the head has been sent. MID_UNPROCESSABLE: a member that is invalid or that browsers would
 * reject, or the name of the session cookie. */
MID_PUBLIC MID_CHECK enum mid_error mid_set_cookie(struct mid_request *rq, const struct mid_cookie *cookie);

/*
 * Redirects the client to a path of this site, such as "/report/7", or to an http or https URL. Bytes that are not
 * allowed in a URL are percent-encoded; existing encodings are kept. `status` 0 means 303 after an unsafe method, so
 * that the client continues with GET (RFC 9110, 15.4.4), and 302 otherwise. A location that begins with "//" or "/\\"
 * is MID_UNPROCESSABLE: browsers treat it as another host, which makes open redirects. Other errors as mid_respond().
 */
MID_PUBLIC MID_CHECK enum mid_error mid_redirect(struct mid_request *rq, int status, const char *location);

/*
 * A complete response. It is sent when the handler returns, after recorded session changes have been committed, so that
 * a client that has the response sees the changes. MID_HEAD_SENT: a response was already given. MID_UNPROCESSABLE: the
 * status is not from 200 to 599. No content is sent with 204, 205 and 304 (RFC 9110, 15).
 */
MID_PUBLIC MID_CHECK enum mid_error mid_respond(struct mid_request *rq, int status, const char *content_type,
                                                const void *body, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_text(struct mid_request *rq, int status, const char *text);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_printf(struct mid_request *rq, int status, const char *content_type,
                                                       const char *format, ...) MID_FORMAT(4, 5);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_empty(struct mid_request *rq, int status);

/*
 * A JSON response. The format is that of jansson's json_pack(), so that no value can produce invalid JSON:
 *
 *     mid_respond_json(rq, 200, "{s:s, s:I}", "name", name, "number", (json_int_t)number)
 *
 * sends {"name":"...","number":1} on one line. The compiler does not check the arguments: `I` takes a json_int_t (long
 * long), `i` an int. MID_UNPROCESSABLE: a string is not UTF-8, or is NULL without `s?`. MID_FAILED: an invalid format.
 * Otherwise as mid_respond().
 */
MID_PUBLIC MID_CHECK enum mid_error mid_respond_json(struct mid_request *rq, int status, const char *format, ...);

/* Returns `error`, and sets the detail of the error response and of the log line. */
MID_PUBLIC MID_CHECK enum mid_error mid_fail(struct mid_request *rq, enum mid_error error, const char *format, ...)
    MID_FORMAT(3, 4);

#ifdef __cplusplus
}
#endif

#endif
