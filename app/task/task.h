/*
 * One task in a worker: what its handler is given, and how it runs. The functions of midstream.h for task handlers are
 * in task.c; those that add, find and cancel tasks in api.c; how tasks come to run in consumer.h.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include "base/list.h"
#include "http/request.h"
#include "session/session.h"
#include "task/queue.h"

struct consumer;

enum { TASK_PROGRESS_BYTES = 48 };

struct mid_task {
    struct mid_request rq;
    struct list link; /* among the consumer's running tasks */
    struct consumer *consumer;
    struct fiber *fiber; /* NULL until it runs */
    uint32_t number;     /* of running_tasks_add() */

    char id[MID_TASK_ID_BYTES];
    int64_t generation;
    int attempt;
    int attempts;
    char name[64 + 1];
    bool has_session;
    uint8_t rid[TOKEN_RID_BYTES];
    uint32_t session_generation; /* when the task was added */
    struct store_fence fence;

    int64_t lease_end_ms; /* on the loop's clock, as far as is known here */
    int64_t deadline_ms;  /* of this attempt, on the loop's clock; -1: none */
    bool is_lost;         /* it is somebody else's, or may be */
    bool is_cancelled;
    char progress[TASK_PROGRESS_BYTES]; /* "done/total"; "" for none */
    bool has_new_progress;
    const char *result; /* in the request's memory; NULL: none */
    size_t payload_bytes;
    char payload[]; /* with a NUL behind */
};

struct task_settings {
    int64_t lease_ms;
    int64_t backoff_ms; /* before the second attempt; doubles, with jitter */
    int64_t backoff_max_ms;
    int64_t deadline_ms; /* of an attempt, where the task has none of its own; 0: none */
};
extern struct task_settings task_settings;

/* What can be done in this process; see mid_task_register(). NULL: no such name. */
const struct mid_task_type *task_type_find(const char *name);
/* All of them, ended by an all-zero row; NULL: none were registered. */
const struct mid_task_type *task_types(void);

/* Whether each has a name and a handler, once. False with a reason that names it. NULL types are fine. */
bool task_types_are_valid(char *reason, size_t reason_size);

/* A started task on the heap. `now_ms` is when the lease began, at the latest. */
struct mid_task *task_new(struct consumer *consumer, const struct queue_start *start, int64_t now_ms);

/* Runs the handler and tells the queue what became of it. On the task's own fiber. Frees the task. */
MAY_SUSPEND void task_run(struct mid_task *task);
void task_free(struct mid_task *task);

struct queue_lease task_lease(const struct mid_task *task);

/* Makes calls that wait return this error from now on, and wakes them. */
void task_interrupt(struct mid_task *task, enum mid_error error);

/* Whether the deadline of the attempt has passed, and it still runs. */
bool task_is_overdue(const struct mid_task *task);

/* Makes calls that wait return MID_TIMEOUT. False when that was long ago: the handler does not listen. */
bool task_tell_deadline(struct mid_task *task);

/* The attempt has failed, whatever the handler does from now on. May suspend: the task may be gone then. */
MAY_SUSPEND void task_give_up(struct mid_task *task);

/* What a heartbeat that was sent at `sent_ms` has told. */
void task_take_beat(struct mid_task *task, const struct queue_beat *beat, int64_t sent_ms);

/* The task may be somebody else's by now: nothing of it is written any more. */
void task_lose(struct mid_task *task);

#endif
