/* The tests' own application: handlers for what the demonstration does not do, and the table of all routes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app.h"

enum { FLOOD_PIECE_BYTES = 64 * 1024, BIG_PIECE_MAX = 16 * 1024 * 1024, LONG_MS = 3600 * 1000 };

static enum mid_error null_route(struct mid_request *rq)
{
    return mid_respond_json(rq, 200, "{}");
}

static enum mid_error header_route(struct mid_request *rq)
{
    const char *value = mid_header(rq, mid_param(rq, "name"));
    return value != NULL ? mid_respond_text(rq, 200, value) : MID_NOT_FOUND;
}

/* What the query asks for: fields, a status. */
static enum mid_error fields_route(struct mid_request *rq)
{
    const char *name = mid_query(rq, "name");
    int64_t status;
    MID_TRY(mid_query_int(rq, "status", INT32_MIN, INT32_MAX, 200, &status));
    MID_TRY(mid_set_header(rq, "Link", "</gone>; rel=none"));
    MID_TRY(mid_set_header(rq, "Link", "</a>; rel=preload"));
    MID_TRY(mid_add_header(rq, "Link", "</b>; rel=preload"));
    MID_TRY(mid_add_header(rq, "Set-Cookie", "theme=dark; Path=/"));
    MID_TRY(mid_add_header(rq, "Set-Cookie", "lang=en; Path=/"));
    if (name != NULL)
        MID_TRY(mid_set_header(rq, name, "1"));
    if (mid_query(rq, "session") != NULL) {
        struct mid_session *session;
        MID_TRY(mid_session_open(rq, &session));
        MID_TRY(mid_session_increment(session, "counter", 1));
    }
    return mid_respond_text(rq, (int)status, "text");
}

/* -------------------- what kills a worker -------------------- */

static int sink;

static int __attribute__((noinline)) recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    int below = depth < 1000000000 ? recurse(depth + 1) : 0;
    return below + frame[0];
}

static enum mid_error overflow_route(struct mid_request *rq)
{
    sink = recurse(sink);
    return mid_respond_text(rq, 200, "there was enough stack\n");
}

static int __attribute__((noinline, no_sanitize("address"))) use_large_frame(int value)
{
    volatile char frame[900 * 1024]; /* more than the stack, under ASan as well */
    frame[0] = (char)value;
    return frame[0];
}

/* No error of the header. */
static enum mid_error number_route(struct mid_request *rq)
{
    int64_t number;
    MID_TRY(mid_query_int(rq, "is", INT32_MIN, INT32_MAX, 0, &number));
    return (enum mid_error)number;
}

/* What a library that means to daemonize does. */
static enum mid_error close_route(struct mid_request *rq)
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    return mid_fail(rq, MID_FAILED, "standard error was closed");
}

static enum mid_error frame_route(struct mid_request *rq)
{
    sink = use_large_frame(sink);
    return mid_respond_text(rq, 200, "there was enough stack\n");
}

/* -------------------- streams -------------------- */

static enum mid_error big_route(struct mid_request *rq)
{
    int64_t bytes;
    MID_TRY(mid_query_int(rq, "bytes", 1, BIG_PIECE_MAX, 1, &bytes));
    char *piece = malloc((size_t)bytes);
    if (piece == NULL)
        return MID_NO_MEMORY;
    for (int64_t i = 0; i < bytes; i++)
        piece[i] = (char)('a' + i % 23);
    enum mid_error error = mid_stream_begin(rq, 200, "application/octet-stream");
    if (error == MID_OK)
        error = mid_stream_write(rq, piece, (size_t)bytes);
    free(piece);
    return error;
}

static void note_outcome(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    static const char *const names[] = {[MID_COMPLETE] = "complete", [MID_LEFT] = "left", [MID_CUT] = "cut"};
    struct mid_session *session;
    if (mid_session_open(rq, &session) != MID_OK)
        return;
    const char *text = mid_printf(rq, "%s:%s ", (const char *)arg, names[outcome]);
    if (mid_session_append(session, "outcomes", text, 1000) != MID_OK ||
        mid_session_set_int(session, "over_ms", mid_unix_ms()) != MID_OK)
        mid_log(rq, MID_ERROR, "outcome.not-noted", "outcome=%s", text);
}

static void note_after(struct mid_request *rq, const char *who)
{
    mid_after_response(rq, note_outcome, mid_printf(rq, "%s", who));
}

/* Sends until the client takes no more. */
static enum mid_error flood_route(struct mid_request *rq)
{
    static char piece[FLOOD_PIECE_BYTES];
    struct mid_session *session;
    memset(piece, 'f', sizeof(piece));
    MID_TRY(mid_session_open(rq, &session));
    note_after(rq, "flood");
    MID_TRY(mid_stream_begin(rq, 200, "application/octet-stream"));
    for (;;)
        MID_TRY(mid_stream_write(rq, piece, sizeof(piece)));
}

/* Sends nothing and waits for its client to leave. */
static enum mid_error rest_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    note_after(rq, "rest");
    MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
    MID_TRY(mid_stream_printf(rq, "resting\n"));
    return mid_sleep_ms(rq, LONG_MS);
}

static enum mid_error outlive_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    note_after(rq, "outlive");
    mid_stream_outlive_client(rq);
    MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
    for (int step = 1; step <= 10; step++) {
        MID_TRY(mid_stream_printf(rq, "step %d\n", step));
        MID_TRY(mid_session_set_int(session, "step", step));
        MID_TRY(mid_session_commit(session));
        MID_TRY(mid_sleep_ms(rq, 50));
    }
    return MID_OK;
}

/* -------------------- after the response -------------------- */

static void sleep_too_long(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    struct mid_session *session;
    (void)outcome, (void)arg;
    enum mid_error error = mid_sleep_ms(rq, LONG_MS);
    if (mid_session_open(rq, &session) != MID_OK || mid_session_set(session, "slept", mid_error_name(error)) != MID_OK)
        mid_log(rq, MID_ERROR, "sleep.not-noted", "error=%s", mid_error_name(error));
}

static enum mid_error after_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *how = mid_query(rq, "how");
    MID_TRY(mid_session_open(rq, &session));
    note_after(rq, "one");
    note_after(rq, "two");
    note_after(rq, "three");
    if (how != NULL && strcmp(how, "long") == 0)
        mid_after_response(rq, sleep_too_long, NULL);
    if (how != NULL && strcmp(how, "fail") == 0)
        return mid_fail(rq, MID_FORBIDDEN, "as asked");
    if (how != NULL && strcmp(how, "cut") == 0) {
        MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
        return mid_fail(rq, MID_FAILED, "as asked");
    }
    return mid_respond_text(rq, 200, "answered\n");
}

/* -------------------- waiting -------------------- */

static void block_and_write(void *arg)
{
    const int *ends = arg;
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000000L}, NULL);
    if (write(ends[1], "x", 1) != 1)
        abort();
}

/* A thread blocks while the handler waits for it; other requests are served meanwhile. */
static enum mid_error offload_route(struct mid_request *rq)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return mid_fail(rq, MID_FAILED, "no pipe: %s", strerror(errno));
    enum mid_error error = mid_offload(rq, block_and_write, ends);
    char byte = '-';
    ssize_t got = read(ends[0], &byte, 1);
    close(ends[0]);
    close(ends[1]);
    MID_TRY(error);
    return mid_respond_text(rq, 200, mid_printf(rq, "%zd %c\n", got, byte));
}

/* A handler that keeps its worker from everything else, as a bug would. */
static enum mid_error spin_route(struct mid_request *rq)
{
    int64_t ms;
    MID_TRY(mid_query_int(rq, "ms", 0, LONG_MS, 1000, &ms));
    for (int64_t end_ms = mid_unix_ms() + ms; mid_unix_ms() < end_ms;)
        continue;
    return mid_respond_text(rq, 200, "the worker has spun\n");
}

static enum mid_error sleep_route(struct mid_request *rq)
{
    MID_TRY(mid_sleep_ms(rq, LONG_MS));
    return mid_respond_text(rq, 200, "slept\n");
}

static enum mid_error form_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *token;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_increment(session, "forms", 1));
    MID_TRY(mid_session_commit(session));
    MID_TRY(mid_form_token(session, &token));
    return mid_respond_text(rq, 200, token);
}

static enum mid_error send_form_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *token;
    size_t bytes;
    MID_TRY(mid_body_all(rq, 1024, &token, &bytes));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_form_token_check(session, token));
    return mid_respond_text(rq, 200, "taken\n");
}

/* What was asked before the head is told after it, by a stream, and after the response, by the log. */
static void tell_after(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    (void)outcome;
    mid_log(rq, MID_INFO, "asked-before", "what=\"%s\"", (const char *)arg);
}

static enum mid_error asked_before_route(struct mid_request *rq)
{
    const char *const asked[] = {
        mid_method(rq),        mid_path(rq),       mid_request_id(rq),      mid_trace_parent(rq),
        mid_param(rq, "name"), mid_query(rq, "a"), mid_header(rq, "Asked"), mid_header(rq, "Content-Type")};
    MID_TRY(mid_after_response(rq, tell_after, (void *)(uintptr_t)asked[6]));
    if (mid_query(rq, "whole") != NULL)
        return mid_respond_text(rq, 200, "whole\n");
    MID_TRY(mid_stream_begin(rq, 200, "text/plain"));
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        MID_TRY(mid_stream_printf(rq, "%s\n", asked[i]));
    return MID_OK;
}

static const struct mid_route routes[] = {
    MID_GET("/sleep", sleep_route),
    MID_GET("/form", form_route),
    MID_POST("/form", send_form_route),
    MID_GET("/null", null_route),
    MID_GET("/header/{name}", header_route),
    MID_POST("/asked-before/{name}", asked_before_route),
    MID_GET("/fields", fields_route),
    MID_GET("/overflow", overflow_route),
    MID_GET("/frame", frame_route),
    MID_GET("/number", number_route),
    MID_GET("/close", close_route),
    MID_GET("/tab", tab_route),
    MID_GET("/increments", increments_route),
    MID_GET("/beyond-a-limit", beyond_a_limit_route),
    MID_GET("/endless-operations", endless_operations_route),
    MID_GET("/fail-after-commit", fail_after_commit_route),
    MID_GET("/fail-after-login", fail_after_login_route),
    MID_GET("/answers", answers_route),
    MID_GET("/view", view_route),
    MID_POST("/redis", redis_route),
    MID_GET("/redis-bytes", redis_bytes_route),
    MID_GET("/big", big_route),
    MID_GET("/flood", flood_route),
    MID_GET("/rest", rest_route),
    MID_GET("/outlive", outlive_route),
    MID_GET("/after", after_route),
    MID_GET("/offload", offload_route),
    MID_GET("/wait", wait_route),
    MID_GET("/timer", timer_route),
    MID_GET("/spin", spin_route),
    MID_GET("/act", act_route),
    MID_POST("/act", act_route),
    MID_POST("/act-task", add_act_route),
    MID_GET("/calls", calls_route),
    MID_GET("/system-calls", system_calls_route),
    MID_GET("/call/{state}/{call}", call_route),
    MID_POST("/json/{form}", json_echo_route),
    MID_GET("/json-careless/{what}", json_careless_route),
    MID_GET("/deferred", deferred_route),
    MID_GET("/called", called_route),
    MID_POST("/call-task", add_calls_route),
    MID_GET("/for-users", context_route, .before = before_user),
    MID_GET("/files/{path...}", path_route),
    MID_GET("/files/{path}/one", path_route),
    MID_POST("/small", count_body_route, .body_max_bytes = 10),
    MID_POST("/large", count_body_route, .body_max_bytes = 64 * 1024 * 1024),
    MID_GET("/quick", sleep_long_route, .timeout_ms = 200),
    MID_GET("/whose", whose_route),
    MID_POST("/whose", whose_route),
    MID_GET("/whose/anybody", whose_route, .cross_site = "*"),
    MID_POST("/whose/anybody", whose_route, .cross_site = "*"),
    MID_PUT("/whose/partner", whose_route, .cross_site = "https://a.example https://b.example:8443"),
    MID_GET("/whose/partner", whose_route, .cross_site = "https://a.example https://b.example:8443"),
    MID_GET("/cookie/{name}", cookie_route),
    MID_POST("/cookie", set_cookie_route),
    MID_GET("/redirect", redirect_route),
    MID_POST("/redirect", redirect_route),
    MID_GET("/remote", remote_route),
    MID_POST("/parts", parts_route, .body_max_bytes = 64 * 1024 * 1024),
    MID_POST("/part/{name}", part_route),
    MID_POST("/keep/{name}", keep_route),
    MID_GET("/context", context_route),
    {0},
};

static const struct mid_task_type tasks[] = {{"act", act_task}, {"calls", calls_task}, {"nothing", nothing_task}, {0}};

/* What a start has to refuse. */
static const struct mid_route wrong_routes[] = {MID_GET("/null", null_route), MID_GET("/files/*", null_route), {0}};
static const struct mid_task_type wrong_tasks[] = {{"act", act_task}, {"act", nothing_task}, {0}};

/* Task workers cost every test time; so they are there only for those that have a stage. */
int main(int argc, char **argv)
{
    static int starts;
    struct mid_app app = {
        .routes = getenv("WRONG_ROUTES") != NULL ? wrong_routes : routes,
        .on_start = getenv("START") != NULL && strcmp(getenv("START"), "none") == 0 ? NULL : api_start,
        .on_stop = api_stop,
        .context = &starts,
    };
    if (getenv("STAGE") != NULL)
        app.tasks = tasks;
    if (getenv("WRONG_TASKS") != NULL)
        app.tasks = wrong_tasks;
    return mid_run(argc, argv, &app);
}
