/*
 * Sessions: named values that follow a visitor, kept in Redis between requests.
 */
#ifndef MIDSTREAM_SESSION_H
#define MIDSTREAM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;
struct mid_session;

/*
 * How safe what is stored has to be before a call returns MID_OK. The default is the setting commit-durability. What
 * each of them survives is in docs/reliability.md.
 */
enum mid_durability {
    MID_DURABLE_DEFAULT, /* as commit-durability says */
    MID_DURABLE_MEMORY,  /* Redis has it in memory */
    MID_DURABLE_DISK,    /* and in its append-only file, on disk (WAITAOF; Redis 7.2 with appendonly yes) */
    MID_DURABLE_REPLICA, /* and commit-replicas of its replicas have it in memory (WAIT) */
};

/*
 * For everything that the calls of this request store from now on: commits, logins, logouts and added tasks; not
 * commands of mid_redis(). If a call then cannot be confirmed, it returns MID_UNAVAILABLE after about redis-timeout-ms:
 * Redis has carried it out, and may lose it again. A commit is settled by the next one, as after a lost reply; repeat a
 * logout, and an enqueue with the same options.id; repeat a login within 30 seconds, with the old cookie. While the
 * disk or the replicas are known to be away, calls before the head return MID_UNAVAILABLE at once, and store nothing.
 *
 * What is read may be in memory only, whoever has stored it. mid_session_commit() with nothing recorded confirms what
 * the session was seen to have (after MID_UNAVAILABLE, mid_session_refresh() first: Redis may be another one); that
 * there is no session is confirmed in requests that may change something (not GET, HEAD or OPTIONS), so that a repeated
 * logout is not taken for done.
 */
MID_PUBLIC void mid_set_durability(struct mid_request *rq, enum mid_durability durability);

/*
 * The visitor's session. Only verifies the signed cookie; Redis is asked on first use. A visitor without a session gets
 * one when the first change is committed or with the head of a stream, whichever comes first. MID_HEAD_SENT: no
 * session, and too late to send a cookie. MID_FORBIDDEN: the request was caused by another site. In a task, the same as
 * mid_task_session(): the first call may suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_open(struct mid_request *rq, struct mid_session **session);

/*
 * Allows the session for an unsafe request (not GET, HEAD or OPTIONS) that has neither Sec-Fetch-Site nor Origin, such
 * as from a program that keeps cookies. Every browser sends one of the two. Call it before mid_session_open(), which
 * otherwise returns MID_FORBIDDEN if such a request has a session cookie.
 */
MID_PUBLIC void mid_allow_missing_origin(struct mid_request *rq);

/* Like mid_session_open(), but never creates a session: *session is NULL if the visitor has none, and neither a stream
 * nor a task of this request creates one later. Every function that takes a session returns MID_ENDED for NULL. May
 * suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_find(struct mid_request *rq, struct mid_session **session);

/*
 * Reading. The first use loads the session and may suspend (MID_UNAVAILABLE: no reply from Redis; MID_ENDED: the
 * session has ended). Values are those of the last load, with the operations recorded since applied. An absent field is
 * NULL, or `fallback`. Of a large session (from 8 KiB) only the requested fields are loaded; if it has changed by the
 * next use, all of it is. MID_UNPROCESSABLE: the field is not an integer. MID_FAILED: the record in Redis is not a
 * valid session.
 *
 * A returned value stays valid and unchanged during the next commit or refresh of the session (including calls that
 * commit), until the one after it. Copy what you need for longer, for instance with mid_printf(). So a stream that
 * reads and commits for hours needs no more memory than one session.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_get(struct mid_session *session, const char *field, const char **value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_get_int(struct mid_session *session, const char *field,
                                                        int64_t fallback, int64_t *value);

/* Calls `visit` for each field. `visit` may record changes, but must not commit, refresh or suspend. The call itself
 * may suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error
mid_session_each(struct mid_session *session,
                 void (*visit)(const char *field, const char *value, size_t bytes, void *arg), void *arg);

/* Loads the session again, with the changes of other requests. Recorded operations are kept. May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_refresh(struct mid_session *session);

/*
 * Suspends until another request has changed the session, and loads it again, as mid_session_refresh() (MID_OK). What
 * has changed since the last of these calls, or since the session was first used, counts; own commits do not.
 * `timeout_ms` -1: no limit. Recorded operations are kept. May be called before the head, too, in a stream and in a
 * task. A visitor without a session gets one. A field whose own lifetime ends is no change.
 *
 * MID_TIMEOUT: nothing has changed until then. MID_ENDED: the session has ended: logout, expiry, another user's login.
 * MID_GONE: the client has disconnected. MID_DRAINING: see midstream/stream.h. While Redis cannot be asked, the wait
 * goes on; MID_UNAVAILABLE only before it has begun. A change is usually told within milliseconds, and within
 * heartbeat-ms in a stream if Redis's notification was lost.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_wait(struct mid_session *session, int64_t timeout_ms);

/* Whether the last mid_session_wait() or mid_session_refresh() found another value of the field than was there before.
 * True also if it is not known what was there before, or what is there now, because the field was not read; and it may
 * be for a field that this request has changed itself meanwhile. */
MID_PUBLIC bool mid_session_changed(const struct mid_session *session, const char *field);

struct mid_session_info {
    int64_t revision; /* raised by every commit */
    int64_t created_ms;
    int64_t expires_ms; /* absolute end, regardless of activity */
    int64_t renewed_ms; /* last mid_session_renew() before a response's head, or creation */
    const char *user;   /* NULL: not logged in. A value, as above. */
};

/* May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_info(struct mid_session *session, struct mid_session_info *info);

/*
 * Changing. Operations are recorded; mid_session_commit() applies all of them in one atomic step, so two writers
 * conflict only on fields that both of them change. Field names are 1 to 64 bytes of printable UTF-8 and do not begin
 * with '@'; a value has at most session-value-max-bytes. An operation outside of the limits is MID_UNPROCESSABLE here
 * and again at the next commit, which then changes nothing.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_set(struct mid_session *session, const char *field, const char *value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_bytes(struct mid_session *session, const char *field,
                                                          const void *value, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_int(struct mid_session *session, const char *field, int64_t value);

/* Sets a field that expires after `ms` milliseconds (at most 365 days). Setting or deleting the field removes the
 * expiry; increment and append keep it. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_for(struct mid_session *session, const char *field,
                                                        const char *value, int64_t ms);
MID_PUBLIC MID_CHECK enum mid_error mid_session_delete(struct mid_session *session, const char *field);
MID_PUBLIC MID_CHECK enum mid_error mid_session_increment(struct mid_session *session, const char *field, int64_t by);

/* Appends. If the field would exceed `max_bytes`, its oldest bytes are removed. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_append(struct mid_session *session, const char *field, const char *text,
                                                       size_t max_bytes);

/*
 * Applies the recorded operations. May suspend. MID_OK: stored, and visible to every later request. MID_ENDED: the
 * session has ended (logout, expiry, or another user's login since this handle was opened); nothing was written.
 * MID_UNAVAILABLE: no reply from Redis by the deadline. The operations are kept together and sent first by the next
 * commit, without being applied twice; operations recorded later follow them. MID_UNPROCESSABLE: a limit was exceeded;
 * nothing was written, and the operations are discarded. MID_FAILED: it cannot be determined whether they were stored.
 * If a commit whose outcome was unknown ends in an error, operations recorded after it are discarded as well. After a
 * logout, MID_ENDED does not say whether a commit whose reply was lost was stored before it.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_commit(struct mid_session *session);

/*
 * Operations with a result. Each commits itself together with what is recorded, in one atomic step, and may suspend.
 * The result is correct even if replies of Redis were lost; if that is impossible, the call returns MID_FAILED, and the
 * operation may still be applied, even after later commits. After MID_UNAVAILABLE, repeat the same call next to get its
 * result; a later commit applies it without returning one. A taken value has the lifetime of a value that was read.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_take(struct mid_session *session, const char *field,
                                                     const char **value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_if_absent(struct mid_session *session, const char *field,
                                                              const char *value, bool *was_set);
MID_PUBLIC MID_CHECK enum mid_error mid_session_compare_and_set(struct mid_session *session, const char *field,
                                                                const char *expected, const char *value, bool *was_set);

/*
 * For login and every change of privilege: raises the session's generation, so that older cookies are rejected, stores
 * `user` (NULL: none) and sends a new cookie with the head. Commits what is recorded. May suspend. MID_ENDED: the
 * request's cookie is older than another login.
 *
 * After the head (in a stream, an after-response function or a task), `user` has to be the session's user already:
 * otherwise MID_HEAD_SENT, and nothing is stored. The session is renewed, and its next request that reads or commits it
 * before a head gets the new cookie for the old one, which is good for that until the new one has come back. Until
 * then, more of these renewals bring no other cookie. Nobody can tell by then who comes with the old cookie: where
 * others may know it, renew before the head. MID_HEAD_SENT of a commit: a renewal from before the head, whose reply was
 * lost, was stored after all, and the head went without its cookie.
 *
 * Before the head, the absolute lifetime starts again. If the user changes, older handles end: open streams, tasks and
 * after-response functions get MID_ENDED the next time they use Redis (to commit, refresh, or read what is not loaded),
 * and clients of event streams and rows are told to reconnect. If the user stays the same (password entered again),
 * they continue.
 *
 * A login whose response was lost can be repeated with the old cookie for 30 seconds: the same renewal then gets the
 * new cookie, provided that the handler does not use the session before.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_renew(struct mid_session *session, const char *user);

/*
 * A CSRF token for a form of this session, in addition to the origin check that every unsafe request has to pass. It
 * lives as long as the request and is valid until the session is renewed or ends. Creates a session if the visitor has
 * none. May suspend. MID_ENDED, MID_UNAVAILABLE, MID_HEAD_SENT.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_form_token(struct mid_session *session, const char **token);

/* Checks a token in constant time, against the session in Redis. May suspend. MID_FORBIDDEN: not a token of this
 * session (NULL is not one). MID_ENDED: the session has ended or was renewed since the cookie was sent.
 * MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_form_token_check(struct mid_session *session, const char *token);

/* Logout: deletes the session; every later commit returns MID_ENDED. Clears the cookie if the head has not been sent.
 * May suspend. MID_ENDED: the handle is older than a login, and the session continues. MID_LOST_LEASE: another worker
 * has the task. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_destroy(struct mid_session *session);

#ifdef __cplusplus
}
#endif

#endif
