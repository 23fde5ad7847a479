/* One step of a durable stream in Redis. See durable.h. */
#include <string.h>

#include "durable/durable.h"
#include "http/field.h"
#include "http/request.h"
#include "session/limits.h"

int64_t durable_bytes_max;
static struct durable_counts own_counts;
struct durable_counts *durable_counts = &own_counts;

void durable_init(const struct durable_settings *settings)
{
    durable_bytes_max = settings->bytes_max;
    durable_counts = settings->counts != NULL ? settings->counts : &own_counts;
}

enum mid_error durable_take_once(struct mid_durable *stream, durable_step *step, const void *what,
                                 struct journal_state *state)
{
    char guard[SESSION_GUARD_BYTES] = "";
    *state = (struct journal_state){0};
    if (stream->session != NULL)
        MID_TRY(session_guard(stream->session, guard));
    const struct journal_terms terms = {
        .patience_ms = session_request_patience_ms(stream->rq),
        .durability = request_durability(stream->rq),
        .guard = guard,
    };
    MID_TRY(step(stream->key, what, &terms, state));
    return state->verdict == JOURNAL_REFUSED ? session_take_refusal(stream->session, state->refusal) : MID_OK;
}

enum mid_error durable_look_step(const char *key, const void *what, const struct journal_terms *terms,
                                 struct journal_state *state)
{
    struct journal_terms plain = *terms;
    plain.durability = MID_DURABLE_MEMORY;
    return journal_read(key, what, &plain, state);
}

enum mid_error durable_take(struct mid_durable *stream, durable_step *step, const void *what, bool may_repeat,
                            struct journal_state *state)
{
    int64_t end_ms = loop_now_ms() + session_limits.commit_timeout_ms;
    bool is_in_doubt = false;
    enum mid_error error = durable_take_once(stream, step, what, state);
    while (error == MID_UNAVAILABLE && !request_awaits_head(stream->rq) && loop_now_ms() < end_ms) {
        is_in_doubt = is_in_doubt || state->is_in_doubt;
        if (is_in_doubt && !may_repeat)
            break;
        if (journal_wait_ready(stream->key, end_ms - loop_now_ms()))
            error = durable_take_once(stream, step, what, state);
        if (error == MID_UNAVAILABLE)
            loop_park(SESSION_RETRY_PAUSE_MS);
    }
    state->is_in_doubt = state->is_in_doubt || is_in_doubt;
    return error;
}

bool durable_is_json(const struct mid_durable *stream)
{
    return media_type_is(stream->state.type, "application/json");
}

enum mid_error durable_conclude(struct mid_durable *stream, const struct journal_state *state)
{
    const char *sentence;
    bool knows_stream = state->incarnation[0] != '\0' && state->verdict != JOURNAL_CONFLICT;
    if (knows_stream)
        stream->state = *state;
    enum mid_error error = journal_error(state->verdict, &sentence);
    return error == MID_OK ? MID_OK : mid_fail(stream->rq, error, "%s", sentence);
}
