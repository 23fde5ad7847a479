/* The response. See response.h and, for the functions that handlers call, midstream.h. */
#include "http/response.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/number.h"
#include "http/field.h"
#include "http/status.h"

/* nginx takes a head of 16 KiB (fastcgi_buffer_size), in which the status line and the session's cookie need room, too.
 */
enum { FIELDS_BYTES_MAX = 14 * 1024 };

static bool head_is_open(const struct mid_request *rq)
{
    return rq->response.phase == RESPONSE_NONE || rq->response.phase == RESPONSE_PREPARED;
}

/* -------------------- fields -------------------- */

/* Where the first field of that name is linked, or the end of the list. */
static struct response_field **find_field(struct mid_request *rq, const char *name)
{
    struct response_field **link = &rq->response.fields;
    while (*link != NULL && strcasecmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

void response_add_field(struct mid_request *rq, const char *name, const char *value)
{
    struct response_field **end = &rq->response.fields;
    while (*end != NULL)
        end = &(*end)->next;
    *end = arena_alloc(&rq->arena, sizeof(**end));
    **end = (struct response_field){.name = name, .value = value};
}

void response_set_field(struct mid_request *rq, const char *name, const char *value)
{
    struct response_field **link = find_field(rq, name);
    while (*link != NULL) {
        *link = (*link)->next;
        link = find_field(rq, name);
    }
    response_add_field(rq, name, value);
}

void response_set_default(struct mid_request *rq, const char *name, const char *value)
{
    if (*find_field(rq, name) == NULL)
        response_add_field(rq, name, value);
}

void response_set_cookie(struct mid_request *rq, const char *cookie)
{
    size_t length = strcspn(cookie, "=") + 1;
    for (struct response_field *field = rq->response.fields; field != NULL; field = field->next) {
        if (strcasecmp(field->name, "Set-Cookie") == 0 && strncmp(field->value, cookie, length) == 0) {
            field->value = cookie;
            return;
        }
    }
    response_add_field(rq, "Set-Cookie", cookie);
}

static size_t fields_bytes(const struct mid_request *rq)
{
    size_t bytes = 0;
    for (const struct response_field *field = rq->response.fields; field != NULL; field = field->next)
        bytes += strlen(field->name) + strlen(field->value) + sizeof(": \r\n") - 1;
    return bytes;
}

static enum mid_error check_field(struct mid_request *rq, const char *name, const char *value)
{
    if (!head_is_open(rq))
        return MID_HEAD_SENT;
    if (!field_name_is_valid(name) || !field_value_is_valid(value))
        return mid_fail(rq, MID_UNPROCESSABLE, "a response field has to be a token with a value without line breaks");
    if (field_is_of_server(name))
        return mid_fail(rq, MID_UNPROCESSABLE, "the response field %s is set by the server", name);
    if (fields_bytes(rq) + strlen(name) + strlen(value) > FIELDS_BYTES_MAX)
        return mid_fail(rq, MID_UNPROCESSABLE, "the fields of a response have at most %d bytes; %s does not fit",
                        FIELDS_BYTES_MAX, name);
    return MID_OK;
}

enum mid_error response_put_cookie(struct mid_request *rq, const char *cookie)
{
    MID_TRY(check_field(rq, "Set-Cookie", cookie));
    response_set_cookie(rq, cookie);
    return MID_OK;
}

enum mid_error mid_set_header(struct mid_request *rq, const char *name, const char *value)
{
    MID_TRY(check_field(rq, name, value));
    response_set_field(rq, arena_strdup(&rq->arena, name), arena_strdup(&rq->arena, value));
    return MID_OK;
}

enum mid_error mid_add_header(struct mid_request *rq, const char *name, const char *value)
{
    MID_TRY(check_field(rq, name, value));
    response_add_field(rq, arena_strdup(&rq->arena, name), arena_strdup(&rq->arena, value));
    return MID_OK;
}

/* -------------------- whole responses -------------------- */

static enum mid_error prepare(struct mid_request *rq, int status, const char *content_type, const void *body,
                              size_t bytes)
{
    if (rq->response.phase != RESPONSE_NONE)
        return MID_HEAD_SENT;
    if (!status_is_final(status))
        return mid_fail(rq, MID_UNPROCESSABLE, "the status of a response is 200 to 599, not %d", status);
    rq->response.phase = RESPONSE_PREPARED;
    rq->response.status = status;
    rq->response.content_type = content_type;
    rq->response.body = body;
    rq->response.body_bytes = bytes;
    return MID_OK;
}

/* The body is the request's already. */
static enum mid_error prepare_copied(struct mid_request *rq, int status, const char *content_type, const void *body,
                                     size_t bytes)
{
    if (!field_value_is_valid(content_type))
        return mid_fail(rq, MID_UNPROCESSABLE, "a content type must not contain line breaks");
    return prepare(rq, status, arena_strdup(&rq->arena, content_type), body, bytes);
}

enum mid_error mid_respond(struct mid_request *rq, int status, const char *content_type, const void *body, size_t bytes)
{
    return prepare_copied(rq, status, content_type, arena_strndup(&rq->arena, body, bytes), bytes);
}

enum mid_error mid_respond_text(struct mid_request *rq, int status, const char *text)
{
    size_t bytes = strlen(text);
    return prepare(rq, status, "text/plain; charset=utf-8", arena_strndup(&rq->arena, text, bytes), bytes);
}

enum mid_error mid_respond_printf(struct mid_request *rq, int status, const char *content_type, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *body = arena_vprintf(&rq->arena, format, arguments);
    va_end(arguments);
    return prepare_copied(rq, status, content_type, body, strlen(body));
}

enum mid_error mid_respond_empty(struct mid_request *rq, int status)
{
    return prepare(rq, status, NULL, "", 0);
}

void response_prepare_error(struct mid_request *rq, enum mid_error error)
{
    int status = mid_error_status(error);
    const char *detail = rq->error_detail != NULL ? rq->error_detail : mid_error_text(error);
    rq->response.phase = RESPONSE_NONE;
    response_set_field(rq, "Cache-Control", "no-store");
    if (status == 503 || status == 429)
        response_set_field(rq, "Retry-After",
                           rq->retry_after_s > 0 ? arena_printf(&rq->arena, "%d", rq->retry_after_s) : "1");
    if (status == 401) /* has to have one (RFC 9110, 15.5.2); browsers ask for no password by this one */
        response_set_default(rq, "WWW-Authenticate", "Cookie");

    enum mid_error prepared; /* cannot fail: nothing is prepared */
    if (accept_prefers_json(request_field(rq, "Accept"))) {
        size_t room = 6 * strlen(detail) + 1;
        char *escaped = arena_alloc(&rq->arena, room);
        json_escape(escaped, room, detail, strlen(detail));
        prepared =
            mid_respond_printf(rq, status, "application/json", "{\"error\":\"%s\",\"status\":%d,\"detail\":\"%s\"}\n",
                               mid_error_name(error), status, escaped);
    } else {
        prepared = mid_respond_text(rq, status,
                                    arena_printf(&rq->arena, "%d %s: %s\n", status, status_reason(status), detail));
    }
    (void)prepared;
}

/* -------------------- the head -------------------- */

/* The end of what was written. */
static char *put_number(char *at, int64_t number)
{
    return at + number_format(number, at);
}

/* The CGI head (RFC 3875, 6.3) that nginx turns into HTTP's. Content-Length only where the whole body is known. */
static struct iovec format_head(struct mid_request *rq, bool is_whole)
{
    const struct response *response = &rq->response;
    size_t room = 160 + (response->content_type != NULL ? strlen(response->content_type) : 0);
    for (const struct response_field *field = response->fields; field != NULL; field = field->next)
        room += strlen(field->name) + strlen(field->value) + 4;

    bool has_content = status_has_content(response->status);
    char *head = arena_alloc(&rq->arena, room);
    char *end = put_number(stpcpy(head, "Status: "), response->status);
    end = stpcpy(stpcpy(stpcpy(end, " "), status_reason(response->status)), "\r\n");
    if (response->content_type != NULL)
        end = stpcpy(stpcpy(stpcpy(end, "Content-Type: "), response->content_type), "\r\n");
    if (is_whole && response->status != 204 && response->status != 304)
        end = stpcpy(put_number(stpcpy(end, "Content-Length: "), (int64_t)(has_content ? response->body_bytes : 0)),
                     "\r\n");
    for (const struct response_field *field = response->fields; field != NULL; field = field->next)
        end = stpcpy(stpcpy(stpcpy(stpcpy(end, field->name), ": "), field->value), "\r\n");
    if (response->varies_by_origin)
        end = stpcpy(end, "Vary: Origin\r\n");
    end = stpcpy(end, "\r\n");
    return (struct iovec){.iov_base = head, .iov_len = (size_t)(end - head)};
}

enum mid_error response_send_prepared(struct mid_request *rq)
{
    request_discard_body(rq);
    struct response *response = &rq->response;
    struct iovec parts[2] = {format_head(rq, true)};
    if (!rq->is_head && status_has_content(response->status))
        parts[1] = (struct iovec){.iov_base = (void *)(uintptr_t)response->body, .iov_len = response->body_bytes};
    response->phase = RESPONSE_OVER;
    response->begun_us = clock_monotonic_us();
    return fcgi_request_send(&rq->fcgi, parts, 2, true);
}

enum mid_error response_begin_stream(struct mid_request *rq, int status, const char *content_type)
{
    if (rq->hooks.before_head != NULL)
        MID_TRY(rq->hooks.before_head(rq, true));
    request_discard_body(rq);
    rq->response.status = status;
    rq->response.content_type = content_type;
    request_release_buffers(rq);

    struct iovec head = format_head(rq, false);
    rq->response.begun_us = clock_monotonic_us();
    rq->response.phase = rq->is_head ? RESPONSE_OVER : RESPONSE_STREAMING;
    enum mid_error error = fcgi_request_send(&rq->fcgi, &head, 1, rq->is_head);
    if (!rq->is_head)
        return error;
    if (error != MID_OK)
        response_abort(rq);
    return MID_GONE;
}

/* -------------------- streams -------------------- */

enum mid_error response_send(struct mid_request *rq, const struct iovec parts[], int count)
{
    return fcgi_request_send(&rq->fcgi, parts, count, false);
}

enum mid_error response_end_stream(struct mid_request *rq, const char *last, size_t bytes)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)last, .iov_len = bytes};
    MID_TRY(fcgi_request_send(&rq->fcgi, &part, 1, true));
    rq->response.phase = RESPONSE_OVER;
    return MID_OK;
}

void response_abort(struct mid_request *rq)
{
    rq->response.phase = RESPONSE_OVER;
    rq->response.is_cut = true;
    connection_abort(rq->client);
}
