/* What the session room counts. See counts.h. */
#include "session/counts.h"

#include "base/counter.h"
#include "http/request.h"
#include "session/session.h"

static struct session_counts own;
static struct session_counts *counts = &own;

void session_counts_use(struct session_counts *session_counts)
{
    counts = session_counts;
}

void session_count_cookie(enum token_verdict verdict)
{
    counter_add(&counts->cookies[verdict], 1);
}

void session_count_way(bool was_fast)
{
    counter_add(&counts->ways[was_fast ? SESSION_WAY_FAST : SESSION_WAY_SLOW], 1);
}

void session_count_refusal(enum session_refusal refusal)
{
    counter_add(&counts->refusals[refusal], 1);
}

void session_count_endings(enum session_ending by, uint64_t count)
{
    counter_add(&counts->endings[by], count);
}

const char *session_ending_name(enum session_ending by)
{
#define SESSION_TEXT(name, text) text,
    static const char *const names[] = {SESSION_ENDINGS(SESSION_TEXT)};
#undef SESSION_TEXT
    return names[by];
}

static enum session_phase phase_of(const struct mid_session *session)
{
    if (session->rq->client == NULL)
        return SESSION_PHASE_AFTER_RESPONSE;
    if (session->is_at_end)
        return SESSION_PHASE_AT_END;
    return session_can_send_cookie(session) ? SESSION_PHASE_BEFORE_HEAD : SESSION_PHASE_IN_STREAM;
}

static enum session_result result_of(enum mid_error error)
{
    switch (error) {
    case MID_OK:
        return SESSION_RESULT_OK;
    case MID_ENDED:
        return SESSION_RESULT_ENDED;
    case MID_UNAVAILABLE:
    case MID_OVERLOADED:
        return SESSION_RESULT_UNAVAILABLE;
    case MID_UNPROCESSABLE:
        return SESSION_RESULT_REFUSED;
    default:
        return SESSION_RESULT_FAILED;
    }
}

void session_count(const struct mid_session *session, enum session_action action, enum mid_error error)
{
    counter_add(&counts->operations[action][phase_of(session)][result_of(error)], 1);
}
