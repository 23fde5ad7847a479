/* The shared memory of the metrics. See metrics.h; the table and the text are in metrics_table.c and metrics_text.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/panic.h"
#include "metrics/layout.h"
#include "session/memory_info.h"

enum {
    SLOTS_MAX = 1024, /* workers that live at a time, those that drain after reloads included; untouched, free */
    MASTER_SILENT_MS = 3000,
    SILENT_MS = 2000,       /* a worker whose loop has not turned for so long does not respond */
    READ_TRIES = 200,       /* of a reader that meets the master... */
    READ_PAUSE_NS = 100000, /* ...which needs some microseconds to retire a slot */
};

struct slot_state {
    bool is_taken;
    bool is_draining;
    int worker_number;
};

/* At the beginning of the mapping; the slots follow, each at a page of its own, the retired one last. */
struct shared {
    uint64_t sequence; /* odd while the master retires a slot */
    bool is_stopping;
    uint64_t master_turned_ms; /* when the master last looked after its processes, on the monotonic clock */
    struct pool_counts counts;
    struct slot_state slots[SLOTS_MAX];
    struct queue_figures queues[QUEUES_MAX]; /* written by one worker */
};

static struct {
    const struct mid_route *routes;
    size_t route_count;
    size_t counts_bytes; /* of a slot's content */
    size_t slot_bytes;
    size_t bytes;
    struct shared *shared;
    struct worker_counts *own; /* of this process, if it is a worker */
} metrics;

/* -------------------- memory -------------------- */

static size_t round_to_page(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static struct worker_counts *counts_of(int slot)
{
    char *first = (char *)metrics.shared + round_to_page(sizeof(struct shared));
    return (struct worker_counts *)(void *)(first + (size_t)slot * metrics.slot_bytes);
}

void metrics_create(const struct mid_route routes[])
{
    metrics.routes = routes;
    for (metrics.route_count = 0; routes[metrics.route_count].method != NULL;)
        metrics.route_count++;
    metrics.counts_bytes = sizeof(struct worker_counts) + (metrics.route_count + 1) * sizeof(struct route_counts);
    metrics.slot_bytes = round_to_page(metrics.counts_bytes);
    metrics.bytes = round_to_page(sizeof(struct shared)) + (SLOTS_MAX + 1) * metrics.slot_bytes;
    void *memory = mmap(NULL, metrics.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        panic("out of memory for the metrics");
    metrics.shared = memory;
    metrics.shared->counts.started_unix_ms = (uint64_t)clock_unix_ms();
}

void metrics_destroy(void)
{
    if (metrics.shared != NULL)
        munmap(metrics.shared, metrics.bytes);
    metrics.shared = NULL;
}

/* -------------------- adding up -------------------- */

static void add_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += counter_read(&from[i]);
}

/* All words of a slot: gauges too, which add up to those of the living. */
static void add_counts(struct worker_counts *to, const struct worker_counts *from)
{
    add_words((uint64_t *)(void *)to, (const uint64_t *)(const void *)from, metrics.counts_bytes / sizeof(uint64_t));
}

/* A reader may meet a stream that has ended since its begin was read; open are never less than none. */
static uint64_t open_streams(const struct worker_counts *counts)
{
    uint64_t begun = counter_read(&counts->stream.begun);
    uint64_t ended = 0;
    for (size_t i = 0; i < STREAM_END_COUNT; i++)
        ended += counter_read(&counts->stream_ends[i]);
    return begun > ended ? begun - ended : 0;
}

/* -------------------- master -------------------- */

int metrics_slot_take(int worker_number)
{
    for (int slot = 0; slot < SLOTS_MAX; slot++) {
        struct slot_state *state = &metrics.shared->slots[slot];
        if (state->is_taken)
            continue;
        *state = (struct slot_state){.is_taken = true, .worker_number = worker_number};
        return slot;
    }
    log_event(MID_WARN, "metrics.no-slot", "worker=%d most=%d", worker_number, SLOTS_MAX);
    return -1;
}

void metrics_slot_retire(int slot)
{
    if (slot < 0)
        return;
    struct shared *shared = metrics.shared;
    struct worker_counts *counts = counts_of(slot);
    __atomic_fetch_add(&shared->sequence, 1, __ATOMIC_ACQ_REL);
    counts->stream_ends[STREAM_CRASHED] += open_streams(counts);
    counts->gauges = (struct worker_gauges){0};
    counts->redis.is_suspect = counts->redis.is_not_durable = counts->redis.connections = 0;
    counts->redis.unserved_slots = 0;
    counts->live.watchers = counts->live.is_ready = 0;
    counts->published_ms = 0;
    add_counts(counts_of(SLOTS_MAX), counts);
    memset(counts, 0, metrics.counts_bytes);
    shared->slots[slot] = (struct slot_state){0};
    __atomic_fetch_add(&shared->sequence, 1, __ATOMIC_RELEASE);
}

void metrics_slot_drains(int slot)
{
    if (slot >= 0)
        metrics.shared->slots[slot].is_draining = true;
}

void metrics_count_restart(enum worker_restart cause)
{
    counter_add(&metrics.shared->counts.restarts[cause], 1);
}

void metrics_count_reload(bool was_accepted)
{
    counter_add(&metrics.shared->counts.reloads[was_accepted], 1);
}

void metrics_set_workers(int count)
{
    counter_set(&metrics.shared->counts.workers_wanted, (uint64_t)count);
}

void metrics_enter_master(void)
{
    log_count_dropped(&metrics.shared->counts.log_dropped);
    metrics_note_master();
}

void metrics_note_master(void)
{
    counter_set(&metrics.shared->master_turned_ms, (uint64_t)clock_monotonic_ms());
}

void metrics_set_stopping(void)
{
    metrics.shared->is_stopping = true;
}

/* -------------------- worker -------------------- */

struct worker_counts *metrics_enter(int slot)
{
    metrics.own = slot >= 0 ? counts_of(slot) : calloc(1, metrics.counts_bytes);
    if (metrics.own == NULL)
        panic("out of memory for the metrics of a worker");
    return metrics.own;
}

void metrics_publish(const struct worker_gauges *gauges, int64_t longest_turn_us)
{
    struct worker_counts *own = metrics.own;
    counter_set(&own->gauges.connections, gauges->connections);
    counter_set(&own->gauges.requests, gauges->requests);
    counter_set(&own->gauges.fibers, gauges->fibers);
    counter_set(&own->gauges.stacks_pooled, gauges->stacks_pooled);
    counter_set(&own->gauges.is_redis_ready, gauges->is_redis_ready);
    histogram_record(&own->turns, longest_turn_us);
    counter_set(&own->published_ms, (uint64_t)clock_monotonic_ms());
}

void metrics_count_request(const struct mid_route *route, int status, int64_t first_byte_us, int64_t duration_us)
{
    size_t index = route != NULL ? (size_t)(route - metrics.routes) : metrics.route_count;
    struct route_counts *counts = &metrics.own->routes[index];
    counter_add(&counts->by_status[status_kind(status)], 1);
    histogram_record(&counts->duration, duration_us);
    histogram_record(&counts->first_byte, first_byte_us);
}

void metrics_count_stream_end(enum stream_ending ending)
{
    counter_add(&metrics.own->stream_ends[ending], 1);
}

void metrics_count_open_streams_as(enum stream_ending ending)
{
    counter_add(&metrics.own->stream_ends[ending], open_streams(metrics.own));
}

void metrics_publish_queue(size_t place, const char *name, const struct queue_stats *stats)
{
    ENSURE(place < QUEUES_MAX);
    struct queue_figures *queue = &metrics.shared->queues[place];
    snprintf(queue->name, sizeof(queue->name), "%s", name);
    counter_set(&queue->depth[QUEUE_WAITING], (uint64_t)stats->waiting);
    counter_set(&queue->depth[QUEUE_DELAYED], (uint64_t)stats->delayed);
    counter_set(&queue->depth[QUEUE_RUNNING], (uint64_t)stats->running);
    counter_set(&queue->depth[QUEUE_DEAD], (uint64_t)stats->dead_letters);
    counter_set(&queue->oldest_waiting_ms, (uint64_t)stats->oldest_waiting_ms);
#define SET_EVENT(name) counter_set(&queue->events[QUEUE_EVENT_##name], (uint64_t)stats->name);
    QUEUE_COUNTS(SET_EVENT)
#undef SET_EVENT
    counter_set(&queue->published_ms, (uint64_t)clock_monotonic_ms());
}

void metrics_publish_memory(const struct memory_figures *figures)
{
    counter_set(&metrics.shared->counts.redis_used_bytes, (uint64_t)figures->used_bytes);
    counter_set(&metrics.shared->counts.redis_max_bytes, (uint64_t)figures->max_bytes);
}

/* -------------------- readers -------------------- */

static enum worker_state state_of(int slot, uint64_t *silent_ms)
{
    uint64_t published_ms = counter_read(&counts_of(slot)->published_ms);
    if (published_ms == 0)
        return WORKER_STARTING;
    uint64_t now_ms = (uint64_t)clock_monotonic_ms();
    *silent_ms = now_ms > published_ms ? now_ms - published_ms : 0;
    if (metrics.shared->slots[slot].is_draining)
        return WORKER_DRAINING;
    return *silent_ms > SILENT_MS ? WORKER_SILENT : WORKER_UP;
}

static void look_at_workers(struct pool_counts *pool)
{
    for (int slot = 0; slot < SLOTS_MAX; slot++) {
        if (!metrics.shared->slots[slot].is_taken)
            continue;
        uint64_t silent_ms = 0;
        pool->workers[state_of(slot, &silent_ms)]++;
        if (silent_ms * 1000 > pool->silent_us)
            pool->silent_us = silent_ms * 1000;
    }
}

/* Old figures are none: a queue that looks calm because nobody can ask Redis about it would mislead. */
static void look_at_queues(struct metrics_sum *sum)
{
    uint64_t now_ms = (uint64_t)clock_monotonic_ms();
    for (size_t place = 0; place < QUEUES_MAX; place++) {
        const struct queue_figures *queue = &metrics.shared->queues[place];
        uint64_t published_ms = counter_read(&queue->published_ms);
        if (published_ms != 0 && published_ms + METRICS_QUEUE_STALE_MS > now_ms)
            sum->queues[sum->queue_count++] = *queue;
    }
}

static void add_all_slots(struct worker_counts *sum)
{
    memset(sum, 0, metrics.counts_bytes);
    add_counts(sum, counts_of(SLOTS_MAX));
    for (int slot = 0; slot < SLOTS_MAX; slot++)
        if (metrics.shared->slots[slot].is_taken)
            add_counts(sum, counts_of(slot));
}

/* One try; false when the master has retired a slot meanwhile. */
static bool add_consistently(struct worker_counts *sum)
{
    uint64_t before = __atomic_load_n(&metrics.shared->sequence, __ATOMIC_ACQUIRE);
    add_all_slots(sum);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return before % 2 == 0 && before == __atomic_load_n(&metrics.shared->sequence, __ATOMIC_RELAXED);
}

bool metrics_add_up(struct metrics_sum *sum)
{
    struct worker_counts *workers = malloc(metrics.counts_bytes);
    if (workers == NULL)
        panic("out of memory for a sum of the metrics");
    int tries = 1;
    while (!add_consistently(workers)) {
        if (tries++ == READ_TRIES) {
            free(workers);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = READ_PAUSE_NS}, NULL);
    }
    workers->streams_open = open_streams(workers);
    workers->log_dropped += metrics.shared->counts.log_dropped;
    *sum = (struct metrics_sum){.pool = metrics.shared->counts,
                                .routes = metrics.routes,
                                .route_count = metrics.route_count,
                                .workers = workers};
    sum->pool.build = 1;
    look_at_workers(&sum->pool);
    look_at_queues(sum);
    return true;
}

bool metrics_write(struct buffer *out)
{
    struct metrics_sum sum;
    if (!metrics_add_up(&sum))
        return false;
    metrics_format(&sum, out);
    free(sum.workers);
    return true;
}

/* Of a cluster, one node that answers is enough: the others' slots are unavailable at any machine. */
static bool has_redis(int slot)
{
    const struct worker_counts *counts = counts_of(slot);
    uint64_t connections = counter_read(&counts->redis.connections);
    return counter_read(&counts->gauges.is_redis_ready) != 0 && counter_read(&counts->redis.is_suspect) < connections;
}

struct metrics_health metrics_health(void)
{
    uint64_t now_ms = (uint64_t)clock_monotonic_ms();
    struct metrics_health health = {
        .is_stopping = metrics.shared->is_stopping,
        .is_looked_after = counter_read(&metrics.shared->master_turned_ms) + MASTER_SILENT_MS > now_ms,
    };
    for (int slot = 0; slot < SLOTS_MAX; slot++) {
        uint64_t silent_ms;
        if (!metrics.shared->slots[slot].is_taken || state_of(slot, &silent_ms) != WORKER_UP)
            continue;
        health.responding++;
        health.with_redis += has_redis(slot);
    }
    return health;
}
