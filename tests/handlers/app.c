/* What is tested. See app.h. */
#include "app.h"

#include <string.h>

enum { HOUR_MS = 3600 * 1000, PIECE_BYTES = 16 * 1024 };

struct notes notes;

static enum mid_error countdown(struct mid_request *rq)
{
    MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
    for (int i = 3; i > 0; i--) {
        MID_TRY(mid_stream_printf(rq, "%d\n", i));
        MID_TRY(mid_sleep_ms(rq, 1000));
    }
    return MID_OK;
}

static enum mid_error count(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t value;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_increment(session, "count", 1));
    MID_TRY(mid_session_get_int(session, "count", 0, &value));
    return mid_respond_printf(rq, 200, "text/plain", "%lld", (long long)value);
}

static enum mid_error logout(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_destroy(session));
    return mid_respond_empty(rq, 204);
}

static enum mid_error echo(struct mid_request *rq)
{
    const char *text;
    MID_TRY(mid_form(rq, "text", &text));
    return text != NULL ? mid_respond_text(rq, 200, text) : MID_BAD_REQUEST;
}

static enum mid_error form_number(struct mid_request *rq)
{
    int64_t number;
    MID_TRY(mid_form_int(rq, "n", -5, 5, 3, &number));
    return mid_respond_printf(rq, 200, "text/plain", "%lld", (long long)number);
}

/* Silent events. */
static enum mid_error wait_for_hours(struct mid_request *rq)
{
    MID_TRY(mid_events_begin(rq));
    notes.slept = mid_sleep_ms(rq, HOUR_MS);
    notes.has_returned = true;
    MID_TRY(notes.slept);
    return mid_event_printf(rq, &(struct mid_event){.name = "late"}, "an hour later");
}

static enum mid_error send_for_ever(struct mid_request *rq)
{
    static char piece[PIECE_BYTES];
    memset(piece, 'x', sizeof(piece));
    MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
    while ((notes.slept = mid_stream_write(rq, piece, sizeof(piece))) == MID_OK)
        continue;
    notes.has_returned = true;
    return notes.slept;
}

/* As no handler should. */
static enum mid_error ignore_all_errors(struct mid_request *rq)
{
    (void)!mid_stream_begin(rq, 200, "text/plain");
    while (!notes.has_returned)
        (void)!mid_sleep_ms(rq, 10);
    return MID_OK;
}

static enum mid_error fail_later(struct mid_request *rq)
{
    MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
    MID_TRY(mid_stream_printf(rq, "half of it"));
    return MID_FAILED;
}

static enum mid_error sleep_first(struct mid_request *rq)
{
    MID_TRY(mid_sleep_ms(rq, HOUR_MS));
    return mid_respond_empty(rq, 204);
}

/* Whether a loop that asks Redis again and again, and releases what it got, needs no more memory. */
static enum mid_error ask_often(struct mid_request *rq)
{
    const void *first = mid_alloc(rq, 100);
    const void *last = first;
    for (int i = 0; i < 1000; i++) {
        const struct mid_redis_value *value;
        MID_TRY(mid_redis(rq, &value, "GET app:started"));
        MID_TRY(strcmp(value->text, "1") == 0 ? MID_OK : MID_FAILED);
        mid_release(rq);
        last = mid_alloc(rq, 100);
    }
    return mid_respond_text(rq, 200, first == last ? "the same" : "other");
}

/* A handler's mistake. */
static enum mid_error show_other_parameter(struct mid_request *rq)
{
    return mid_respond_printf(rq, 200, "text/plain", "%s,%s", mid_param(rq, "name"), mid_param(rq, "nmae"));
}

static enum mid_error start(struct mid_request *rq, void *context)
{
    (void)context;
    notes.starts++;
    return mid_redis(rq, NULL, "SET app:started 1");
}

static void stop(void *context)
{
    (void)context;
    notes.stops++;
}

static const struct mid_route routes[] = {
    MID_GET("/countdown", countdown),
    MID_POST("/count", count),
    MID_POST("/logout", logout),
    MID_POST("/echo", echo),
    MID_POST("/number", form_number),
    MID_GET("/hello/{name}", show_other_parameter),
    MID_GET("/wait", wait_for_hours),
    MID_GET("/deaf", ignore_all_errors),
    MID_GET("/for-ever", send_for_ever),
    MID_GET("/fail-later", fail_later),
    MID_GET("/often", ask_often),
    MID_GET("/sleep", sleep_first, .timeout_ms = 5000),
    {0},
};

const struct mid_app app = {.routes = routes, .on_start = start, .on_stop = stop};
