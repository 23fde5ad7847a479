/*
 * Sessions in Redis: one hash a session, `mid:s:{rid}`. Visitors' fields stand under their own names; the runtime's
 * begin with '@' (the schema is in ARCHITECTURE.md). Every change is one atomic step on the server, by its clock.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "midstream.h"
#include "redis/client.h"
#include "session/operation.h"
#include "session/token.h"
#include "session/view.h"

struct store_settings {
    struct redis_client *redis;
    int64_t idle_ms;
    int64_t absolute_ms;
    int fields_max;
    int value_bytes_max;
};

enum { STORE_KEY_BYTES = sizeof("mid:s:{}") + 2 * TOKEN_RID_BYTES };

/* The runtime's own fields of a record. */
struct store_record {
    int64_t revision; /* -1: not known */
    int64_t created_ms;
    int64_t expires_ms;
    int64_t touched_ms;
    int64_t renewed_ms;
    uint32_t generation;
    char user[129]; /* "" for none */
};

/*
 * How long a step waits for its answer, in ms; 0: as long as the client does. A request whose head is not out does
 * better to fail soon; nobody repeats what a stream does.
 */
typedef int64_t store_patience;

/* Registers the scripts with the client: before the first turn of the loop. */
void store_init(const struct store_settings *settings);
void store_key(const uint8_t rid[static TOKEN_RID_BYTES], char key[static STORE_KEY_BYTES]);

/* Suspends until Redis can be asked, at most `timeout_ms`. */
MAY_SUSPEND bool store_wait_ready(int64_t timeout_ms);

/* Reads the whole session into the view and the record. MID_ENDED: there is none. MID_UNAVAILABLE. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error store_load(const char *key, struct view *view, struct store_record *record,
                                                store_patience patience_ms);

/* Makes an empty record. MID_FAILED: there is one already. MID_UNAVAILABLE. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error store_create(const char *key, struct store_record *record,
                                                  store_patience patience_ms);

/* Renews the idle timeout when that has not been done for a while; errors do not matter. May suspend. */
MAY_SUSPEND void store_touch(const char *key, struct store_record *record, store_patience patience_ms);

/* MID_OK, or MID_ENDED: there is no such session. MID_UNAVAILABLE. Changes nothing. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error store_exists(const char *key);

/* MID_OK also when there was none. MID_UNAVAILABLE. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error store_destroy(const char *key, store_patience patience_ms);

/* What lets a task write a session, and keeps its earlier generations from it. */
struct store_fence {
    const char *field; /* "@task:" and the task's id */
    int64_t generation;
    int64_t until_ms; /* the lease's end, by Redis's clock */
};

/* Also renews a claim. MID_LOST_LEASE: a later generation has claimed the session. MID_ENDED, MID_UNAVAILABLE. May
 * suspend. */
MAY_SUSPEND MID_CHECK enum mid_error store_claim(const char *key, const struct store_fence *fence);

/* The task's work is done. An error leaves the claim to its TTL. May suspend. */
MAY_SUSPEND void store_release(const char *key, const struct store_fence *fence);

/* Removes the session for the task that has claimed it. MID_LOST_LEASE, MID_UNAVAILABLE. May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error store_destroy_fenced(const char *key, const struct store_fence *fence);

struct store_commit {
    const char *key;
    struct operations *operations; /* their results are written at MID_OK */
    int64_t generation;            /* of a cookie that was not compared yet; -1: none */
    bool is_activity;              /* a visitor is there: renew the idle timeout */
    store_patience patience_ms;
    int64_t known_revision;          /* before the first try; -1: not known */
    const struct store_fence *fence; /* NULL: not of a task */
    const char *step;                /* of the task: applied once; NULL: no such thing */

    uint64_t id;         /* zero before the first try, then kept for repetitions */
    bool may_be_applied; /* an earlier try was sent and its answer lost */

    /* out */
    int64_t revision;    /* at MID_OK */
    int64_t stale_ms;    /* at MID_FORBIDDEN: how long ago the session was renewed */
    const char *refused; /* at MID_UNPROCESSABLE: the sentence, in the operations' arena */
    bool was_skipped;    /* at MID_OK: the step was applied before, and nothing was done; there are no results */
    bool was_own;        /* it was this very commit that applied it */
};

/*
 * Applies the operations. May suspend. MID_ENDED: the session does not exist. MID_FORBIDDEN: the generation is an older
 * one. MID_LOST_LEASE: the task was claimed by a later generation. MID_UNPROCESSABLE: a limit, or an increment of what
 * is no number. MID_UNAVAILABLE: no answer; repeat with the same structure. MID_FAILED: repeated too late to tell
 * whether it was applied. What is not MID_OK has changed nothing, MID_UNAVAILABLE and MID_FAILED aside.
 */
MAY_SUSPEND MID_CHECK enum mid_error store_commit(struct store_commit *commit);

#endif
