/*
 * Counters and histograms, for metrics.
 *
 * A room that has something to count keeps it in a plain struct of these (struct redis_counts, struct
 * connection_counts...). Whoever sets the room up says where that struct lies: a worker puts it into memory that other
 * processes read (metrics/metrics.h); without that, it is the room's own. So rooms count without knowing who reads.
 *
 * A counter has one writer, the worker's only thread: counting is a load, an addition and a store. A reader in another
 * process sees every counter whole, though not all of them at one moment.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdint.h>

static inline void counter_add(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

/* For gauges: what is now, and not a sum. */
static inline void counter_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* -------------------- histograms of durations -------------------- */

enum { HISTOGRAM_BUCKETS = 19 };

/* The longest duration of each bucket but the last, which takes what is longer; rising. */
extern const int64_t histogram_bounds_us[HISTOGRAM_BUCKETS - 1];

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS]; /* each counts its own, not those below it */
    uint64_t sum_us;
};

void histogram_record(struct histogram *histogram, int64_t duration_us);

#endif
