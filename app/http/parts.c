/* The body of a request as a form with files. The form is multipart.c's. */
#include "base/buffer.h"
#include "http/multipart.h"
#include "http/request.h"

enum { PIECE_BYTES = 8 * 1024 };

MAY_SUSPEND static enum mid_error read_body(void *arg, void *buffer, size_t size, size_t *got_bytes)
{
    return mid_body_read(arg, buffer, size, got_bytes);
}

static enum mid_error open_parts(struct mid_request *rq)
{
    if (rq->parts == NULL)
        rq->parts =
            multipart_new(rq->content_type, &(struct multipart_source){.read = read_body, .arg = rq}, &rq->arena);
    return rq->parts != NULL
               ? MID_OK
               : mid_fail(rq, MID_BAD_REQUEST, "the body has to be of type multipart/form-data, with one boundary");
}

/* Says what is wrong with the body, where it is that. */
static enum mid_error explain(struct mid_request *rq, enum mid_error error)
{
    const char *fault = error != MID_OK ? multipart_fault(rq->parts) : NULL;
    return fault != NULL ? mid_fail(rq, error, "%s", fault) : error;
}

enum mid_error mid_part_next(struct mid_request *rq, const struct mid_part **part)
{
    MID_TRY(open_parts(rq));
    return explain(rq, multipart_next(rq->parts, part));
}

enum mid_error mid_part_read(struct mid_request *rq, void *buffer, size_t size, size_t *got_bytes)
{
    MID_TRY(open_parts(rq));
    return explain(rq, multipart_read(rq->parts, buffer, size, got_bytes));
}

/* Reads to the end into the buffer, which the caller gives back also on errors. */
MAY_SUSPEND static enum mid_error read_all(struct mid_request *rq, size_t max_bytes, struct buffer *part)
{
    for (;;) {
        size_t got = 0;
        MID_TRY(mid_part_read(rq, buffer_reserve(part, PIECE_BYTES), PIECE_BYTES, &got));
        if (got == 0)
            return MID_OK;
        part->length += got;
        if (part->length > max_bytes)
            return mid_fail(rq, MID_TOO_LARGE, "this part of the body is limited to %zu bytes", max_bytes);
    }
}

enum mid_error mid_part_all(struct mid_request *rq, size_t max_bytes, const char **data, size_t *bytes)
{
    struct buffer part = {0};
    enum mid_error error = read_all(rq, max_bytes, &part);
    if (error == MID_OK) {
        *data = arena_strndup(&rq->arena, part.data, part.length);
        *bytes = part.length;
    }
    buffer_fini(&part);
    return error;
}
