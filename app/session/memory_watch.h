/*
 * New sessions are refused while Redis is filled to a share of its maxmemory, so that the sessions that exist can go on
 * being written: without it, whoever makes sessions takes the room of those who have one.
 *
 * Each worker asks Redis once a second (`INFO memory`) and keeps the answer; nobody waits for it. A Redis without
 * maxmemory is never full; of a cluster, its fullest master counts, since a new session may come to any. Where the
 * answer is refused (an ACL without +info) or cannot be understood, nothing is limited, and the log says so once.
 */
#ifndef SESSION_MEMORY_WATCH_H
#define SESSION_MEMORY_WATCH_H

#include "midstream.h"
#include "redis/client.h"
#include "session/memory_info.h"

/* Begins to ask. From `percent` of maxmemory on no session is begun; 0: nothing is asked, and nothing limited. The
 * client stays the caller's. Once per process. */
void memory_watch_start(struct redis_client *redis, int64_t percent);

/* Asks no more; the last verdict stays. */
void memory_watch_stop(void);

/* What Redis said last; zeros while nothing is known. */
struct memory_figures memory_watch_figures(void);

/* Whether Redis was filled to the share when it was last asked. It has room again one percent point below. */
bool memory_watch_is_full(void);

/* MID_OVERLOADED, with a sentence: the request may not begin a session now. */
MID_CHECK enum mid_error memory_watch_admit(struct mid_request *rq);

/* Takes figures as if Redis had said them: for tests. `percent` as above. */
void memory_watch_take(const struct memory_figures *figures, int64_t percent);

#endif
