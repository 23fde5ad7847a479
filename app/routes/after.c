/* Work after the response: the visitor has his answer, and the session still changes. */
#include "routes/routes.h"

enum { DELAY_MAX_MS = 60 * 1000 };

static void count_after(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    struct mid_session *session;
    const int64_t *delay_ms = arg;
    (void)outcome;
    if (mid_sleep_ms(rq, *delay_ms) != MID_OK || mid_session_open(rq, &session) != MID_OK)
        return;
    if (mid_session_increment(session, "after", 1) != MID_OK) /* committed when this function returns */
        mid_log(rq, MID_WARN, "after.not-counted", "route=/after");
}

enum mid_error after_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t *delay_ms = mid_alloc(rq, sizeof(*delay_ms));
    MID_TRY(mid_query_int(rq, "delay_ms", 0, DELAY_MAX_MS, 1000, delay_ms));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set_int(session, "after_asked_ms", mid_unix_ms()));
    mid_after_response(rq, count_after, delay_ms);
    return mid_respond_json(rq, 200, "{s:b, s:I}", "answered", 1, "then_ms", (long long)*delay_ms);
}
