/*
 * What ends a session or a handle, and nothing else does: logout, the login of another user, a renewal for cookies that
 * come after it, a lost lease for an attempt of a task. And what a handle may expect of itself: that it sees what it
 * has written, that a refused operation is told, that a step is applied once.
 */
#include <string.h>

#include "check.h"

/* -------------------- who is older -------------------- */

static bool is_other_user(const struct call *renewal)
{
    return renewal->count > 0 && renewal->operations[renewal->count - 1].code == CODE_RENEW;
}

static const char *user_of(const struct call *renewal)
{
    return renewal->count > 0 ? renewal->operations[renewal->count - 1].field : "";
}

/* The handle has renewed the session itself, or may have, before the call: its generation is not the cookie's. */
static bool has_renewed(const struct call *call)
{
    const struct row *calls = &call->handle->calls;
    for (size_t i = 0; i < calls->count && calls->items[i] != call; i++)
        if (((const struct call *)calls->items[i])->way == WAY_RENEW)
            return true;
    return false;
}

/* A login that is repeated, since its answer was lost, is the same login. */
static bool repeats(const struct call *call, const struct call *renewal)
{
    const struct row *calls = &call->handle->calls;
    for (size_t i = 0; i < calls->count; i++) {
        const struct call *other = calls->items[i];
        if (other->way == WAY_RENEW && strcmp(user_of(other), user_of(renewal)) == 0)
            return true;
    }
    return false;
}

/* What the renewal has raised the generation to; 0: nobody was told. */
static uint32_t generation_after(const struct call *renewal)
{
    return renewal->phase == 'h' ? renewal->handle->run->renewed : 0;
}

/* Whether the call's handle is surely older than the renewal. */
static bool is_older(const struct call *call, const struct call *renewal)
{
    uint32_t after = generation_after(renewal);
    uint32_t least = after > 0 ? after : renewal->handle->run->generation + 1;
    return call->handle != renewal->handle && call->handle->run->generation < least && !has_renewed(call) &&
           !repeats(call, renewal);
}

/* Whether it may be. */
static bool may_be_older(const struct call *call, const struct call *renewal)
{
    uint32_t after = generation_after(renewal);
    return call->handle != renewal->handle &&
           (after == 0 || has_renewed(call) || call->handle->run->generation < after);
}

/* An earlier attempt has applied the step; the call itself has done nothing. */
static bool was_skipped(const struct call *call)
{
    return call->way == WAY_STEP && call->answer != NULL && call->answer[0] == '0';
}

/* It was answered that the session is there. Who reads nothing at all may have been given a new one. */
static bool has_met_session(const struct call *call)
{
    bool is_met = call_is_change(call) && call->way != WAY_DESTROY && call->way != WAY_DROP && !was_skipped(call);
    return !call->is_lost && call_is_answered(call, "MID_OK") &&
           (is_met || (call->sight != NULL && call->sight->count > 0));
}

/* -------------------- logout and login -------------------- */

/* A handle that is older than a login, and has been told so, cannot log out; if it is told MID_OK, that is not true. */
static bool was_told_end(const struct call *call)
{
    const struct row *calls = &call->handle->calls;
    for (size_t i = 0; i < calls->count && calls->items[i] != call; i++)
        if (call_is_answered(calls->items[i], "MID_ENDED"))
            return true;
    return false;
}

static void check_void_logout(struct check *check, const struct call *logout)
{
    for (size_t i = 0; i < check->record->sights.count; i++) {
        const struct sight *sight = check->record->sights.items[i];
        if (sight->end == NEVER || sight->is_gone || sight->begin < logout->end)
            continue;
        found(check, ABOUT(check, "logout-not-done", .call = logout, .sight = sight),
              "%s, of a handle that had been ended, was answered MID_OK, and the session goes on", logout->value);
        return;
    }
}

static void check_after_logout(struct check *check, const struct call *logout)
{
    if (was_told_end(logout)) {
        check_void_logout(check, logout);
        return;
    }
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (has_met_session(call) && call->begin > logout->end)
            found(check, ABOUT(check, "ok-after-logout", .call = call, .other = logout),
                  "%s was answered MID_OK, and the session had ended before it began", call->value);
    }
    for (size_t i = 0; i < check->record->sights.count; i++) {
        const struct sight *sight = check->record->sights.items[i];
        if (sight->end != NEVER && !sight->is_gone && sight->begin > logout->end)
            found(check, ABOUT(check, "ok-after-logout", .call = logout, .sight = sight),
                  "the record is there, and the session had ended");
    }
}

/* Whether the call was before the renewal in no way: it began after it was over, or stands behind it in the log. A
 * renewal of the same user concerns only those who come with an older cookie. */
static bool is_after(const struct call *call, const struct call *renewal)
{
    if (!is_other_user(renewal))
        return has_met_session(call) && call->handle->run->begin > renewal->end;
    return (has_met_session(call) && call->begin > renewal->end) ||
           (renewal->position > 0 && call->position > renewal->position);
}

static void check_after_renewal(struct check *check, const struct call *renewal)
{
    const struct handle *told = NULL; /* one finding for a handle is enough, as far as they do not alternate */
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (call->handle == told || !is_older(call, renewal) || !is_after(call, renewal))
            continue;
        told = call->handle;
        found(check, ABOUT(check, "ok-after-login", .call = call, .other = renewal),
              "%s %s, and its handle is older than the %s of %s", call->value,
              call->way == WAY_READ ? "has read the session" : "was applied",
              is_other_user(renewal) ? "login" : "renewal", renewal->value);
    }
    const struct run *run = renewal->handle->run;
    if (renewal->phase == 'h' && run->renewed > 0 && run->renewed <= run->generation)
        found(check, ABOUT(check, "generation", .call = renewal), "the generation was %u, and is %u after the renewal",
              run->generation, run->renewed);
}

/* What it was told once it is told again. */
static bool is_first_end(const struct call *ended)
{
    return !ended->is_lost && call_is_answered(ended, "MID_ENDED") && !was_told_end(ended);
}

static bool has_reason(const struct check *check, const struct call *ended)
{
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (call->verdict == NOT || call->begin > ended->end)
            continue;
        if (call->way == WAY_DESTROY)
            return true;
        /* A login that was in doubt when the response was over, and is dropped with it, may have been stored: then it
         * ends its own handle, which does not know the new generation. */
        if (call->way == WAY_RENEW && call->handle == ended->handle && call->phase != ended->phase &&
            call->verdict == MAYBE)
            return true;
        /* Who renews what somebody else has just renewed may be refused, too; not so who repeats his own login. */
        bool is_again = ended->way == WAY_RENEW && is_other_user(ended) && repeats(ended, call);
        if (call->way == WAY_RENEW && !is_again && may_be_older(ended, call) &&
            (is_other_user(call) || ended->way == WAY_RENEW || !call_is_in_contact(ended, call->begin)))
            return true;
    }
    return false;
}

/* -------------------- the record -------------------- */

static void check_existence(struct check *check)
{
    const struct sight *gone = NULL;
    for (size_t i = 0; i < check->record->sights.count; i++) {
        const struct sight *sight = check->record->sights.items[i];
        if (sight->end == NEVER)
            continue;
        if (gone != NULL && !sight->is_gone)
            found(check, ABOUT(check, "revived", .sight = sight), "the record was gone, and is there again");
        bool has_end = false;
        for (size_t k = 0; k < check->record->calls.count && sight->is_gone && gone == NULL; k++) {
            const struct call *call = check->record->calls.items[k];
            has_end = has_end || (call->way == WAY_DESTROY && call->verdict != NOT && call->begin < sight->end);
        }
        if (sight->is_gone && gone == NULL && !has_end)
            found(check, ABOUT(check, "vanished", .sight = sight),
                  "the record is gone, and nobody has ended the session");
        if (sight->is_gone)
            gone = sight;
    }
}

/* -------------------- tasks -------------------- */

/* Whether another attempt, an earlier one or the one that has the lease now, had begun the step by the line. */
static bool was_begun_by_another(const struct call *attempt, size_t line)
{
    const struct row *handles = &attempt->handle->run->handles;
    for (size_t i = 0; i < handles->count; i++) {
        const struct handle *handle = handles->items[i];
        for (size_t k = 0; handle != attempt->handle && k < handle->calls.count; k++) {
            const struct call *other = handle->calls.items[k];
            if (other->first == attempt->first && other->begin < line)
                return true;
        }
    }
    return false;
}

/* The calls of one step, in all attempts. */
static void check_step(struct check *check, const struct call *step)
{
    const struct row *handles = &step->handle->run->handles;
    const struct call *applied = NULL;
    for (size_t i = 0; i < handles->count; i++) {
        const struct handle *handle = handles->items[i];
        for (size_t k = 0; k < handle->calls.count; k++) {
            const struct call *attempt = handle->calls.items[k];
            if (attempt->first != step || !call_is_answered(attempt, "MID_OK") || attempt->answer == NULL)
                continue;
            if (was_skipped(attempt) && !was_begun_by_another(attempt, attempt->end))
                found(check, ABOUT(check, "false-answer", .call = attempt),
                      "%s was told that another attempt has applied it, and there was none", step->value);
            if (!was_skipped(attempt) && applied != NULL)
                found(check, ABOUT(check, "step-twice", .call = attempt, .other = applied),
                      "two attempts were told that they have applied the step %s", step->value);
            applied = was_skipped(attempt) ? applied : attempt;
        }
    }
}

static const struct call *first_change(const struct handle *handle)
{
    for (size_t i = 0; i < handle->calls.count; i++) {
        const struct call *call = handle->calls.items[i];
        if (call_is_change(call) && call_is_answered(call, "MID_OK") && call->way != WAY_IMPLICIT)
            return call;
    }
    return NULL;
}

/* Once a later attempt has the session, an earlier one has lost it. */
static void check_lease(struct check *check, const struct call *call)
{
    const struct row *handles = &call->handle->run->handles;
    bool is_later = false;
    if (!call_is_change(call) || !call_is_answered(call, "MID_OK") || call->way == WAY_IMPLICIT || was_skipped(call))
        return;
    for (size_t i = 0; i < handles->count; i++) {
        const struct handle *handle = handles->items[i];
        const struct call *owner = is_later ? first_change(handle) : NULL;
        if (owner != NULL && owner->end < call->begin)
            found(check, ABOUT(check, "ok-after-lost-lease", .call = call, .other = owner),
                  "%s was answered MID_OK, and a later attempt had the session before it began", call->name);
        is_later = is_later || handle == call->handle;
    }
}

/* -------------------- a handle's own -------------------- */

static const struct operation *last_on(const struct call *call, const char *field)
{
    for (size_t i = call->count; i-- > 0;)
        if (strcmp(call->operations[i].field, field) == 0)
            return &call->operations[i];
    return NULL;
}

/* Somebody else may have changed the field since. */
static bool is_contended(const struct check *check, const struct call *before, const struct call *peek,
                         const char *field)
{
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (call->first != before->first && call->verdict != NOT && call_is_change(call) &&
            last_on(call, field) != NULL && call->begin < peek->end && call->until > before->begin)
            return true;
    }
    return false;
}

/* What it has just set is what it sees. */
static void check_peek(struct check *check, const struct call *peek)
{
    const struct row *calls = &peek->handle->calls;
    const struct call *before = NULL;
    for (size_t i = 0; i < calls->count && calls->items[i] != peek; i++)
        before = calls->items[i];
    const struct operation *operation =
        before != NULL && peek->count > 0 ? last_on(before, peek->operations[0].field) : NULL;
    if (operation == NULL || operation->code != CODE_SET || !call_is_answered(before, "MID_OK") || was_skipped(before))
        return;
    bool sees_own = peek->answer != NULL && strcmp(peek->answer, before->value) == 0;
    if (call_is_answered(peek, "MID_OK") && !sees_own && !is_contended(check, before, peek, operation->field))
        found(check, ABOUT(check, "own-write-not-seen", .field = operation->field, .call = peek),
              "the handle has set %s, and sees %s", before->value, peek->answer != NULL ? peek->answer : "nothing");
}

void check_endings(struct check *check)
{
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        struct about about = {.record = check->record, .call = call};
        if (call->way == WAY_DESTROY && call->verdict == APPLIED)
            check_after_logout(check, call);
        if (call->way == WAY_RENEW && call->verdict == APPLIED)
            check_after_renewal(check, call);
        if (call->way == WAY_PEEK)
            check_peek(check, call);
        if (call->handle->attempt != NULL && call->first == call && call->way == WAY_STEP)
            check_step(check, call);
        if (call->handle->attempt != NULL)
            check_lease(check, call);
        about.rule = "ended-without-reason";
        if (is_first_end(call) && !has_reason(check, call))
            found(check, &about, "%s was told MID_ENDED, and nothing had ended the session or its handle", call->name);
        about.rule = "refused-operation-forgotten";
        if (call_is_refusable(call) && call_is_answered(call, "MID_OK"))
            found(check, &about, "%s has an operation to be refused, and was answered MID_OK", call->name);
    }
    check_existence(check);
}
