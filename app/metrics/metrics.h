/*
 * Metrics: what the workers count, in memory that the master shares with them and with the admin process.
 *
 * DESIGN. Each worker process has a slot of its own, so it counts without locks: it is the slot's only writer. The
 * rooms below keep plain structs of counters (base/counter.h) and do not know of slots: the worker places those structs
 * into its slot (metrics_layout.h) and tells the rooms where they are. A count is in shared memory at once, so nothing
 * is lost when the worker is killed.
 *
 * When a worker has ended, the master adds its counters to the retired ones and frees the slot: sums never go back, and
 * gauges of the dead vanish. A reader that meets the master in the middle of this reads again (a sequence lock).
 *
 * Costs, in a worker: some nanoseconds a count, no memory, no system call.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "midstream.h"

struct memory_figures;
struct worker_counts;
struct queue_stats;

/* -------------------- master -------------------- */

/* Makes the shared memory, before anything is forked. The routes stay the caller's, for as long as the process lives.
 * Panics when there is no memory. */
void metrics_create(const struct mid_route routes[]);

/* Gives it back: of this process only. */
void metrics_destroy(void);

/* A free slot for a worker that is about to be forked; -1 when there is none: what that worker counts is not seen. */
int metrics_slot_take(int worker_number);

/* The slot's process is dead and waited for: keeps its counters and frees the slot. -1 is fine. */
void metrics_slot_retire(int slot);

/* The slot's worker serves nobody new: it drains, because of a reload or a stop. -1 is fine. */
void metrics_slot_drains(int slot);

/* Why a worker had to be replaced; the names are those of the metric's label. */
#define WORKER_RESTARTS(X)                                                                                             \
    X(WORKER_RESTART_SIGNAL, "signal")                                                                                 \
    X(WORKER_RESTART_EXIT, "exit")                                                                                     \
    X(WORKER_RESTART_WEDGED, "wedged") /* killed by the watchdog */
enum worker_restart {
#define WORKER_RESTART_NAME(name, text) name,
    WORKER_RESTARTS(WORKER_RESTART_NAME)
#undef WORKER_RESTART_NAME
        WORKER_RESTART_COUNT
};
void metrics_count_restart(enum worker_restart cause);

/* A SIGHUP: new workers were started with new settings, or the settings were refused and nothing has changed. */
void metrics_count_reload(bool was_accepted);

/* How many workers there should be. */
void metrics_set_workers(int count);

/* The master stops: from now on it is not ready. */
void metrics_set_stopping(void);

/* The master counts into the pool's memory from now on; and it has turned: see struct metrics_health. */
void metrics_enter_master(void);
void metrics_note_master(void);

/* -------------------- worker -------------------- */

/* What this process counts from now on goes to the slot. Never NULL; lives as long as the process. */
struct worker_counts *metrics_enter(int slot);

/* Writes down what is so at this moment, and that the worker's loop turns: to be called every METRICS_PUBLISH_MS. */
enum { METRICS_PUBLISH_MS = 100 };
struct worker_gauges {
    uint64_t connections;
    uint64_t requests; /* in flight, streams included */
    uint64_t fibers;
    uint64_t stacks_pooled;
    uint64_t is_redis_ready; /* 0 or 1 */
};
void metrics_publish(const struct worker_gauges *gauges, int64_t longest_turn_us);

/*
 * One request that is over. `route` is NULL when none matched; `status` is what the head said, or would have said had
 * the client not left before.
 */
void metrics_count_request(const struct mid_route *route, int status, int64_t first_byte_us, int64_t duration_us);

/* How a stream ended; the names are those of the metric's label. */
#define STREAM_ENDS(X)                                                                                                 \
    X(STREAM_COMPLETE, "complete")                                                                                     \
    X(STREAM_CLIENT_LEFT, "client_left")                                                                               \
    X(STREAM_STALLED, "stalled")             /* the client took nothing for stall-timeout-ms */                        \
    X(STREAM_FAILED, "failed")               /* the handler returned an error */                                       \
    X(STREAM_SESSION_ENDED, "session_ended") /* it was MID_ENDED */                                                    \
    X(STREAM_DRAINED, "drained")             /* the worker was told to stop */                                         \
    X(STREAM_CRASHED, "crashed")             /* the worker died */
enum stream_ending {
#define STREAM_END_NAME(name, text) name,
    STREAM_ENDS(STREAM_END_NAME)
#undef STREAM_END_NAME
        STREAM_END_COUNT
};
void metrics_count_stream_end(enum stream_ending ending);

/* The streams that are still open end with this process. */
void metrics_count_open_streams_as(enum stream_ending ending);

/*
 * How a queue of tasks is, for the whole pool: one worker tells it every few seconds, each queue at a place of its own
 * (0 to QUEUES_MAX - 1). The name is copied. What nobody has told for METRICS_QUEUE_STALE_MS is shown no more.
 */
enum { METRICS_QUEUE_STALE_MS = 15000 };
void metrics_publish_queue(size_t place, const char *name, const struct queue_stats *stats);

/* How Redis's memory is, as it was told last. Redis is the same for all workers, so any of them may tell it. */
void metrics_publish_memory(const struct memory_figures *figures);

/* -------------------- readers -------------------- */

/* Adds the metrics of all processes in Prometheus's text format 0.0.4. False: the master was in the way all the time;
 * ask again. */
MID_CHECK bool metrics_write(struct buffer *out);

struct metrics_health {
    int responding; /* workers that accept, and whose loop has turned lately */
    int with_redis; /* of these, those that are connected to Redis and do not suspect it */
    bool is_stopping;
    bool is_looked_after; /* the master has turned lately: it would notice a worker that dies or hangs */
};
struct metrics_health metrics_health(void);

#endif
