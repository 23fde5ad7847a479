/*
 * How long to wait before something that has failed is tried again.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/*
 * After so many failures (from 1): `first_ms` doubled for each failure but the first, `longest_ms` at most. Half of it
 * is random, so that many who failed together do not come back together.
 */
int64_t backoff_ms(int failures, int64_t first_ms, int64_t longest_ms);

/* The time, or up to half of it less. */
int64_t backoff_jitter(int64_t ms);

#endif
