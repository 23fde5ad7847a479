/* Histograms of durations. See counter.h. */
#include "base/counter.h"

enum { MS = 1000, S = 1000 * MS };

/* From a command of Redis to a stream of ten minutes. */
const int64_t histogram_bounds_us[HISTOGRAM_BUCKETS - 1] = {
    100,      250,      500,      1 * MS, 2500,      5 * MS, 10 * MS, 25 * MS, 50 * MS,
    100 * MS, 250 * MS, 500 * MS, 1 * S,  2500 * MS, 5 * S,  10 * S,  60 * S,  600 * S,
};

void histogram_record(struct histogram *histogram, int64_t duration_us)
{
    int bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS - 1 && duration_us > histogram_bounds_us[bucket])
        bucket++;
    counter_add(&histogram->buckets[bucket], 1);
    counter_add(&histogram->sum_us, duration_us > 0 ? (uint64_t)duration_us : 0);
}
