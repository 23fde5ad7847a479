/*
 * Two sessions that are the same, and a commit that goes to both: to the first as a worker's handle sends it, the fast
 * way where that is foreseen, and to the second the slow way, in which Redis does all of it. What both come to is
 * compared here; which commits there are is speeds.c's.
 */
#ifndef INTEGRATION_SPEEDS_BOTH_H
#define INTEGRATION_SPEEDS_BOTH_H

#include <criterion/criterion.h>

#include "entries.h"
#include "random.h"
#include "record.h"
#include "session/commit_try.h"

/* What a commit is sent as, once and perhaps again. */
struct sent {
    struct random_operations operations;
    struct random_entry entry; /* behind them */
    uint8_t id[HEADER_COMMIT_BYTES];
    bool knows_revision;
    int64_t revision;
    bool must_hold;
    bool is_asked_there;
    bool is_in_doubt;
    uint32_t generation;
    bool is_cookie;
    bool is_without_cookie;
    bool is_activity;
    bool is_believed;
    struct header believed;
};

extern struct world {
    uint64_t seed;
    long count;
    long number; /* of the commit */
    const char *mode;
    struct sent sent;
    /* The handle on the first session: as struct mid_session. */
    char fast_key[STORE_KEY_BYTES];
    char slow_key[STORE_KEY_BYTES];
    bool has_header;
    struct header header;
    struct view view;
    struct record record; /* as it was before the commit */
    int commits_left;     /* until the next sessions */
    enum random_kind kind;
    bool is_small;
    bool was_long;
    struct sent earlier; /* applied */
    bool has_earlier;
    long tries;
    long fast;
    long verdicts[STORE_VERDICT_LAST + 1];
} world;

/* Which commit of which seed it is. */
void describe(void);

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            describe();                                                                                                \
            cr_assert_fail(__VA_ARGS__);                                                                               \
        }                                                                                                              \
    } while (0)

/* -------------------- the handle on the first session -------------------- */

/* As session_view_is_exact() and session_take_header(). */
bool is_view_exact(void);
void take_header(const struct store_finding *finding);
MAY_SUSPEND void load(void);

bool has_answers(const struct random_operations *operations);
bool has_code(const struct random_operations *operations, enum operation_code code);

/* -------------------- both -------------------- */

/* The record of the first session becomes world.record. */
void read_record(void);

/* No field's lifetime may end while the two sessions are worked on one after the other. */
void wait_for_short_lifetimes(void);

/* Both are the same, as compact as they can be, and what their headers say; then the moments in them are, too. */
void expect_same_records(void);

/* The operations are shown in the view, as when they are recorded. */
void fill_commit(struct commit *commit, const struct sent *sent, const char *key, struct view *view);

/* The slow way, to one session: nothing is believed, nothing is foreseen. */
MAY_SUSPEND void try_slow(const struct sent *sent, struct commit *commit, const char *key,
                          struct commit_answer *answer);

/* world.sent goes to both sessions; `commit` holds its operations for the first one. STORE_DONE counts as STORE_OK. */
MAY_SUSPEND enum store_verdict try_both(struct commit *commit);

#endif
