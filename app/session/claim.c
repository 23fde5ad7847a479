/*
 * A task's session: opened by its identifier, without a cookie.
 *
 * A worker that was stopped for long may wake when its task has long gone to another. So a task claims the session with
 * its generation, which rises with every start, for as long as its lease holds, and its commits name the claim: Redis
 * refuses those of who is not the last to have claimed it, or too late. docs/adr/0009-tasks.md says why that is enough.
 */
#include <string.h>

#include "base/panic.h"
#include "http/request.h"
#include "session/session.h"

enum mid_error session_open_rid(struct mid_request *rq, const uint8_t rid[static TOKEN_RID_BYTES],
                                const struct store_fence *fence, struct mid_session **session)
{
    ENSURE(rq->is_after && rq->session == NULL);
    struct mid_session *opened = arena_zalloc(&rq->arena, sizeof(*opened));
    opened->rq = rq;
    opened->fence = fence;
    operations_init(&opened->operations);
    list_init(&opened->stream_link);
    memcpy(opened->rid, rid, TOKEN_RID_BYTES);
    store_key(opened->rid, opened->key);
    MID_TRY(store_claim(opened->key, fence));
    opened->state = SESSION_LIVE;
    rq->session = opened;
    *session = opened;
    return MID_OK;
}

enum mid_error session_commit_step(struct mid_session *session, const char *step, bool *was_applied)
{
    if (session->operations.count == 0) {
        if (was_applied != NULL)
            *was_applied = true;
        return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
    }
    if (session->commit.id == 0) /* otherwise it is the repetition of a commit whose answer did not come */
        session->step = arena_strdup(&session->operations.arena, step);
    MID_TRY(mid_session_commit(session));
    if (was_applied != NULL)
        *was_applied = !session->was_step_skipped;
    return MID_OK;
}

void session_release_claim(struct mid_session *session)
{
    if (session != NULL && session->fence != NULL)
        store_release(session->key, session->fence);
}

enum mid_error session_store_now(struct mid_session *session)
{
    if (session == NULL)
        return MID_OK;
    if (session_is_dirty(session))
        return mid_session_commit(session);
    if (session->state == SESSION_CLAIMED)
        MID_TRY(session_load(session));
    if (session->state == SESSION_ABSENT)
        return session_create(session);
    return session->state == SESSION_ENDED ? MID_ENDED : MID_OK;
}
