/* Where acts are played: in a request, in its stream, after its response, in a background task. See app.h. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct part {
    const char *who;
    const char *acts;
};

static void play_after(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    const struct part *part = arg;
    const char *answer;
    (void)outcome;
    if (acts_play(rq, NULL, part->who, part->acts, &answer) != MID_OK)
        mid_log(rq, MID_INFO, "acts.ended", "who=%s", part->who);
}

static void add_part(struct mid_request *rq, const char *parameter, const char *who)
{
    const char *acts = mid_query(rq, parameter);
    if (acts == NULL)
        return;
    struct part *part = mid_alloc(rq, sizeof(*part));
    *part = (struct part){.who = who, .acts = acts};
    mid_after_response(rq, play_after, part);
}

enum mid_error act_route(struct mid_request *rq)
{
    const char *acts = mid_query(rq, "acts");
    const char *who = mid_query(rq, "who");
    const char *answer;
    add_part(rq, "after", "a");
    add_part(rq, "then", "b");
    MID_TRY(acts_play(rq, NULL, who != NULL ? who : "h", acts != NULL ? acts : "", &answer));
    return answer != NULL ? mid_respond_text(rq, 200, answer) : MID_OK;
}

enum mid_error add_act_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t attempts;
    char id[MID_TASK_ID_BYTES];
    const char *acts = mid_query(rq, "acts");
    MID_TRY(mid_query_int(rq, "attempts", 1, 10, 1, &attempts));
    if (mid_query(rq, "look") != NULL)
        MID_TRY(mid_session_find(rq, &session));
    else if (mid_query(rq, "alone") == NULL)
        MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_task_enqueue(rq, "act", acts, strlen(acts), &(struct mid_task_options){.attempts = (int)attempts}, id));
    return mid_respond_text(rq, 202, id);
}

/* Whoever makes the file of a number first has it. */
static const char *next_name(struct mid_request *rq)
{
    for (int number = 1;; number++) {
        const char *path = mid_printf(rq, "%s/begun.%d", getenv("STAGE"), number);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            abort();
        if (fd < 0)
            continue;
        close(fd);
        return mid_printf(rq, "t%d", number);
    }
}

/* It ends well, unless it is told to return what went wrong. */
enum mid_error act_task(struct mid_request *rq, struct mid_task *task)
{
    const char *answer;
    return acts_play(rq, task, next_name(rq), mid_task_payload(task, NULL), &answer);
}
