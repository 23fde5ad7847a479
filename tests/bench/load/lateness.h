/*
 * How late the events of a stream came, by the stream's own schedule: one event every `interval`.
 *
 * The client cannot see when the server meant to send, so the schedule is put through the arrivals. Three ways, because
 * each hides something:
 *
 *   from_first  event k is due k intervals after the first event arrived. What an application means by "every second".
 *               A first event that was itself late makes all others look early (an early one counts as 0).
 *   best_fit    the schedule is moved to the earliest place that an event of the stream was ever seen at, so that no
 *               event is early and no lateness is hidden. Never less than from_first. Its own first event counts too.
 *   gap         event k is due one interval after event k-1. A server that sleeps for an interval after its work drifts
 *               away from the first two schedules, but not from this one.
 *
 * An arrival is the moment at which the client has read the event, so the client's own delays are in all three.
 */
#ifndef LOAD_LATENESS_H
#define LOAD_LATENESS_H

#include <stdint.h>

#include "samples.h"

struct lateness {
    struct samples from_first;
    struct samples best_fit;
    struct samples gap;
    struct samples drift; /* one of each stream: its mean interval less the interval asked for */
};

/*
 * Adds a stream of `count` events: deviation_us[k] is the arrival of event k less the arrival of event 0, less k
 * intervals.
 */
void lateness_add_stream(struct lateness *lateness, const int32_t *deviation_us, unsigned count);

void lateness_fini(struct lateness *lateness);

#endif
