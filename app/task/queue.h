/*
 * A queue of tasks in Redis: each change of a task's state is one atomic step there, a script beside this file. The
 * schema stands at the top of queue.lua.
 *
 * Functions that name a task by its id find the queue in it: an id is "QUEUE.", then 32 hexadecimal digits.
 */
#ifndef TASK_QUEUE_H
#define TASK_QUEUE_H

#include "base/arena.h"
#include "midstream.h"
#include "redis/client.h"

enum {
    QUEUE_NAME_BYTES = 32 + 1,
    QUEUE_DEDUP_BYTES_MAX = 128,
    QUEUE_ENTRY_BYTES = 48, /* a stream's entry: two numbers of 64 bits */
    QUEUE_RESULT_BYTES_MAX = 4096,
    QUEUES_MAX = 8, /* that one worker takes tasks of */
    QUEUE_STEP_MAX =
        256, /* tasks that one script starts: Lua hands at most some 7,990 values to a command, and Redis waits */
};

#define QUEUE_DELAY_MAX_MS (30ll * 24 * 3600 * 1000)

struct queue_settings {
    struct redis_client *redis; /* stays the caller's */
    int64_t tasks_max;          /* live ones, and dead ones */
    int64_t lease_ms;
    int64_t keep_ms;
    int64_t dead_keep_ms;
    int64_t losses_max;
};

/* Registers the scripts with the client: before the first turn of the loop. */
void queue_init(const struct queue_settings *settings);

/* -------------------- names -------------------- */

bool queue_name_is_valid(const char *name);
bool task_name_is_valid(const char *name);

/* Whether this is a task's id, and if so, the queue in it. */
bool task_id_parse(const char *id, char queue[static QUEUE_NAME_BYTES]);

/* -------------------- adding -------------------- */

struct queue_task {
    const char *id;
    const char *name;
    const void *payload;
    size_t payload_bytes;
    int64_t delay_ms;
    int attempts;
    int64_t deadline_ms;
    const char *dedup_key;  /* "" for none */
    const char *rid;        /* of the session, in hexadecimal; "" for none */
    const char *request_id; /* who asked for it, for the log */
    enum mid_durability durability;
};

/* MID_OK with the id of the task that is stored now, which may be another's with the same key. MID_OVERLOADED: full.
 * MID_UNAVAILABLE: it may be stored. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error queue_add(const struct queue_task *task, char id[static MID_TASK_ID_BYTES]);

/* -------------------- taking: what a consumer does -------------------- */

/* A task that was handed out to this process, and not started yet. */
struct queue_delivery {
    char entry[QUEUE_ENTRY_BYTES];
    char id[MID_TASK_ID_BYTES];
};

/*
 * Waits up to `block_ms` for tasks, on a connection that is used for nothing else; writes at most `most` of them, and
 * at most QUEUE_STEP_MAX. None is no error. MID_UNAVAILABLE. MID_FAILED: the queue has no group of consumers;
 * queue_sweep() makes it. May suspend.
 */
MAY_SUSPEND MID_CHECK enum mid_error queue_read(struct redis_client *reader, const char *queue, size_t most,
                                                int64_t block_ms, struct queue_delivery deliveries[], size_t *count);

/* A task that was started: its owner is the worker until the lease ends. Texts are gone when the function returns. */
struct queue_start {
    const char *id;
    int64_t generation;
    int attempt;
    int attempts;
    const char *name;
    const char *payload;
    size_t payload_bytes;
    const char *rid;
    int64_t waited_ms;   /* since it was due */
    int64_t deadline_ms; /* of an attempt; 0: the setting's */
};

/*
 * Starts what is still to be started, in one step. `on_start` is called for each, on the loop's stack. MID_OVERLOADED:
 * nothing was started, because Redis takes nothing now (its memory is full...) or too much is asked of it; it may be
 * repeated with the same deliveries. MID_UNAVAILABLE: some may have been started. May suspend.
 */
MAY_SUSPEND MID_CHECK enum mid_error queue_start(const char *queue, const char *worker, size_t count,
                                                 const struct queue_delivery deliveries[],
                                                 void (*on_start)(const struct queue_start *start, void *arg),
                                                 void *arg);

/* What a worker says of a task that it owns; who owns it no more has no effect. */
struct queue_lease {
    const char *id;
    int64_t generation;
};

enum queue_verdict { LEASE_LOST, LEASE_HELD, LEASE_HELD_AND_CANCELLED };

struct queue_beat {
    struct queue_lease lease;
    const char *progress;       /* "done/total", or "" */
    enum queue_verdict verdict; /* out */
    int64_t until_ms;           /* out: the lease's end, by Redis's clock */
};
MAY_SUSPEND MID_CHECK enum mid_error queue_heartbeat(const char *queue, size_t count, struct queue_beat beats[]);

/* MID_LOST_LEASE: it is somebody else's. MID_UNAVAILABLE: repeat. All may suspend. */
MAY_SUSPEND MID_CHECK enum mid_error queue_done(struct queue_lease lease, const char *progress, const char *result);
MAY_SUSPEND MID_CHECK enum mid_error queue_yield(struct queue_lease lease);

/*
 * The process died under the task, or has lost it. Who is to blame: BLAME_ITSELF uses the attempt up, with a pause
 * before the next; BLAME_ANOTHER costs the task nothing; BLAME_NOBODY is a loss, of which there is a most.
 */
enum queue_blame { BLAME_ITSELF, BLAME_ANOTHER, BLAME_NOBODY };
MAY_SUSPEND MID_CHECK enum mid_error queue_recover(struct queue_lease lease, enum queue_blame blame, const char *detail,
                                                   int64_t pause_ms);

enum { QUEUE_BURY = -1, QUEUE_CANCEL = -2 }; /* instead of a pause: no other attempt */
MAY_SUSPEND MID_CHECK enum mid_error queue_fail(struct queue_lease lease, const char *error, const char *detail,
                                                int64_t pause_ms);

/* What time brings about: promotes, reclaims, heals. `next_ms`: when to come again. */
struct queue_sweep {
    int64_t next_ms;
    int64_t promoted;
    int64_t reclaimed;
};
MAY_SUSPEND MID_CHECK enum mid_error queue_sweep(const char *queue, struct queue_sweep *sweep);

/* -------------------- looking, and operating: queue_admin.c -------------------- */

/* Calls `visit` for each field of the task's record, on the loop's stack. MID_NOT_FOUND. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error
queue_show(const char *id, void (*visit)(const char *field, const char *value, size_t bytes, void *arg), void *arg);

/* `state` is the task's state after it; for retry "full" and for delete "deleted", too. MID_NOT_FOUND. May suspend. */
enum { QUEUE_STATE_BYTES = 16 };
MAY_SUSPEND MID_CHECK enum mid_error queue_cancel(const char *id, char state[static QUEUE_STATE_BYTES]);
MAY_SUSPEND MID_CHECK enum mid_error queue_retry(const char *id, char state[static QUEUE_STATE_BYTES]);
MAY_SUSPEND MID_CHECK enum mid_error queue_delete(const char *id, char state[static QUEUE_STATE_BYTES]);

/* A task in a list; texts are gone when the function returns. */
struct queue_row {
    const char *id;
    const char *state;
    const char *name;
    const char *attempt;
    const char *attempts;
    const char *progress;
    const char *error;
    int64_t age_ms; /* in this state */
};
MAY_SUSPEND MID_CHECK enum mid_error queue_list(const char *queue, const char *state, int most,
                                                void (*visit)(const struct queue_row *row, void *arg), void *arg);

/* How a queue is; the counts are since the queue exists. */
#define QUEUE_COUNTS(X)                                                                                                \
    X(accepted)                                                                                                        \
    X(duplicate)                                                                                                       \
    X(refused)                                                                                                         \
    X(started)                                                                                                         \
    X(done)                                                                                                            \
    X(failed)                                                                                                          \
    X(displaced)                                                                                                       \
    X(lost)                                                                                                            \
    X(yielded)                                                                                                         \
    X(dead)                                                                                                            \
    X(cancelled)                                                                                                       \
    X(retried)                                                                                                         \
    X(trimmed)
struct queue_stats {
    int64_t waiting;
    int64_t delayed;
    int64_t running;
    int64_t dead_letters;
    int64_t oldest_waiting_ms;
#define QUEUE_COUNT_MEMBER(name) int64_t name;
    QUEUE_COUNTS(QUEUE_COUNT_MEMBER)
#undef QUEUE_COUNT_MEMBER
};
MAY_SUSPEND MID_CHECK enum mid_error queue_stats(const char *queue, struct queue_stats *stats);

/* Suspends until Redis may be asked about the queue, or about that of a task; at most so long. */
MAY_SUSPEND bool queue_wait_ready(const char *queue_or_id, int64_t timeout_ms);

/* Redis Cluster: the master that has the queue is away, whatever others do. */
bool queue_is_away(const char *queue);

/* -------------------- between queue.c and queue_admin.c -------------------- */

/* "mid:q:{NAME}" */
enum { QUEUE_KEY_BYTES = sizeof("mid:q:{}") + QUEUE_NAME_BYTES };
void queue_key(const char *queue, char key[static QUEUE_KEY_BYTES]);
struct redis_client *queue_redis(void);

/* A script of this room, with queue.lua in front; the first call registers it. */
void queue_add_script(struct redis_script *script, const char *body, enum redis_script_kind kind);
void queue_admin_init(void);

#endif
