/* A report that takes seconds: made by another process, while its progress stands in the visitor's session. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "routes/routes.h"

enum { SECONDS_MAX = 600, STEPS_PER_SECOND = 5 };

/* -------------------- the task -------------------- */

/* Some of the work: the session shows how far it is, and so does the task. */
static enum mid_error work_on(struct mid_request *rq, struct mid_task *task, int64_t step, int64_t steps)
{
    struct mid_session *session;
    MID_TRY(mid_task_session(task, &session));
    MID_TRY(mid_session_set_int(session, "report", step * 100 / steps));
    MID_TRY(mid_session_commit(session));
    MID_TRY(mid_task_progress(task, step, steps));
    return step < steps ? mid_sleep_ms(rq, 1000 / STEPS_PER_SECOND) : MID_OK;
}

static enum mid_error make_report(struct mid_request *rq, struct mid_task *task)
{
    struct mid_session *session;
    size_t bytes;
    int64_t steps = STEPS_PER_SECOND * strtoll(mid_task_payload(task, &bytes), NULL, 10);
    MID_TRY(mid_task_session(task, &session));
    for (int64_t step = 0; step <= steps; step++)
        MID_TRY(work_on(rq, task, step, steps));
    MID_TRY(mid_session_increment(session, "reports", 1)); /* once, whatever number of attempts it took */
    MID_TRY(mid_task_commit(task, "count", NULL));
    return mid_task_result(task, "The report is ready.");
}

static enum mid_error report_task(struct mid_request *rq, struct mid_task *task)
{
    enum mid_error error = make_report(rq, task);
    struct mid_session *session;
    if (error == MID_CANCELLED && mid_task_session(task, &session) == MID_OK) {
        MID_TRY(mid_session_delete(session, "report"));
        MID_TRY(mid_session_commit(session));
    }
    return error;
}

const struct mid_task_type tasks[] = {
    {"report", report_task},
    {0},
};

/* -------------------- the routes -------------------- */

enum mid_error create_report_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t seconds;
    char id[MID_TASK_ID_BYTES];
    MID_TRY(mid_query_int(rq, "seconds", 1, SECONDS_MAX, 5, &seconds));
    const char *payload = mid_printf(rq, "%" PRId64, seconds);
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set_int(session, "report", 0));
    MID_TRY(mid_task_enqueue(rq, "report", payload, strlen(payload), NULL, id));
    MID_TRY(mid_set_header(rq, "Location", mid_printf(rq, "/report/%s", id)));
    return mid_respond_json(rq, 202, "{s:s}", "id", id);
}

/* A visitor sees the reports of his own session only. */
static enum mid_error find_own(struct mid_request *rq, struct mid_task_info *info)
{
    struct mid_session *session;
    MID_TRY(mid_session_find(rq, &session));
    MID_TRY(mid_task_find(rq, mid_param(rq, "id"), info));
    return info->is_own ? MID_OK : mid_fail(rq, MID_NOT_FOUND, "there is no such report of yours");
}

enum mid_error report_route(struct mid_request *rq)
{
    struct mid_task_info info;
    MID_TRY(find_own(rq, &info));
    return mid_respond_json(rq, 200, "{s:s, s:I, s:I, s:i, s:i, s:s, s:s}", "state", mid_task_state_name(info.state),
                            "progress", (long long)info.progress, "total", (long long)info.total, "attempt",
                            info.attempt, "attempts", info.attempts, "result", info.result, "error", info.error);
}

enum mid_error cancel_report_route(struct mid_request *rq)
{
    struct mid_task_info info;
    MID_TRY(find_own(rq, &info));
    MID_TRY(mid_task_cancel(rq, mid_param(rq, "id")));
    return mid_respond_empty(rq, 204);
}
