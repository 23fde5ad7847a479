/* The stream of the Flask complaint (pallets/flask#1348), in three formats, and one that fails. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "routes/routes.h"

enum { COUNT_MAX = 1000000, INTERVAL_MAX_MS = 3600 * 1000 };

/* When the pieces are due: each counted from the first, so that a late one does not make the others late. */
struct pace {
    int64_t count;
    int64_t interval_ms;
    int64_t began_ms;
};

static enum mid_error read_pace(struct mid_request *rq, struct pace *pace)
{
    MID_TRY(mid_query_int(rq, "count", 0, COUNT_MAX, 10, &pace->count));
    MID_TRY(mid_query_int(rq, "interval_ms", 0, INTERVAL_MAX_MS, 1000, &pace->interval_ms));
    pace->began_ms = mid_unix_ms();
    return MID_OK;
}

/* Stores how far the stream is, while it goes on. */
static enum mid_error keep(struct mid_session *session, const char *field, int64_t number)
{
    MID_TRY(mid_session_set_int(session, field, number));
    return mid_session_commit(session);
}

static enum mid_error pause_before_next(struct mid_request *rq, const struct pace *pace, int64_t number)
{
    int64_t due_ms = pace->began_ms + number * pace->interval_ms;
    return number < pace->count ? mid_sleep_ms(rq, due_ms - mid_unix_ms()) : MID_OK;
}

enum mid_error stream_route(struct mid_request *rq)
{
    struct mid_session *session;
    struct pace pace;
    MID_TRY(read_pace(rq, &pace));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_stream_begin(rq, 200, "text/plain; charset=utf-8"));
    for (int64_t chunk = 1; chunk <= pace.count; chunk++) {
        MID_TRY(mid_stream_printf(rq, "Chunk %" PRId64 "\n", chunk));
        MID_TRY(keep(session, "chunk", chunk));
        MID_TRY(pause_before_next(rq, &pace, chunk));
    }
    return MID_OK;
}

/* The one after the last that the client has had, when it opens its connection again. */
static int64_t first_event(struct mid_request *rq)
{
    const char *last = mid_header(rq, "Last-Event-ID");
    int64_t number = last != NULL ? strtoll(last, NULL, 10) : 0;
    return number > 0 && number < COUNT_MAX ? number + 1 : 1;
}

enum mid_error events_route(struct mid_request *rq)
{
    struct mid_session *session;
    struct pace pace;
    MID_TRY(read_pace(rq, &pace));
    int64_t event = first_event(rq);
    pace.began_ms -= (event - 1) * pace.interval_ms;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_events_begin(rq));
    for (; event <= pace.count; event++) {
        char id[24];
        snprintf(id, sizeof(id), "%" PRId64, event);
        MID_TRY(mid_event_printf(rq, &(struct mid_event){.id = id}, "{\"event\":%" PRId64 "}", event));
        MID_TRY(keep(session, "event", event));
        MID_TRY(pause_before_next(rq, &pace, event));
    }
    return MID_OK;
}

enum mid_error rows_route(struct mid_request *rq)
{
    struct mid_session *session;
    struct pace pace;
    MID_TRY(read_pace(rq, &pace));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_rows_begin(rq));
    for (int64_t row = 1; row <= pace.count; row++) {
        MID_TRY(mid_row_printf(rq, "{\"row\":%" PRId64 ",\"square\":%" PRId64 "}", row, row * row));
        MID_TRY(keep(session, "row", row));
        MID_TRY(pause_before_next(rq, &pace, row));
    }
    return MID_OK;
}

enum mid_error fail_route(struct mid_request *rq)
{
    int64_t at;
    MID_TRY(mid_query_int(rq, "at", 1, COUNT_MAX, 3, &at));
    MID_TRY(mid_stream_begin(rq, 200, "text/plain; charset=utf-8"));
    for (int64_t chunk = 1; chunk < at; chunk++) {
        MID_TRY(mid_stream_printf(rq, "Chunk %" PRId64 "\n", chunk));
        MID_TRY(mid_sleep_ms(rq, 100));
    }
    return mid_fail(rq, MID_FAILED, "this handler fails at chunk %" PRId64 ", as it was asked to", at);
}
