/*
 * Work that goes on when the visitor leaves, and its progress as events to whoever looks: a background task does it, in
 * another process; a stream follows it through the session.
 *
 *     midstream-run ./progress
 *     curl -c jar -X POST URL/work; curl -N -b jar URL/work
 */
#include <midstream.h>

enum { STEPS = 20, STEP_MS = 100, LOOK_MS = 50 };

/* In a worker of `work`. It may be tried again after a crash: it goes on where the session says. */
static enum mid_error do_work(struct mid_request *rq, struct mid_task *task)
{
    struct mid_session *session;
    int64_t done;
    MID_TRY(mid_task_session(task, &session));
    MID_TRY(mid_session_get_int(session, "done", 0, &done));
    for (int64_t step = done + 1; step <= STEPS; step++) {
        MID_TRY(mid_sleep_ms(rq, STEP_MS)); /* the work */
        MID_TRY(mid_session_set_int(session, "done", step));
        MID_TRY(mid_session_commit(session));
        MID_TRY(mid_task_progress(task, step, STEPS));
    }
    return MID_OK;
}

/* A second POST while the task is under way gives the same one. */
static enum mid_error start_work(struct mid_request *rq)
{
    struct mid_session *session;
    char id[MID_TASK_ID_BYTES];
    mid_allow_missing_origin(rq); /* curl says nothing of where it comes from */
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set_int(session, "done", 0));
    MID_TRY(mid_task_enqueue(rq, "work", NULL, 0, NULL, id));
    MID_TRY(mid_session_set(session, "task", id));
    return mid_respond_json(rq, 202, "{s:s}", "id", id);
}

/* Until the work is done, at whatever step the client joins; one that comes back begins where the session is. */
static enum mid_error follow_work(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t told = -1;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_events_begin(rq));
    while (told < STEPS) {
        int64_t done;
        MID_TRY(mid_session_refresh(session));
        MID_TRY(mid_session_get_int(session, "done", 0, &done));
        if (done != told)
            MID_TRY(mid_event_json(rq, &(struct mid_event){.name = "progress"}, "{s:I,s:i}", "done", (long long)done,
                                   "of", STEPS));
        told = done;
        MID_TRY(mid_sleep_ms(rq, LOOK_MS));
    }
    return MID_OK;
}

static const struct mid_route routes[] = {MID_POST("/work", start_work), MID_GET("/work", follow_work), {0}};

static const struct mid_task_type tasks[] = {{"work", do_work}, {0}};

int main(int argc, char **argv)
{
    return mid_run(argc, argv, &(struct mid_app){.routes = routes, .tasks = tasks});
}
