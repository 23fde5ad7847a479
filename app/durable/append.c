/*
 * Entries of durable streams. See durable.h.
 *
 * DESIGN. With a producer, an append has its number until its fate is known. One without an answer stays as the
 * handle's doubt: the same call again sends it again, with its number, and another one, or finding the stream, sends it
 * first. Entries of a session's commit are the session's to settle; they name the producer and its epoch, so that one
 * that was taken over is refused, and need no number. What is appended behind entries that cannot be settled becomes
 * one of them; so what a stream has in doubt stands before its entries.
 */
#include <sodium.h>
#include <string.h>

#include "base/counter.h"
#include "base/utf8.h"
#include "durable/durable.h"
#include "http/json.h"
#include "http/request.h"
#include "session/limits.h"

/* Above it, others would wait for long on the one connection to Redis. */
enum { ENTRY_BYTES_MAX = 1 << 20, COMMITTED_BYTES_MAX = SESSION_OPERATION_BYTES_MAX / 2 };

/* -------------------- producers -------------------- */

MAY_SUSPEND static enum mid_error claim_step(const char *key, const void *what, const struct journal_terms *terms,
                                             struct journal_state *state)
{
    return journal_claim(key, what, terms, state);
}

static bool is_task(const struct mid_durable *stream)
{
    const char *task = stream->rq->producer;
    return task != NULL && strcmp(task, stream->producer) == 0;
}

/* A task's is that of its lease. Otherwise one above those before, which is the same however late it arrives; of two
 * that are made at once the numbers differ in all likelihood, and one is fenced. */
static int64_t next_epoch(const struct mid_durable *stream)
{
    enum { EPOCHS_PER_MS = 1024 };
    return is_task(stream) ? stream->rq->producer_epoch
                           : mid_unix_ms() * EPOCHS_PER_MS + randombytes_uniform(EPOCHS_PER_MS);
}

MAY_SUSPEND static enum mid_error try_claim(struct mid_durable *stream, int64_t epoch, struct journal_state *state)
{
    const struct journal_claim claim = {.producer = stream->producer,
                                        .epoch = epoch,
                                        .number = epoch == stream->epoch ? stream->number : -1,
                                        .incarnation = stream->state.incarnation};
    return durable_take(stream, claim_step, &claim, true, state);
}

enum mid_error durable_claim(struct mid_durable *stream)
{
    struct journal_state state;
    MID_TRY(try_claim(stream, next_epoch(stream), &state));
    if (state.verdict == JOURNAL_STALE && !is_task(stream)) /* by a clock that is ahead of ours */
        MID_TRY(try_claim(stream, state.epoch + 1, &state));
    MID_TRY(durable_conclude(stream, &state));
    stream->is_claim_due = false;
    memcpy(stream->claimed, state.incarnation, sizeof(stream->claimed));
    stream->epoch = state.epoch;
    stream->number = state.number + 1;
    return MID_OK;
}

/* -------------------- appending -------------------- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same(const struct journal_append *a, const struct journal_append *b)
{
    return a->bytes == b->bytes && a->closes == b->closes && is_same_text(a->event, b->event) &&
           (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

static bool is_unsettled(enum mid_error error)
{
    return error == MID_UNAVAILABLE || error == MID_OVERLOADED;
}

/* The place behind the newest one; NULL: there is no room for so many bytes more. */
static struct durable_doubt **end_of_doubts(struct mid_durable *stream, size_t bytes)
{
    struct durable_doubt **end = &stream->doubts;
    size_t count = 0;
    for (; *end != NULL; end = &(*end)->next, count++)
        bytes += (*end)->append.bytes;
    bool has_room = count < DURABLE_DOUBTS_MAX && (count == 0 || bytes <= DURABLE_DOUBTS_BYTES_MAX);
    return has_room ? end : NULL;
}

/* Whether this is the newest one. */
static bool is_in_doubt(const struct mid_durable *stream, const struct journal_append *append)
{
    const struct durable_doubt *last = stream->doubts;
    while (last != NULL && last->next != NULL)
        last = last->next;
    return last != NULL && is_same(&last->append, append);
}

/* Returns the error, or that there is no room. */
static enum mid_error keep_doubt(struct mid_durable *stream, const struct journal_append *append, enum mid_error error)
{
    struct arena *arena = &stream->rq->arena;
    struct durable_doubt **end = end_of_doubts(stream, append->bytes);
    if (stream->producer == NULL)
        return error;
    if (end == NULL)
        return mid_fail(stream->rq, MID_OVERLOADED,
                        "too many appends to this durable stream wait for the session store");
    struct durable_doubt *doubt = arena_zalloc(arena, sizeof(*doubt));
    doubt->append = *append;
    doubt->append.data = append->bytes > 0 ? arena_strndup(arena, append->data, append->bytes) : NULL;
    doubt->append.event = append->event != NULL ? arena_strdup(arena, append->event) : NULL;
    *end = doubt;
    return error;
}

static void count(const struct journal_append *append, enum mid_error error, enum journal_verdict verdict)
{
    bool is_unknown = is_unsettled(error) || error == MID_FAILED;
    enum durable_result result = is_unknown                     ? DURABLE_UNAVAILABLE
                                 : error != MID_OK              ? DURABLE_REFUSED
                                 : verdict == JOURNAL_DUPLICATE ? DURABLE_REPEATED
                                                                : DURABLE_STORED;
    counter_add(&durable_counts->appends[result], 1);
    counter_add(&durable_counts->bytes, result == DURABLE_STORED ? append->bytes : 0);
}

MAY_SUSPEND static enum mid_error append_step(const char *key, const void *what, const struct journal_terms *terms,
                                              struct journal_state *state)
{
    return journal_append(key, what, terms, state);
}

/* Its number is used up when its fate is known. A producer whose append was stored before somebody closed the stream is
 * told CLOSED, and what it has stored; who closes what is closed has what he wants. */
static void take_answer(struct mid_durable *stream, const struct journal_append *append, struct journal_state *state)
{
    bool is_own = append->producer != NULL && state->epoch == stream->epoch;
    bool was_stored = is_own && state->number >= append->number;
    if (state->verdict == JOURNAL_CLOSED && (was_stored || append->bytes == 0))
        state->verdict = JOURNAL_DUPLICATE;
    if (was_stored)
        stream->number = state->number + 1;
    bool is_lost =
        state->verdict == JOURNAL_STALE || state->verdict == JOURNAL_GAP || state->verdict == JOURNAL_NEW_EPOCH;
    if (is_lost) /* until it finds the stream again */
        stream->claimed[0] = '\0';
}

/* Sends it with the producer's number. */
MAY_SUSPEND static enum mid_error send(struct mid_durable *stream, const struct journal_append *append)
{
    struct journal_state state;
    if (stream->is_claim_due)
        MID_TRY(durable_claim(stream));
    struct journal_append numbered = *append;
    numbered.producer = stream->producer;
    numbered.epoch = stream->epoch;
    numbered.number = stream->number;
    numbered.incarnation = stream->state.incarnation;
    bool may_repeat = stream->producer != NULL || append->bytes == 0;
    enum mid_error error = durable_take(stream, append_step, &numbered, may_repeat, &state);
    if (error == MID_OK) {
        take_answer(stream, &numbered, &state);
        error = durable_conclude(stream, &state);
    } else if (!is_unsettled(error) && stream->producer != NULL) {
        stream->is_claim_due = true; /* nobody knows whether it is stored */
    }
    count(append, error, state.verdict);
    return error;
}

/* When one is refused, those behind it go as well, since they may rest on it. */
enum mid_error durable_settle_doubts(struct mid_durable *stream)
{
    enum mid_error error = MID_OK;
    while (stream->doubts != NULL && error == MID_OK) {
        error = send(stream, &stream->doubts->append);
        if (error == MID_OK)
            stream->doubts = stream->doubts->next;
        else if (!is_unsettled(error))
            stream->doubts = NULL;
    }
    return error;
}

/* -------------------- entries of the session's commits -------------------- */

/* They stand behind what their streams have in doubt. */
MAY_SUSPEND static enum mid_error before_entry(struct mid_session *session)
{
    for (struct mid_durable *stream = session->rq->durable; stream != NULL; stream = stream->next)
        if (stream->session == session && operations_have_entry_of(&session->recorded, stream->key))
            MID_TRY(durable_settle_doubts(stream));
    return MID_OK;
}

static void entry_settled(const struct operation *entry, enum mid_error error)
{
    struct journal_append append;
    operation_entry(entry, &append);
    count(&append, error, JOURNAL_OK);
}

/* The producer is named, so that it is fenced; a commit needs no number. */
static struct journal_append entry_of(const struct mid_durable *stream, const struct journal_append *append)
{
    struct journal_append entry = *append;
    entry.incarnation = stream->state.incarnation;
    entry.producer = stream->producer;
    entry.epoch = stream->epoch;
    stream->session->before_entry = before_entry;
    stream->session->entry_settled = entry_settled;
    return entry;
}

/* What was told of the last entry that was sent. */
static void take_entry_state(struct mid_durable *stream, const struct journal_state *state)
{
    if (state->verdict == JOURNAL_STALE) /* until it finds the stream again */
        stream->claimed[0] = '\0';
    if (state->incarnation[0] != '\0' && strcmp(state->incarnation, stream->state.incarnation) == 0)
        stream->state = *state;
}

MAY_SUSPEND static enum mid_error commit(struct mid_durable *stream, const struct journal_append *append)
{
    struct journal_state state = {0};
    if (append->bytes > COMMITTED_BYTES_MAX)
        return mid_fail(stream->rq, MID_UNPROCESSABLE, "an entry that is committed with a session has at most %d bytes",
                        COMMITTED_BYTES_MAX);
    if (stream->is_claim_due)
        MID_TRY(durable_claim(stream));
    const struct journal_append entry = entry_of(stream, append);
    enum mid_error error = session_commit_entry(stream->session, stream->key, &entry, &state);
    if (is_unsettled(error))
        count(append, error, JOURNAL_OK);
    take_entry_state(stream, &state);
    return error;
}

/* -------------------- one after the other -------------------- */

/* Entries of the session that wait come first. *is_over: it is one of them now, or was and is stored. */
MAY_SUSPEND static enum mid_error settle_entries(struct mid_durable *stream, const struct journal_append *append,
                                                 bool *is_over)
{
    struct mid_session *session = stream->session;
    *is_over = false;
    if (session == NULL || !session_has_entries(session))
        return MID_OK;
    const struct journal_append entry = entry_of(stream, append);
    bool is_one = session_awaits_entry(session, stream->key, &entry);
    enum mid_error error = session_settle_entries(session);
    take_entry_state(stream, &session->entry_state);
    *is_over = is_one || error != MID_OK;
    if (!is_unsettled(error) || is_one)
        return error;
    count(append, error, JOURNAL_OK);
    if (append->bytes > COMMITTED_BYTES_MAX)
        return mid_fail(stream->rq, MID_OVERLOADED, "this entry is too large to wait for the session store");
    MID_TRY(session_keep_entry(session, stream->key, &entry));
    return error;
}

MAY_SUSPEND static enum mid_error append(struct mid_durable *stream, const struct journal_append *append)
{
    bool is_over;
    enum mid_error error = settle_entries(stream, append, &is_over);
    if (is_over)
        return error;
    bool is_repetition = is_in_doubt(stream, append);
    error = durable_settle_doubts(stream);
    if (error == MID_OK && !is_repetition)
        error = send(stream, append);
    return is_unsettled(error) && !is_repetition ? keep_doubt(stream, append, error) : error;
}

/* -------------------- what handlers call -------------------- */

static enum mid_error check_event(struct mid_request *rq, const char *event)
{
    size_t bytes = event != NULL ? strnlen(event, JOURNAL_EVENT_MAX + 1) : 1;
    bool is_line = event == NULL || (strpbrk(event, "\r\n") == NULL && utf8_is_valid(event, bytes));
    return bytes >= 1 && bytes <= JOURNAL_EVENT_MAX && is_line
               ? MID_OK
               : mid_fail(rq, MID_UNPROCESSABLE, "an event's name has 1 to %d bytes of UTF-8, without line breaks",
                          JOURNAL_EVENT_MAX);
}

static enum mid_error check_entry(const struct mid_durable *stream, const struct mid_durable_entry *entry)
{
    struct mid_request *rq = stream->rq;
    if (entry->bytes > ENTRY_BYTES_MAX)
        return mid_fail(rq, MID_UNPROCESSABLE, "an entry of a durable stream has at most %d bytes", ENTRY_BYTES_MAX);
    MID_TRY(check_event(rq, entry->event));
    if (entry->bytes == 0 && !entry->closes)
        return mid_fail(rq, MID_UNPROCESSABLE, "an entry of a durable stream has 1 byte at least");
    if (entry->bytes > 0 && durable_is_json(stream))
        return json_check(rq, entry->data, entry->bytes);
    return MID_OK;
}

static struct journal_append append_of(const struct mid_durable_entry *entry)
{
    return (struct journal_append){
        .data = entry->data, .bytes = entry->bytes, .event = entry->event, .closes = entry->closes};
}

enum mid_error mid_durable_append(struct mid_durable *stream, const void *data, size_t bytes)
{
    const struct mid_durable_entry entry = {.data = data, .bytes = bytes};
    MID_TRY(check_entry(stream, &entry));
    const struct journal_append what = append_of(&entry);
    return append(stream, &what);
}

enum mid_error mid_durable_append_event(struct mid_durable *stream, const char *event, const char *data)
{
    const struct mid_durable_entry entry = {.data = data, .bytes = strlen(data), .event = event};
    MID_TRY(check_entry(stream, &entry));
    const struct journal_append what = append_of(&entry);
    return append(stream, &what);
}

enum mid_error mid_durable_close(struct mid_durable *stream)
{
    const struct journal_append end = {.closes = true};
    return append(stream, &end);
}

enum mid_error mid_durable_commit(struct mid_durable *stream, const struct mid_durable_entry *entry)
{
    if (stream->session == NULL)
        return mid_fail(stream->rq, MID_UNPROCESSABLE, "only a durable stream of a session is committed with one");
    MID_TRY(check_entry(stream, entry));
    const struct journal_append what = append_of(entry);
    return commit(stream, &what);
}
