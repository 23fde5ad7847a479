/*
 * One commit on its way to Redis: operations that are applied together, once, however often they have to be sent.
 *
 * A commit has an identifier, which the record keeps for a while, and the revision that was known before it was first
 * sent. It is applied if its identifier is not among the record's last ones and no more commits than those have come
 * since that revision; so it is never applied twice, even when an older copy of it arrives late, from a connection that
 * was given up. A commit that was sent and not answered is in doubt. It stays together with its identifier until that
 * is settled.
 */
#ifndef SESSION_COMMIT_H
#define SESSION_COMMIT_H

#include "journal/journal.h"
#include "session/operation.h"
#include "session/store.h"

struct commit_answer {
    struct store_finding finding;
    const char *refused; /* the sentence, at STORE_LIMIT and the like, in the operations' arena */
    bool was_fast;
    bool had_cookie;  /* a cookie could follow the try that was answered; of STORE_APPLIED: one of those before it */
    bool is_outdated; /* of a commit that was heard before: the record has been read since, and its header is newer */
};

struct commit {
    struct operations operations;
    const struct operation *entry;    /* the last of them, an entry of a durable stream; NULL: there is none */
    struct journal_state entry_state; /* out: of a commit that was applied, or that the stream has refused; no verdict
                                         (0): it is stored, and where is not known */
    const char *step;                 /* of the task: applied once; NULL: no such thing. In the operations' arena. */
    uint8_t id[HEADER_COMMIT_BYTES];  /* zero before the first try */
    bool has_id;
    bool knows_revision; /* before it was first sent, and which */
    int64_t revision;
    bool must_hold;      /* its answers were computed from that revision */
    bool is_asked_there; /* its answers are computed by Redis: when somebody else was faster too often */
    bool has_results;    /* and Redis has told them, in a try that was not confirmed to be durable */
    bool is_in_doubt;
    bool had_cookie; /* it was sent when a cookie could still follow */
    bool is_heard;   /* it was applied, and what is in doubt is only whether it is durable */
    uint64_t heard_on;
    struct commit_answer heard;
    bool is_unbound; /* it rests on no revision, having been overtaken too often: it is sent once, and then only looked
                        for */
    int64_t login_number;    /* of a renewal, in the index of the user's sessions (user/index.h); 0: none yet */
    int64_t entered_ms;      /* when the index was last asked to name this session, on the loop's clock; 0: never */
    bool is_only_looked_for; /* it was sent without a revision, so it may be found applied, and not be applied now */
};

/* Of whom, and how, for one try. */
struct commit_terms {
    const char *key;
    uint32_t generation;             /* that the handle was opened with */
    bool is_cookie;                  /* and it was not compared with the record yet, or has to be the one of now */
    bool is_without_cookie;          /* none can be sent: a renewal leaves the record owing one, and may not change the
                                        user */
    bool is_activity;                /* a visitor is there: renew the idle lifetime */
    const struct header *header;     /* the one to believe in; NULL: none is known */
    const struct store_fence *fence; /* NULL: not of a task */
    store_patience patience_ms;
    enum mid_durability durability;
};

void commit_init(void);

/* Gives everything back: there is no commit any more. */
void commit_drop(struct commit *commit);

static inline bool commit_is_pending(const struct commit *commit)
{
    return commit->operations.count > 0;
}

/*
 * One try. May suspend. MID_OK: there is a finding, and with STORE_OK, STORE_DONE and STORE_APPLIED the operations'
 * results are written. MID_UNAVAILABLE: no answer; commit->is_in_doubt tells whether it may have been carried out.
 * MID_OVERLOADED, MID_FAILED.
 */
MAY_SUSPEND MID_CHECK enum mid_error commit_try(struct commit *commit, const struct commit_terms *terms,
                                                struct commit_answer *answer);

/* Of one that was heard, on the connection that there is: waits until it is durable. MID_OK with the answer of then, or
 * MID_UNAVAILABLE. */
MAY_SUSPEND MID_CHECK enum mid_error commit_confirm(struct commit *commit, const char *key,
                                                    enum mid_durability durability, store_patience patience_ms,
                                                    struct commit_answer *answer);

#endif
