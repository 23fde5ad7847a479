/*
 * Sessions: named values that follow a visitor, kept in Redis between requests.
 *
 * A session is loaded on first use. Changes are recorded as operations, not as a new whole, and a commit applies them
 * in one atomic step. What handlers call is in midstream.h; this is what the files of this room and the runtime share:
 *
 *     visitor.c   which session a request has: its cookie in, its cookie out, login and logout
 *     session.c   reading, recording and committing
 *     store.c     the steps in Redis
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "session/counts.h"
#include "session/store.h"

struct mid_request;

enum session_state {
    SESSION_CLAIMED, /* the cookie is genuine; Redis has not been asked yet */
    SESSION_LIVE,    /* Redis has it */
    SESSION_ABSENT,  /* the visitor has none; the first commit makes one */
    SESSION_ENDED,   /* there was one */
};

struct mid_session {
    struct mid_request *rq;
    enum session_state state;
    uint8_t rid[TOKEN_RID_BYTES];
    char key[STORE_KEY_BYTES];
    uint32_t cookie_generation;
    bool must_send_cookie;
    bool must_clear_cookie;
    bool is_loaded; /* `record` and `view` were read */
    bool is_at_end; /* the stream's handler has returned */
    struct store_record record;
    struct view view;
    struct operations operations;
    struct list stream_link;         /* among the worker's sessions with a stream */
    struct store_commit commit;      /* of these operations, while it may have to be repeated */
    const struct store_fence *fence; /* claim.c: of the task whose session this is; NULL: of a request */
    const char *step;                /* of the task, that the next commit is; NULL: none */
    bool was_step_skipped;           /* by the last commit that went well */
};

struct session_settings {
    struct store_settings store;
    struct keyring *keyring; /* stays the caller's */
    bool cookie_is_secure;
    int64_t head_timeout_ms;       /* how long a request may wait for Redis before its head is out */
    int64_t commit_timeout_ms;     /* how long a stream's commit is repeated while Redis is away */
    struct session_counts *counts; /* NULL: the room's own */
    size_t streams_max;            /* of one session in this worker */
};

void session_configure(const struct session_settings *settings);

/* The request is over: drops what is not committed and gives the memory back. NULL is fine. */
void session_close(struct mid_session *session);

/* -------------------- a task's session: claim.c -------------------- */

/*
 * Opens the session by its identifier, as the task's that the fence names, and makes it the request's. `rq` is_after.
 * The fence stays the caller's until session_close(). MID_ENDED: there is none any more. MID_LOST_LEASE: a later
 * generation of the task has been here. MID_UNAVAILABLE. May suspend.
 */
MAY_SUSPEND MID_CHECK enum mid_error session_open_rid(struct mid_request *rq, const uint8_t rid[static TOKEN_RID_BYTES],
                                                      const struct store_fence *fence, struct mid_session **session);

/* Commits what is recorded once for the task, as this step. Errors of mid_session_commit(), and MID_LOST_LEASE. */
MAY_SUSPEND MID_CHECK enum mid_error session_commit_step(struct mid_session *session, const char *step,
                                                         bool *was_applied);

/* The task is done: nothing may follow under its claim. NULL is fine. May suspend. */
MAY_SUSPEND void session_release_claim(struct mid_session *session);

/* Commits what is recorded, and makes sure that Redis has the session, so that a task can find it: NULL or a session of
 * a request. MID_HEAD_SENT, MID_ENDED, MID_UNAVAILABLE... May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error session_store_now(struct mid_session *session);

/* Something is recorded and not committed. NULL is fine. */
bool session_is_dirty(const struct mid_session *session);

/* -------------------- between the files of this room -------------------- */

const struct keyring *session_keyring(void);

/* Whether a cookie can still be sent. */
bool session_can_send_cookie(const struct mid_session *session);

/* How long the session's next step may wait for Redis. */
store_patience session_patience_ms(const struct mid_session *session);

/* The session's record is gone: the visitor gets a new one, with the next commit, if the head is not out; MID_ENDED
 * otherwise. */
MID_CHECK enum mid_error session_found_missing(struct mid_session *session);

/* The cookie is of an older generation; it was renewed `ago_ms` ago. */
MID_CHECK enum mid_error session_found_stale(struct mid_session *session, int64_t ago_ms);

/* Turns SESSION_CLAIMED into what Redis says, by loading it. May suspend. MID_ENDED, MID_UNAVAILABLE. */
MAY_SUSPEND MID_CHECK enum mid_error session_load(struct mid_session *session);

/* Turns SESSION_ABSENT into SESSION_LIVE. May suspend. MID_HEAD_SENT, MID_UNAVAILABLE. */
MAY_SUSPEND MID_CHECK enum mid_error session_create(struct mid_session *session);

/* Records one operation. NULL with *error: refused. */
struct operation *session_record(struct mid_session *session, enum operation_code code, const char *field,
                                 int argument_count, const struct operation_text arguments[], enum mid_error *error);

#endif
