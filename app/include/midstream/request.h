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

/* Texts that these functions return live as long as the request, also when a stream has begun. */

MID_PUBLIC const char *mid_method(struct mid_request *rq); /* "GET"; a HEAD is reported as "HEAD" */
MID_PUBLIC const char *mid_path(struct mid_request *rq);   /* percent-decoded, without the query */

/* What identifies the request in logs: its field X-Request-Id, which nginx sets, if that is 1 to 64 letters, digits,
 * '-',
 * '_' and '.'; otherwise one of our own. A task's is its id. */
MID_PUBLIC const char *mid_request_id(struct mid_request *rq);

/* The field traceparent (W3C Trace Context, 3.2), to be handed on to other services; NULL: there is none, or it is not
 * valid. The request's log lines carry its trace-id. */
MID_PUBLIC const char *mid_trace_parent(struct mid_request *rq);

/* A parameter of the route's pattern, percent-decoded. A name that the pattern does not have is a bug, and asserts; in
 * a task, which has no route, NULL. */
MID_PUBLIC const char *mid_param(const struct mid_request *rq, const char *name);

/* A request field such as "Accept", or NULL. Names compare without case (RFC 9110, 5.1). Of several equal fields, the
 * first. */
MID_PUBLIC const char *mid_header(struct mid_request *rq, const char *name);

/* A cookie of the request, or NULL; of several equal ones, the first. What a visitor sends is not to be believed: what
 * has to be true belongs into the session. */
MID_PUBLIC const char *mid_cookie(struct mid_request *rq, const char *name);

/* Who asks, as the web server has seen it (REMOTE_ADDR; RFC 3875, 4.1.8): "192.0.2.1", "2001:db8::1", or "" where it
 * does not say. Behind another proxy that is the proxy, unless nginx's realip module looks further. */
MID_PUBLIC const char *mid_remote_address(struct mid_request *rq);

/* The application's context, of struct mid_app; NULL: it has none. */
MID_PUBLIC void *mid_context(const struct mid_request *rq);

/* A parameter of the query string, decoded as application/x-www-form-urlencoded, or NULL. Of several equal ones, the
 * first. */
MID_PUBLIC const char *mid_query(struct mid_request *rq, const char *name);

/* A whole number of the query string, `fallback` when absent. MID_BAD_REQUEST, naming the parameter, when it is not one
 * in min..max. */
MID_PUBLIC MID_CHECK enum mid_error mid_query_int(struct mid_request *rq, const char *name, int64_t min, int64_t max,
                                                  int64_t fallback, int64_t *value);

/*
 * Reads what has come of the request body, up to `size` bytes, and waits for the first of them; 0 bytes mean its end.
 * May suspend. The body has to be read before the response begins: nginx forwards no more of it afterwards.
 * MID_TOO_LARGE: above the limit of mid_body_limit(). MID_BAD_REQUEST: it is shorter or longer than Content-Length says
 * (RFC 9112, 6.3). MID_TOO_SLOW: its time was over before its end. MID_GONE: the client left before its end.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_body_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes);

/*
 * Raises or lowers the time limit of this request to so many milliseconds from now (-1: none): for the rest of its
 * body, and for calls that wait before the response begins. The default is the setting request-timeout-ms, from its
 * first byte. No effect once a stream has begun, after the response, and in tasks.
 */
MID_PUBLIC void mid_time_limit(struct mid_request *rq, int64_t ms);

/* Reads the whole body into the request's memory, with a NUL behind it. May suspend. MID_TOO_LARGE: more than
 * `max_bytes`. */
MID_PUBLIC MID_CHECK enum mid_error mid_body_all(struct mid_request *rq, size_t max_bytes, const char **data,
                                                 size_t *bytes);

/* Raises or lowers the body limit of this request; the default is the setting body-max-bytes. Call it before reading.
 */
MID_PUBLIC void mid_body_limit(struct mid_request *rq, uint64_t max_bytes);

/*
 * A field of an application/x-www-form-urlencoded body of at most 64 KiB, or NULL in *value when absent. May suspend at
 * the first call. MID_BAD_REQUEST: another content type.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_form(struct mid_request *rq, const char *name, const char **value);

/*
 * A form with files, multipart/form-data (RFC 7578), whatever its size: its parts come one after another, and each is
 * read piece by piece.
 *
 *     const struct mid_part *part;
 *     for (;;) {
 *         MID_TRY(mid_part_next(rq, &part));
 *         if (part == NULL)
 *             break;
 *         ...mid_part_read() until it gives 0 bytes, or mid_part_all()
 *     }
 *
 * A part lives as long as the request. What the client says of a file is not to be believed, and its name is no path.
 */
struct mid_part {
    const char *name;         /* of the form's field; never NULL */
    const char *filename;     /* as the client has it; NULL: it is no file */
    const char *content_type; /* NULL: text/plain (RFC 7578, 4.4) */
};

/*
 * The next part, or NULL behind the last one; what was not read of the one before is dropped. May suspend.
 * MID_BAD_REQUEST: another content type, or the body is malformed, which the detail says. MID_TOO_LARGE: more than 1000
 * parts, or a part's fields have more than 8 KiB. Otherwise the errors of mid_body_read(), whose limit holds for the
 * whole.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_part_next(struct mid_request *rq, const struct mid_part **part);

/* Bytes of the part, up to `size`; 0 at its end, and before the first part. May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_part_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes);

/* What is left of the part, in the request's memory, with a NUL behind it. May suspend. MID_TOO_LARGE: more than
 * `max_bytes`. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_part_all(struct mid_request *rq, size_t max_bytes, const char **data,
                                                 size_t *bytes);

/*
 * The body, parsed: an application/json (or +json) body of at most `max_bytes`. Include <jansson.h> to read the value,
 * which is the request's and lives as long as it; it may be any JSON value, not only an object. May suspend.
 * MID_BAD_REQUEST: another content type, no JSON (the detail has line and column), a name that is there twice in an
 * object (RFC 8259, 4), or arrays and objects nested deeper than 64. MID_TOO_LARGE: more than `max_bytes`.
 */
struct json_t;
MID_PUBLIC MID_CHECK enum mid_error mid_body_json(struct mid_request *rq, size_t max_bytes, struct json_t **value);

/*
 * Calls fn(arg) when the request ends: after the response and all after-response functions, or when the task's attempt
 * has ended; the last one that was deferred is called first. For what the request must give back: a file, memory, a
 * library's handle. The function may not suspend and may not use the request. A worker that dies calls none.
 */
MID_PUBLIC void mid_defer(struct mid_request *rq, void (*fn)(void *arg), void *arg);

/* Memory that lives as long as the request; never NULL (running out ends the worker). 16-byte aligned, not zeroed. */
MID_PUBLIC void *mid_alloc(struct mid_request *rq, size_t bytes);
MID_PUBLIC char *mid_printf(struct mid_request *rq, const char *format, ...) MID_FORMAT(2, 3);

#ifdef __cplusplus
}
#endif

#endif
