/*
 * Waiting for more of a durable stream. See durable.h.
 *
 * As for sessions (live/wait.c), what is heard is a reason to go on, and what counts is the stream: it is looked at
 * after subscribing, when something may have been missed, and every 15 s whatever is heard.
 */
#include <string.h>

#include "base/number.h"
#include "durable/durable.h"
#include "http/request.h"
#include "live/live.h"
#include "wait/wait.h"

enum {
    LOOK_AGAIN_MS = 500, /* when Redis could not be asked, or takes no mark */
    REGULAR_MS = 15000,
};

/* Until the request is over. What was heard is kept apart from the state, which an answer may make one of before. */
struct durable_watch {
    struct live_listener listener;
    struct mid_durable *stream;
    bool is_behind; /* something was heard */
    bool must_look; /* and it was no end that is known */
    bool is_unmarked;
    char incarnation[JOURNAL_INCARNATION_BYTES]; /* of the stream that it is about */
    int64_t heard_tail;
    bool heard_end;    /* it is closed */
    int64_t looked_ms; /* on the loop's clock */
};

/* -------------------- what is heard -------------------- */

/* "INCARNATION TAIL CLOSED", by append.lua. Anything else, such as that it was deleted, is a reason to look. */
static bool take_message(struct durable_watch *watch, const char *message, size_t bytes)
{
    char text[JOURNAL_INCARNATION_BYTES + NUMBER_TEXT_BYTES + 4];
    const char *incarnation = watch->stream->state.incarnation;
    size_t length = strlen(incarnation);
    int64_t tail;
    if (message == NULL || bytes >= sizeof(text) || bytes < length + strlen(" 1 0"))
        return false;
    memcpy(text, message, bytes);
    text[bytes - 2] = text[bytes] = '\0';
    if (memcmp(text, incarnation, length) != 0 || text[length] != ' ' || !number_parse(text + length + 1, &tail))
        return false;
    watch->heard_tail = tail;
    watch->heard_end = watch->heard_end || text[bytes - 1] == '1';
    return true;
}

static void on_heard(struct live_listener *listener, const char *message, size_t bytes)
{
    struct durable_watch *watch = listener->owner;
    struct mid_request *rq = watch->stream->rq;
    if (!take_message(watch, message, bytes))
        watch->must_look = true;
    watch->is_behind = true;
    if (rq->wait.fiber != NULL)
        loop_wake(rq->wait.fiber);
}

static void end_watch(void *arg)
{
    struct durable_watch *watch = arg;
    live_unlisten(&watch->listener);
}

static struct durable_watch *watch_of(struct mid_durable *stream)
{
    if (stream->watch != NULL)
        return stream->watch;
    struct durable_watch *watch = arena_zalloc(&stream->rq->arena, sizeof(*watch));
    stream->watch = watch;
    watch->stream = stream;
    watch->must_look = true;
    watch->listener = (struct live_listener){.owner = watch, .heard = on_heard};
    live_listen(&watch->listener, stream->key);
    mid_defer(stream->rq, end_watch, watch);
    return watch;
}

/* -------------------- looking -------------------- */

MAY_SUSPEND static enum mid_error watch_step(const char *key, const void *what, const struct journal_terms *terms,
                                             struct journal_state *state)
{
    struct journal_terms plain = *terms;
    plain.durability = MID_DURABLE_MEMORY;
    return journal_watch(key, what, &plain, state);
}

/* Marks it, which tells how it is. A Redis that takes no writes may still tell that. */
MAY_SUSPEND static enum mid_error look(struct mid_durable *stream, int64_t offset)
{
    struct journal_state state;
    struct durable_watch *watch = stream->watch;
    watch->must_look = false; /* what is missed from now on says so again */
    watch->looked_ms = loop_now_ms();
    enum mid_error error = durable_take_once(stream, watch_step, stream->state.incarnation, &state);
    watch->is_unmarked = error != MID_OK;
    if (error == MID_UNAVAILABLE)
        error = durable_take_once(
            stream, durable_look_step,
            &(struct journal_reading){.from = JOURNAL_FROM_NOW, .incarnation = stream->state.incarnation}, &state);
    MID_TRY(error);
    if (!watch->is_behind) { /* what was heard before and is not there, Redis has lost */
        watch->heard_tail = state.tail;
        watch->heard_end = state.is_closed;
    }
    if (state.verdict == JOURNAL_OK && state.tail < offset)
        state.verdict = JOURNAL_LOST;
    return durable_conclude(stream, &state);
}

static int64_t look_again_ms(const struct durable_watch *watch)
{
    bool is_deaf = watch->is_unmarked;
    return watch->looked_ms + (is_deaf ? LOOK_AGAIN_MS : REGULAR_MS);
}

static bool has_more(const struct mid_durable *stream, int64_t offset)
{
    const struct durable_watch *watch = stream->watch;
    return stream->state.tail > offset || stream->state.is_closed || watch->heard_tail > offset || watch->heard_end;
}

/* MID_UNAVAILABLE, MID_OVERLOADED: Redis could not be asked. */
MAY_SUSPEND static enum mid_error step(struct mid_durable *stream, int64_t offset)
{
    struct durable_watch *watch = stream->watch;
    watch->is_behind = false;
    bool is_due = loop_now_ms() >= look_again_ms(watch);
    return watch->must_look || is_due ? look(stream, offset) : MID_OK;
}

/* Nothing is under way that could tell of an earlier time. */
static enum mid_error take_heard(struct mid_durable *stream)
{
    const struct durable_watch *watch = stream->watch;
    if (watch->heard_tail > stream->state.tail)
        stream->state.tail = watch->heard_tail;
    stream->state.is_closed = stream->state.is_closed || watch->heard_end;
    return MID_OK;
}

/* The handle may have become one of another stream of the name; and what was heard of and not read afterwards may have
 * been lost. */
static void prepare(struct mid_durable *stream, int64_t offset)
{
    struct durable_watch *watch = watch_of(stream);
    const struct journal_state *state = &stream->state;
    if (strcmp(watch->incarnation, state->incarnation) != 0) {
        memcpy(watch->incarnation, state->incarnation, sizeof(watch->incarnation));
        watch->heard_tail = 0;
        watch->heard_end = false;
        watch->must_look = true;
    }
    bool is_unread = state->tail < watch->heard_tail || (watch->heard_end && !state->is_closed);
    if ((is_unread && state->tail <= offset) || state->tail < offset)
        watch->must_look = true;
}

/* Who never has to wait hears here that it is time to end. */
MAY_SUSPEND static enum mid_error check_request(struct mid_request *rq)
{
    const bool never = false;
    bool is_late = rq->wait.deadline_ms >= 0 && loop_now_ms() >= rq->wait.deadline_ms;
    enum mid_error error = wait_for_flag(rq, &never, loop_now_ms());
    return error == MID_TIMEOUT && !is_late && rq->wait.interruption == MID_OK ? MID_OK : error;
}

enum mid_error mid_durable_wait(struct mid_durable *stream, int64_t offset, int64_t timeout_ms)
{
    int64_t end_ms = timeout_ms < 0 ? -1 : loop_now_ms() + timeout_ms;
    if (offset < 0 || offset > JOURNAL_OFFSET_MAX)
        return mid_fail(stream->rq, MID_UNPROCESSABLE, "an offset of a durable stream is a number of bytes");
    MID_TRY(check_request(stream->rq));
    prepare(stream, offset);
    struct durable_watch *watch = stream->watch;
    for (;;) {
        enum mid_error error = step(stream, offset);
        if (error == MID_OK && has_more(stream, offset))
            return take_heard(stream);
        int64_t again_ms = look_again_ms(watch);
        watch->must_look = watch->must_look || error != MID_OK; /* who asks again is told again */
        if (error == MID_UNAVAILABLE || error == MID_OVERLOADED) {
            watch->is_behind = false;
            again_ms = loop_now_ms() + LOOK_AGAIN_MS;
        } else if (error != MID_OK) {
            return error;
        }
        MID_TRY(live_rest(stream->rq, &watch->is_behind, end_ms, again_ms));
    }
}
