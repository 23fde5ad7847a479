/*
 * What is done on behalf of a session besides its commits: in durable streams that belong to it. See session.h and
 * guard.lua.
 */
#include <inttypes.h>
#include <stdio.h>

#include "http/request.h"
#include "session/session.h"

const char session_guard_body[] = {
#include "session/guard.lua.h"
};

/* The guard reads no record of an older format; the first step that writes makes it one of this. */
MAY_SUSPEND static enum mid_error upgrade(struct mid_session *session)
{
    struct store_finding finding;
    MID_TRY(store_touch(session->key, session_patience_ms(session), &finding));
    if (finding.verdict != STORE_OK)
        return session_found(session, &finding);
    session_take_header(session, &finding);
    return MID_OK;
}

enum mid_error session_guard(struct mid_session *session, char text[static SESSION_GUARD_BYTES])
{
    if (session_is_over(session))
        return MID_ENDED;
    MID_TRY(session_stand(session));
    if (session_is_over(session))
        return MID_ENDED;
    if (!session->has_header)
        MID_TRY(upgrade(session));
    const struct store_fence *fence = session->fence;
    if (fence == NULL)
        snprintf(text, SESSION_GUARD_BYTES, "%" PRIu32, session->generation);
    else
        snprintf(text, SESSION_GUARD_BYTES, "%" PRIu32 " %" PRId64 " %s", session->generation, fence->generation,
                 fence->task);
    return MID_OK;
}

enum mid_error session_take_refusal(struct mid_session *session, int refusal)
{
    bool is_known = refusal > STORE_NO_ANSWER && refusal <= STORE_VERDICT_LAST;
    enum store_verdict verdict = is_known ? (enum store_verdict)refusal : STORE_FOREIGN;
    session->state = session->state == SESSION_CLAIMED ? SESSION_LIVE : session->state; /* it was there */
    return session_found(session, &(struct store_finding){.verdict = verdict, .connection = session->heard_on});
}
