/*
 * The user who is logged in, and his sessions: where they are used, and logging out elsewhere.
 */
#ifndef MIDSTREAM_USER_H
#define MIDSTREAM_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;
struct mid_session;

/*
 * For handlers, or before them (`before` of a route): only those who are logged in, and whose login is not older than
 * `max_age_ms`; -1: of any age. The login is the last mid_session_renew() before a head, so an application that renews
 * sessions only after it has seen credentials asks for them again with this. As of the last load: in a stream,
 * mid_session_refresh() first. Not before a handler that logs in, which could not be repeated when its response was
 * lost (mid_session_renew()). *user (may be NULL) is a value of the session (mid_session_get()). May suspend.
 * MID_UNAUTHORIZED: nobody is logged in, or not recently enough; *user is NULL. MID_ENDED: the cookie is from before a
 * renewal that has just been; the request can be repeated with the new one. Other errors as of mid_session_find() and
 * mid_session_get().
 */
MID_PUBLIC MID_CHECK enum mid_error mid_require_login(struct mid_request *rq, int64_t max_age_ms, const char **user);

/*
 * A user is who was named in mid_session_renew(). From the login on, his session is in an index in Redis until it ends;
 * how many he may have is the setting user-sessions-max. What follows may be called by any request, task or
 * after-response function for any user: whether the visitor may do that is the application's to decide.
 *
 * All but mid_session_describe() send at least one command for each session: of thousands of sessions, better in a
 * task. MID_UNAVAILABLE: no reply from Redis in time; repeat the call. MID_UNPROCESSABLE: a user has 1 to 128 bytes.
 */

/*
 * Optional, before the password is checked: an end of all sessions of the user that comes between this call and
 * mid_session_renew() makes that return MID_ENDED. Without it, the login begins with mid_session_renew(), and a
 * password that was checked before a slow end of all may still log in after it. May suspend. MID_ENDED: the session has
 * ended.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_user_begin_login(struct mid_session *session, const char *user);

/* What is said to the visit below; texts are valid until it returns. */
struct mid_user_session {
    const char *id; /* 32 hexadecimal digits, for display and mid_user_end_session(). It is no credential. */
    int64_t created_ms;
    int64_t login_ms;    /* the last mid_session_renew() */
    int64_t seen_ms;     /* the visitor's last activity, up to a minute earlier than it was */
    int64_t expires_ms;  /* absolute end */
    const char *address; /* of mid_session_describe(); "": not told */
    const char *agent;   /* the same */
    bool is_this;        /* it is the one that this request has opened */
};

/*
 * What a list of sessions shows of this one: where it is used from, and with which program. Recorded like any other
 * change, and stored by the next commit or with mid_session_renew(). The usual texts are mid_remote_address() and
 * mid_header(rq, "User-Agent"). NULL is "". Control characters and invalid UTF-8 are replaced with '?', and more than
 * 64 bytes of the address or 256 of the agent are cut off. MID_ENDED.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_session_describe(struct mid_session *session, const char *address,
                                                         const char *agent);

/* Calls `visit`, which must not suspend, for each session of the user, the latest login first. The call itself may
 * suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_user_sessions(struct mid_request *rq, const char *user,
                                                      void (*visit)(const struct mid_user_session *session, void *arg),
                                                      void *arg);

/*
 * Ends one session of the user, by its id. Its streams end at once; its cookie is worth nothing. *ended (may be
 * NULL) is how many sessions were ended: 0 if it is no session of this user any more. If it is the one that this
 * request has opened, the cookie is cleared, if the head was not sent. May suspend. MID_BAD_REQUEST: not an id.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_user_end_session(struct mid_request *rq, const char *user, const char *id,
                                                         int64_t *ended);

/*
 * End all sessions of the user; mid_user_end_others() all but this one, whose user is logged in (otherwise
 * MID_UNAUTHORIZED). Logins that have begun before and are not finished end as well, or fail with MID_ENDED. *ended
 * (may be NULL) is how many, also after an error; then some may be left, and the call has to be repeated. For a changed
 * password: store the new one first, and let logins use mid_user_begin_login(), so that nobody logs in with the old one
 * after this call. May suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_user_end_others(struct mid_session *session, int64_t *ended);
MID_PUBLIC MID_CHECK enum mid_error mid_user_end_all(struct mid_request *rq, const char *user, int64_t *ended);

#ifdef __cplusplus
}
#endif

#endif
