/* The session, told again whenever somebody has changed it: what the page shows is fed by this. */
#include "routes/routes.h"
#include "routes/session_json.h"

enum { LOOK_MS = 3000 }; /* nothing was heard for so long: is Redis still there? */

/* {"session":{...}}, or {"session":null} for a visitor without one. */
static enum mid_error tell(struct mid_request *rq, struct mid_session *session)
{
    json_t *value;
    MID_TRY(session_json(session, &value));
    return mid_event_json(rq, &(struct mid_event){.name = "session"}, "{s:o}", "session", value);
}

static enum mid_error tell_trouble(struct mid_request *rq)
{
    return mid_event_json(rq, &(struct mid_event){.name = "unavailable"}, "{s:s}", "detail",
                          mid_error_text(MID_UNAVAILABLE));
}

/* Until there is something new to tell. What the visitor sees is not of now while Redis is away, and that is told. */
static enum mid_error wait_for_news(struct mid_request *rq, struct mid_session *session)
{
    bool is_away = false;
    for (;;) {
        enum mid_error error = mid_session_wait(session, LOOK_MS);
        if (error != MID_TIMEOUT)
            return error;
        error = mid_session_refresh(session);
        if (error == MID_OK && is_away)
            return MID_OK;
        if (error == MID_UNAVAILABLE && !is_away)
            MID_TRY(tell_trouble(rq));
        else if (error != MID_OK && error != MID_UNAVAILABLE)
            return error;
        is_away = error == MID_UNAVAILABLE;
    }
}

enum mid_error watch_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_find(rq, &session));
    MID_TRY(mid_events_begin(rq));
    MID_TRY(tell(rq, session));
    while (session != NULL) {
        MID_TRY(wait_for_news(rq, session));
        MID_TRY(tell(rq, session));
    }
    return MID_OK;
}
