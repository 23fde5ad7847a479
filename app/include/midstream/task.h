/*
 * Background tasks: work in another process.
 */
#ifndef MIDSTREAM_TASK_H
#define MIDSTREAM_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;
struct mid_session;

/*
 * Work that is done by another process, `midstream work`, and can change the visitor's session. Delivery is at least
 * once: an accepted task ends done, dead or cancelled, whatever crashes. See docs/tasks.md.
 */
struct mid_task;

/*
 * Does the work, on its own fiber. `rq` has no client: memory, sleep, offload, log, Redis and the session can be used,
 * but there is no response. MID_OK: done. MID_ENDED and MID_CANCELLED end the task as cancelled; MID_UNPROCESSABLE
 * makes it a dead letter immediately; after any other error it is retried until its attempts are used up.
 *
 * When the task is cancelled, its lease is lost or the worker stops, calls that wait (mid_sleep_ms, mid_wait) and
 * mid_task_progress() return MID_CANCELLED, MID_LOST_LEASE or MID_STOPPING; return it. MID_STOPPING does not use up an
 * attempt. At the deadline of the attempt they return MID_TIMEOUT; an attempt that continues for another task-lease-ms
 * has failed, and its later commits are rejected.
 */
typedef enum mid_error mid_task_handler(struct mid_request *rq, struct mid_task *task);

struct mid_task_type {
    const char *name; /* 1 to 64 letters, digits, '-', '_' and '.' */
    mid_task_handler *handler;
};

/* Registers task types for mid_main(); call it once before. The table ends with an all-zero row and is not copied. With
 * mid_run(), set struct mid_app's `tasks` instead. */
MID_PUBLIC void mid_task_register(const struct mid_task_type *types);

enum { MID_TASK_ID_BYTES = 68, MID_TASK_PAYLOAD_MAX = 64 * 1024 };

struct mid_task_options {
    const char *queue;     /* 1 to 32 lower-case letters, digits, '-' and '_'; NULL: "default" */
    int64_t delay_ms;      /* earliest start, from now; up to 30 days */
    int attempts;          /* 0: the setting task-attempts */
    int64_t deadline_ms;   /* time limit of an attempt; 0: the setting task-deadline-ms; up to 30 days */
    const char *dedup_key; /* no other task with this key is added while one is live; 1 to 128 bytes. NULL: none */
    const char *id;        /* from mid_task_new_id(), to repeat an enqueue safely; NULL: a new one */
};

/* Generates an id for an enqueue that may have to be repeated. `queue` as above. Never fails. */
MID_PUBLIC void mid_task_new_id(const char *queue, char id[MID_TASK_ID_BYTES]);

/*
 * Adds a task. The payload is copied; it may be NULL with 0 bytes. If the request has opened its session, the task gets
 * access to it; recorded changes are committed first. May suspend. `options` and `id` may be NULL. MID_OK: stored; `id`
 * is its id, or that of the live task with the same deduplication key. MID_OVERLOADED: the queue is full.
 * MID_TOO_LARGE: the payload. MID_BAD_REQUEST: an invalid id. MID_UNAVAILABLE: it is unknown whether it was stored;
 * repeat the enqueue with the same options.id. MID_UNPROCESSABLE: another invalid option, or the name.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_enqueue(struct mid_request *rq, const char *name, const void *payload,
                                                     size_t bytes, const struct mid_task_options *options,
                                                     char id[MID_TASK_ID_BYTES]);

enum mid_task_state {
    MID_TASK_WAITING,
    MID_TASK_DELAYED, /* until its delay or the pause after a failed attempt has passed */
    MID_TASK_RUNNING,
    MID_TASK_DONE,
    MID_TASK_DEAD, /* a dead letter */
    MID_TASK_CANCELLED,
};

/* "waiting", "delayed"... */
MID_PUBLIC const char *mid_task_state_name(enum mid_task_state state);

/* Texts live as long as the request, or until mid_release(), and are never NULL. */
struct mid_task_info {
    enum mid_task_state state;
    const char *name;
    int attempt;  /* attempts started so far */
    int attempts; /* maximum of attempts */
    int64_t progress;
    int64_t total; /* 0: no progress was reported */
    int64_t created_ms;
    int64_t finished_ms;      /* 0: not finished */
    const char *result;       /* of mid_task_result() */
    const char *error;        /* of the last failed attempt, such as "MID_FAILED" */
    const char *detail;       /* its detail */
    bool is_own;              /* added by the session of this request */
    bool is_cancel_requested; /* running, and will be cancelled */
};

/* Looks up a task. Finished tasks are kept for task-keep-ms, dead ones for task-dead-keep-ms. May suspend.
 * MID_BAD_REQUEST: not an id. MID_NOT_FOUND. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_find(struct mid_request *rq, const char *id, struct mid_task_info *info);

/* Cancels a task: immediately if it is waiting; if it is running, its handler is notified and decides. A finished task
 * is not changed. May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_cancel(struct mid_request *rq, const char *id);

/* -------------------- for task handlers -------------------- */

MID_PUBLIC const char *mid_task_id(const struct mid_task *task);
MID_PUBLIC int mid_task_attempt(const struct mid_task *task); /* from 1 */
MID_PUBLIC const void *mid_task_payload(const struct mid_task *task, size_t *bytes);

/*
 * The session of the request that added the task, with all operations except renewal. mid_session_open() is equivalent.
 * May suspend. Only the owner of the task's lease can commit; others get MID_LOST_LEASE. MID_ENDED: the session has
 * ended. MID_NOT_FOUND: the task was added without a session. Changes that are recorded when the handler returns MID_OK
 * are committed, once per task.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_session(struct mid_task *task, struct mid_session **session);

/*
 * Commits what is recorded in the task's session as a named step (1 to 64 bytes) that is applied once per task,
 * regardless of the number of attempts and of lost replies. *was_applied (may be NULL) is false if an earlier attempt
 * has applied it; the recorded changes are then discarded. May suspend. Errors of mid_session_commit(); MID_LOST_LEASE;
 * MID_UNPROCESSABLE: more than 1000 steps.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_commit(struct mid_task *task, const char *step, bool *was_applied);

/* Reports progress, which mid_task_find() returns, and renews the lease. May suspend. MID_CANCELLED, MID_LOST_LEASE,
 * MID_STOPPING. Redis being unreachable is not an error here. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_progress(struct mid_task *task, int64_t done, int64_t total);

/* Whether the task has been cancelled. The information is at most a fifth of task-lease-ms old. */
MID_PUBLIC bool mid_task_is_cancelled(const struct mid_task *task);

/* Sets a text of up to 4 KiB that is kept with the finished task. MID_UNPROCESSABLE: longer. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_result(struct mid_task *task, const char *text);

#ifdef __cplusplus
}
#endif

#endif
