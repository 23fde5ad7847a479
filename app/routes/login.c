/* Login and logout. There is no password: this is a demonstration of sessions, not of accounts. */
#include <stddef.h>

#include "routes/routes.h"

enum mid_error login_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *user;
    MID_TRY(mid_form(rq, "user", &user));
    if (user == NULL || user[0] == '\0')
        return mid_fail(rq, MID_BAD_REQUEST, "the form field \"user\" is missing");
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_user_begin_login(session, user)); /* here a password would be checked, which may just be changed */
    MID_TRY(mid_session_set(session, "user", user));
    MID_TRY(mid_session_describe(session, mid_remote_address(rq), mid_header(rq, "User-Agent")));
    MID_TRY(mid_session_renew(session, user));
    return mid_respond_empty(rq, 204);
}

enum mid_error logout_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_find(rq, &session));
    if (session != NULL)
        MID_TRY(mid_session_destroy(session));
    return mid_respond_empty(rq, 204);
}
