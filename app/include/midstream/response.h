/*
 * Responses that are given as a whole. Those that are sent piece by piece are in midstream/stream.h.
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
 * Sets a field of the head, in the place of all of that name; or adds another of the name, as Set-Cookie and Link need
 * it. Both strings are copied. MID_HEAD_SENT: too late. MID_UNPROCESSABLE: the name is not a token, or the value holds
 * CR, LF or another control character (RFC 9110, 5.5); the field is the server's (Content-Length, Transfer-Encoding,
 * Connection, Status, X-Accel-*...); or all fields together would have more than 14 KiB, which nginx would not take. A
 * response of a request that has opened its session gets `Cache-Control: no-store`, unless the handler has set another.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_set_header(struct mid_request *rq, const char *name, const char *value);
MID_PUBLIC MID_CHECK enum mid_error mid_add_header(struct mid_request *rq, const char *name, const char *value);

/*
 * A cookie of the application, by Set-Cookie (RFC 6265, 4.1); not the session's, which the runtime sends. Unless it
 * says otherwise it goes to all paths, is sent over TLS only where the setting cookie-secure is on, comes with no
 * request that another site has caused but for links, and no script can read it.
 */
enum mid_same_site { MID_SAME_SITE_LAX, MID_SAME_SITE_STRICT, MID_SAME_SITE_NONE };

struct mid_cookie {
    const char *name;
    const char *value;            /* letters, digits and punctuation but '"', ',', ';' and '\\' */
    const char *path;             /* NULL: "/" */
    const char *domain;           /* NULL: this host only */
    int64_t max_age_s;            /* 0: until the browser is closed; -1: the cookie is removed */
    enum mid_same_site same_site; /* MID_SAME_SITE_NONE needs cookie-secure */
    bool is_readable;             /* scripts may read it: without HttpOnly */
};

/* Strings are copied. MID_HEAD_SENT: too late. MID_UNPROCESSABLE: a member that browsers would refuse, or that would
 * break the field; or a name that is the session's. */
MID_PUBLIC MID_CHECK enum mid_error mid_set_cookie(struct mid_request *rq, const struct mid_cookie *cookie);

/*
 * A response that sends the client elsewhere: to a path of this site, "/report/7", or an http or https URL. Bytes that
 * a URL may not have are percent-encoded; what has them already stays. `status` 0: 303 after an unsafe method, so that
 * the client asks by GET (RFC 9110, 15.4.4), 302 otherwise. A location that begins with "//" or "/\\" is
 * MID_UNPROCESSABLE: a browser takes it for another host's, so such a value of a visitor's would lead away from here.
 * Other errors as of mid_respond().
 */
MID_PUBLIC MID_CHECK enum mid_error mid_redirect(struct mid_request *rq, int status, const char *location);

/*
 * The whole response at once. It leaves when the handler returns, after the session's changes have been committed, so
 * that whoever sees the response sees the session. MID_HEAD_SENT: there is a response already. MID_UNPROCESSABLE: the
 * status is not one of 200 to 599. With 204, 205 and 304 no content leaves (RFC 9110, 15).
 */
MID_PUBLIC MID_CHECK enum mid_error mid_respond(struct mid_request *rq, int status, const char *content_type,
                                                const void *body, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_text(struct mid_request *rq, int status, const char *text);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_printf(struct mid_request *rq, int status, const char *content_type,
                                                       const char *format, ...) MID_FORMAT(4, 5);
MID_PUBLIC MID_CHECK enum mid_error mid_respond_empty(struct mid_request *rq, int status);

/*
 * JSON that no value can break: the format is that of jansson's json_pack(), so
 *
 *     mid_respond_json(rq, 200, "{s:s, s:I}", "name", name, "number", (json_int_t)number)
 *
 * is {"name":"...","number":1} on one line, whatever the name holds. The compiler does not check the arguments: an `I`
 * takes a json_int_t (long long), an `i` an int. MID_UNPROCESSABLE: a string is not UTF-8, or is NULL where the format
 * does not have `s?`. MID_FAILED: the format is none. Otherwise as mid_respond().
 */
MID_PUBLIC MID_CHECK enum mid_error mid_respond_json(struct mid_request *rq, int status, const char *format, ...);

/* Says why: returns `error` itself, and makes the sentence the detail of the error response and of the log line. */
MID_PUBLIC MID_CHECK enum mid_error mid_fail(struct mid_request *rq, enum mid_error error, const char *format, ...)
    MID_FORMAT(3, 4);

#ifdef __cplusplus
}
#endif

#endif
