/* Lateness by three schedules; the header says which. */
#include "lateness.h"

static int32_t not_early(int32_t us)
{
    return us > 0 ? us : 0;
}

static int32_t earliest(const int32_t *deviation_us, unsigned count)
{
    int32_t least = deviation_us[0];
    for (unsigned k = 1; k < count; k++)
        if (deviation_us[k] < least)
            least = deviation_us[k];
    return least;
}

void lateness_add_stream(struct lateness *lateness, const int32_t *deviation_us, unsigned count)
{
    if (count < 2)
        return; /* a single event says nothing about a schedule */
    int32_t offset_us = earliest(deviation_us, count);
    samples_add(&lateness->best_fit, deviation_us[0] - offset_us);
    for (unsigned k = 1; k < count; k++) {
        samples_add(&lateness->from_first, not_early(deviation_us[k]));
        samples_add(&lateness->best_fit, deviation_us[k] - offset_us);
        samples_add(&lateness->gap, not_early(deviation_us[k] - deviation_us[k - 1]));
    }
    samples_add(&lateness->drift, deviation_us[count - 1] / (int32_t)(count - 1));
}

void lateness_fini(struct lateness *lateness)
{
    samples_fini(&lateness->from_first);
    samples_fini(&lateness->best_fit);
    samples_fini(&lateness->gap);
    samples_fini(&lateness->drift);
}
