/*
 * An application of tasks that go well, fail, hang, crash and are counted, for tests/integration/tasks.c and
 * tests/fault. It is compiled with the public header alone.
 *
 * Every task appends a line to the file $TASK_LOG when it begins, and one when its handler returns: what happened is
 * told by something that no crash of Redis or a worker can take back.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "midstream.h"

enum { HOUR_MS = 3600 * 1000 };

static void note(const char *what, const struct mid_task *task)
{
    char line[256];
    const char *path = getenv("TASK_LOG");
    int fd = open(path != NULL ? path : "/dev/null", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    int length = snprintf(line, sizeof(line), "%s %s %d %d %" PRId64 "\n", what, mid_task_id(task),
                          mid_task_attempt(task), (int)getpid(), mid_unix_ms());
    if (fd < 0 || write(fd, line, (size_t)length) != length)
        abort();
    close(fd);
}

static int64_t payload_number(const struct mid_task *task)
{
    return strtoll(mid_task_payload(task, NULL), NULL, 10);
}

/* -------------------- tasks -------------------- */

static enum mid_error empty_task(struct mid_request *rq, struct mid_task *task)
{
    (void)rq, (void)task;
    return MID_OK;
}

/* Sleeps for as many milliseconds as the payload says. */
static enum mid_error sleep_task(struct mid_request *rq, struct mid_task *task)
{
    note("begin", task);
    enum mid_error error = mid_sleep_ms(rq, payload_number(task));
    note(mid_error_name(error), task);
    return error;
}

static void nap(void *arg)
{
    (void)arg;
    usleep(10000);
}

/* The same, deaf to whatever it is told. */
static enum mid_error deaf_task(struct mid_request *rq, struct mid_task *task)
{
    note("begin", task);
    int64_t end_ms = mid_unix_ms() + payload_number(task);
    while (mid_unix_ms() < end_ms)
        MID_TRY(mid_offload(rq, nap, NULL));
    note("end", task);
    return MID_OK;
}

static enum mid_error fail_task(struct mid_request *rq, struct mid_task *task)
{
    note("begin", task);
    return mid_fail(rq, MID_FAILED, "it was asked to");
}

static enum mid_error crash_task(struct mid_request *rq, struct mid_task *task)
{
    note("begin", task);
    (void)!mid_sleep_ms(rq, payload_number(task));
    volatile int *nowhere = NULL;
    *nowhere = 1;
    return MID_OK;
}

static volatile int turns;

static enum mid_error spin_task(struct mid_request *rq, struct mid_task *task)
{
    (void)rq;
    note("begin", task);
    while (turns >= 0)
        turns = 1;
    return MID_OK;
}

/* Counts in the session: `once` as a step, `plain` without one; fails, until the attempt that the payload names. */
static enum mid_error count_task(struct mid_request *rq, struct mid_task *task)
{
    struct mid_session *session;
    bool was_applied;
    note("begin", task);
    MID_TRY(mid_task_session(task, &session));
    MID_TRY(mid_session_increment(session, "once", 1));
    MID_TRY(mid_task_commit(task, "first", &was_applied));
    note(was_applied ? "applied" : "skipped", task);
    MID_TRY(mid_session_increment(session, "plain", 1));
    MID_TRY(mid_session_commit(session));
    if (mid_task_attempt(task) < payload_number(task))
        return mid_fail(rq, MID_FAILED, "not yet");
    MID_TRY(mid_session_increment(session, "end", 1));
    return MID_OK;
}

/* Waits, and writes the session then: a worker that was stopped meanwhile does not own the task any more. */
static enum mid_error late_task(struct mid_request *rq, struct mid_task *task)
{
    struct mid_session *session;
    note("begin", task);
    MID_TRY(mid_task_session(task, &session));
    int64_t end_ms = mid_unix_ms() + payload_number(task);
    while (mid_unix_ms() < end_ms)
        MID_TRY(mid_offload(rq, nap, NULL));
    MID_TRY(mid_session_increment(session, "late", 1));
    enum mid_error error = mid_session_commit(session);
    note(mid_error_name(error), task);
    return error;
}

/* One step and one increment, with a pause between that gives a test time to kill. */
static enum mid_error step_task(struct mid_request *rq, struct mid_task *task)
{
    struct mid_session *session;
    note("begin", task);
    MID_TRY(mid_sleep_ms(rq, payload_number(task)));
    enum mid_error error = mid_task_session(task, &session);
    if (error == MID_NOT_FOUND)
        return MID_OK;
    MID_TRY(error);
    MID_TRY(mid_session_increment(session, "steps", 1));
    MID_TRY(mid_task_commit(task, "step", NULL));
    return mid_sleep_ms(rq, payload_number(task));
}

/* Keeps its id in the application's own part of Redis. */
static enum mid_error keep_task(struct mid_request *rq, struct mid_task *task)
{
    const char *id = mid_task_id(task);
    const struct mid_redis_value *value;
    return mid_redis_command(rq, 3, (struct mid_redis_argument[]){{"SET", 3}, {"app:kept", 8}, {id, strlen(id)}},
                             &value);
}

/* Adds another task, from a task. */
static enum mid_error parent_task(struct mid_request *rq, struct mid_task *task)
{
    struct mid_session *session;
    char id[MID_TASK_ID_BYTES];
    MID_TRY(mid_task_session(task, &session));
    MID_TRY(mid_task_enqueue(rq, "count", "1", 1, NULL, id));
    return mid_task_result(task, id);
}

static const struct mid_task_type tasks[] = {
    {"empty", empty_task}, {"sleep", sleep_task}, {"deaf", deaf_task},     {"fail", fail_task},
    {"crash", crash_task}, {"spin", spin_task},   {"count", count_task},   {"late", late_task},
    {"step", step_task},   {"keep", keep_task},   {"parent", parent_task}, {0},
};

/* -------------------- routes -------------------- */

static enum mid_error null_route(struct mid_request *rq)
{
    return mid_respond_json(rq, 200, "{}\n");
}

/* Makes a session, which the tasks of the visitor then write. */
static enum mid_error session_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set(session, "made", "1"));
    return mid_respond_empty(rq, 204);
}

static enum mid_error logout_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_destroy(session));
    return mid_respond_empty(rq, 204);
}

static enum mid_error add_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *payload;
    size_t bytes;
    int64_t attempts;
    char id[MID_TASK_ID_BYTES];
    struct mid_task_options options = {
        .queue = mid_query(rq, "queue"), .dedup_key = mid_query(rq, "dedup"), .id = mid_query(rq, "id")};
    MID_TRY(mid_query_int(rq, "delay_ms", 0, HOUR_MS, 0, &options.delay_ms));
    MID_TRY(mid_query_int(rq, "deadline_ms", 0, HOUR_MS, 0, &options.deadline_ms));
    MID_TRY(mid_query_int(rq, "attempts", 0, 100, 0, &attempts));
    options.attempts = (int)attempts;
    MID_TRY(mid_body_all(rq, 1024 * 1024, &payload, &bytes));
    MID_TRY(mid_session_find(rq, &session));
    MID_TRY(mid_task_enqueue(rq, mid_param(rq, "name"), payload, bytes, &options, id));
    return mid_respond_text(rq, 202, id);
}

/* So many of a name in one request. */
static enum mid_error add_many_route(struct mid_request *rq)
{
    int64_t count;
    MID_TRY(mid_query_int(rq, "count", 1, 100000, 1, &count));
    for (int64_t i = 0; i < count; i++)
        MID_TRY(mid_task_enqueue(rq, mid_param(rq, "name"), NULL, 0, NULL, NULL));
    return mid_respond_empty(rq, 202);
}

static enum mid_error new_id_route(struct mid_request *rq)
{
    char id[MID_TASK_ID_BYTES];
    mid_task_new_id(NULL, id);
    return mid_respond_text(rq, 200, id);
}

static enum mid_error find_route(struct mid_request *rq)
{
    struct mid_task_info info;
    MID_TRY(mid_task_find(rq, mid_param(rq, "id"), &info));
    return mid_respond_text(rq, 200,
                            mid_printf(rq, "%s %d/%d %s %s", mid_task_state_name(info.state), info.attempt,
                                       info.attempts, info.error, info.result));
}

static enum mid_error cancel_route(struct mid_request *rq)
{
    MID_TRY(mid_task_cancel(rq, mid_param(rq, "id")));
    return mid_respond_empty(rq, 204);
}

static const struct mid_route routes[] = {
    MID_GET("/null", null_route),
    MID_POST("/session", session_route),
    MID_POST("/logout", logout_route),
    MID_POST("/add/{name}", add_route),
    MID_GET("/new-id", new_id_route),
    MID_GET("/task/{id}", find_route),
    MID_DELETE("/task/{id}", cancel_route),
    MID_POST("/add-many/{name}", add_many_route),
    {0},
};

int main(int argc, char **argv)
{
    mid_task_register(tasks);
    return mid_main(argc, argv, routes);
}
