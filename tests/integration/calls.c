/*
 * Every function of midstream.h, in every state in which a careless handler might call it: the worker goes on, and the
 * result is the documented one. The handlers (app/calls.c) look at no result, and return MID_OK.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

enum { CALLS_MAX = 128 };

/* -------------------- a client of which no answer is asked -------------------- */

/* Sends the request to nginx; gives the descriptor. */
static int ask(const struct stage *stage, const char *method, const char *path)
{
    int port = atoi(strrchr(stage->site.stack->url, ':') + 1);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0);
    OWNED char *request = text_printf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path);
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

static void read_to_end(int fd)
{
    char bytes[4096];
    struct pollfd wish = {.fd = fd, .events = POLLIN};
    while (poll(&wish, 1, PATIENCE_MS) == 1 && recv(fd, bytes, sizeof(bytes), 0) > 0)
        continue;
    close(fd);
}

/* -------------------- the calls -------------------- */

static char *calls_text; /* the names, each with a NUL behind it */
static const char *calls[CALLS_MAX];
static size_t call_count;

static bool is_for_tasks(const char *call)
{
    static const char *const names[] = {"mid_task_id",           "mid_task_attempt", "mid_task_payload",
                                        "mid_task_session",      "mid_task_commit",  "mid_task_progress",
                                        "mid_task_is_cancelled", "mid_task_result"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], call) == 0)
            return true;
    return false;
}

static void list_calls(const struct stage *stage)
{
    calls_text = site_get(&stage->site, "/calls");
    for (char *name = strtok(calls_text, "\n"); name != NULL; name = strtok(NULL, "\n")) {
        cr_assert_lt(call_count, CALLS_MAX);
        calls[call_count++] = name;
    }
}

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < call_count; i++)
        if (strcmp(calls[i], name) == 0)
            return true;
    return false;
}

/* -------------------- results -------------------- */

struct result_wish {
    const struct stage *stage;
    char *line; /* its beginning */
    char *result;
};

static bool has_result(void *arg)
{
    struct result_wish *wish = arg;
    OWNED char *path = text_printf("%s/calls", wish->stage->dir);
    OWNED char *notes = file_read(path, NULL);
    size_t length = strlen(wish->line);
    /* A line without its end is being written. */
    for (char *at = notes, *end; at != NULL && wish->result == NULL && (end = strchr(at, '\n')) != NULL; at = end + 1)
        if (strncmp(at, wish->line, length) == 0)
            wish->result = strndup(at + length, (size_t)(end - at) - length);
    return wish->result != NULL;
}

/* "waits", or the name of an error; the caller's to free. */
static char *await_note(const struct stage *stage, const char *state, const char *call, const char *what)
{
    struct result_wish wish = {.stage = stage, .line = text_printf("%s %s %s", state, call, what)};
    cr_assert(wait_until(has_result, &wish, PATIENCE_MS), "no note begins with \"%s\"", wish.line);
    free(wish.line);
    return wish.result;
}

/* How a call may end in a state, by the header. An empty list: the header promises nothing but that it returns. */
struct expectation {
    const char *state;
    const char *calls; /* each between spaces */
    const char *result;
};

#define SENDING    " mid_stream_write mid_stream_printf mid_event_send mid_row_printf "
#define BEGINNING  " mid_stream_begin mid_events_begin mid_rows_begin "
#define RESPONDING " mid_respond mid_respond_text mid_respond_json mid_respond_printf mid_respond_empty mid_redirect "
#define READING    " mid_session_get mid_session_get_int mid_session_each mid_session_refresh mid_session_info "
#define RECORDING                                                                                                      \
    " mid_session_set mid_session_set_bytes mid_session_set_int mid_session_set_for mid_session_delete "               \
    "mid_session_increment mid_session_append "
#define ASKING " mid_session_take mid_session_set_if_absent mid_session_compare_and_set "
#define SESSION                                                                                                        \
    READING RECORDING ASKING                                                                                           \
        " mid_session_commit mid_session_renew mid_form_token mid_form_token_check mid_session_destroy "

#define DURABLE                                                                                                        \
    " mid_durable_create mid_durable_find mid_durable_append mid_durable_append_event mid_durable_commit "             \
    "mid_durable_read mid_durable_close mid_durable_delete "

static const struct expectation expectations[] = {
    {"fresh", SENDING, "MID_NO_HEAD"},
    {"fresh", DURABLE, "MID_OK"},
    {"fresh",
     BEGINNING RESPONDING RECORDING
     " mid_set_header mid_add_header mid_set_cookie mid_sleep_ms mid_offload mid_session_commit ",
     "MID_OK"},
    {"no-session", SESSION, "MID_ENDED"},
    {"answered", BEGINNING RESPONDING, "MID_HEAD_SENT"},
    {"answered", SENDING, "MID_NO_HEAD"},
    {"answered", " mid_set_header mid_add_header mid_set_cookie mid_session_renew mid_session_commit ", "MID_OK"},
    {"answered", DURABLE, "MID_OK"},
    {"head", SENDING, "MID_GONE"},
    {"head", BEGINNING RESPONDING " mid_set_header mid_add_header mid_set_cookie mid_session_renew mid_body_read ",
     "MID_HEAD_SENT"},
    {"streaming", SENDING RECORDING " mid_session_commit mid_sleep_ms mid_offload ", "MID_OK"},
    {"streaming", BEGINNING RESPONDING " mid_set_header mid_add_header mid_set_cookie mid_session_renew mid_body_read ",
     "MID_HEAD_SENT"},
    {"streaming", DURABLE, "MID_OK"},
    {"gone", SENDING, "MID_NO_HEAD"},
    {"gone", BEGINNING " mid_sleep_ms mid_wait ", "MID_GONE"},
    {"gone", " mid_offload mid_session_commit " RECORDING, "MID_OK"},
    {"gone", DURABLE, "MID_OK"},
    {"gone", " mid_durable_wait ", "MID_GONE"},
    {"gone-in-stream", SENDING " mid_sleep_ms mid_wait ", "MID_GONE"},
    {"gone-in-stream", BEGINNING RESPONDING " mid_set_header mid_add_header mid_set_cookie mid_session_renew ",
     "MID_HEAD_SENT"},
    {"gone-in-stream", " mid_offload mid_session_commit " RECORDING, "MID_OK"},
    {"gone-in-stream", DURABLE, "MID_OK"},
    {"gone-in-stream", " mid_durable_wait ", "MID_GONE"},
    {"gone-outlived", BEGINNING " mid_sleep_ms mid_offload mid_session_commit ", "MID_OK"},
    {"gone-outlived", SENDING, "MID_NO_HEAD"},
    {"gone-outlived", DURABLE, "MID_OK"},
    {"draining", BEGINNING " mid_sleep_ms mid_wait ", "MID_DRAINING"},
    {"draining", " mid_offload mid_session_commit " RESPONDING RECORDING, "MID_OK"},
    {"draining", DURABLE, "MID_OK"},
    {"draining", " mid_durable_wait ", "MID_DRAINING"},
    {"draining-in-stream", SENDING " mid_sleep_ms mid_wait ", "MID_DRAINING"},
    {"draining-in-stream", BEGINNING RESPONDING " mid_set_header mid_add_header mid_set_cookie mid_session_renew ",
     "MID_HEAD_SENT"},
    {"draining-in-stream", " mid_offload mid_session_commit " RECORDING, "MID_OK"},
    {"draining-in-stream", DURABLE, "MID_OK"},
    {"draining-in-stream", " mid_durable_wait ", "MID_DRAINING"},
    {"after", SENDING, "MID_NO_HEAD"},
    {"after", BEGINNING RESPONDING " mid_set_header mid_add_header mid_set_cookie mid_session_renew mid_body_read ",
     "MID_HEAD_SENT"},
    {"after", " mid_sleep_ms mid_offload mid_session_commit mid_after_response " RECORDING, "MID_OK"},
    {"after", DURABLE, "MID_OK"},
    {"task", SENDING, "MID_NO_HEAD"},
    {"task", BEGINNING RESPONDING " mid_set_header mid_add_header mid_set_cookie mid_session_renew mid_body_read ",
     "MID_HEAD_SENT"},
    {"task", " mid_after_response ", "MID_FAILED"},
    {"task", DURABLE, "MID_OK"},
    {"task",
     " mid_sleep_ms mid_offload mid_session_commit mid_task_commit mid_task_progress mid_task_result " RECORDING,
     "MID_OK"},
};

static bool names(const char *list, const char *call)
{
    OWNED char *wanted = text_printf(" %s ", call);
    bool is_there = strstr(list, wanted) != NULL;
    return is_there;
}

static void check_result(const struct stage *stage, const char *state, const char *call)
{
    OWNED char *result = await_note(stage, state, call, "MID_");
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        const struct expectation *expected = &expectations[i];
        if (strcmp(expected->state, state) == 0 && names(expected->calls, call))
            cr_expect_str_eq(result, expected->result + strlen("MID_"), "%s, %s: MID_%s, not %s", state, call, result,
                             expected->result);
    }
}

/* -------------------- a worker that goes on -------------------- */

static struct stage open_stage(void)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_RELOAD_TIMEOUT_MS=4000", "MIDSTREAM_SESSION_NEW_MAX=0"));
    list_calls(&stage);
    return stage;
}

static void close_stage(struct stage *stage, pid_t worker)
{
    cr_expect_eq(site_worker(&stage->site), worker, "the worker was replaced");
    OWNED char *log = site_log(&stage->site);
    cr_expect_null(strstr(log, "worker.killed"), "a worker crashed:\n%s", log);
    free(calls_text);
    stage_close(stage);
}

static void call_all(const struct stage *stage, const char *method, const char *state)
{
    for (size_t i = 0; i < call_count; i++) {
        if (is_for_tasks(calls[i]))
            continue;
        OWNED char *path = text_printf("/call/%s/%s", state, calls[i]);
        read_to_end(ask(stage, method, path));
        check_result(stage, state, calls[i]);
    }
}

/* With a client that leaves as soon as the handler waits. */
static void call_all_and_leave(const struct stage *stage, const char *state)
{
    for (size_t i = 0; i < call_count; i++) {
        if (is_for_tasks(calls[i]))
            continue;
        OWNED char *path = text_printf("/call/%s/%s", state, calls[i]);
        int fd = ask(stage, "GET", path);
        free(await_note(stage, state, calls[i], "waits"));
        close(fd);
        check_result(stage, state, calls[i]);
    }
}

#define CALL_TEST(name, call_state)                                                                                    \
    Test(calls, name)                                                                                                  \
    {                                                                                                                  \
        struct stage stage = open_stage();                                                                             \
        pid_t worker = site_worker(&stage.site);                                                                       \
        call_state;                                                                                                    \
        close_stage(&stage, worker);                                                                                   \
    }

CALL_TEST(at_the_beginning, call_all(&stage, "GET", "fresh"))
CALL_TEST(on_a_session_that_is_not_there, call_all(&stage, "GET", "no-session"))
CALL_TEST(when_the_response_is_prepared, call_all(&stage, "GET", "answered"))
CALL_TEST(of_a_head_that_reached_a_stream, call_all(&stage, "HEAD", "head"))
CALL_TEST(in_a_stream, call_all(&stage, "GET", "streaming"))
CALL_TEST(when_the_client_left_before_the_head, call_all_and_leave(&stage, "gone"))
CALL_TEST(when_the_client_left_in_a_stream, call_all_and_leave(&stage, "gone-in-stream"))
CALL_TEST(when_the_handler_outlives_its_client, call_all_and_leave(&stage, "gone-outlived"))
CALL_TEST(after_the_response, call_all(&stage, "GET", "after"))

/* All at once: a worker drains only once. */
Test(calls, when_the_worker_has_to_go)
{
    static const char *const drained[] = {"draining", "draining-in-stream"};
    int fds[2 * CALLS_MAX];
    size_t fd_count = 0;
    struct stage stage = open_stage();
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < call_count; i++) {
            if (is_for_tasks(calls[i]))
                continue;
            OWNED char *path = text_printf("/call/%s/%s", drained[k], calls[i]);
            fds[fd_count++] = ask(&stage, "GET", path);
            free(await_note(&stage, drained[k], calls[i], "waits"));
        }
    }
    pid_t old = site_worker(&stage.site);
    process_signal(stage.site.stack->master, SIGHUP);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < call_count; i++)
            if (!is_for_tasks(calls[i]))
                check_result(&stage, drained[k], calls[i]);
    for (size_t i = 0; i < fd_count; i++)
        read_to_end(fds[i]);
    site_wait_new_worker(&stage.site, old);
    close_stage(&stage, site_worker(&stage.site));
}

Test(calls, in_a_task)
{
    struct stage stage = open_stage();
    pid_t worker = stage_task_worker(&stage);
    cr_assert_eq(site_send(&stage.site, "POST", "/call-task", "", NULL), 202);
    free(await_note(&stage, "task", "-", "over"));
    for (size_t i = 0; i < call_count; i++)
        check_result(&stage, "task", calls[i]);
    cr_expect_eq(stage_task_worker(&stage), worker, "the task worker was replaced");
    close_stage(&stage, site_worker(&stage.site));
}

/* The program itself, and what tests call (tests/handlers): nothing that a handler calls. */
static bool is_program(const char *name)
{
    return strcmp(name, "mid_main") == 0 || strcmp(name, "mid_run") == 0 || strcmp(name, "mid_task_register") == 0 ||
           strncmp(name, "mid_test_", 9) == 0;
}

/* Returns how many functions the header declares. */
static size_t check_header(const char *path)
{
    size_t found = 0;
    OWNED char *header = file_read(path, NULL);
    cr_assert_not_null(header, "%s", path);
    for (char *at = strstr(header, "\nMID_PUBLIC "); at != NULL; at = strstr(at, "\nMID_PUBLIC ")) {
        char *name = at + strlen("\nMID_PUBLIC ");
        char *bracket = strchr(name, '(');
        at = bracket;
        while (bracket[-1] == '_' || (bracket[-1] >= 'a' && bracket[-1] <= 'z'))
            bracket--;
        OWNED char *function = strndup(bracket, strcspn(bracket, "("));
        if (!is_program(function))
            cr_expect(is_listed(function), "%s of %s is not called by tests/integration/app/calls.c", function, path);
        found++;
    }
    return found;
}

/* A function that is added to a header is added here, too. */
Test(calls, all_of_the_headers_are_there)
{
    struct stage stage = open_stage();
    glob_t headers;
    size_t found = 0;
    cr_assert_eq(glob("app/include/midstream/*.h", 0, NULL, &headers), 0);
    for (size_t i = 0; i < headers.gl_pathc; i++)
        found += check_header(headers.gl_pathv[i]);
    globfree(&headers);
    cr_expect_gt(found, 80);
    close_stage(&stage, site_worker(&stage.site));
}
