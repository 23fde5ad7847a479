/* Which durable stream a handle is. See durable.h. */
#include "durable/durable.h"

#include <string.h>

#include "base/counter.h"
#include "http/field.h"
#include "http/request.h"
#include "session/memory_watch.h"

static const char default_type[] = "text/plain; charset=utf-8";

/* -------------------- options -------------------- */

static bool is_text(const char *text, size_t most)
{
    return text[0] != '\0' && strnlen(text, most + 1) <= most;
}

static enum mid_error check_options(struct mid_request *rq, const char *name, const struct mid_durable_options *options)
{
    const char *type = options->content_type;
    if (name == NULL || !is_text(name, JOURNAL_NAME_MAX))
        return mid_fail(rq, MID_UNPROCESSABLE, "a durable stream's name has 1 to %d bytes", JOURNAL_NAME_MAX);
    if (options->owner > MID_OWNER_PUBLIC)
        return mid_fail(rq, MID_UNPROCESSABLE, "a durable stream's owner is a session, a user or the public");
    if (options->user != NULL && (options->owner != MID_OWNER_USER || !is_text(options->user, JOURNAL_OWNER_MAX)))
        return mid_fail(rq, MID_UNPROCESSABLE, "the user of a user's durable stream has 1 to %d bytes",
                        JOURNAL_OWNER_MAX);
    if (type != NULL && (!is_text(type, JOURNAL_TYPE_BYTES - 1) || !field_value_is_valid(type)))
        return mid_fail(rq, MID_UNPROCESSABLE,
                        "a durable stream's content type has 1 to %d bytes, without control characters",
                        JOURNAL_TYPE_BYTES - 1);
    if (options->lifetime_ms < 0 || options->until_ms < 0 || (options->lifetime_ms > 0 && options->until_ms > 0))
        return mid_fail(rq, MID_UNPROCESSABLE,
                        "a durable stream has a lifetime, or a time until which it is kept, and not both");
    if (options->bytes_max < 0 || options->bytes_max > durable_bytes_max)
        return mid_fail(rq, MID_UNPROCESSABLE, "a durable stream has at most %lld bytes", (long long)durable_bytes_max);
    if (options->producer != NULL && strnlen(options->producer, JOURNAL_PRODUCER_MAX + 1) > JOURNAL_PRODUCER_MAX)
        return mid_fail(rq, MID_UNPROCESSABLE, "a producer's name has at most %d bytes", JOURNAL_PRODUCER_MAX);
    return MID_OK;
}

/* -------------------- handles -------------------- */

/* The request's handle of that stream. */
static struct mid_durable *handle_of(struct mid_request *rq, const char *key)
{
    for (struct mid_durable *stream = rq->durable; stream != NULL; stream = stream->next)
        if (strcmp(stream->key, key) == 0)
            return stream;
    struct mid_durable *stream = arena_zalloc(&rq->arena, sizeof(*stream));
    stream->rq = rq;
    memcpy(stream->key, key, sizeof(stream->key));
    stream->next = rq->durable;
    rq->durable = stream;
    return stream;
}

/* Whose session's it is. `creates`: one is made for a visitor without. */
MAY_SUSPEND static enum mid_error find_session(struct mid_request *rq, bool creates, struct mid_session **session)
{
    if (creates) {
        MID_TRY(mid_session_open(rq, session));
        return session_stand(*session);
    }
    MID_TRY(mid_session_find(rq, session));
    if (*session == NULL && rq->session != NULL && rq->session->lives_on)
        return session_fail_ended(rq);
    return *session != NULL ? MID_OK
                            : mid_fail(rq, MID_NOT_FOUND, "there is no session, and so no such durable stream");
}

MAY_SUSPEND static enum mid_error find_handle(struct mid_request *rq, const char *name,
                                              const struct mid_durable_options *options, bool creates,
                                              const char **owner, struct mid_durable **stream)
{
    char key[JOURNAL_KEY_BYTES];
    struct mid_session *session = NULL;
    *owner = options->user;
    MID_TRY(check_options(rq, name, options));
    if (options->owner == MID_OWNER_SESSION)
        MID_TRY(find_session(rq, creates, &session));
    if (options->owner == MID_OWNER_USER && *owner == NULL)
        MID_TRY(mid_require_login(rq, -1, owner));
    if (*owner != NULL)
        *owner = mid_printf(rq, "%s", *owner); /* it may be a value of the session, which is lent */
    journal_key(key, session != NULL ? session->rid_text : NULL, *owner != NULL ? *owner : "", name, strlen(name));
    *stream = handle_of(rq, key);
    (*stream)->session = session;
    return MID_OK;
}

MAY_SUSPEND static enum mid_error touch_step(const char *key, const void *what, const struct journal_terms *terms,
                                             struct journal_state *state)
{
    struct journal_terms plain = *terms;
    (void)what;
    plain.durability = MID_DURABLE_MEMORY;
    journal_touch(key, &plain);
    state->verdict = JOURNAL_OK;
    return MID_OK;
}

/* As whom the request appends: as the options say, or as before, or as a task. */
static void choose_producer(struct mid_durable *stream, const struct mid_durable_options *options)
{
    struct mid_request *rq = stream->rq;
    const char *producer = options->producer != NULL  ? options->producer
                           : stream->producer != NULL ? stream->producer
                                                      : rq->producer;
    if (producer == NULL || producer[0] == '\0') {
        stream->producer = NULL;
        stream->is_claim_due = false;
        return;
    }
    if (stream->producer == NULL || strcmp(producer, stream->producer) != 0) {
        stream->producer = arena_strdup(&rq->arena, producer);
        stream->claimed[0] = '\0';
    }
    if (strcmp(stream->claimed, stream->state.incarnation) != 0) {
        stream->epoch = -1;
        stream->is_claim_due = true;
    }
}

/* It is used from now on, which its lifetime and its producer are told. Whether that was heard does not matter
 * where there is no producer. */
MAY_SUSPEND static enum mid_error begin_use(struct mid_durable *stream, const struct mid_durable_options *options,
                                            bool is_new)
{
    struct journal_state state;
    choose_producer(stream, options);
    if (stream->is_claim_due)
        return durable_claim(stream);
    return is_new ? MID_OK : durable_take_once(stream, touch_step, NULL, &state);
}

/* What the handle has appended before and got no answer about comes before whatever is told now. */
MAY_SUSPEND static enum mid_error settle(struct mid_durable *stream)
{
    MID_TRY(durable_settle_doubts(stream));
    return stream->session != NULL ? session_settle_entries(stream->session) : MID_OK;
}

static const struct mid_durable_options no_options;

/* -------------------- creating and finding -------------------- */

MAY_SUSPEND static enum mid_error create_step(const char *key, const void *what, const struct journal_terms *terms,
                                              struct journal_state *state)
{
    return journal_create(key, what, terms, state);
}

/* Those that exist go on while Redis is nearly full. */
MAY_SUSPEND static enum mid_error admit(struct mid_durable *stream)
{
    struct journal_state state;
    if (!memory_watch_is_full())
        return MID_OK;
    MID_TRY(durable_take(stream, durable_look_step, &(struct journal_reading){.from = JOURNAL_FROM_NOW}, true, &state));
    return state.verdict != JOURNAL_MISSING
               ? MID_OK
               : mid_fail(stream->rq, MID_OVERLOADED,
                          "the session store is nearly full: no new durable streams, those that exist go on");
}

/* That it is there already is as good: it is found, then. */
enum mid_error mid_durable_create(struct mid_request *rq, const char *name, const struct mid_durable_options *options,
                                  struct mid_durable **stream)
{
    struct mid_durable *found;
    struct journal_state state;
    const char *owner;
    char incarnation[JOURNAL_INCARNATION_BYTES];
    options = options != NULL ? options : &no_options;
    MID_TRY(find_handle(rq, name, options, true, &owner, &found));
    MID_TRY(settle(found));
    MID_TRY(admit(found));
    journal_new_incarnation(incarnation);
    const struct journal_creation creation = {
        .name = name,
        .owner = found->session != NULL ? found->session->rid_text : owner,
        .type = options->content_type != NULL ? options->content_type : default_type,
        .ttl_ms = options->lifetime_ms > 0 ? options->lifetime_ms : -1,
        .until_ms = options->until_ms > 0 ? options->until_ms : -1,
        .bytes_max = options->bytes_max > 0 ? options->bytes_max : durable_bytes_max,
        .incarnation = incarnation,
        .trims = options->trims,
        .may_be_closed = true,
    };
    MID_TRY(durable_take(found, create_step, &creation, true, &state));
    MID_TRY(durable_conclude(found, &state));
    bool is_new = strcmp(state.incarnation, incarnation) == 0;
    counter_add(&durable_counts->created, is_new);
    MID_TRY(begin_use(found, options, is_new));
    *stream = found;
    return MID_OK;
}

enum mid_error mid_durable_find(struct mid_request *rq, const char *name, const struct mid_durable_options *options,
                                struct mid_durable **stream)
{
    struct mid_durable *found;
    struct journal_state state;
    const char *owner;
    const struct journal_reading look = {.from = JOURNAL_FROM_NOW};
    options = options != NULL ? options : &no_options;
    MID_TRY(find_handle(rq, name, options, false, &owner, &found));
    MID_TRY(settle(found));
    MID_TRY(durable_take(found, durable_look_step, &look, true, &state));
    MID_TRY(durable_conclude(found, &state));
    MID_TRY(begin_use(found, options, false));
    *stream = found;
    return MID_OK;
}

/* -------------------- what is known of it -------------------- */

int64_t mid_durable_tail(const struct mid_durable *stream)
{
    return stream->state.tail;
}

int64_t mid_durable_start(const struct mid_durable *stream)
{
    return stream->state.start;
}

bool mid_durable_is_closed(const struct mid_durable *stream)
{
    return stream->state.is_closed;
}

const char *mid_durable_content_type(const struct mid_durable *stream)
{
    return stream->state.type;
}
