/*
 * Durability: whether what Redis has answered is in its append-only file on disk, or in its replicas.
 *
 * DESIGN. The commands that ask for it block the connection that they are sent on, and with it whatever comes behind
 * them. So they have a connection of their own. Once at the end of a turn a mark is written there (mark.h), and whoever
 * has been answered by then waits for it. One such round covers all of them, of all sessions; those who come while it
 * is under way are in the next one (docs/adr/0022-durability.md).
 *
 * The mark says something only about the process that answered. So both connections have to lead to the same one
 * (identity.h), and that of the commands has to be the one on which the answer came.
 *
 * When a round has failed, it is not known of any of its calls whether what they have stored will stay: MID_UNAVAILABLE
 * with was_sent, as when an answer is lost. Then impatient calls (patience_ms) are refused before they are sent, until
 * a mark gets through again; that is tried a few times a second.
 */
#ifndef REDIS_DURABILITY_H
#define REDIS_DURABILITY_H

#include "redis/client.h"

struct redis_durability;

/* Whether there is anything to wait for. */
static inline bool redis_durability_is_needed(enum mid_durability durability)
{
    return durability == MID_DURABLE_DISK || durability == MID_DURABLE_REPLICA;
}

/* From the start, when the options ask for it; later, when the first call does. */
void redis_durability_begin(struct redis_client *client);

/* Calls that wait report MID_UNAVAILABLE. NULL is fine. */
void redis_durability_free(struct redis_durability *durability);

/* With its client: see connection.h. What was found out before is forgotten then. NULL is fine. */
void redis_durability_retire(struct redis_durability *durability);
void redis_durability_revive(struct redis_durability *durability);

/* Whether the call may be sent, as far as its durability is concerned: MID_OK or MID_UNAVAILABLE. */
MAY_SUSPEND enum mid_error redis_durability_admit(struct redis_client *client, const struct redis_call *call);

/* Suspends until what was answered on that connection is as durable: MID_OK; or MID_UNAVAILABLE, when that is not
 * known. At once where nothing is asked for. Behind redis_durability_admit(). */
MAY_SUSPEND enum mid_error redis_durability_await(struct redis_client *client, enum mid_durability asked,
                                                  uint64_t connection);

#endif
