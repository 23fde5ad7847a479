/*
 * Sessions in Redis: one hash a session, `mid:s:{rid}`. Visitors' fields stand under their own names; the runtime's
 * begin with '@' (docs/session-format.md). Every change is one atomic step on the server, by its clock. How a commit is
 * told is in commit.h.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "midstream.h"
#include "redis/client.h"
#include "session/header.h"
#include "session/token.h"
#include "session/view.h"

struct store_settings {
    struct redis_client *redis;
    int64_t idle_ms; /* of visitors who are not logged in */
    int64_t absolute_ms;
    int64_t user_idle_ms; /* of those who are */
    int64_t user_absolute_ms;
    int fields_max;
    int value_bytes_max;
    int64_t size_max; /* of all fields: header.size */
};

enum { STORE_KEY_BYTES = sizeof("mid:s:{}") + 2 * TOKEN_RID_BYTES, STORE_USER_BYTES = 128 + 1 };

/* What a step found. The numbers are those of record.lua. */
enum store_verdict {
    STORE_NO_ANSWER, /* see the error */
    STORE_OK,
    STORE_MISSING,    /* there is no such session */
    STORE_LOGGED_OUT, /* it was ended by a logout, not long ago */
    STORE_STALE,      /* the cookie is not of the session's generation */
    STORE_SUPERSEDED, /* the handle is from before a login of somebody else */
    STORE_LIMIT,
    STORE_NOT_A_NUMBER,
    STORE_MOVED, /* the record has moved on too far from the revision that the commit rests on */
    STORE_DONE,  /* a commit: the fast way */
    STORE_LOST,  /* the task is another worker's by now */
    STORE_SKIPPED,
    STORE_STEPS,
    STORE_FOREIGN,      /* what is at the key is no record that we understand */
    STORE_APPLIED,      /* a commit: by an earlier try */
    STORE_OTHERS,       /* it is not the user's */
    STORE_REVOKED,      /* a login: all sessions of the user were ended after it had begun */
    STORE_ANOTHER_USER, /* a renewal that no cookie can be sent for, and that would change the user */
    STORE_STREAM,       /* a commit with an entry of a durable stream, which has refused it */
    STORE_VERDICT_LAST = STORE_STREAM,
};

/* What an answer has told. `header` is written by every verdict of a record that is there. */
struct store_finding {
    enum store_verdict verdict;
    bool has_header;
    struct header header;
    int64_t renewed_ago_ms; /* STORE_STALE: how long the cookie has been out; 0 if it was exchanged lately */
    uint64_t connection;    /* to Redis, on which it was answered */
};

/*
 * How long a step waits for its answer, in ms; 0: as long as the client does. A request whose head is not out does
 * better to fail soon; nobody repeats what a stream does.
 */
typedef int64_t store_patience;

/* Registers the scripts with the client: before the first turn of the loop. */
void store_init(const struct store_settings *settings);
void store_key(const uint8_t rid[static TOKEN_RID_BYTES], char key[static STORE_KEY_BYTES]);

/* Now, by the clock of the Redis that has the key. */
int64_t store_unix_ms(const char *key);

/* Whether the node of a cluster that has the key cannot be reached or is silent, whereas others may be well. */
bool store_is_away(const char *key);

/* Suspends until Redis can be asked about the key, at most `timeout_ms`. */
MAY_SUSPEND bool store_wait_ready(const char *key, int64_t timeout_ms);

/* Whether a visitor who is there renews the idle lifetime, and the time such that it was renewed too long ago. */
bool store_must_touch(const char *key, const struct header *header);
int64_t store_touch_before_ms(const char *key, const struct header *header);

/* How long the cookie of such a session is to be kept. */
int64_t store_absolute_ms(const struct header *header);

/*
 * The steps. All may suspend. MID_OK: there is a finding; otherwise MID_UNAVAILABLE, MID_OVERLOADED, or MID_FAILED
 * (what is at the key is no hash, say), which is logged with the key.
 */

/* Reads the whole session: at STORE_OK the view is replaced by it, and *created_ms is written. */
MAY_SUSPEND MID_CHECK enum mid_error store_load(const char *key, struct view *view, int64_t *created_ms,
                                                store_patience patience_ms, struct store_finding *finding);

/*
 * Fields of a large record, to be read without the others. `is_more`: what the view has of it stays, if the record is
 * still at the view's revision. Otherwise, where the view is_part, `names` has every field in it.
 */
enum { STORE_NAMES_MAX = 8 };
struct store_part {
    const char *names[STORE_NAMES_MAX];
    size_t count;
    bool is_more;
};

/*
 * Reads them (HMGET), with the user: at STORE_OK the view has them, and *created_ms is written. At STORE_NO_ANSWER it
 * has not been touched, and store_load() is to be asked: the record is gone, foreign, of an older format, has fields
 * with a lifetime, or has moved on.
 */
MAY_SUSPEND MID_CHECK enum mid_error store_load_part(const char *key, const struct store_part *part, struct view *view,
                                                     int64_t *created_ms, store_patience patience_ms,
                                                     struct store_finding *finding);

/* Reads no more than the header. A record of an older format has none here. */
MAY_SUSPEND MID_CHECK enum mid_error store_look(const char *key, struct store_finding *finding);

/* Makes an empty record. */
MAY_SUSPEND MID_CHECK enum mid_error store_create(const char *key, store_patience patience_ms,
                                                  struct store_finding *finding);

/* The cookie that the record owes has come: the one of the generation before is out. */
MAY_SUSPEND MID_CHECK enum mid_error store_exchanged(const char *key, uint32_t generation, store_patience patience_ms,
                                                     struct store_finding *finding);

/* Whether that was lately, so that the old one may still come with a request that was under way. */
MAY_SUSPEND MID_CHECK enum mid_error store_was_exchanged(const char *key, store_patience patience_ms,
                                                         bool *was_exchanged);

/* Renews the idle lifetime. */
MAY_SUSPEND MID_CHECK enum mid_error store_touch(const char *key, store_patience patience_ms,
                                                 struct store_finding *finding);

/* Marks the record as watched: its commits are published (HEADER_WATCH_UNIT_MS in header.h). */
MAY_SUSPEND MID_CHECK enum mid_error store_watch(const char *key, store_patience patience_ms,
                                                 struct store_finding *finding);

/* When such a session is over, if nobody is there meanwhile: by its lifetimes, and Redis's clock. */
int64_t store_end_ms(const struct header *header);

/* What lets a task write a session, and keeps its earlier generations from it. */
struct store_fence {
    const char *task;
    int64_t generation;
    int64_t until_ms;            /* the lease's end, by Redis's clock */
    uint32_t session_generation; /* when the task was added */
};

/* How an end of a session waits, and whose it was, or is: "" for nobody. */
struct store_ending {
    store_patience patience_ms;
    enum mid_durability durability;
    char user[STORE_USER_BYTES]; /* out */
};

/* Ends the session for a handle of this generation: of a cookie that was not compared yet, or of a task (not NULL). */
MAY_SUSPEND MID_CHECK enum mid_error store_destroy(const char *key, uint32_t generation, bool is_cookie,
                                                   const struct store_fence *fence, struct store_ending *ending,
                                                   struct store_finding *finding);

/* Ends the session for its user, NULL: whoever that is, who does not have it. With `number`, of the end of all sessions
 * of the user, a login that is under way is ended as well; 0: only this session. */
MAY_SUSPEND MID_CHECK enum mid_error store_end(const char *key, const char *user, int64_t number,
                                               struct store_ending *ending, struct store_finding *finding);

/* What others than who has it are told of a session: store_user.c. */
enum { STORE_ADDRESS_BYTES = 65, STORE_AGENT_BYTES = 257 };
struct store_summary {
    bool is_there;
    bool is_old; /* of format 1: nothing else is told */
    struct header header;
    int64_t created_ms;
    char user[STORE_USER_BYTES]; /* "": nobody */
    char address[STORE_ADDRESS_BYTES];
    char agent[STORE_AGENT_BYTES];
};
MAY_SUSPEND MID_CHECK enum mid_error store_summarize(const char *key, store_patience patience_ms,
                                                     struct store_summary *summary);

/* Who is logged in; "": nobody, or there is no record. */
MAY_SUSPEND MID_CHECK enum mid_error store_find_user(const char *key, char user[static STORE_USER_BYTES]);

/* Claims the session for the task, or renews its claim. */
MAY_SUSPEND MID_CHECK enum mid_error store_claim(const char *key, const struct store_fence *fence,
                                                 struct store_finding *finding);

/* The task's work is done. An error leaves the claim to its TTL. */
MAY_SUSPEND void store_release(const char *key, const struct store_fence *fence);

/* Whether an answer says that something is stored, or is gone: which has to be durable. Otherwise nothing was changed.
 */
bool store_is_change(enum store_verdict verdict);

/* What was heard on a connection may be in Redis's memory only: waits until it is as durable. MID_OK or
 * MID_UNAVAILABLE. */
uint64_t store_connection(const char *key); /* the one that there is */
MAY_SUSPEND MID_CHECK enum mid_error store_confirm(const char *key, enum mid_durability durability,
                                                   store_patience patience_ms, uint64_t connection);

/* -------------------- for store_load.c and commit_try.c -------------------- */

const struct store_settings *store_settings(void);

/* Takes the head of an answer, {verdict, header, ...}, and logs what is foreign. */
struct redisReply;
void store_take_finding(const struct redisReply *reply, const char *key, struct store_finding *finding);

/* Adds a script of sessions: behind the line of settings `before`, up to a NULL, then record.lua, and `behind`. NULL
 * before: nothing. */
void store_add_script(struct redis_script *script, enum redis_script_kind kind, const char *const before[],
                      const char *behind);

/* What is at the key is no record. */
void store_log_foreign(const char *key);

/* One more line of the log for an answer that was an error. Returns the error. */
enum mid_error store_note_failure(const char *key, enum mid_error error);

#endif
