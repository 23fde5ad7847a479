/* The two routes that are measured: one without a session, and one that changes it. */
#include <inttypes.h>

#include "routes/routes.h"

enum mid_error null_route(struct mid_request *rq)
{
    return mid_respond_printf(
        rq, 200, "application/json",
        "{\"route\":\"null\",\"says\":\"one hundred bytes of JSON, give or take, and no session was touched\"}\n");
}

enum mid_error counter_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t counter;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_increment(session, "counter", 1));
    MID_TRY(mid_session_commit(session));
    MID_TRY(mid_session_get_int(session, "counter", 0, &counter));
    return mid_respond_printf(
        rq, 200, "application/json",
        "{\"route\":\"counter\",\"says\":\"this visitor's counter was raised, and stored\",\"counter\":%" PRId64 "}\n",
        counter);
}
