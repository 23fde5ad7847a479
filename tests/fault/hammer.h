/*
 * Visitors that never rest: each sends one request after another on a thread of its own, and keeps count of what it was
 * told. What was acknowledged has to be found in Redis afterwards.
 */
#ifndef FAULT_HAMMER_H
#define FAULT_HAMMER_H

#include <stddef.h>

#include "integration/site.h"

/* Each request raises the session's field "counter" by one; every second is a POST, which nginx never repeats. */
struct hammer;

/* Every visitor has had his first answer when this returns. The site outlives the hammer. */
struct hammer *hammer_start(struct site *site, size_t visitors);

struct hammer_sum {
    size_t requests;
    size_t acknowledged; /* 200 */
    size_t unavailable;  /* 503, with Retry-After */
    size_t failed;       /* anything else */
    size_t lost;         /* acknowledged, and not in Redis */
    size_t beyond;       /* in Redis, and neither acknowledged nor left open by a 503 */
    char first_failure[160];
};

/* Waits for the requests under way, compares with Redis (the site's probe), and frees the hammer. */
struct hammer_sum hammer_stop(struct hammer *hammer);

/* The key of a visitor's session, from 0; the hammer's. */
const char *hammer_key(const struct hammer *hammer, size_t visitor);

/* How many requests were answered so far, by whatever status. */
size_t hammer_requests(struct hammer *hammer);

#endif
