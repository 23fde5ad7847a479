/* The leases of running tasks. See leases.h. */
#include "task/leases.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/panic.h"
#include "task/task.h"

enum { BEATS_MAX = 100 }; /* in one step */

/* A copy of what a heartbeat says of a task, which may have ended when the answer comes. */
struct kept {
    char id[MID_TASK_ID_BYTES];
    int64_t generation;
    char progress[TASK_PROGRESS_BYTES];
};

static struct mid_task *find_running(struct list *running, const struct kept *kept)
{
    for (struct list *link = running->next; link != running; link = link->next) {
        struct mid_task *task = LIST_ELEMENT(link, struct mid_task, link);
        if (task->generation == kept->generation && strcmp(task->id, kept->id) == 0)
            return task;
    }
    return NULL;
}

/* Up to BEATS_MAX of those whose lease ends before `before_ms`. */
static size_t collect(struct list *running, int64_t before_ms, struct kept kept[static BEATS_MAX])
{
    size_t count = 0;
    for (struct list *link = running->next; link != running && count < BEATS_MAX; link = link->next) {
        struct mid_task *task = LIST_ELEMENT(link, struct mid_task, link);
        if (task->is_lost || task->lease_end_ms >= before_ms)
            continue;
        kept[count].generation = task->generation;
        memcpy(kept[count].id, task->id, sizeof(task->id));
        memcpy(kept[count].progress, task->has_new_progress ? task->progress : "",
               task->has_new_progress ? sizeof(task->progress) : 1);
        count++;
    }
    return count;
}

/* The claim on the session ends with the lease, so it has to be renewed with it. The task may end meanwhile, hence the
 * copies; if it fails, the next turn renews it, or the task's commits are refused. */
MAY_SUSPEND static void renew_claim(const struct mid_task *task)
{
    char key[STORE_KEY_BYTES];
    char id[MID_TASK_ID_BYTES];
    struct store_finding finding;
    struct store_fence fence = task->fence;
    memcpy(key, task->rq.session->key, sizeof(key));
    memcpy(id, task->id, sizeof(id));
    fence.task = id;
    enum mid_error error = store_claim(key, &fence, &finding);
    if (error != MID_OK || finding.verdict == STORE_LOST)
        log_event(MID_WARN, "task.claim-not-renewed", "id=%s error=%s", id,
                  mid_error_name(error != MID_OK ? error : MID_LOST_LEASE));
}

MAY_SUSPEND static bool renew_some(const char *queue, struct list *running, size_t count, const struct kept kept[])
{
    struct queue_beat beats[BEATS_MAX];
    int64_t sent_ms = loop_now_ms();
    for (size_t i = 0; i < count; i++)
        beats[i] = (struct queue_beat){.lease = {.id = kept[i].id, .generation = kept[i].generation},
                                       .progress = kept[i].progress};
    if (queue_heartbeat(queue, count, beats) != MID_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct mid_task *task = find_running(running, &kept[i]);
        if (task == NULL)
            continue;
        task_take_beat(task, &beats[i], sent_ms);
        if (task->rq.session != NULL && !task->is_lost)
            renew_claim(task);
    }
    return true;
}

/* A lease that could not be renewed in time may be somebody else's by now. */
static void lose_what_ended(struct list *running)
{
    for (struct list *link = running->next; link != running; link = link->next) {
        struct mid_task *task = LIST_ELEMENT(link, struct mid_task, link);
        if (!task->is_lost && loop_now_ms() >= task->lease_end_ms)
            task_lose(task);
    }
}

/* From the beginning after each that suspends: the list may have changed meanwhile. */
MAY_SUSPEND static void check_deadlines(struct list *running)
{
    struct list *link = running->next;
    while (link != running) {
        struct mid_task *task = LIST_ELEMENT(link, struct mid_task, link);
        link = link->next;
        if (!task_is_overdue(task))
            continue;
        if (task_tell_deadline(task))
            continue;
        task_give_up(task);
        link = running->next;
    }
}

static struct kept *new_kept(void)
{
    struct kept *kept = malloc(BEATS_MAX * sizeof(*kept));
    if (kept == NULL)
        panic("out of memory for the leases of tasks");
    return kept;
}

void leases_renew(const char *queue, struct list *running)
{
    struct kept *kept = new_kept();
    int64_t before_ms = loop_now_ms() + task_settings.lease_ms;
    size_t count;
    while ((count = collect(running, before_ms, kept)) > 0 && renew_some(queue, running, count, kept))
        ;
    free(kept);
    lose_what_ended(running);
    check_deadlines(running);
}

void leases_give_back(struct list *running)
{
    struct kept *kept = new_kept();
    size_t count;
    while ((count = collect(running, INT64_MAX, kept)) > 0)
        for (size_t i = 0; i < count; i++) {
            struct mid_task *task = find_running(running, &kept[i]);
            if (task != NULL)
                task_lose(task); /* whatever it does until the process ends */
            enum mid_error error =
                queue_yield((struct queue_lease){.id = kept[i].id, .generation = kept[i].generation});
            log_event(MID_WARN, "task.yielded", "id=%s told=%s", kept[i].id, mid_error_name(error));
        }
    free(kept);
}
