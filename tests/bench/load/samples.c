/* Measured times, sorted when they are first asked for. */
#include "samples.h"

#include <stdlib.h>

#include "base/panic.h"

enum { FIRST_CAPACITY = 4096 };

void samples_add(struct samples *samples, int32_t us)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? FIRST_CAPACITY : samples->capacity * 2;
        samples->us = realloc(samples->us, samples->capacity * sizeof(samples->us[0]));
        ENSURE(samples->us != NULL);
    }
    samples->us[samples->count++] = us;
    samples->is_sorted = false;
}

static int compare_us(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

int32_t samples_quantile(struct samples *samples, double share)
{
    if (samples->count == 0)
        return 0;
    if (!samples->is_sorted)
        qsort(samples->us, samples->count, sizeof(samples->us[0]), compare_us);
    samples->is_sorted = true;
    size_t rank = (size_t)(share * (double)samples->count);
    if ((double)rank < share * (double)samples->count)
        rank++;
    return samples->us[rank == 0 ? 0 : rank - 1];
}

void samples_fini(struct samples *samples)
{
    free(samples->us);
    *samples = (struct samples){.us = NULL};
}
