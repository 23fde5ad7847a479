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
 * The visitor's session. Cheap: the signed cookie is verified, Redis is asked on the first use. A visitor without a
 * session gets one when the first change is committed, or with the head of a stream, whichever is first. MID_HEAD_SENT:
 * too late to send a cookie. In a task, as mid_task_session(): the first call may suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_open(struct mid_request *rq, struct mid_session **session);

/*
 * The request may use a session although it says nothing of where it comes from: an unsafe one (all but GET, HEAD and
 * OPTIONS) with neither Sec-Fetch-Site nor Origin, as from a program that keeps cookies. Before mid_session_open(),
 * which otherwise fails with MID_FORBIDDEN if the request has the session's cookie: every browser sends one of the two.
 */
MID_PUBLIC void mid_allow_untold_origin(struct mid_request *rq);

/* The same, but gives NULL in *session to a visitor without one, and never creates any. Every function that takes a
 * session returns MID_ENDED for NULL. May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_find(struct mid_request *rq, struct mid_session **session);

/*
 * Reading. The first use loads the session and may suspend (MID_UNAVAILABLE: Redis did not answer; MID_ENDED: the
 * session has ended). The view is the session as last loaded plus the operations recorded since. An absent field is
 * NULL, or `fallback`. Of a large session (8 KiB) only what is asked for is loaded; a later use that finds it changed
 * meanwhile loads it all anew. MID_UNPROCESSABLE: the field is not a number. MID_FAILED: what is in Redis is no
 * session's record.
 *
 * A value that was read stays where it is, unchanged, through the session's next commit or refresh (and every call that
 * commits), until the one after: what is needed for longer is copied, with mid_printf(). So a stream that reads and
 * commits for hours holds no more than a session's worth.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_get(struct mid_session *session, const char *field, const char **value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_get_int(struct mid_session *session, const char *field,
                                                        int64_t fallback, int64_t *value);

/* Calls `visit` for each field. It may change the session, but neither commit nor refresh it, nor suspend; the call
 * itself may suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error
mid_session_each(struct mid_session *session,
                 void (*visit)(const char *field, const char *value, size_t bytes, void *arg), void *arg);

/* Reads the session again, as other requests have changed it. Recorded operations stay recorded. May suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_refresh(struct mid_session *session);

struct mid_session_info {
    int64_t revision; /* raised by every commit */
    int64_t created_ms;
    int64_t expires_ms; /* the absolute end, whatever the activity */
    int64_t renewed_ms; /* the last mid_session_renew(), or the beginning */
    const char *user;   /* NULL: not logged in. A value, as above. */
};

/* May suspend. Errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_info(struct mid_session *session, struct mid_session_info *info);

/*
 * Changing. Operations are recorded, not sent; mid_session_commit() applies all of them in one atomic step, so two
 * writers only meet on a field that both of them touched. Field names are 1 to 64 bytes of printable UTF-8 that do not
 * begin with '@'; a value has at most session-value-max-bytes. What is outside of the limits is MID_UNPROCESSABLE,
 * here and at the next commit, which then changes nothing: what was refused is not forgotten.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_set(struct mid_session *session, const char *field, const char *value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_bytes(struct mid_session *session, const char *field,
                                                          const void *value, size_t bytes);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_int(struct mid_session *session, const char *field, int64_t value);

/* The same, for `ms` milliseconds (at most 365 days): then the field is gone, for every reader. Setting or deleting it
 * ends that; an increment or an append leaves it. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_for(struct mid_session *session, const char *field,
                                                        const char *value, int64_t ms);
MID_PUBLIC MID_CHECK enum mid_error mid_session_delete(struct mid_session *session, const char *field);
MID_PUBLIC MID_CHECK enum mid_error mid_session_increment(struct mid_session *session, const char *field, int64_t by);

/* Appends; when the field would grow past `max_bytes`, its oldest bytes are dropped. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_append(struct mid_session *session, const char *field, const char *text,
                                                       size_t max_bytes);

/*
 * Applies the recorded operations. May suspend. MID_OK: stored, and visible to every later request. MID_ENDED: the
 * session has ended (logout, expiry, a login of somebody else since this handle was opened) and nothing was written.
 * MID_UNAVAILABLE: Redis did not answer by the deadline. Then the operations stay together and are the first thing that
 * the next commit sends, without being applied twice; what is recorded meanwhile follows them. MID_UNPROCESSABLE: a
 * limit; nothing was written, the operations are dropped. MID_FAILED: nobody can tell any more whether they were
 * stored. When a commit in doubt ends in such an error, what was recorded behind it is dropped as well. MID_ENDED after
 * a logout leaves open whether a commit whose answer was lost was stored before it.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_commit(struct mid_session *session);

/*
 * Operations with an answer. Each commits what is recorded together with itself, in one atomic step, and may suspend.
 * The answer is the true one, however often Redis's was lost; where that cannot be, the call returns MID_FAILED, and
 * what was sent may still be carried out, also behind later commits. After MID_UNAVAILABLE the question stays with its
 * commit: asked again at once, in the same words, it gets its answer; a later commit carries it out without telling. A
 * value that was taken lives as long as one that was read.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_take(struct mid_session *session, const char *field,
                                                     const char **value);
MID_PUBLIC MID_CHECK enum mid_error mid_session_set_if_absent(struct mid_session *session, const char *field,
                                                              const char *value, bool *was_set);
MID_PUBLIC MID_CHECK enum mid_error mid_session_compare_and_set(struct mid_session *session, const char *field,
                                                                const char *expected, const char *value, bool *was_set);

/*
 * Login and every change of privilege: raises the session's generation, so that older cookies are refused, records
 * `user` (NULL: none) and sends a new cookie with the head. Commits what is recorded. May suspend. MID_HEAD_SENT: no
 * cookie can be sent any more. MID_ENDED: the request's cookie is from before another login.
 *
 * The absolute lifetime begins anew, as that of visitors who are logged in, or not. When the user changes, handles that
 * were opened before end: open streams, tasks and after-response functions get MID_ENDED when they next ask Redis (to
 * commit, to refresh, to read what they have not loaded), and the clients of event streams and rows are told to come
 * back. When the user stays the same (he has given his password once more), they go on.
 *
 * A login that was stored, but whose answer came too late, may be repeated with the old cookie for 30 seconds: the same
 * renewal then gets the new cookie, if the handler uses the session for nothing else before.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_renew(struct mid_session *session, const char *user);

/*
 * A token for a form of this session, to be sent back with it and checked: for forms that have to hold against more
 * than the check of the request's origin, which every unsafe request passes anyway. It lives in the request's memory
 * and holds until the session is renewed or ends. A visitor who has no session gets one, for the form to be sent back
 * with. May suspend. MID_ENDED, MID_UNAVAILABLE, MID_HEAD_SENT.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_form_token(struct mid_session *session, const char **token);

/* MID_FORBIDDEN: it is not a token of this session (NULL is none), which is compared with Redis. In constant time. May
 * suspend. MID_ENDED: the session has ended, or was renewed, since the cookie was made. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_form_token_check(struct mid_session *session, const char *token);

/* Logout: removes the session; every later commit of anybody reports MID_ENDED. Clears the cookie if the head is not
 * out. May suspend. MID_ENDED: the handle is from before a login, and the session goes on. MID_LOST_LEASE: the task is
 * another worker's by now. MID_UNAVAILABLE. */
MID_PUBLIC MID_CHECK enum mid_error mid_session_destroy(struct mid_session *session);

#ifdef __cplusplus
}
#endif

#endif
