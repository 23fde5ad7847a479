/*
 * From a request on a connection to its last after-response function. This is the file to follow a request through:
 *
 *     dispatch -> answer -> the route's handler -> conclude -> run_after
 */
#include "worker/dispatch.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "http/cross_site.h"
#include "http/origin.h"
#include "http/response.h"
#include "metrics/metrics.h"
#include "session/session.h"
#include "stream/event_source.h"
#include "stream/stream.h"
#include "worker/liveness.h"

static struct dispatch_settings settings;

void dispatch_init(const struct dispatch_settings *dispatch_settings)
{
    settings = *dispatch_settings;
}

/* The host is one of ours, where the setting names them. */
static enum mid_error admit_host(struct mid_request *rq)
{
    if (settings.hosts == NULL)
        return MID_OK;
    const char *host = request_field(rq, "Host");
    return host_is_served(host, settings.hosts)
               ? MID_OK
               : mid_fail(rq, MID_MISDIRECTED, "the host \"%.100s\" is not served here", host != NULL ? host : "");
}

/* What no handler has to decide: there is room for the request, it makes sense, and it is meant for us. */
static enum mid_error admit(struct mid_request *rq, const struct mid_route *route)
{
    if (rq->content_length == CONTENT_LENGTH_INVALID)
        return mid_fail(rq, MID_BAD_REQUEST, "Content-Length is not a number");
    if (connection_busy_count() > settings.requests_max)
        return mid_fail(rq, MID_OVERLOADED, "this worker has reached its maximum of requests");
    MID_TRY(admit_host(rq));
    if (!origin_matters(rq->method) && route->cross_site == NULL)
        return MID_OK;
    return cross_site_admit(rq, route, settings.trusted_origins)
               ? MID_OK
               : mid_fail(rq, MID_FORBIDDEN, "another site may not send a %s", rq->method);
}

/* There is no route for OPTIONS: the path says what it has (RFC 9110, 9.3.7), and what a preflight asks for. */
static enum mid_error answer_options(struct mid_request *rq)
{
    MID_TRY(admit_host(rq));
    struct route_match asked = {0};
    const char *method = request_field(rq, "Access-Control-Request-Method");
    if (method != NULL && router_match(settings.router, method, rq->target, &asked, &rq->arena) != MID_OK)
        asked.route = NULL;
    cross_site_tell(rq, asked.route, settings.trusted_origins);
    return mid_respond_empty(rq, 204);
}

/* No route of the path has the method. */
static enum mid_error refuse_method(struct mid_request *rq)
{
    response_set_field(rq, "Allow", arena_printf(&rq->arena, "%s, OPTIONS", rq->match.allow));
    return strcmp(rq->method, "OPTIONS") == 0 ? answer_options(rq) : MID_METHOD;
}

static void set_limits(struct mid_request *rq, const struct mid_route *route)
{
    rq->wait.deadline_ms = rq->client->deadline_ms; /* until a stream begins */
    if (route->timeout_ms != 0)
        mid_time_limit(rq, route->timeout_ms);
    if (route->body_max_bytes != 0)
        mid_body_limit(rq, route->body_max_bytes);
}

/* What several routes have in common comes first, and may give the response. */
MAY_SUSPEND static enum mid_error call_handler(struct mid_request *rq, const struct mid_route *route)
{
    if (route->before != NULL) {
        enum mid_error error = route->before(rq);
        if (error != MID_OK || rq->response.phase != RESPONSE_NONE)
            return error;
    }
    return route->handler(rq);
}

/* Calls the handler of the route, if there is one. */
MAY_SUSPEND static enum mid_error answer(struct mid_request *rq)
{
    enum mid_error error = router_match(settings.router, rq->method, rq->target, &rq->match, &rq->arena);
    if (error == MID_METHOD)
        return refuse_method(rq);
    MID_TRY(error);
    const struct mid_route *route = rq->match.route;
    liveness_note_route(route->pattern);
    if (event_source_is_done(rq))
        return mid_respond_empty(rq, 204);
    set_limits(rq, route);
    MID_TRY(admit(rq, route));
    error = call_handler(rq, route);
    if (!error_is_valid(error))
        return mid_fail(rq, MID_FAILED, "the handler returned %d, which is not an error of midstream.h", (int)error);
    MID_TRY(error);
    if (rq->response.phase == RESPONSE_NONE)
        return mid_fail(rq, MID_FAILED, "the handler gave no response");
    return MID_OK;
}

/* A bug or an environment that failed is worth a line; what a visitor did wrong is counted by nginx's log. */
static void log_failure(struct mid_request *rq, enum mid_error error)
{
    enum mid_level level = error == MID_DRAINING ? MID_INFO : mid_error_status(error) >= 500 ? MID_ERROR : MID_DEBUG;
    request_log(rq, level, "request.failed", "method=%s error=%s detail=\"%s\"", rq->method, mid_error_name(error),
                rq->error_detail != NULL ? rq->error_detail : mid_error_text(error));
}

static void count_stream_end(const struct mid_request *rq, enum mid_error error)
{
    if (rq->stream == NULL)
        return;
    metrics_count_stream_end(error == MID_OK         ? STREAM_COMPLETE
                             : error == MID_GONE     ? STREAM_CLIENT_LEFT
                             : error == MID_STALLED  ? STREAM_STALLED
                             : error == MID_ENDED    ? STREAM_SESSION_ENDED
                             : error == MID_DRAINING ? STREAM_DRAINED
                                                     : STREAM_FAILED);
}

/* After-response functions begin with nothing recorded. */
static void drop_if_failed(struct mid_request *rq, enum mid_error error)
{
    if (error != MID_OK)
        session_drop_changes(rq->session);
}

/* The end of a stream: commit, end marker, END_REQUEST; or that it goes on elsewhere; or the reason and a cut. */
MAY_SUSPEND static enum mid_outcome conclude_stream(struct mid_request *rq, enum mid_error error)
{
    if (error == MID_OK && rq->hooks.before_end != NULL) {
        error = rq->hooks.before_end(rq);
        drop_if_failed(rq, error);
    }
    bool is_failed = error != MID_OK && error != MID_GONE && error != MID_STALLED;
    if (error == MID_OK) {
        error = stream_end(rq);
    } else if (error == MID_DRAINING || (is_failed && rq->is_superseded)) {
        stream_reconnect(rq);
    } else if (is_failed) {
        log_failure(rq, error);
        stream_fail(rq, error);
    } else {
        response_abort(rq);
    }
    count_stream_end(rq, error);
    return is_failed ? MID_CUT : error == MID_OK ? MID_COMPLETE : MID_LEFT;
}

/* A whole response, which shows what is stored; or the error's. */
MAY_SUSPEND static enum mid_outcome conclude_whole(struct mid_request *rq, enum mid_error error)
{
    if (error == MID_OK && rq->hooks.before_head != NULL) {
        error = rq->hooks.before_head(rq, false);
        drop_if_failed(rq, error);
    }
    if (request_is_gone(rq)) {
        response_abort(rq);
        return MID_LEFT;
    }
    if (error != MID_OK) {
        log_failure(rq, error);
        if (rq->hooks.before_error != NULL)
            rq->hooks.before_error(rq);
        if (event_source_may_return(rq, error))
            event_source_prepare_return(rq, error);
        else
            response_prepare_error(rq, error);
    }
    if (response_send_prepared(rq) != MID_OK) {
        response_abort(rq);
        return MID_LEFT;
    }
    return error == MID_OK ? MID_COMPLETE : MID_CUT;
}

MAY_SUSPEND static enum mid_outcome conclude(struct mid_request *rq, enum mid_error error)
{
    drop_if_failed(rq, error);
    switch (rq->response.phase) {
    case RESPONSE_STREAMING:
        return conclude_stream(rq, error);
    case RESPONSE_OVER: /* the head was all that was asked for */
        return rq->response.is_cut ? MID_LEFT : MID_COMPLETE;
    case RESPONSE_NONE:
    case RESPONSE_PREPARED:
        break;
    }
    return conclude_whole(rq, error);
}

/* The response is over and the connection serves others; what is left runs on its own time. */
MAY_SUSPEND static void run_after(struct mid_request *rq, enum mid_outcome outcome)
{
    rq->client = NULL;
    rq->wait.deadline_ms = loop_now_ms() + settings.after_timeout_ms;
    for (struct after_function *after = rq->after_first; after != NULL; after = after->next) {
        after->fn(rq, outcome, after->arg);
        if (!session_is_dirty(rq->session))
            continue;
        enum mid_error error = mid_session_commit(rq->session);
        if (error != MID_OK) /* one that is in doubt stays so: nobody would hear of it */
            request_log(rq, MID_WARN, "after.commit-failed", "error=%s", mid_error_name(error));
    }
}

/* The response is over; without a head, the client has disconnected before there was one. */
static void count_request(const struct mid_request *rq, int64_t begun_us, bool has_head)
{
    int64_t now_us = clock_monotonic_us();
    int64_t head_us = rq->response.begun_us > 0 ? rq->response.begun_us : now_us;
    metrics_count_request(rq->match.route, has_head ? rq->response.status : mid_error_status(MID_GONE),
                          head_us - begun_us, now_us - begun_us);
}

/* With the time of each phase: to read the request, to the first byte of the response, from there to its end. A stream
 * takes as long as it likes once it has begun. */
static void log_if_slow(struct mid_request *rq, int64_t arrived_us, int64_t begun_us)
{
    int64_t now_us = clock_monotonic_us();
    int64_t head_us = rq->response.begun_us > 0 ? rq->response.begun_us : now_us;
    int64_t slow_us = (rq->stream != NULL ? head_us : now_us) - arrived_us;
    if (settings.slow_ms == 0 || slow_us < settings.slow_ms * 1000)
        return;
    request_log(rq, MID_WARN, "request.slow",
                "method=%s route=%s status=%d read_ms=%lld first_byte_ms=%lld rest_ms=%lld redis_ms=%lld", rq->method,
                rq->match.route != NULL ? rq->match.route->pattern : "-", rq->response.status,
                (long long)(begun_us - arrived_us) / 1000, (long long)(head_us - begun_us) / 1000,
                (long long)(now_us - head_us) / 1000, (long long)fiber_current()->store_ms);
}

bool dispatch(struct connection *connection)
{
    struct mid_request rq;
    int64_t arrived_us = clock_monotonic_us();
    fiber_current()->store_ms = 0;
    if (!request_accept(&rq, connection))
        return true;

    int64_t begun_us = clock_monotonic_us();
    enum mid_outcome outcome = conclude(&rq, answer(&rq));
    count_request(&rq, begun_us, rq.stream != NULL || outcome != MID_LEFT);
    log_if_slow(&rq, arrived_us, begun_us);
    stream_close(rq.stream);
    bool has_after = rq.after_first != NULL;
    if (has_after) {
        request_release_buffers(&rq);
        connection_hand_back(connection);
        run_after(&rq, outcome);
    }
    session_close(rq.session);
    request_finish(&rq);
    return !has_after;
}
