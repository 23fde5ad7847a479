/* Clients of server-sent events, which come back by themselves. See event_source.h. */
#include "stream/event_source.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "http/response.h"
#include "stream/stream.h"

enum { MS_PER_S = 1000 };

/* "text/event-stream" alone or first, as EventSource sends it. */
static bool accepts_events(const struct mid_request *rq)
{
    static const char type[] = "text/event-stream";
    const char *accept = request_field(rq, "Accept");
    return accept != NULL && strncasecmp(accept, type, sizeof(type) - 1) == 0 &&
           strchr(",; \t", accept[sizeof(type) - 1]) != NULL;
}

bool event_source_is_done(const struct mid_request *rq)
{
    const char *last = rq->last_event_id;
    return last != NULL && strcmp(last, EVENT_SOURCE_END_ID) == 0 && strcmp(rq->method, "GET") == 0;
}

bool event_source_may_return(const struct mid_request *rq, enum mid_error error)
{
    int status = mid_error_status(error);
    return (status == 429 || status == 503 || status == 504) && accepts_events(rq);
}

void event_source_prepare_return(struct mid_request *rq, enum mid_error error)
{
    int64_t retry_ms = stream_retry_ms() + (int64_t)rq->retry_after_s * MS_PER_S;
    const char *event = arena_printf(
        &rq->arena, "retry: %" PRId64 "\nevent: reconnect\ndata: {\"retry_ms\":%" PRId64 ",\"error\":\"%s\"}\n\n",
        retry_ms, retry_ms, mid_error_name(error));
    rq->response.phase = RESPONSE_NONE;
    response_set_field(rq, "Cache-Control", "no-store");
    enum mid_error prepared = mid_respond(rq, 200, "text/event-stream", event, strlen(event));
    (void)prepared; /* cannot fail: nothing is prepared */
}
