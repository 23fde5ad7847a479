/* The session, told again whenever somebody has changed it: what the page shows is fed by this. */
#include "routes/routes.h"
#include "routes/session_json.h"

enum { LOOK_MS = 3000 }; /* nothing was heard for so long: is Redis still there? */

/* {"session":{...}}, or {"session":null} for a visitor without one; *told is the revision. */
static enum mid_error tell(struct mid_request *rq, struct mid_session *session, int64_t *told)
{
    struct mid_session_info info = {.revision = 0};
    json_t *value;
    if (session != NULL)
        MID_TRY(mid_session_info(session, &info));
    *told = info.revision;
    MID_TRY(session_json(session, &value));
    return mid_event_json(rq, &(struct mid_event){.name = "session"}, "{s:o}", "session", value);
}

static enum mid_error tell_trouble(struct mid_request *rq)
{
    return mid_event_json(rq, &(struct mid_event){.name = "unavailable"}, "{s:s}", "detail",
                          mid_error_text(MID_UNAVAILABLE));
}

/* Reads the session again. *is_news: it is not as it was told. */
static enum mid_error look(struct mid_session *session, int64_t told, bool *is_news)
{
    struct mid_session_info info;
    MID_TRY(mid_session_refresh(session));
    MID_TRY(mid_session_info(session, &info));
    *is_news = info.revision != told;
    return MID_OK;
}

/* Until there is something new to tell. What the visitor sees is not of now while Redis is away, and that is told. */
static enum mid_error wait_for_news(struct mid_request *rq, struct mid_session *session, int64_t told)
{
    bool was_away = false;
    bool is_news = false;
    for (;;) {
        enum mid_error error = mid_session_wait(session, LOOK_MS);
        if (error != MID_TIMEOUT)
            return error;
        error = look(session, told, &is_news);
        if (error == MID_OK && (was_away || is_news))
            return MID_OK;
        if (error == MID_UNAVAILABLE && !was_away)
            MID_TRY(tell_trouble(rq));
        else if (error != MID_OK && error != MID_UNAVAILABLE)
            return error;
        was_away = error == MID_UNAVAILABLE;
    }
}

enum mid_error watch_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t told;
    MID_TRY(mid_session_find(rq, &session));
    MID_TRY(mid_events_begin(rq));
    MID_TRY(tell(rq, session, &told));
    while (session != NULL) {
        MID_TRY(wait_for_news(rq, session, told));
        MID_TRY(tell(rq, session, &told));
    }
    return MID_OK;
}
