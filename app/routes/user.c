/* The sessions of the user who is logged in: which there are, and the end of one, or of all others. */
#include <jansson.h>

#include "routes/routes.h"

static void add_session(const struct mid_user_session *session, void *list)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:I, s:I, s:s, s:s, s:b}", "id", session->id, "login_ms",
                                    (json_int_t)session->login_ms, "seen_ms", (json_int_t)session->seen_ms, "address",
                                    session->address, "agent", session->agent, "is_this", session->is_this));
}

static void free_json(void *value)
{
    json_decref(value);
}

enum mid_error user_sessions_route(struct mid_request *rq)
{
    const char *user;
    json_t *list = json_array();
    mid_defer(rq, free_json, list);
    MID_TRY(mid_require_login(rq, -1, &user));
    MID_TRY(mid_user_sessions(rq, user, add_session, list));
    return mid_respond_json(rq, 200, "{s:O}", "sessions", list);
}

enum mid_error end_user_session_route(struct mid_request *rq)
{
    const char *user;
    int64_t ended;
    MID_TRY(mid_require_login(rq, -1, &user));
    MID_TRY(mid_user_end_session(rq, user, mid_param(rq, "id"), &ended));
    return mid_respond_json(rq, 200, "{s:I}", "ended", (json_int_t)ended);
}

enum mid_error end_other_sessions_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t ended;
    MID_TRY(mid_require_login(rq, -1, NULL));
    MID_TRY(mid_session_find(rq, &session));
    MID_TRY(mid_user_end_others(session, &ended));
    return mid_respond_json(rq, 200, "{s:I}", "ended", (json_int_t)ended);
}
