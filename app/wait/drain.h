/*
 * A worker that drains: when each of its requests is told that it has to end (docs/adr/0008-drain.md).
 *
 * Turns are shared out evenly over a time, so that clients do not all come back at once; no request needs to know of
 * the others.
 */
#ifndef WAIT_DRAIN_H
#define WAIT_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "http/request.h"

struct drain_times {
    int64_t from_ms;   /* on the loop's clock: when the first is told... */
    int64_t spread_ms; /* ...and the time over which the others are */
};

/* From now on there are turns. A second call moves them. Who waits does not hear of it: see wait_begin_drain(). */
void drain_set_times(const struct drain_times *times);

/* When the request is told, on the loop's clock; -1: never. */
int64_t drain_turn_ms(struct mid_request *rq);

/* It is that time. */
bool drain_is_due(struct mid_request *rq);

#endif
