/*
 * Background tasks: work that goes on in another process.
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
 * Work that goes on in another process, `midstream work`, and may change the visitor's session there. It is done at
 * least once: a task that was accepted ends done, dead or cancelled, whatever crashes. docs/tasks.md has the promises.
 */
struct mid_task;

/*
 * Does the work, on a fiber of its own. `rq` is no web request: it has memory, sleep, offload, log and the session, but
 * nothing to answer. MID_OK: done. MID_ENDED and MID_CANCELLED end the task as cancelled; MID_UNPROCESSABLE makes it a
 * dead letter at once; every other error is tried again later, as often as the task has attempts.
 *
 * When the task is cancelled, its lease is lost or the worker stops, calls that wait (mid_sleep_ms, mid_wait) and
 * mid_task_progress() return MID_CANCELLED, MID_LOST_LEASE or MID_STOPPING: return it. After MID_STOPPING the attempt
 * is given back. At the deadline of the attempt they return MID_TIMEOUT; an attempt that runs on for another
 * task-lease-ms has failed all the same, and whatever it does from then on is refused.
 */
typedef enum mid_error mid_task_handler(struct mid_request *rq, struct mid_task *task);

struct mid_task_type {
    const char *name; /* 1 to 64 letters, digits, '-', '_' and '.' */
    mid_task_handler *handler;
};

/* What `midstream work` can do; the table ends with an all-zero row and stays the caller's. Call it before mid_main(),
 * once. */
MID_PUBLIC void mid_task_register(const struct mid_task_type *types);

enum { MID_TASK_ID_BYTES = 68, MID_TASK_PAYLOAD_MAX = 64 * 1024 };

struct mid_task_options {
    const char *queue;     /* 1 to 32 lower-case letters, digits, '-' and '_'; NULL: "default" */
    int64_t delay_ms;      /* not before so much later; up to 30 days */
    int attempts;          /* 0: the setting task-attempts */
    int64_t deadline_ms;   /* how long an attempt may take; 0: the setting task-deadline-ms; up to 30 days */
    const char *dedup_key; /* while a task with this key is live, no other is added; 1 to 128 bytes. NULL: none */
    const char *id;        /* of mid_task_new_id(), to repeat an enqueue safely; NULL: a new one */
};

/* An id for an enqueue that may have to be repeated. `queue` as above. Never fails. */
MID_PUBLIC void mid_task_new_id(const char *queue, char id[MID_TASK_ID_BYTES]);

/*
 * Adds a task. The payload is copied; it may be NULL with 0 bytes. If the request has opened its session, the task gets
 * it too; what is recorded in it is committed first. May suspend. `options` and `id` may be NULL.
 * MID_OK: stored. `id` is its id, or that of the live task with the same deduplication key. MID_OVERLOADED: the queue
 * is full. MID_TOO_LARGE: the payload. MID_BAD_REQUEST: the id. MID_UNAVAILABLE: nobody knows whether it was stored;
 * an enqueue with the same options.id may be repeated. MID_UNPROCESSABLE: another option, or the name.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_enqueue(struct mid_request *rq, const char *name, const void *payload,
                                                     size_t bytes, const struct mid_task_options *options,
                                                     char id[MID_TASK_ID_BYTES]);

enum mid_task_state {
    MID_TASK_WAITING,
    MID_TASK_DELAYED, /* until its delay, or the pause after a failed attempt, is over */
    MID_TASK_RUNNING,
    MID_TASK_DONE,
    MID_TASK_DEAD, /* given up: a dead letter */
    MID_TASK_CANCELLED,
};

/* "waiting", "delayed"... */
MID_PUBLIC const char *mid_task_state_name(enum mid_task_state state);

/* Texts live in the request's memory, and are never NULL. */
struct mid_task_info {
    enum mid_task_state state;
    const char *name;
    int attempt;  /* begun so far */
    int attempts; /* the most */
    int64_t progress;
    int64_t total; /* 0: no progress was told */
    int64_t created_ms;
    int64_t finished_ms;      /* 0: it is live */
    const char *result;       /* of mid_task_result() */
    const char *error;        /* of the last attempt that failed: "MID_FAILED" */
    const char *detail;       /* its sentence */
    bool is_own;              /* it was added with the session that this request's cookie names */
    bool is_cancel_requested; /* running, and cancelled */
};

/* Looks a task up; ended ones are kept for task-keep-ms, dead ones for task-dead-keep-ms. May suspend. MID_BAD_REQUEST:
 * this is no id. MID_NOT_FOUND. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_find(struct mid_request *rq, const char *id, struct mid_task_info *info);

/* Cancels a task: at once while it waits; a running one is told, and has the last word. One that has ended stays as it
 * is. May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_cancel(struct mid_request *rq, const char *id);

/* -------------------- for task handlers -------------------- */

MID_PUBLIC const char *mid_task_id(const struct mid_task *task);
MID_PUBLIC int mid_task_attempt(const struct mid_task *task); /* from 1 */
MID_PUBLIC const void *mid_task_payload(const struct mid_task *task, size_t *bytes);

/*
 * The visitor's session, with the operations it has in a request but renewal; mid_session_open() is the same. May
 * suspend. Only the owner of the task's lease can commit; others get MID_LOST_LEASE. MID_ENDED: the session has ended.
 * MID_NOT_FOUND: the task was added without one. What is recorded when the handler returns MID_OK is committed, once
 * for the task.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_session(struct mid_task *task, struct mid_session **session);

/*
 * Commits what is recorded in the task's session as the step of this name (1 to 64 bytes): once for the task, however
 * many attempts come to it, and however often answers are lost. *was_applied (may be NULL) is false when an earlier
 * attempt has done it; what is recorded is dropped then. May suspend. Errors as of mid_session_commit();
 * MID_LOST_LEASE; MID_UNPROCESSABLE: more than 1000 steps.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_task_commit(struct mid_task *task, const char *step, bool *was_applied);

/* Tells how far the work is, to whoever looks the task up, and renews the lease. May suspend. MID_CANCELLED,
 * MID_LOST_LEASE, MID_STOPPING; Redis being unreachable is not an error here. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_progress(struct mid_task *task, int64_t done, int64_t total);

/* Whether somebody has cancelled it, as far as is known here: at most a fifth of task-lease-ms old. */
MID_PUBLIC bool mid_task_is_cancelled(const struct mid_task *task);

/* A text of up to 4 KiB to be kept with the task when it is done. MID_UNPROCESSABLE: longer. */
MID_PUBLIC MID_CHECK enum mid_error mid_task_result(struct mid_task *task, const char *text);

#ifdef __cplusplus
}
#endif

#endif
