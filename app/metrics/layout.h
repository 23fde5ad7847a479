/*
 * How metrics lie in memory, and the table that names each of them. Between metrics.c, metrics_text.c and those who
 * place counters (worker.c); everybody else wants metrics.h.
 */
#ifndef METRICS_LAYOUT_H
#define METRICS_LAYOUT_H

#include <stddef.h>
#include <sys/types.h>

#include "base/counter.h"
#include "fcgi/connection.h"
#include "http/status.h"
#include "durable/durable.h"
#include "live/live.h"
#include "metrics/metrics.h"
#include "redis/client.h"
#include "session/counts.h"
#include "stream/stream.h"
#include "task/queue.h"

/* Of one route, or of all requests that no route matched. */
struct route_counts {
    uint64_t by_status[STATUS_KINDS];
    struct histogram duration;
    struct histogram first_byte;
};

/* A worker's slot. Nothing but 64-bit words, so that slots can be added up. */
struct worker_counts {
    struct connection_counts connection;
    struct redis_counts redis;
    struct session_counts session;
    struct live_counts live;
    struct durable_counts durable;
    struct stream_counts stream;
    uint64_t stream_ends[STREAM_END_COUNT];
    uint64_t streams_open; /* of a sum only: a worker counts begins and ends */
    struct histogram turns;
    uint64_t log_dropped;
    struct worker_gauges gauges;
    uint64_t published_ms;        /* on the monotonic clock, which all processes share; 0: not yet */
    struct route_counts routes[]; /* in the order of the application's table; last, those without a route */
};

enum queue_depth { QUEUE_WAITING, QUEUE_DELAYED, QUEUE_RUNNING, QUEUE_DEAD, QUEUE_DEPTH_COUNT };

enum queue_event {
#define QUEUE_EVENT_NAME(name) QUEUE_EVENT_##name,
    QUEUE_COUNTS(QUEUE_EVENT_NAME)
#undef QUEUE_EVENT_NAME
        QUEUE_EVENT_COUNT
};

/* Of one queue of tasks. Redis keeps these figures, so they are the same whoever has asked for them last. */
struct queue_figures {
    char name[QUEUE_NAME_BYTES];
    uint64_t depth[QUEUE_DEPTH_COUNT];
    uint64_t oldest_waiting_ms;
    uint64_t events[QUEUE_EVENT_COUNT];
    uint64_t published_ms; /* as a worker's; 0: there is no queue at this place */
};

enum worker_state { WORKER_UP, WORKER_STARTING, WORKER_SILENT, WORKER_DRAINING, WORKER_STATE_COUNT };

/* What only the master counts, what is the same whichever worker has told it last, and what is found when somebody
 * reads. */
struct pool_counts {
    uint64_t restarts[WORKER_RESTART_COUNT];
    uint64_t reloads[2]; /* refused, accepted */
    uint64_t workers_wanted;
    uint64_t started_unix_ms;
    uint64_t log_dropped;      /* by the master */
    uint64_t redis_used_bytes; /* told; 0: not known */
    uint64_t redis_max_bytes;
    uint64_t workers[WORKER_STATE_COUNT]; /* found */
    uint64_t silent_us;                   /* found: since the loop of a worker has turned, the longest */
    uint64_t build;                       /* found: 1 */
};

/* -------------------- reading -------------------- */

/* The sum over all workers, dead or alive, that a reader works with. */
struct metrics_sum {
    struct pool_counts pool;
    const struct mid_route *routes;
    size_t route_count; /* without the last, which has no route */
    struct worker_counts *workers;
    size_t queue_count;
    struct queue_figures queues[QUEUES_MAX]; /* those that are not stale */
};

/* False as metrics_write(). The caller frees sum->workers. */
MID_CHECK bool metrics_add_up(struct metrics_sum *sum);

/* -------------------- the table -------------------- */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metric_scope {
    METRIC_OF_POOL,   /* struct pool_counts */
    METRIC_OF_WORKER, /* struct worker_counts, added up */
    METRIC_OF_ROUTE,  /* struct route_counts; the labels "method" and "route" come first */
    METRIC_OF_QUEUE,  /* struct queue_figures; the label "queue" comes first */
};

enum { METRIC_LABELS_MAX = 3 };

struct metric_label {
    const char *name; /* NULL: no more labels */
    const char *(*value)(size_t index);
    size_t count;
};

/* A metric's words lie at `offset` of its scope, one for each combination of its labels, the last label fastest. */
struct metric {
    const char *name;
    enum metric_type type;
    enum metric_scope scope;
    size_t offset;
    int64_t per_unit; /* of what is printed: 1, or 1000 for a gauge that is kept in ms and printed in seconds... */
    const char *help;
    struct metric_label labels[METRIC_LABELS_MAX];
};

const struct metric *metrics_table(size_t *count);

/* How many 64-bit words the metric takes in its scope. */
size_t metric_words(const struct metric *metric);

/* "counter", "gauge", "histogram" */
const char *metric_type_name(enum metric_type type);

/* Adds what Prometheus has to read of a sum. */
void metrics_format(const struct metrics_sum *sum, struct buffer *out);

/* Adds `text` as a label's value: backslash, quote and line feed escaped. */
void metrics_append_label_value(struct buffer *out, const char *text);

#endif
