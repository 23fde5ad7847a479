/* Streams: begin, pieces, end. See stream.h. */
#include "stream/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/counter.h"
#include "base/json.h"
#include "base/share.h"
#include "http/field.h"
#include "http/response.h"
#include "http/status.h"
#include "stream/event_source.h"
#include "stream/sse.h"
#include "wait/drain.h"

enum {
    KEPT_BUFFER_BYTES = 64 * 1024,
    CHECK_PAUSE_MS = 200, /* between two checks of a stream that are not heartbeats; doubles so many times */
    EARLY_CHECKS_MAX = 10,
};

static struct stream_settings settings;
static size_t streams_open;

void stream_init(const struct stream_settings *stream_settings)
{
    settings = *stream_settings;
}

int64_t stream_retry_ms(void)
{
    return settings.reconnect_ms / 2 + share_of(settings.reconnect_ms, share_next());
}

size_t stream_count(void)
{
    return streams_open;
}

/* -------------------- buffers -------------------- */

/* One is enough: a piece is formatted and sent without suspending, unless the client is slow. */
static struct buffer spare;

struct buffer stream_take_buffer(void)
{
    struct buffer buffer = spare;
    spare = (struct buffer){0};
    return buffer;
}

void stream_give_buffer(struct buffer *buffer)
{
    if (spare.data != NULL || buffer->capacity > KEPT_BUFFER_BYTES) {
        buffer_fini(buffer);
        return;
    }
    spare = *buffer;
    spare.length = 0;
}

/* -------------------- whether its session is still there -------------------- */

/* When the stream is to be asked about: once every heartbeat, or when its session is over by what is known of it. If it
 * is not, because its clock and Redis's disagree, or if nobody can be asked, after growing pauses. */
static int64_t check_at_ms(const struct mid_request *rq)
{
    int64_t beat_ms = rq->stream->checked_ms + settings.heartbeat_ms;
    int64_t look_ms = rq->hooks.look_at_ms != NULL ? rq->hooks.look_at_ms(rq) : -1;
    int64_t soonest_ms = rq->stream->checked_ms + (CHECK_PAUSE_MS << rq->stream->early_checks);
    if (look_ms >= 0 && look_ms < soonest_ms)
        look_ms = soonest_ms;
    return look_ms >= 0 && look_ms < beat_ms ? look_ms : beat_ms;
}

/* Asks the session's room, when that is due or somebody says so, whether the stream is still wanted; tells when to ask
 * again, -1 for never. MID_ENDED: it is not, its session has ended. */
MAY_SUSPEND static enum mid_error check(struct mid_request *rq, int64_t *next_ms)
{
    struct stream *stream = rq->stream;
    *next_ms = -1;
    if (rq->hooks.still_wanted == NULL || rq->client == NULL)
        return MID_OK;
    while (rq->wait.is_alarmed || loop_now_ms() >= check_at_ms(rq)) {
        bool is_early = loop_now_ms() < stream->checked_ms + settings.heartbeat_ms && !rq->wait.is_alarmed;
        stream->early_checks = !is_early                                 ? 0
                               : stream->early_checks < EARLY_CHECKS_MAX ? stream->early_checks + 1
                                                                         : EARLY_CHECKS_MAX;
        rq->wait.is_alarmed = false;
        stream->checked_ms = loop_now_ms();
        MID_TRY(rq->hooks.still_wanted(rq));
    }
    *next_ms = check_at_ms(rq);
    return MID_OK;
}

/* -------------------- send -------------------- */

/* What a call answers when nothing can be sent any more. */
static enum mid_error left(const struct mid_request *rq)
{
    return rq->wait.outlives_client ? MID_OK : MID_GONE;
}

/* Nothing can be sent any more. */
static bool is_dead(const struct mid_request *rq)
{
    return rq->response.phase != RESPONSE_STREAMING || rq->stream->is_broken || request_is_gone(rq);
}

enum mid_error stream_send(struct mid_request *rq, const void *data, size_t bytes)
{
    if (rq->stream == NULL)
        return rq->is_head && rq->response.phase == RESPONSE_OVER && rq->client != NULL ? MID_GONE : MID_NO_HEAD;
    if (is_dead(rq) && !rq->wait.outlives_client)
        return MID_GONE;
    if (drain_is_due(rq))
        return MID_DRAINING;
    if (rq->wait.is_alarmed) {
        int64_t next_ms;
        MID_TRY(check(rq, &next_ms));
    }
    return stream_send_last(rq, data, bytes);
}

enum mid_error stream_send_last(struct mid_request *rq, const void *data, size_t bytes)
{
    if (is_dead(rq))
        return left(rq);
    if (bytes == 0)
        return MID_OK;

    char retry[40];
    struct iovec parts[2] = {{.iov_base = retry}, {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes}};
    bool has_retry = rq->stream->retry_ms > 0;
    if (has_retry)
        parts[0].iov_len = (size_t)snprintf(retry, sizeof(retry), "retry: %" PRId64 "\n", rq->stream->retry_ms);
    rq->stream->retry_ms = 0;
    enum mid_error error = response_send(rq, has_retry ? parts : parts + 1, has_retry ? 2 : 1);
    rq->stream->last_sent_ms = loop_now_ms();
    if (error == MID_OK)
        return MID_OK;
    rq->stream->is_broken = true;
    return rq->wait.outlives_client ? MID_OK : error;
}

enum mid_error mid_stream_write(struct mid_request *rq, const void *data, size_t bytes)
{
    return stream_send(rq, data, bytes);
}

enum mid_error mid_stream_printf(struct mid_request *rq, const char *format, ...)
{
    struct buffer piece = stream_take_buffer();
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&piece, format, arguments);
    va_end(arguments);
    enum mid_error error = stream_send(rq, piece.data, piece.length);
    stream_give_buffer(&piece);
    return error;
}

/* -------------------- while it waits -------------------- */

static const char *const heartbeats[] = {[STREAM_BYTES] = NULL, [STREAM_EVENTS] = ":\n\n", [STREAM_ROWS] = "\n"};

/* Sends the format's heartbeat when it is due; tells when the next one is, or -1 when this stream has none. */
MAY_SUSPEND static int64_t beat(struct mid_request *rq)
{
    struct stream *stream = rq->stream;
    const char *heartbeat = heartbeats[stream->format];
    if (heartbeat == NULL || is_dead(rq))
        return -1;
    if (loop_now_ms() - stream->last_sent_ms >= settings.heartbeat_ms &&
        stream_send_last(rq, heartbeat, strlen(heartbeat)) != MID_OK)
        return -1;
    return stream->last_sent_ms + settings.heartbeat_ms;
}

/* Of struct wait_policy. At the first long rest, gives back the stack that reading request and session took. */
MAY_SUSPEND static enum mid_error attend(struct mid_request *rq, bool may_end, int64_t *next_ms)
{
    int64_t check_ms = -1;
    *next_ms = beat(rq);
    if (may_end)
        MID_TRY(check(rq, &check_ms));
    if (check_ms >= 0 && (*next_ms < 0 || check_ms < *next_ms))
        *next_ms = check_ms;
    if (!rq->stream->has_rested)
        fiber_trim_stack();
    rq->stream->has_rested = true;
    return MID_OK;
}

/* -------------------- begin -------------------- */

enum mid_error stream_begin(struct mid_request *rq, int status, const char *content_type, enum stream_format format)
{
    if (rq->response.phase != RESPONSE_NONE)
        return MID_HEAD_SENT;
    if (!field_value_is_valid(content_type))
        return mid_fail(rq, MID_UNPROCESSABLE, "a content type must not contain line breaks");
    if (!status_is_final(status) || !status_has_content(status))
        return mid_fail(rq, MID_UNPROCESSABLE, "a stream cannot have the status %d", status);
    if (streams_open >= settings.streams_max)
        return mid_fail(rq, MID_OVERLOADED, "this worker has reached its maximum of streams");
    if (drain_is_due(rq))
        return MID_DRAINING;
    response_set_default(rq, "Cache-Control", "no-store");
    struct stream *stream = arena_zalloc(&rq->arena, sizeof(*stream));
    stream->format = format;
    stream->last_sent_ms = stream->checked_ms = loop_now_ms();
    stream->retry_ms = format == STREAM_EVENTS ? stream_retry_ms() : 0;
    enum mid_error error = response_begin_stream(rq, status, arena_strdup(&rq->arena, content_type));
    if (rq->response.phase != RESPONSE_STREAMING)
        return error;
    /* It has begun also when the client did not take the head: what the handler sends next, and the end, need to know.
     */
    stream->is_broken = error != MID_OK;
    rq->stream = stream;
    rq->wait.attend = attend;
    rq->wait.deadline_ms = -1; /* a stream takes as long as it takes */
    streams_open++;
    counter_add(&settings.counts->begun, 1);
    return rq->wait.outlives_client ? MID_OK : error;
}

void stream_close(struct stream *stream)
{
    if (stream != NULL)
        streams_open--;
}

enum mid_error mid_stream_begin(struct mid_request *rq, int status, const char *content_type)
{
    return stream_begin(rq, status, content_type, STREAM_BYTES);
}

void mid_stream_outlive_client(struct mid_request *rq)
{
    rq->wait.outlives_client = true;
}

/* -------------------- end and failure -------------------- */

static const char *const end_markers[] = {
    [STREAM_BYTES] = "", /* HTTP's own: the last chunk, or END_STREAM */
    [STREAM_EVENTS] = "id: " EVENT_SOURCE_END_ID "\nevent: end\ndata: {}\n\n",
    [STREAM_ROWS] = "{\"end\":true}\n",
};

enum mid_error stream_end(struct mid_request *rq)
{
    if (rq->stream->is_broken || request_is_gone(rq)) {
        response_abort(rq);
        return MID_GONE;
    }
    const char *marker = end_markers[rq->stream->format];
    enum mid_error error = response_end_stream(rq, marker, strlen(marker));
    if (error != MID_OK)
        response_abort(rq);
    return error;
}

/* {"error":"MID_FAILED","detail":"..."} */
static void append_error(struct buffer *out, const struct mid_request *rq, enum mid_error error)
{
    char detail[256];
    const char *text = rq->error_detail != NULL ? rq->error_detail : mid_error_text(error);
    json_escape(detail, sizeof(detail), text, strlen(text));
    buffer_printf(out, "{\"error\":\"%s\",\"detail\":\"%s\"}", mid_error_name(error), detail);
}

void stream_fail(struct mid_request *rq, enum mid_error error)
{
    struct buffer piece = stream_take_buffer();
    if (rq->stream->format == STREAM_EVENTS) {
        buffer_printf(&piece, "event: %s\ndata: ", error == MID_ENDED ? "session-ended" : "failed");
        append_error(&piece, rq, error);
        buffer_append_text(&piece, "\n\n");
    } else if (rq->stream->format == STREAM_ROWS) {
        append_error(&piece, rq, error);
        buffer_append_text(&piece, "\n");
    }
    if (piece.length > 0 && stream_send_last(rq, piece.data, piece.length) == MID_OK && !request_is_gone(rq))
        connection_await_taken(rq->client); /* otherwise the cut says it alone */
    stream_give_buffer(&piece);
    response_abort(rq);
}
