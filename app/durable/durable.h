/*
 * Durable streams, as handlers use them. What is in Redis is the journal room's, and whose a stream is, the session's.
 * What handlers call is in midstream/durable.h; this is what the files of this room share:
 *
 *     durable.c   which stream a handle is: options, owners, creating and finding
 *     step.c      one step in Redis, with its patience, and what its answer is for a handler
 *     append.c    entries, alone and with a session's commit; producers
 *     read.c      reading, and deleting
 *     wait.c      waiting for more
 */
#ifndef DURABLE_DURABLE_H
#define DURABLE_DURABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/journal.h"
#include "session/session.h"

/* What became of an append, or of closing. */
#define DURABLE_RESULTS(X)                                                                                             \
    X(DURABLE_STORED, "stored")                                                                                        \
    X(DURABLE_REPEATED, "repeated")       /* of a producer: it was stored before */                                    \
    X(DURABLE_REFUSED, "refused")         /* the stream is closed, full or gone, or not this one's any more */         \
    X(DURABLE_UNAVAILABLE, "unavailable") /* there was no answer */

#define DURABLE_NAME(name, text) name,
enum durable_result { DURABLE_RESULTS(DURABLE_NAME) DURABLE_RESULT_COUNT };
#undef DURABLE_NAME

/* Since the start, for metrics. */
struct durable_counts {
    uint64_t created;
    uint64_t appends[DURABLE_RESULT_COUNT];
    uint64_t bytes; /* that were stored */
};

struct durable_settings {
    int64_t bytes_max;             /* of a stream */
    struct durable_counts *counts; /* NULL: the room's own */
};

void durable_init(const struct durable_settings *settings);

/* Appends by a producer that got no answer, or came behind one that did not; in the request's memory. */
enum { DURABLE_DOUBTS_MAX = 256, DURABLE_DOUBTS_BYTES_MAX = 1 << 20 };
struct durable_doubt {
    struct durable_doubt *next;
    struct journal_append append;
};

/* In the request's memory. */
struct mid_durable {
    struct mid_request *rq;
    struct mid_durable *next; /* another one of the request */
    char key[JOURNAL_KEY_BYTES];
    struct mid_session *session; /* whose it is; NULL: no session's */
    struct journal_state state;  /* as of the last answer */
    const char *producer;        /* NULL: none */
    bool is_claim_due;           /* it has to take over before it appends: what it has sent may be stored, or not */
    char claimed[JOURNAL_INCARNATION_BYTES]; /* of which stream it has taken over; "": of none, or it has lost it */
    int64_t epoch;                           /* the producer's */
    int64_t number;                          /* of its next append; of the one in doubt, if there is one */
    struct durable_doubt *doubts;            /* the oldest first */
    struct durable_watch *watch;             /* wait.c's; NULL: it was not waited for */
};

/* -------------------- step.c -------------------- */

extern int64_t durable_bytes_max;
extern struct durable_counts *durable_counts;

/* A step of journal.h, with what it takes. */
typedef MAY_SUSPEND enum mid_error durable_step(const char *key, const void *what, const struct journal_terms *terms,
                                                struct journal_state *state);

/*
 * Takes it, on behalf of the stream's session if it has one; before a head once, otherwise again and again until there
 * is an answer or commit-timeout-ms has passed. What may be carried out twice is not sent again when it may have been
 * carried out. MID_OK: *state has a verdict, which is none of the guard's. MID_UNAVAILABLE: *state says whether it is
 * in doubt. MID_ENDED, MID_LOST_LEASE, MID_OVERLOADED, MID_FAILED.
 */
MAY_SUSPEND MID_CHECK enum mid_error durable_take(struct mid_durable *stream, durable_step *step, const void *what,
                                                  bool may_repeat, struct journal_state *state);

/* The same once. */
MAY_SUSPEND MID_CHECK enum mid_error durable_take_once(struct mid_durable *stream, durable_step *step, const void *what,
                                                       struct journal_state *state);

/* What a struct journal_reading asks for, which need not be durable. */
MAY_SUSPEND enum mid_error durable_look_step(const char *key, const void *what, const struct journal_terms *terms,
                                             struct journal_state *state);

/* Takes over what the state says of the stream, if it says something; and the verdict as an error of the request. */
enum mid_error durable_conclude(struct mid_durable *stream, const struct journal_state *state);

/* Its entries are JSON texts. */
bool durable_is_json(const struct mid_durable *stream);

/* -------------------- append.c -------------------- */

/* The stream's producer takes over. MID_OK, or an error of a handler's call: then it is still due. */
MAY_SUSPEND MID_CHECK enum mid_error durable_claim(struct mid_durable *stream);

/* Sends what is in doubt. MID_OK: it is stored. MID_UNAVAILABLE, MID_OVERLOADED: it stays. With another error it is
 * gone.
 */
MAY_SUSPEND MID_CHECK enum mid_error durable_settle_doubts(struct mid_durable *stream);

#endif
