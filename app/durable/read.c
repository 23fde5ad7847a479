/* Reading and deleting durable streams. See durable.h. */
#include <string.h>

#include "base/buffer.h"
#include "durable/durable.h"
#include "http/request.h"

/* A script, an answer and a piece are that large, and an entry above it. */
enum { READ_BYTES_MAX = 1 << 20 };

/* -------------------- reading -------------------- */

struct reader {
    struct buffer data;
    bool is_json; /* entries become elements of an array */
};

static void take_entry(const struct journal_entry *entry, void *arg)
{
    struct reader *reader = arg;
    if (reader->is_json && reader->data.length > 1)
        buffer_append(&reader->data, ",", 1);
    buffer_append(&reader->data, entry->data, entry->bytes);
}

/* Each try begins anew. */
MAY_SUSPEND static enum mid_error read_step(const char *key, const void *what, const struct journal_terms *terms,
                                            struct journal_state *state)
{
    const struct journal_reading *reading = what;
    struct reader *reader = reading->arg;
    reader->data.length = 0;
    if (reader->is_json)
        buffer_append(&reader->data, "[", 1);
    MID_TRY(durable_look_step(key, reading, terms, state));
    if (reader->is_json)
        buffer_append(&reader->data, "]", 1);
    return MID_OK;
}

enum mid_error mid_durable_read(struct mid_durable *stream, int64_t offset, size_t bytes_least,
                                struct mid_durable_piece *piece)
{
    struct journal_state state;
    struct reader reader = {.is_json = durable_is_json(stream)};
    struct buffer *data = &reader.data;
    size_t least = bytes_least == 0 ? 1 : bytes_least > READ_BYTES_MAX ? READ_BYTES_MAX : bytes_least;
    const struct journal_reading reading = {.from = offset,
                                            .bytes_least = least,
                                            .incarnation = stream->state.incarnation,
                                            .on_entry = take_entry,
                                            .arg = &reader};
    if (offset < 0 || offset > JOURNAL_OFFSET_MAX)
        return mid_fail(stream->rq, MID_UNPROCESSABLE, "an offset of a durable stream is a number of bytes");
    enum mid_error error = durable_take(stream, read_step, &reading, true, &state);
    if (error == MID_OK)
        error = durable_conclude(stream, &state);
    if (error == MID_OK)
        *piece = (struct mid_durable_piece){
            .data = arena_strndup(&stream->rq->handler_arena, data->length > 0 ? data->data : "", data->length),
            .bytes = data->length,
            .next = state.end,
            .is_at_end = state.end == state.tail};
    buffer_fini(data);
    return error;
}

/* -------------------- deleting -------------------- */

MAY_SUSPEND static enum mid_error delete_step(const char *key, const void *what, const struct journal_terms *terms,
                                              struct journal_state *state)
{
    return journal_delete(key, what, terms, state);
}

enum mid_error mid_durable_delete(struct mid_durable *stream)
{
    struct journal_state state;
    MID_TRY(durable_take(stream, delete_step, stream->state.incarnation, true, &state));
    stream->doubts = NULL;
    return MID_OK;
}
