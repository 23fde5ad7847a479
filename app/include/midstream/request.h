/*
 * What was asked: the request, its body, and memory that lives as long as it.
 */
#ifndef MIDSTREAM_REQUEST_H
#define MIDSTREAM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/* Returned strings live as long as the request, also after a stream has begun. */

MID_PUBLIC const char *mid_method(struct mid_request *rq); /* "GET"; a HEAD is reported as "HEAD" */
MID_PUBLIC const char *mid_path(struct mid_request *rq);   /* percent-decoded, without the query */

/* Identifies the request in logs: the header X-Request-Id, which nginx sets, if it consists of 1 to 64 letters, digits,
 * '-', '_' and '.'; otherwise a generated one. In a task, the task's id. */
MID_PUBLIC const char *mid_request_id(struct mid_request *rq);

/* The header traceparent (W3C Trace Context, 3.2), to be passed on to other services, or NULL if it is missing or
 * invalid. The request's log lines contain its trace-id. */
MID_PUBLIC const char *mid_trace_parent(struct mid_request *rq);

/* A parameter of the route's pattern, percent-decoded, so that the value of "{name}" may contain a '/' ("%2F"); with
 * "{name...}" such a path is MID_NOT_FOUND. If the pattern has no parameter of this name, that is logged as an error,
 * and the value is empty. NULL in a task, which has no route. */
MID_PUBLIC const char *mid_param(const struct mid_request *rq, const char *name);

/* A request header such as "Accept", or NULL. Names are case-insensitive (RFC 9110, 5.1). If a header occurs several
 * times, the first. */
MID_PUBLIC const char *mid_header(struct mid_request *rq, const char *name);

/* A cookie of the request, or NULL. If it occurs several times, the first. Cookies can be forged by the client; keep
 * anything that has to be trusted in the session. */
MID_PUBLIC const char *mid_cookie(struct mid_request *rq, const char *name);

/* The client's address as nginx reports it (REMOTE_ADDR; RFC 3875, 4.1.8): "192.0.2.1", "2001:db8::1", or "" if
 * unknown. Behind another proxy it is the proxy's address, unless nginx's realip module is configured. */
MID_PUBLIC const char *mid_remote_address(struct mid_request *rq);

/* The context pointer of struct mid_app. */
MID_PUBLIC void *mid_context(const struct mid_request *rq);

/* A parameter of the query string, decoded as application/x-www-form-urlencoded, or NULL. If it occurs several times,
 * the first. */
MID_PUBLIC const char *mid_query(struct mid_request *rq, const char *name);

/* An integer parameter of the query string, or `fallback` if it is absent. MID_BAD_REQUEST, naming the parameter, if it
 * is not an integer from min to max. */
MID_PUBLIC MID_CHECK enum mid_error mid_query_int(struct mid_request *rq, const char *name, int64_t min, int64_t max,
                                                  int64_t fallback, int64_t *value);

/*
 * Reads up to `size` bytes of the request body, as soon as any are available; 0 bytes mean the end of the body. May
 * suspend. Read the body before the response begins: nginx forwards none of it afterwards. MID_TOO_LARGE: the body
 * exceeds the limit (mid_body_limit()). MID_BAD_REQUEST: its length differs from Content-Length (RFC 9112, 6.3).
 * MID_TOO_SLOW: it did not arrive within the time limit. MID_GONE: the client disconnected before its end.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_body_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes);

/*
 * Sets the time limit of this request, in milliseconds from now (-1: none). It applies to the rest of the body and to
 * calls that wait before the response begins. The default is the setting request-timeout-ms, counted from the first
 * byte of the request; each KiB of the body adds a second to it. No effect once a stream has begun, after the response,
 * and in tasks.
 */
MID_PUBLIC void mid_time_limit(struct mid_request *rq, int64_t ms);

/* Reads the whole body into the request's memory and adds a NUL. May suspend. MID_TOO_LARGE: more than `max_bytes`. */
MID_PUBLIC MID_CHECK enum mid_error mid_body_all(struct mid_request *rq, size_t max_bytes, const char **data,
                                                 size_t *bytes);

/* Sets the body limit of this request; the default is the setting body-max-bytes. Call it before reading. nginx's own
 * limit (client_max_body_size) applies first. */
MID_PUBLIC void mid_body_limit(struct mid_request *rq, uint64_t max_bytes);

/*
 * A field of an application/x-www-form-urlencoded body of at most 64 KiB; *value is NULL if it is absent. Bytes that
 * are not UTF-8 are replaced by U+FFFD, as in mid_query(). The first call may suspend. MID_BAD_REQUEST: another content
 * type.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_form(struct mid_request *rq, const char *name, const char **value);

/* The same for integers, as mid_query_int(). The first call may suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_form_int(struct mid_request *rq, const char *name, int64_t min, int64_t max,
                                                 int64_t fallback, int64_t *value);

/*
 * Forms with files, multipart/form-data (RFC 7578), up to the body limit. Parts are read one after another, and each in
 * pieces.
 *
 *     const struct mid_part *part;
 *     for (;;) {
 *         MID_TRY(mid_part_next(rq, &part));
 *         if (part == NULL)
 *             break;
 *         ...mid_part_read() until it gives 0 bytes, or mid_part_all()
 *     }
 *
 * A part lives as long as the request. File name and content type are the client's claims; do not use the name as a
 * path.
 */
struct mid_part {
    const char *name;         /* of the form field; never NULL */
    const char *filename;     /* as sent by the client; NULL: not a file; "": a file field without a file */
    const char *content_type; /* NULL: text/plain (RFC 7578, 4.4) */
};

/*
 * The next part, or NULL after the last one. Skips what was not read of the previous part. May suspend.
 * MID_BAD_REQUEST: another content type, or a malformed body; the detail says what is wrong. MID_TOO_LARGE: more than
 * 1000 parts, or more than 8 KiB of headers in a part. Otherwise the errors of mid_body_read(); the body limit applies
 * to the whole form.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_part_next(struct mid_request *rq, const struct mid_part **part);

/* Reads up to `size` bytes of the part; 0 at its end, and before the first part. May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_part_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes);

/* Reads the rest of the part into the request's memory and adds a NUL. May suspend. MID_TOO_LARGE: more than
 * `max_bytes`. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_part_all(struct mid_request *rq, size_t max_bytes, const char **data,
                                                 size_t *bytes);

/*
 * Parses a JSON body (application/json or +json) of at most `max_bytes`. Include <jansson.h> to read the value. It
 * belongs to the request and may be any JSON value, not only an object. May suspend. MID_BAD_REQUEST: another content
 * type, invalid JSON (the detail has line and column), a duplicate name in an object (RFC 8259, 4), or arrays and
 * objects nested deeper than 64. MID_TOO_LARGE: more than `max_bytes`.
 */
struct json_t;
MID_PUBLIC MID_CHECK enum mid_error mid_body_json(struct mid_request *rq, size_t max_bytes, struct json_t **value);

/*
 * Calls fn(arg) when the request ends: after the response and all after-response functions, or at the end of a task's
 * attempt. Functions are called in reverse order of registration. Use it to release files, memory or a library's
 * handles. The function must not suspend and must not use the request. A worker that crashes calls none.
 */
MID_PUBLIC void mid_defer(struct mid_request *rq, void (*fn)(void *arg), void *arg);

/* Memory that lives as long as the request, or until mid_release(). Never NULL: running out of memory ends the worker.
 * 16-byte aligned, not zeroed. */
MID_PUBLIC void *mid_alloc(struct mid_request *rq, size_t bytes);
MID_PUBLIC char *mid_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

/*
 * Frees everything that mid_alloc(), mid_printf(), mid_redis(), mid_redis_command(), mid_task_find() and
 * mid_durable_read() have returned for this request, for streams that call them in a loop:
 *
 *     for (;;) {
 *         MID_TRY(mid_redis(rq, &value, "GET app:tally"));
 *         MID_TRY(mid_event_printf(rq, NULL, "%s", value->text));
 *         mid_release(rq);
 *         MID_TRY(mid_sleep_ms(rq, 500));
 *     }
 */
MID_PUBLIC void mid_release(struct mid_request *rq);

#ifdef __cplusplus
}
#endif

#endif
