/*
 * How many sessions one address may begin within a minute: a single client cannot fill the store.
 *
 * All workers of the pool count together, in memory that the master has made before it forked. An address is an IPv4
 * address or the /64 of an IPv6 address, which is what a subscriber has.
 *
 * DESIGN. A table of fixed size, without locks: sets of eight words, each word a piece of the address's hash, the
 * minute and the count, changed by compare-and-swap. An address finds its set by its hash, with a key that nobody
 * knows. When its set is full, it takes the place of the one with the least count of this minute: so whoever has begun
 * few sessions may be forgotten and begin more, but nobody is refused because the table is full, and whoever has begun
 * many stays counted. It holds 65,536 addresses a minute, in 512 KiB; whoever has more than that is bounded by the
 * share of the store's memory (memory_watch.h).
 */
#ifndef SESSION_NEW_LIMIT_H
#define SESSION_NEW_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "midstream.h"

/* The largest `per_minute`. */
enum { NEW_LIMIT_MAX = 1000000 };

/* Makes the table, before anything is forked. Panics when there is no memory. Without it, nobody is limited. */
void new_limit_create(void);

/* Of this process only. */
void new_limit_destroy(void);

/* How many sessions an address may begin within a minute of the clock; 0: any number. */
void new_limit_init(int64_t per_minute);

/*
 * Counts a session that the request is about to begin. MID_TOO_MANY, with a sentence and the seconds after which to
 * come again: its address has begun as many as it may. The address is the parameter REMOTE_ADDR; a request without one
 * (a web server that does not send it, or listens on a unix socket) is not limited, which is logged once.
 */
MID_CHECK enum mid_error new_limit_enter(struct mid_request *rq);

/* The same for an address as text, at a time of clock_monotonic_ms(). False: it has begun as many as it may. What is no
 * address is not limited. */
MID_CHECK bool new_limit_admits(const char *address, int64_t now_ms);

#endif
