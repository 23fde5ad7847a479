/*
 * The inside of a durability: who waits, and the rounds that wait for them. See durability.h.
 */
#ifndef REDIS_DURABILITY_ROUND_H
#define REDIS_DURABILITY_ROUND_H

#include "redis/connection.h"
#include "redis/identity.h"
#include "redis/mark.h"
#include "redis/shortage.h"

enum { ON_DISK, IN_REPLICAS, KINDS };

struct durability_waiter {
    struct list link;
    struct fiber *fiber;
    uint64_t connection; /* of the commands, on which it was answered */
    bool is_over;
    enum mid_error result;
};

struct durability_kind {
    struct list waiting;
    bool is_proven; /* a round has succeeded, on this connection and since the last failure */
    struct redis_shortage shortage;
};

enum durability_state {
    ROUND_NONE,
    ROUND_IDENTIFYING, /* before it: INFO was asked */
    ROUND_ASKING,
};

struct redis_durability {
    struct redis_client *commands; /* the client that has this */
    struct redis_client *own;      /* on whose connection rounds are */
    struct durability_kind kinds[KINDS];
    struct redis_identity commands_lead_to;
    struct redis_identity own_leads_to;
    enum durability_state state;
    size_t turn; /* the kind of the round, or of the last one */
    struct list round;
    struct redis_mark mark;
    bool is_given_up; /* by ourselves */
    unsigned losses;  /* of the connection within rounds, in a row */
    unsigned marks;   /* keys that were not this node's, in a row */
    int64_t away_ms;  /* since when rounds have no connection; 0: they have one */
    struct flush flush;
    struct timer timer;
    bool is_closing;
    bool is_counted; /* in the metric of those that are short */
};

/* Of DISK or REPLICA. */
struct durability_kind *durability_kind(struct redis_durability *durability, enum mid_durability asked);

/* The flush begins a round for whoever waits by then; where the options ask for durability, one is tried without. */
void durability_rounds_begin(struct redis_durability *durability);

/* What was found out does not count any more. */
void durability_rounds_forget(struct redis_durability *durability);

/* Whoever waits is told MID_UNAVAILABLE; the connection for rounds is freed. */
void durability_rounds_end(struct redis_durability *durability);

#endif
