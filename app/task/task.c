/* One task in a worker. See task.h. */
#include "task/task.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/backoff.h"
#include "base/log.h"
#include "base/panic.h"
#include "task/running_tasks.h"

enum { RETRY_PAUSE_MS = 50, STEP_BYTES_MAX = 64 };

/* What the commit at the end is called; handlers' own steps do not begin with '@'. */
static const char end_step[] = "@end";

struct task_settings task_settings;

static const struct mid_task_type *types;

/* -------------------- what can be done -------------------- */

void mid_task_register(const struct mid_task_type *task_types)
{
    types = task_types;
}

static bool is_named_before(const struct mid_task_type *type)
{
    for (const struct mid_task_type *other = types; other != type; other++)
        if (strcmp(other->name, type->name) == 0)
            return true;
    return false;
}

bool task_types_are_valid(char *reason, size_t reason_size)
{
    for (const struct mid_task_type *type = types; type != NULL && type->name != NULL; type++) {
        const char *fault = !task_name_is_valid(type->name) ? "a name is 1 to 64 letters, digits, '-', '_' and '.'"
                            : type->handler == NULL         ? "it has no handler"
                            : is_named_before(type)         ? "it is there twice"
                                                            : NULL;
        if (fault != NULL) {
            snprintf(reason, reason_size, "task \"%s\": %s", type->name, fault);
            return false;
        }
    }
    return true;
}

const struct mid_task_type *task_types(void)
{
    return types;
}

const struct mid_task_type *task_type_find(const char *name)
{
    for (const struct mid_task_type *type = types; type != NULL && type->name != NULL; type++)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

/* -------------------- life -------------------- */

/* 32 hexadecimal digits of the rid, and 8 of the session's generation; without these, it was added by an older version.
 */
static void take_session(struct mid_task *task, const char *text)
{
    uint8_t bytes[TOKEN_RID_BYTES + sizeof(task->session_generation)];
    size_t length = 0;
    task->session_generation = UINT32_MAX;
    if (sodium_hex2bin(bytes, sizeof(bytes), text, strlen(text), NULL, &length, NULL) != 0 || length < TOKEN_RID_BYTES)
        return;
    memcpy(task->rid, bytes, TOKEN_RID_BYTES);
    task->has_session = true;
    if (length == sizeof(bytes))
        task->session_generation =
            (uint32_t)bytes[16] << 24 | (uint32_t)bytes[17] << 16 | (uint32_t)bytes[18] << 8 | (uint32_t)bytes[19];
}

MAY_SUSPEND static enum mid_error open_session_of(struct mid_request *rq, struct mid_session **session)
{
    return mid_task_session(LIST_ELEMENT(rq, struct mid_task, rq), session);
}

static int64_t deadline_of(const struct queue_start *start, int64_t now_ms)
{
    int64_t ms = start->deadline_ms > 0 ? start->deadline_ms : task_settings.deadline_ms;
    return ms > 0 ? now_ms + ms : -1;
}

struct mid_task *task_new(struct consumer *consumer, const struct queue_start *start, int64_t now_ms)
{
    struct mid_task *task = malloc(sizeof(*task) + start->payload_bytes + 1);
    if (task == NULL)
        panic("out of memory for a task of %zu bytes", start->payload_bytes);
    *task = (struct mid_task){
        .consumer = consumer,
        .generation = start->generation,
        .attempt = start->attempt,
        .attempts = start->attempts,
        .lease_end_ms = now_ms + task_settings.lease_ms,
        .deadline_ms = deadline_of(start, now_ms),
        .payload_bytes = start->payload_bytes,
    };
    list_init(&task->link);
    snprintf(task->id, sizeof(task->id), "%s", start->id);
    snprintf(task->name, sizeof(task->name), "%s", start->name);
    take_session(task, start->rid);
    task->fence = (struct store_fence){
        .task = task->id, .generation = start->generation, .session_generation = task->session_generation};
    memcpy(task->payload, start->payload, start->payload_bytes);
    task->payload[start->payload_bytes] = '\0';
    request_init_detached(&task->rq, task->id);
    task->rq.open_session = open_session_of;
    task->rq.producer = task->id;
    task->rq.producer_epoch = task->generation;
    return task;
}

void task_free(struct mid_task *task)
{
    session_close(task->rq.session);
    request_finish(&task->rq);
    list_remove(&task->link);
    free(task);
}

struct queue_lease task_lease(const struct mid_task *task)
{
    return (struct queue_lease){.id = task->id, .generation = task->generation};
}

/* -------------------- what others decide -------------------- */

void task_interrupt(struct mid_task *task, enum mid_error error)
{
    if (task->rq.wait.interruption != MID_OK)
        return;
    task->rq.wait.interruption = error;
    if (task->fiber != NULL)
        loop_wake(task->fiber);
}

void task_lose(struct mid_task *task)
{
    task->is_lost = true;
    task->fence.generation = -1; /* no claim has it */
    task_interrupt(task, MID_LOST_LEASE);
}

void task_take_beat(struct mid_task *task, const struct queue_beat *beat, int64_t sent_ms)
{
    if (task->is_lost)
        return;
    if (beat->verdict == LEASE_LOST) {
        task_lose(task);
        return;
    }
    task->lease_end_ms = sent_ms + task_settings.lease_ms;
    task->fence.until_ms = beat->until_ms;
    if (beat->verdict == LEASE_HELD_AND_CANCELLED && !task->is_cancelled) {
        task->is_cancelled = true;
        task_interrupt(task, MID_CANCELLED);
    }
}

/* Suspends until Redis may be asked again; false when the lease is over by then. */
MAY_SUSPEND static bool wait_for_redis(const struct mid_task *task)
{
    int64_t left_ms = task->lease_end_ms - loop_now_ms();
    if (left_ms <= 0)
        return false;
    loop_park(RETRY_PAUSE_MS);
    return queue_wait_ready(task->id, left_ms);
}

/* A heartbeat of this task alone. MID_OK: it is ours. MID_LOST_LEASE, MID_UNAVAILABLE. */
MAY_SUSPEND static enum mid_error renew_lease(struct mid_task *task)
{
    char queue[QUEUE_NAME_BYTES];
    struct queue_beat beat = {.lease = task_lease(task), .progress = task->has_new_progress ? task->progress : ""};
    int64_t sent_ms = loop_now_ms();
    ENSURE(task_id_parse(task->id, queue));
    task->has_new_progress = false;
    enum mid_error error = queue_heartbeat(queue, 1, &beat);
    if (error != MID_OK) {
        task->has_new_progress = task->progress[0] != '\0';
        return error;
    }
    task_take_beat(task, &beat, sent_ms);
    return task->is_lost ? MID_LOST_LEASE : MID_OK;
}

/* -------------------- the end -------------------- */

static int64_t pause_before_next(int attempt)
{
    return backoff_ms(attempt, task_settings.backoff_ms, task_settings.backoff_max_ms);
}

MAY_SUSPEND static enum mid_error tell_once(struct mid_task *task, enum mid_error error)
{
    struct queue_lease lease = task_lease(task);
    const char *detail = task->rq.error_detail != NULL ? task->rq.error_detail : mid_error_text(error);
    switch (error) {
    case MID_OK:
        return queue_done(lease, task->has_new_progress ? task->progress : "",
                          task->result != NULL ? task->result : "");
    case MID_STOPPING:
        return queue_yield(lease);
    case MID_LOST_LEASE:
        return queue_recover(lease, BLAME_NOBODY, "its worker could not renew the lease", 0);
    case MID_CANCELLED:
    case MID_ENDED:
        return queue_fail(lease, mid_error_name(error), detail, QUEUE_CANCEL);
    case MID_UNPROCESSABLE:
        return queue_fail(lease, mid_error_name(error), detail, QUEUE_BURY);
    default:
        return queue_fail(lease, mid_error_name(error), detail, pause_before_next(task->attempt));
    }
}

/* Tells the queue, as long as anybody would listen. Without an answer the lease ends, and the task is done again. */
MAY_SUSPEND static enum mid_error tell(struct mid_task *task, enum mid_error error)
{
    enum mid_error told = tell_once(task, error);
    while ((told == MID_UNAVAILABLE || told == MID_OVERLOADED) && wait_for_redis(task))
        told = tell_once(task, error);
    return told;
}

/* -------------------- the deadline -------------------- */

bool task_is_overdue(const struct mid_task *task)
{
    return !task->is_lost && task->deadline_ms >= 0 && loop_now_ms() >= task->deadline_ms;
}

bool task_tell_deadline(struct mid_task *task)
{
    task_interrupt(task, MID_TIMEOUT);
    return loop_now_ms() < task->deadline_ms + task_settings.lease_ms;
}

void task_give_up(struct mid_task *task)
{
    char id[MID_TASK_ID_BYTES];
    struct queue_lease lease = {.id = id, .generation = task->generation};
    int64_t pause_ms = pause_before_next(task->attempt);
    memcpy(id, task->id, sizeof(id)); /* it may end while the queue is told */
    task_lose(task);
    enum mid_error told = queue_fail(lease, mid_error_name(MID_TIMEOUT), "it ran on after its deadline", pause_ms);
    log_event(MID_ERROR, "task.overdue", "id=%s told=%s", id, mid_error_name(told));
}

static void log_end(struct mid_task *task, enum mid_error error, enum mid_error told, int64_t took_ms)
{
    bool is_good = error == MID_OK && told == MID_OK;
    const char *detail = task->rq.error_detail != NULL ? task->rq.error_detail : mid_error_text(error);
    request_log(&task->rq, is_good ? MID_DEBUG : MID_WARN, is_good ? "task.done" : "task.not-done",
                "name=%s attempt=%d/%d generation=%" PRId64 " took_ms=%" PRId64 " error=%s told=%s detail=\"%s\"",
                task->name, task->attempt, task->attempts, task->generation, took_ms, mid_error_name(error),
                mid_error_name(told), detail);
}

MAY_SUSPEND static enum mid_error work(struct mid_task *task)
{
    const struct mid_task_type *type = task_type_find(task->name);
    if (type == NULL)
        return mid_fail(&task->rq, MID_UNPROCESSABLE, "no worker has a handler for the task \"%s\"", task->name);
    enum mid_error error = type->handler(&task->rq, task);
    if (!error_is_valid(error))
        error = mid_fail(&task->rq, MID_FAILED, "the handler returned %d, which is not an error of midstream.h",
                         (int)error);
    if (error == MID_OK && session_is_dirty(task->rq.session))
        error = session_commit_step(task->rq.session, end_step, NULL);
    return task->is_lost ? MID_LOST_LEASE : error;
}

void task_run(struct mid_task *task)
{
    int64_t begin_ms = loop_now_ms();
    task->fiber = fiber_current();
    task->number = running_tasks_add(task->id, task->generation);
    enum mid_error error = work(task);
    enum mid_error told = tell(task, error);
    running_tasks_remove(task->number);
    if (error == MID_OK && told == MID_OK)
        session_release_claim(task->rq.session);
    log_end(task, error, told, loop_now_ms() - begin_ms);
    task_free(task);
}

/* -------------------- for task handlers -------------------- */

const char *mid_task_id(const struct mid_task *task)
{
    return task->id;
}

int mid_task_attempt(const struct mid_task *task)
{
    return task->attempt;
}

const void *mid_task_payload(const struct mid_task *task, size_t *bytes)
{
    if (bytes != NULL)
        *bytes = task->payload_bytes;
    return task->payload;
}

/* The claim holds for as long as the lease that was just renewed. */
MAY_SUSPEND static enum mid_error open_session(struct mid_task *task, struct mid_session **session)
{
    MID_TRY(renew_lease(task));
    return session_open_rid(&task->rq, task->rid, &task->fence, session);
}

enum mid_error mid_task_session(struct mid_task *task, struct mid_session **session)
{
    if (!task->has_session)
        return mid_fail(&task->rq, MID_NOT_FOUND, "the task was added without a session");
    if (task->rq.session != NULL) {
        *session = task->rq.session;
        return MID_OK;
    }
    struct mid_session *opened = NULL;
    enum mid_error error = open_session(task, &opened);
    while ((error == MID_UNAVAILABLE || error == MID_OVERLOADED) && wait_for_redis(task))
        error = open_session(task, &opened);
    MID_TRY(error);
    *session = opened;
    return MID_OK;
}

enum mid_error mid_task_commit(struct mid_task *task, const char *step, bool *was_applied)
{
    size_t length = strlen(step);
    if (length == 0 || length > STEP_BYTES_MAX || step[0] == '@')
        return mid_fail(&task->rq, MID_UNPROCESSABLE, "the name of a step has 1 to %d bytes and does not begin with @",
                        STEP_BYTES_MAX);
    struct mid_session *session = NULL;
    MID_TRY(mid_task_session(task, &session));
    return session_commit_step(session, step, was_applied);
}

enum mid_error mid_task_progress(struct mid_task *task, int64_t done, int64_t total)
{
    snprintf(task->progress, sizeof(task->progress), "%" PRId64 "/%" PRId64, done, total);
    task->has_new_progress = true;
    enum mid_error error = task->is_lost ? MID_LOST_LEASE : renew_lease(task);
    (void)error; /* what matters of it has become an interruption; a Redis that is away is asked again later */
    return task->rq.wait.interruption;
}

bool mid_task_is_cancelled(const struct mid_task *task)
{
    return task->is_cancelled;
}

enum mid_error mid_task_result(struct mid_task *task, const char *text)
{
    if (strlen(text) > QUEUE_RESULT_BYTES_MAX)
        return mid_fail(&task->rq, MID_UNPROCESSABLE, "a result has at most %d bytes", QUEUE_RESULT_BYTES_MAX);
    task->result = arena_strdup(&task->rq.arena, text);
    return MID_OK;
}
