/* The body of a request: read piece by piece, whole, or as a form; or dropped. */
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "http/field.h"
#include "http/query.h"
#include "http/request.h"

enum {
    PIECE_BYTES = 8 * 1024,
    FORM_BYTES_MAX = 64 * 1024,
    DISCARD_BYTES_MAX = 4 * 1024 * 1024, /* more than that, and ending the connection is cheaper */
};

void mid_body_limit(struct mid_request *rq, uint64_t max_bytes)
{
    rq->body_max_bytes = max_bytes;
}

static enum mid_error too_large(struct mid_request *rq, uint64_t max_bytes)
{
    return mid_fail(rq, MID_TOO_LARGE, "the request body is limited to %" PRIu64 " bytes", max_bytes);
}

/* The body is over, or will not come. */
static enum mid_error end_of_body(struct mid_request *rq)
{
    if (rq->client->has_timed_out)
        return MID_TOO_SLOW;
    if (request_is_gone(rq))
        return MID_GONE;
    rq->body_is_over = true;
    if (rq->content_length >= 0 && rq->body_bytes < (uint64_t)rq->content_length)
        return mid_fail(rq, MID_BAD_REQUEST, "the body has %" PRIu64 " bytes, and Content-Length is %" PRId64,
                        rq->body_bytes, rq->content_length);
    return MID_OK;
}

MAY_SUSPEND static enum mid_error read_body(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes)
{
    size_t got = rq->body_is_over || size == 0 ? 0 : fcgi_request_read(&rq->fcgi, buffer, size);
    rq->wait.deadline_ms = rq->client->deadline_ms; /* a body that comes steadily has its time */
    if (got == 0 && size > 0 && !rq->body_is_over)
        MID_TRY(end_of_body(rq));
    rq->body_bytes += got;
    if (rq->body_bytes > rq->body_max_bytes)
        return too_large(rq, rq->body_max_bytes);
    if (rq->content_length >= 0 && rq->body_bytes > (uint64_t)rq->content_length)
        return mid_fail(rq, MID_BAD_REQUEST, "the body is longer than its Content-Length, %" PRId64,
                        rq->content_length);
    *got_bytes = got;
    return MID_OK;
}

/* A body that has failed once stays so, whoever asks again. */
enum mid_error mid_body_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes)
{
    if (rq->response.phase == RESPONSE_STREAMING || rq->response.phase == RESPONSE_OVER)
        return MID_HEAD_SENT;
    if (rq->content_length > 0 && (uint64_t)rq->content_length > rq->body_max_bytes)
        return too_large(rq, rq->body_max_bytes);
    if (rq->body_error == MID_OK)
        rq->body_error = read_body(rq, buffer, size, got_bytes);
    return rq->body_error;
}

/* Reads to the end into the buffer, which the caller gives back also on errors. */
MAY_SUSPEND static enum mid_error read_all(struct mid_request *rq, size_t max_bytes, struct buffer *body)
{
    if (rq->content_length > 0 && (uint64_t)rq->content_length > max_bytes)
        return too_large(rq, max_bytes);
    for (;;) {
        size_t got = 0;
        MID_TRY(mid_body_read(rq, buffer_reserve(body, PIECE_BYTES), PIECE_BYTES, &got));
        if (got == 0)
            return MID_OK;
        body->length += got;
        if (body->length > max_bytes)
            return too_large(rq, max_bytes);
    }
}

enum mid_error mid_body_all(struct mid_request *rq, size_t max_bytes, const char **data, size_t *bytes)
{
    struct buffer body = {0};
    enum mid_error error = read_all(rq, max_bytes, &body);
    if (error == MID_OK) {
        *data = arena_strndup(&rq->arena, body.data, body.length);
        *bytes = body.length;
    }
    buffer_fini(&body);
    return error;
}

/* Into rq->form, once. */
MAY_SUSPEND static enum mid_error read_form(struct mid_request *rq)
{
    if (!media_type_is(rq->content_type, "application/x-www-form-urlencoded"))
        return mid_fail(rq, MID_BAD_REQUEST, "the body has to be of type application/x-www-form-urlencoded");
    if (rq->form == NULL) {
        size_t bytes;
        const char *form;
        MID_TRY(mid_body_all(rq, FORM_BYTES_MAX, &form, &bytes));
        rq->form = form;
    }
    return MID_OK;
}

enum mid_error mid_form(struct mid_request *rq, const char *name, const char **value)
{
    MID_TRY(read_form(rq));
    *value = query_find(rq->form, name, &rq->arena);
    return MID_OK;
}

enum mid_error mid_form_int(struct mid_request *rq, const char *name, int64_t min, int64_t max, int64_t fallback,
                            int64_t *value)
{
    MID_TRY(read_form(rq));
    return request_parse_int(rq, &(struct int_input){"form field", name, rq->form, min, max, fallback}, value);
}

void request_discard_body(struct mid_request *rq)
{
    if (!rq->fcgi.has_buffers || rq->body_is_over)
        return;
    char dropped[512]; /* on a fiber's stack */
    uint64_t left = DISCARD_BYTES_MAX;
    bool is_hopeless = rq->content_length > DISCARD_BYTES_MAX;
    while (!is_hopeless && !rq->body_is_over) {
        size_t got = fcgi_request_read(&rq->fcgi, dropped, sizeof(dropped));
        rq->body_is_over = got == 0;
        is_hopeless = got > left;
        left -= got < left ? got : left;
    }
    if (is_hopeless)
        rq->client->is_ending = true;
}
