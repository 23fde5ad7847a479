/*
 * A set of measured times, of which quantiles are wanted. All of them are kept: a run has a million or two, and then
 * the quantiles are exact.
 */
#ifndef LOAD_SAMPLES_H
#define LOAD_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct samples {
    int32_t *us; /* heap, the set's own */
    size_t count;
    size_t capacity;
    bool is_sorted;
};

void samples_add(struct samples *samples, int32_t us);

/* The least sample that at least `share` (0 to 1) of all are not above; 0 of an empty set. Sorts the set. */
int32_t samples_quantile(struct samples *samples, double share);

void samples_fini(struct samples *samples);

#endif
