/*
 * Sessions: named values that follow a visitor, kept in Redis between requests.
 *
 * A session is loaded on first use. Changes are recorded as operations, not as a new whole, and a commit applies them
 * in one atomic step. What handlers call is in midstream.h; this is what the files of this room and the runtime share:
 *
 *     session.c      which session a request has; login and logout
 *     state.c        what a session is, and what makes it something else
 *     cookie.c       its cookie, in and out
 *     load.c         from Redis into the view
 *     fields.c       what handlers read, and record to be changed
 *     commit.c       what is recorded becomes a commit
 *     settle.c       a commit is sent until its fate is known; commit_try.c: one try of it
 *     foresight.c    whether a try can go the fast way
 *     changes.c      which fields have changed between two reads
 *     streams.c      the streams of this worker's sessions
 *     claim.c        a task's session
 *     store.c        the other steps in Redis
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "session/changes.h"
#include "session/commit_try.h"
#include "session/cookie.h"
#include "session/counts.h"
#include "session/store.h"

struct live_watch;
struct mid_request;

enum session_state {
    SESSION_CLAIMED, /* the cookie is genuine; Redis has not been asked yet */
    SESSION_LIVE,    /* Redis has it */
    SESSION_ABSENT,  /* the visitor has none; the first commit makes one */
    SESSION_ENDED,   /* there was one */
};

/* A state of the record. After a failover that has lost some, a revision comes a second time, with another commit. */
struct read_state {
    int64_t revision; /* -1: nothing was read yet */
    uint8_t commit[HEADER_COMMIT_BYTES];
};

struct mid_session {
    struct mid_request *rq;
    enum session_state state;
    uint8_t rid[TOKEN_RID_BYTES];
    char key[STORE_KEY_BYTES];
    char rid_text[2 * TOKEN_RID_BYTES + 1]; /* in hexadecimal digits: an id for display, and in indexes */
    uint32_t generation;                    /* that this handle was opened with, by a cookie or for a task */
    bool is_in_use; /* opened, or found; otherwise it was looked for, and the request goes on without one */
    bool must_send_cookie;
    bool must_clear_cookie;
    bool is_look_due;         /* the last one had no answer */
    bool lives_on;            /* it has ended for this handle only */
    bool is_at_end;           /* the stream's handler has returned */
    uint64_t heard_on;        /* the connection to Redis on which the last was heard of it */
    bool has_header;          /* Redis has told it */
    struct header header;     /* as it was then */
    bool is_behind;           /* there may be something that it has not read: live/ and looks say so */
    bool is_asked_for;        /* the load under way, by the application */
    struct read_state read;   /* what this handle has read, or has made of it itself */
    struct live_watch *watch; /* the live room's: it is waited for; NULL: it is not */
    struct changes changes;   /* between the last two reads */
    int64_t created_ms;       /* written with the view, when the session was loaded */
    struct view view;
    struct operations recorded; /* not committed */
    /* The durable room's, NULL without one: what stands before entries that are committed; and what became of one. */
    MAY_SUSPEND enum mid_error (*before_entry)(struct mid_session *session);
    void (*entry_settled)(const struct operation *entry, enum mid_error error);
    struct commit commit;             /* on its way, or in doubt: it leaves before what is recorded */
    struct journal_state entry_state; /* of the last commit, if it had an entry and that was told */
    enum mid_error refused;  /* what was to be recorded, and has to be told by the next commit; MID_OK: nothing */
    const char *refusal;     /* why; NULL: no sentence. In the operations' arena. */
    struct list stream_link; /* among the worker's sessions with a stream */
    const struct store_fence *fence; /* claim.c: of the task whose session this is; NULL: of a request */
    bool was_step_skipped;           /* by the last commit that went well */
    int64_t login_begun;             /* mid_user_begin_login(): the number of the login that follows; 0: none was */
    int64_t login_number;            /* of the login that was last sent */
    int64_t other_sessions;          /* of the user who has just logged in: as many as the index names */
    bool is_keep_due;                /* a commit has touched it: user_sessions_keep() */
};

/* NULL is the handle that mid_session_find() gives where there is no session: as over as one that has ended. */
static inline bool session_is_over(const struct mid_session *session)
{
    return session == NULL || session->state == SESSION_ENDED;
}

struct session_settings {
    struct store_settings store;
    struct cookie_settings cookie;
    int64_t head_timeout_ms;       /* how long a request may wait for Redis before its head is out */
    int64_t commit_timeout_ms;     /* how long a stream's commit is repeated while Redis is away */
    struct session_counts *counts; /* NULL: the room's own */
    size_t streams_max;            /* of one session in this worker */
    void (*on_stream)(void);       /* a session begins a stream; NULL: nobody wants to know */
};

void session_init(const struct session_settings *settings);

/* The request is over: drops what is not committed and gives the memory back. NULL is fine. */
void session_close(struct mid_session *session);

/* -------------------- a task's session: claim.c -------------------- */

/*
 * Opens the session by its identifier, as the task's that the fence names, and makes it the request's. `rq` has no
 * client. The fence stays the caller's until session_close(). MID_ENDED: there is none any more. MID_LOST_LEASE: a
 * later generation of the task has been here. MID_UNAVAILABLE. May suspend.
 */
MAY_SUSPEND MID_CHECK enum mid_error session_open_rid(struct mid_request *rq, const uint8_t rid[static TOKEN_RID_BYTES],
                                                      const struct store_fence *fence, struct mid_session **session);

/* Commits what is recorded once for the task, as this step. Errors of mid_session_commit(), and MID_LOST_LEASE. */
MAY_SUSPEND MID_CHECK enum mid_error session_commit_step(struct mid_session *session, const char *step,
                                                         bool *was_applied);

/* The task is done: nothing may follow under its claim. NULL is fine. May suspend. */
MAY_SUSPEND void session_release_claim(struct mid_session *session);

/*
 * Commits what is recorded together with an entry of a durable stream of the session's (its key, and of the append all
 * but type, order and number), both or neither, and once, however often it has to be sent. After MID_UNAVAILABLE it
 * stays as one commit, which any next one settles first; the same call again is that commit and no other. Errors of
 * mid_session_commit() and of journal_error(); *state is that of the stream if it was told.
 */
MAY_SUSPEND MID_CHECK enum mid_error session_commit_entry(struct mid_session *session, const char *stream,
                                                          const struct journal_append *append,
                                                          struct journal_state *state);

/* Whether there are some that are not settled; and settles them, with what was recorded before them. The same errors.
 */
bool session_has_entries(const struct mid_session *session);
MAY_SUSPEND MID_CHECK enum mid_error session_settle_entries(struct mid_session *session);

/* Behind those: whether this is the newest thing that waits; and lets it wait. MID_OVERLOADED: there is no room. */
bool session_awaits_entry(const struct mid_session *session, const char *stream, const struct journal_append *append);
MID_CHECK enum mid_error session_keep_entry(struct mid_session *session, const char *stream,
                                            const struct journal_append *append);

/*
 * What the guard of durable streams (guard.lua) is told for this session's, which is compared with the record first.
 * MID_ENDED, MID_UNAVAILABLE. And what its refusal makes of the session: MID_ENDED, MID_LOST_LEASE, MID_FAILED.
 */
enum { SESSION_GUARD_BYTES = 128 };
MAY_SUSPEND MID_CHECK enum mid_error session_guard(struct mid_session *session, char text[static SESSION_GUARD_BYTES]);
MID_CHECK enum mid_error session_take_refusal(struct mid_session *session, int refusal);
extern const char session_guard_body[];

/* Commits what is recorded, and makes sure that Redis has the session, so that a task can find it: NULL or a session of
 * a request. One that is not in use is none. MID_HEAD_SENT, MID_ENDED, MID_UNAVAILABLE... May suspend. */
MAY_SUSPEND MID_CHECK enum mid_error session_store_now(struct mid_session *session);

/* Something is recorded, or refused, or on its way and not settled. NULL is fine. */
bool session_is_dirty(const struct mid_session *session);

/* The handler has failed: what it has not committed is gone. NULL is fine. */
void session_drop_changes(struct mid_session *session);

/* -------------------- between the files of this room: state.c -------------------- */

/* A session of the request, with nothing in it yet. */
struct mid_session *session_new(struct mid_request *rq);

void session_set_rid(struct mid_session *session, const uint8_t rid[static TOKEN_RID_BYTES]);

/* Whether a cookie can still be sent. */
bool session_can_send_cookie(const struct mid_session *session);

/* How long the session's next step may wait for Redis; and any step of a request. */
store_patience session_patience_ms(const struct mid_session *session);
store_patience session_request_patience_ms(const struct mid_request *rq);

/* Waits until what was heard on that connection is as durable as the request's changes have to be. MID_OK or
 * MID_UNAVAILABLE. */
MAY_SUSPEND MID_CHECK enum mid_error session_confirm(const struct mid_session *session, uint64_t connection);

/* A visitor is there, whose activity renews the idle lifetime. */
bool session_is_activity(const struct mid_session *session);

/* What Redis has told of the record. */
void session_take_header(struct mid_session *session, const struct store_finding *finding);

/* A cookie of the generation before one that is owed: this response brings the new one. False: it is not. */
bool session_exchange(struct mid_session *session);

/* The handle has read this, or has made it. */
void session_note_read(struct mid_session *session, const struct header *header);

/* Whether such a header shows something that was not read: neither an earlier state nor an own commit. */
enum news { NEWS_NONE, NEWS_SOME, NEWS_DOUBTFUL /* it is older: a late message, or the record of a failover */ };
enum news session_news(struct mid_session *session, const struct header *header);

/* Somebody has looked at the record: MID_OK when it is still there for this handle. Errors of session_found(). */
MID_CHECK enum mid_error session_take_look(struct mid_session *session, struct store_finding *finding);

/* Shows in the view what is on its way, and recorded. */
void session_preview(struct mid_session *session);

/* What the view shows may not be so: it begins anew, with the preview. */
void session_distrust_view(struct mid_session *session);

/* The visitor has no session, as far as we believe the request: the first commit will make one. */
void session_become_absent(struct mid_session *session);

/*
 * A step has found something else than the record as the handle knows it; the state is what that makes of it. MID_OK:
 * the visitor gets a new session, by the next commit. MID_ENDED, MID_LOST_LEASE, MID_FAILED.
 */
MID_CHECK enum mid_error session_found(struct mid_session *session, const struct store_finding *finding);

/* MID_ENDED, with why it is over for a handle of which the session goes on (lives_on). */
enum mid_error session_fail_ended(struct mid_request *rq);

/* This very request has ended it. */
void session_end_own(struct mid_session *session);

/* Turns SESSION_ABSENT into SESSION_LIVE. May suspend. MID_HEAD_SENT, MID_UNAVAILABLE, MID_TOO_MANY, MID_OVERLOADED. */
MAY_SUSPEND MID_CHECK enum mid_error session_create(struct mid_session *session);

/* -------------------- cookie.c -------------------- */

const struct keyring *session_keyring(void);

/* -------------------- load.c -------------------- */

/* Reads the session: SESSION_CLAIMED becomes what Redis says. May suspend. MID_ENDED, MID_UNAVAILABLE, MID_FAILED. */
MAY_SUSPEND MID_CHECK enum mid_error session_load(struct mid_session *session);

/* Reads again what the view has. The same errors. */
MAY_SUSPEND MID_CHECK enum mid_error session_load_again(struct mid_session *session);

/* It is there, and is compared with the record: by a load, or by making it. May suspend. Errors of these. */
MAY_SUSPEND MID_CHECK enum mid_error session_stand(struct mid_session *session);

/* Make sure that all fields have been read; that what the session has besides its fields has. The same errors; NULL is
 * MID_ENDED. */
MAY_SUSPEND MID_CHECK enum mid_error session_ensure_loaded(struct mid_session *session);
MAY_SUSPEND MID_CHECK enum mid_error session_ensure_begun(struct mid_session *session);

/* What the view knows of one field, which is read if that is nothing; NULL in *field: it is not there. The same errors.
 */
MAY_SUSPEND MID_CHECK enum mid_error session_find_field(struct mid_session *session, const char *name,
                                                        struct view_field **field);

/* -------------------- fields.c, commit.c, settle.c -------------------- */

/* Records one operation. NULL with *error: refused, which the next commit tells too. */
struct operation *session_record(struct mid_session *session, enum operation_code code, const char *field,
                                 struct operation_text value, int64_t number, enum mid_error *error);

/* Records the operation, commits, and gives its answer, lent by the view; NULL for none. It may be asked again after
 * MID_UNAVAILABLE. May suspend. Errors of mid_session_commit(). */
MAY_SUSPEND MID_CHECK enum mid_error session_ask(struct mid_session *session, enum operation_code code,
                                                 const char *field, struct operation_text value, int64_t number,
                                                 const char **answer);

/* Sends session->commit until its fate is known, or patience is over (MID_UNAVAILABLE, MID_OVERLOADED: it stays). The
 * caller drops it otherwise. May suspend. Errors of mid_session_commit(). */
MAY_SUSPEND MID_CHECK enum mid_error session_settle_commit(struct mid_session *session);

#endif
