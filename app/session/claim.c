/*
 * A task's session: opened by its identifier, without a cookie.
 *
 * A worker that was stopped for long may wake when its task has long gone to another. So a task claims the session with
 * its generation, which rises with every start, for as long as its lease holds, and its commits name the claim: Redis
 * refuses those of who is not the last to have claimed it, or too late. docs/adr/0009-tasks.md says why that is enough.
 */
#include "base/panic.h"
#include "http/request.h"
#include "session/session.h"

enum mid_error session_open_rid(struct mid_request *rq, const uint8_t rid[static TOKEN_RID_BYTES],
                                const struct store_fence *fence, struct mid_session **session)
{
    struct store_finding finding;
    ENSURE(rq->client == NULL && rq->session == NULL);
    struct mid_session *opened = session_new(rq);
    opened->is_in_use = true;
    opened->fence = fence;
    opened->generation = fence->session_generation;
    session_set_rid(opened, rid);
    MID_TRY(store_claim(opened->key, fence, &finding));
    opened->state = SESSION_LIVE;
    if (finding.verdict != STORE_OK)
        return session_found(opened, &finding);
    session_take_header(opened, &finding);
    rq->session = opened;
    *session = opened;
    return MID_OK;
}

void session_release_claim(struct mid_session *session)
{
    if (session != NULL && session->fence != NULL)
        store_release(session->key, session->fence);
}
