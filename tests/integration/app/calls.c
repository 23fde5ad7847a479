/*
 * Every function of midstream.h, called in a state in which a careless handler might call it; the result is noted and
 * nothing is done about it.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

struct call {
    struct mid_request *rq;
    struct mid_session *session;
    struct mid_task *task;   /* NULL: not in one */
    struct mid_durable *log; /* for the calls that need one */
};

static void do_nothing(void *arg)
{
    (void)arg;
}

static void do_nothing_after(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    (void)rq, (void)outcome, (void)arg;
}

static void do_nothing_with_session(const struct mid_user_session *session, void *arg)
{
    (void)session, (void)arg;
}

static void do_nothing_with(const char *field, const char *value, size_t bytes, void *arg)
{
    (void)field, (void)value, (void)bytes, (void)arg;
}

/* Where results go that nobody looks at. */
static struct {
    int64_t number;
    size_t bytes;
    const char *text;
    struct json_t *json;
    bool flag;
    char buffer[16];
    char id[MID_TASK_ID_BYTES];
    struct mid_session *session;
    struct mid_session_info session_info;
    struct mid_task_info task_info;
    const struct mid_redis_value *value;
    const struct mid_part *part;
    struct mid_durable *log;
    struct mid_durable_piece piece;
} got;

static const struct mid_durable_entry some_entry = {.data = "x", .bytes = 1};

static const struct mid_redis_argument ping[] = {{"PING", 4}};

#define NO_ERROR(expression) ((void)(expression), MID_OK)

/* In the order of the header. */
#define CALLS(X)                                                                                                       \
    X(mid_version, NO_ERROR(mid_version()))                                                                            \
    X(mid_error_name, NO_ERROR(mid_error_name(MID_GONE)))                                                              \
    X(mid_error_text, NO_ERROR(mid_error_text(MID_GONE)))                                                              \
    X(mid_error_status, NO_ERROR(mid_error_status(MID_GONE)))                                                          \
    X(mid_method, NO_ERROR(mid_method(c->rq)))                                                                         \
    X(mid_path, NO_ERROR(mid_path(c->rq)))                                                                             \
    X(mid_request_id, NO_ERROR(mid_request_id(c->rq)))                                                                 \
    X(mid_trace_parent, NO_ERROR(mid_trace_parent(c->rq)))                                                             \
    X(mid_param, NO_ERROR(mid_param(c->rq, "call")))                                                                   \
    X(mid_header, NO_ERROR(mid_header(c->rq, "Accept")))                                                               \
    X(mid_cookie, NO_ERROR(mid_cookie(c->rq, "a")))                                                                    \
    X(mid_remote_address, NO_ERROR(mid_remote_address(c->rq)))                                                         \
    X(mid_context, NO_ERROR(mid_context(c->rq)))                                                                       \
    X(mid_query, NO_ERROR(mid_query(c->rq, "a")))                                                                      \
    X(mid_query_int, mid_query_int(c->rq, "a", 0, 9, 1, &got.number))                                                  \
    X(mid_body_read, mid_body_read(c->rq, got.buffer, sizeof(got.buffer), &got.bytes))                                 \
    X(mid_body_all, mid_body_all(c->rq, 100, &got.text, &got.bytes))                                                   \
    X(mid_body_limit, NO_ERROR(mid_body_limit(c->rq, 100)))                                                            \
    X(mid_time_limit, NO_ERROR((mid_time_limit(c->rq, 60000), 0)))                                                     \
    X(mid_part_next, mid_part_next(c->rq, &got.part))                                                                  \
    X(mid_part_read, mid_part_read(c->rq, got.buffer, sizeof(got.buffer), &got.bytes))                                 \
    X(mid_part_all, mid_part_all(c->rq, 100, &got.text, &got.bytes))                                                   \
    X(mid_body_json, mid_body_json(c->rq, 100, &got.json))                                                             \
    X(mid_defer, NO_ERROR((mid_defer(c->rq, do_nothing, NULL), 0)))                                                    \
    X(mid_form, mid_form(c->rq, "a", &got.text))                                                                       \
    X(mid_form_int, mid_form_int(c->rq, "a", 0, 9, 1, &got.number))                                                    \
    X(mid_release, NO_ERROR((mid_release(c->rq), 0)))                                                                  \
    X(mid_alloc, NO_ERROR(mid_alloc(c->rq, 100)))                                                                      \
    X(mid_printf, NO_ERROR(mid_printf(c->rq, "%d", 1)))                                                                \
    X(mid_set_header, mid_set_header(c->rq, "X-Call", "1"))                                                            \
    X(mid_add_header, mid_add_header(c->rq, "X-Call", "1"))                                                            \
    X(mid_set_cookie, mid_set_cookie(c->rq, &(struct mid_cookie){.name = "call", .value = "1"}))                       \
    X(mid_redirect, mid_redirect(c->rq, 0, "/calls"))                                                                  \
    X(mid_respond, mid_respond(c->rq, 200, "text/plain", "x", 1))                                                      \
    X(mid_respond_text, mid_respond_text(c->rq, 200, "x"))                                                             \
    X(mid_respond_printf, mid_respond_printf(c->rq, 200, "text/plain", "x"))                                           \
    X(mid_respond_json, mid_respond_json(c->rq, 200, "{}"))                                                            \
    X(mid_respond_empty, mid_respond_empty(c->rq, 204))                                                                \
    X(mid_fail, mid_fail(c->rq, MID_FORBIDDEN, "as asked"))                                                            \
    X(mid_stream_begin, mid_stream_begin(c->rq, 200, "text/plain"))                                                    \
    X(mid_stream_write, mid_stream_write(c->rq, "x", 1))                                                               \
    X(mid_stream_printf, mid_stream_printf(c->rq, "x"))                                                                \
    X(mid_events_begin, mid_events_begin(c->rq))                                                                       \
    X(mid_event_send, mid_event_send(c->rq, &(struct mid_event){.data = "x"}))                                         \
    X(mid_event_printf, mid_event_printf(c->rq, &(struct mid_event){.name = "n"}, "x"))                                \
    X(mid_event_json, mid_event_json(c->rq, &(struct mid_event){.name = "n"}, "{s:i}", "a", 1))                        \
    X(mid_rows_begin, mid_rows_begin(c->rq))                                                                           \
    X(mid_row_printf, mid_row_printf(c->rq, "1"))                                                                      \
    X(mid_row_json, mid_row_json(c->rq, "{s:i}", "a", 1))                                                              \
    X(mid_stream_outlive_client, NO_ERROR((mid_stream_outlive_client(c->rq), 0)))                                      \
    X(mid_sleep_ms, mid_sleep_ms(c->rq, 1))                                                                            \
    X(mid_wait, mid_wait(c->rq, pipe_that_is_silent(), POLLIN, 1))                                                     \
    X(mid_offload, mid_offload(c->rq, do_nothing, NULL))                                                               \
    X(mid_unix_ms, NO_ERROR(mid_unix_ms()))                                                                            \
    X(mid_after_response, mid_after_response(c->rq, do_nothing_after, NULL))                                           \
    X(mid_allow_missing_origin, NO_ERROR((mid_allow_missing_origin(c->rq), 0)))                                        \
    X(mid_set_durability, NO_ERROR((mid_set_durability(c->rq, MID_DURABLE_MEMORY), 0)))                                \
    X(mid_session_open, mid_session_open(c->rq, &got.session))                                                         \
    X(mid_session_find, mid_session_find(c->rq, &got.session))                                                         \
    X(mid_session_get, mid_session_get(c->session, "a", &got.text))                                                    \
    X(mid_session_get_int, mid_session_get_int(c->session, "b", 0, &got.number))                                       \
    X(mid_session_each, mid_session_each(c->session, do_nothing_with, NULL))                                           \
    X(mid_session_refresh, mid_session_refresh(c->session))                                                            \
    X(mid_session_wait, mid_session_wait(c->session, 1))                                                               \
    X(mid_session_changed, NO_ERROR(mid_session_changed(c->session, "a")))                                             \
    X(mid_session_info, mid_session_info(c->session, &got.session_info))                                               \
    X(mid_session_set, mid_session_set(c->session, "a", "1"))                                                          \
    X(mid_session_set_bytes, mid_session_set_bytes(c->session, "a", "1", 1))                                           \
    X(mid_session_set_int, mid_session_set_int(c->session, "a", 1))                                                    \
    X(mid_session_set_for, mid_session_set_for(c->session, "a", "1", 1000))                                            \
    X(mid_session_delete, mid_session_delete(c->session, "a"))                                                         \
    X(mid_session_increment, mid_session_increment(c->session, "b", 1))                                                \
    X(mid_session_append, mid_session_append(c->session, "a", "1", 10))                                                \
    X(mid_session_commit, mid_session_commit(c->session))                                                              \
    X(mid_session_take, mid_session_take(c->session, "a", &got.text))                                                  \
    X(mid_session_set_if_absent, mid_session_set_if_absent(c->session, "a", "1", &got.flag))                           \
    X(mid_session_compare_and_set, mid_session_compare_and_set(c->session, "a", "1", "2", &got.flag))                  \
    X(mid_session_renew, mid_session_renew(c->session, "grace"))                                                       \
    X(mid_session_describe, mid_session_describe(c->session, "127.0.0.1", "a\xff\n"))                                  \
    X(mid_require_login, mid_require_login(c->rq, 0, &got.text))                                                       \
    X(mid_user_begin_login, mid_user_begin_login(c->session, "grace"))                                                 \
    X(mid_user_sessions, mid_user_sessions(c->rq, "grace", do_nothing_with_session, NULL))                             \
    X(mid_user_end_session, mid_user_end_session(c->rq, "grace", "00112233445566778899aabbccddeeff", NULL))            \
    X(mid_user_end_others, mid_user_end_others(c->session, &got.number))                                               \
    X(mid_user_end_all, mid_user_end_all(c->rq, "grace", &got.number))                                                 \
    X(mid_form_token, mid_form_token(c->session, &got.text))                                                           \
    X(mid_form_token_check, mid_form_token_check(c->session, "x"))                                                     \
    X(mid_session_destroy, mid_session_destroy(c->session))                                                            \
    X(mid_redis_command, mid_redis_command(c->rq, 1, ping, &got.value))                                                \
    X(mid_redis, mid_redis(c->rq, &got.value, "PING"))                                                                 \
    X(mid_task_new_id, NO_ERROR((mid_task_new_id("calls", got.id), 0)))                                                \
    X(mid_task_enqueue, mid_task_enqueue(c->rq, "nothing", NULL, 0, &in_queue, got.id))                                \
    X(mid_task_state_name, NO_ERROR(mid_task_state_name(MID_TASK_DONE)))                                               \
    X(mid_task_find, mid_task_find(c->rq, some_id(), &got.task_info))                                                  \
    X(mid_task_cancel, mid_task_cancel(c->rq, some_id()))                                                              \
    X(mid_durable_create, mid_durable_create(c->rq, "calls", NULL, &got.log))                                          \
    X(mid_durable_find, mid_durable_find(c->rq, "calls", NULL, &got.log))                                              \
    X(mid_durable_tail, NO_ERROR(mid_durable_tail(c->log)))                                                            \
    X(mid_durable_start, NO_ERROR(mid_durable_start(c->log)))                                                          \
    X(mid_durable_is_closed, NO_ERROR(mid_durable_is_closed(c->log)))                                                  \
    X(mid_durable_content_type, NO_ERROR(mid_durable_content_type(c->log)))                                            \
    X(mid_durable_append, mid_durable_append(c->log, "x", 1))                                                          \
    X(mid_durable_append_event, mid_durable_append_event(c->log, "n", "x"))                                            \
    X(mid_durable_commit, mid_durable_commit(c->log, &some_entry))                                                     \
    X(mid_durable_read, mid_durable_read(c->log, 0, 10, &got.piece))                                                   \
    X(mid_durable_wait, mid_durable_wait(c->log, 0, 10))                                                               \
    X(mid_durable_close, mid_durable_close(c->log))                                                                    \
    X(mid_durable_delete, mid_durable_delete(c->log))                                                                  \
    X(mid_log, NO_ERROR((mid_log(c->rq, MID_DEBUG, "call", "a=%d", 1), 0)))

/* These need a task, so there is no other state to call them in. */
#define TASK_CALLS(X)                                                                                                  \
    X(mid_task_id, NO_ERROR(mid_task_id(c->task)))                                                                     \
    X(mid_task_attempt, NO_ERROR(mid_task_attempt(c->task)))                                                           \
    X(mid_task_payload, NO_ERROR(mid_task_payload(c->task, &got.bytes)))                                               \
    X(mid_task_session, mid_task_session(c->task, &got.session))                                                       \
    X(mid_task_commit, mid_task_commit(c->task, "step", &got.flag))                                                    \
    X(mid_task_progress, mid_task_progress(c->task, 1, 2))                                                             \
    X(mid_task_is_cancelled, NO_ERROR(mid_task_is_cancelled(c->task)))                                                 \
    X(mid_task_result, mid_task_result(c->task, "done"))

static const struct mid_task_options in_queue = {.queue = "calls"};

static const char *some_id(void)
{
    static char id[MID_TASK_ID_BYTES];
    mid_task_new_id("calls", id);
    return id;
}

static int pipe_that_is_silent(void)
{
    static int ends[2] = {-1, -1};
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    return ends[0];
}

#define CALL_FUNCTION(name, expression)                                                                                \
    static enum mid_error call_##name(struct call *c)                                                                  \
    {                                                                                                                  \
        (void)c;                                                                                                       \
        return (expression);                                                                                           \
    }
CALLS(CALL_FUNCTION)
TASK_CALLS(CALL_FUNCTION)

#define CALL_ROW(name, expression) {#name, call_##name},
static const struct {
    const char *name;
    enum mid_error (*make)(struct call *c);
} calls[] = {CALLS(CALL_ROW) TASK_CALLS(CALL_ROW)};

enum { CALL_COUNT = sizeof(calls) / sizeof(calls[0]) };

/* -------------------- notes -------------------- */

static void note(struct mid_request *rq, const char *name, const char *state, const char *what)
{
    const char *line = mid_printf(rq, "%s %s %s\n", state, name, what);
    int fd = open(mid_printf(rq, "%s/calls", getenv("STAGE")), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        abort();
    close(fd);
}

static void make(struct call *c, const char *name, const char *state)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (strcmp(calls[i].name, name) == 0)
            note(c->rq, name, state, mid_error_name(calls[i].make(c)));
}

/* -------------------- states -------------------- */

/* What the careless do next, whatever has happened. */
static void carry_on(struct call *c)
{
    (void)!mid_stream_begin(c->rq, 200, "text/plain");
    (void)!mid_stream_printf(c->rq, "x");
    (void)!mid_event_send(c->rq, &(struct mid_event){.data = "x"});
    (void)!mid_row_printf(c->rq, "1");
    (void)!mid_row_json(c->rq, "[]");
    (void)!mid_sleep_ms(c->rq, 1);
    (void)!mid_session_set(c->session, "carried", "on");
    (void)!mid_session_commit(c->session);
}

/* Until the client has disconnected, or the worker has to. */
static void wait_for_trouble(struct call *c, const char *name, const char *state)
{
    note(c->rq, name, state, "waits");
    while (mid_sleep_ms(c->rq, 10) == MID_OK)
        continue;
}

static void make_after(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    struct call *c = arg;
    (void)outcome;
    make(c, mid_param(rq, "call"), "after");
}

typedef void state_fn(struct call *c, const char *name, const char *state);

static void fresh(struct call *c, const char *name, const char *state)
{
    make(c, name, state);
}

static void without_session(struct call *c, const char *name, const char *state)
{
    c->session = NULL;
    make(c, name, state);
}

static void answered(struct call *c, const char *name, const char *state)
{
    (void)!mid_respond_text(c->rq, 200, "answered");
    make(c, name, state);
}

/* Also of a HEAD, for which there is none. */
static void streaming(struct call *c, const char *name, const char *state)
{
    (void)!mid_stream_begin(c->rq, 200, "text/plain");
    make(c, name, state);
}

static void trouble(struct call *c, const char *name, const char *state)
{
    wait_for_trouble(c, name, state);
    make(c, name, state);
    carry_on(c);
}

static void trouble_in_stream(struct call *c, const char *name, const char *state)
{
    (void)!mid_stream_begin(c->rq, 200, "text/plain");
    trouble(c, name, state);
}

static void outliving(struct call *c, const char *name, const char *state)
{
    wait_for_trouble(c, name, state);
    mid_stream_outlive_client(c->rq);
    make(c, name, state);
    carry_on(c);
}

static void after(struct call *c, const char *name, const char *state)
{
    struct call *later = mid_alloc(c->rq, sizeof(*later));
    *later = *c;
    (void)name, (void)state;
    (void)mid_after_response(c->rq, make_after, later);
}

static const struct {
    const char *name;
    state_fn *fn;
} states[] = {
    {"fresh", fresh},
    {"no-session", without_session},
    {"answered", answered},
    {"head", streaming},
    {"streaming", streaming},
    {"gone", trouble},
    {"gone-in-stream", trouble_in_stream},
    {"gone-outlived", outliving},
    {"draining", trouble},
    {"draining-in-stream", trouble_in_stream},
    {"after", after},
};

enum mid_error call_route(struct mid_request *rq)
{
    struct call c = {.rq = rq};
    (void)!mid_session_open(rq, &c.session);
    if (strncmp(mid_param(rq, "call"), "mid_durable_", strlen("mid_durable_")) == 0)
        MID_TRY(mid_durable_create(rq, "calls", NULL, &c.log));
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i].name, mid_param(rq, "state")) == 0)
            states[i].fn(&c, mid_param(rq, "call"), states[i].name);
    (void)!mid_respond_text(rq, 200, "over");
    return MID_OK;
}

enum mid_error calls_route(struct mid_request *rq)
{
    const char *list = "";
    for (size_t i = 0; i < CALL_COUNT; i++)
        list = mid_printf(rq, "%s%s\n", list, calls[i].name);
    return mid_respond_text(rq, 200, list);
}

/* -------------------- in a task -------------------- */

/* All of them, one task each would be slow; but not the end of the session before the others have had it. */
enum mid_error calls_task(struct mid_request *rq, struct mid_task *task)
{
    struct call c = {.rq = rq, .task = task};
    (void)!mid_task_session(task, &c.session);
    MID_TRY(mid_durable_create(rq, "calls", NULL, &c.log));
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (strcmp(calls[i].name, "mid_session_destroy") != 0)
            make(&c, calls[i].name, "task");
    make(&c, "mid_session_destroy", "task");
    note(rq, "-", "task", "over");
    return MID_OK;
}

enum mid_error nothing_task(struct mid_request *rq, struct mid_task *task)
{
    (void)rq, (void)task;
    return MID_OK;
}

enum mid_error add_calls_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set(session, "a", "1"));
    MID_TRY(mid_task_enqueue(rq, "calls", NULL, 0, NULL, NULL));
    return mid_respond_empty(rq, 202);
}
