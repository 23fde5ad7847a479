/* What each call did. See judge.h. */
#include "judge.h"

#include <string.h>

bool call_is_answered(const struct call *call, const char *error)
{
    return call->error != NULL && strcmp(call->error, error) == 0;
}

bool call_is_change(const struct call *call)
{
    return call->way != WAY_READ && call->way != WAY_PEEK && (call->count > 0 || call->way == WAY_DESTROY);
}

bool call_is_refusable(const struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->operations[i].code == CODE_REFUSED)
            return true;
    return false;
}

bool call_is_in_contact(const struct call *call, size_t line)
{
    const struct row *calls = &call->handle->calls;
    for (size_t i = 0; i < calls->count; i++) {
        const struct call *other = calls->items[i];
        bool has_met = call_is_change(other) || (other->sight != NULL && other->sight->count > 0);
        if (has_met && other->end != NEVER && other->end < line && call_is_answered(other, "MID_OK"))
            return true;
    }
    return false;
}

/* -------------------- one call -------------------- */

static bool is_commit(const struct call *call)
{
    return call->way != WAY_READ && call->way != WAY_PEEK && call->way != WAY_DROP && call->way != WAY_DESTROY;
}

/* Where the session has ended by a logout, nobody can tell any more whether a commit whose answer was lost came before
 * it; that it is gone is true in both cases. */
static bool has_ended_by_logout(const struct call *call)
{
    return call_is_answered(call, "MID_ENDED") && call->record != NULL && call->record->first_logout < call->end;
}

static enum verdict verdict_of(const struct call *call)
{
    if (call->way == WAY_DROP)
        return NOT;
    if (has_ended_by_logout(call) && !call_is_refusable(call))
        return MAYBE;
    if (call_is_answered(call, "MID_OK"))
        return APPLIED;
    if (call_is_answered(call, "MID_ENDED") || call_is_answered(call, "MID_HEAD_SENT") ||
        call_is_answered(call, "MID_UNPROCESSABLE") || call_is_refusable(call))
        return NOT;
    return MAYBE;
}

/* -------------------- one handle -------------------- */

/* The first line so long after the handle was closed. */
static size_t line_after(const struct history *history, const struct handle *handle)
{
    const struct run *run = handle->run;
    bool is_heard_last = run->end != NEVER && run->end > handle->last_line;
    int64_t end_ms = history_time_ms(history, is_heard_last ? run->end : handle->last_line) + UNDER_WAY_MS;
    size_t low = handle->last_line;
    size_t high = history_line_count(history);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history_time_ms(history, middle) < end_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < history_line_count(history) ? low : NEVER;
}

bool call_may_come_late(const struct call *call)
{
    return call->way == WAY_ASK && call_is_answered(call, "MID_FAILED");
}

/* The calls before `index` that are in doubt and not settled: by this line they are. */
static void settle(const struct handle *handle, size_t index, size_t line)
{
    const struct call *settling = handle->calls.items[index];
    for (size_t i = 0; i < index; i++) {
        struct call *call = handle->calls.items[i];
        bool was_dropped = call->phase != settling->phase; /* if its phase has failed */
        if (call->verdict == MAYBE && !was_dropped && !call_may_come_late(call) && call->until > line)
            call->until = line;
    }
}

/* Whether a later call has to take this one along: going forward from it. */
static bool is_promised(const struct handle *handle, size_t index)
{
    const struct call *call = handle->calls.items[index];
    bool stays_recorded = call->way == WAY_COMMIT || call->way == WAY_STEP;
    if (!stays_recorded || !call_is_answered(call, "MID_UNAVAILABLE") || call_is_refusable(call))
        return false;
    for (size_t i = index + 1; i < handle->calls.count; i++) {
        const struct call *later = handle->calls.items[i];
        bool was_skipped = later->way == WAY_STEP && later->answer != NULL && later->answer[0] == '0';
        if (later->phase != call->phase || (!is_commit(later) && later->way != WAY_READ && later->way != WAY_PEEK))
            return false;
        if (!is_commit(later) || call_is_answered(later, "MID_UNAVAILABLE"))
            continue;
        return call_is_answered(later, "MID_OK") && !was_skipped && !call_is_refusable(later);
    }
    return false;
}

static void judge_handle(const struct history *history, const struct handle *handle)
{
    size_t over = line_after(history, handle);
    for (size_t i = 0; i < handle->calls.count; i++) {
        struct call *call = handle->calls.items[i];
        call->first = history_find(history, call->value, strlen(call->value));
        call->verdict = verdict_of(call);
        call->until = call->verdict == APPLIED || call_is_answered(call, "MID_ENDED") ? call->end : over;
        call->position = 0;
        if (is_commit(call) && call_is_answered(call, "MID_OK"))
            settle(handle, i, call->end);
    }
    for (size_t i = 0; i < handle->calls.count; i++) {
        struct call *call = handle->calls.items[i];
        call->is_promised = is_promised(handle, i);
        call->verdict = call->is_promised ? APPLIED : call->verdict;
        if (call->is_lost && call->verdict == APPLIED)
            call->verdict = MAYBE;
    }
}

/* -------------------- a task's steps -------------------- */

/* What an attempt knows of a step holds for the step. */
static void merge(struct call *first, const struct call *again)
{
    if (first->verdict == APPLIED && again->verdict == APPLIED) {
        first->until = again->until < first->until ? again->until : first->until;
    } else if (again->verdict == APPLIED) {
        first->verdict = APPLIED;
        first->until = again->until;
    } else if (first->verdict != APPLIED) {
        first->verdict = first->verdict == MAYBE || again->verdict == MAYBE ? MAYBE : NOT;
        first->until = again->until > first->until ? again->until : first->until;
    }
    first->is_promised = first->is_promised || again->is_promised;
}

static void merge_steps(const struct run *run)
{
    for (size_t i = 1; i < run->handles.count; i++) {
        const struct handle *handle = run->handles.items[i];
        for (size_t k = 0; k < handle->calls.count; k++) {
            struct call *call = handle->calls.items[k];
            if (call->first != call)
                merge(call->first, call);
        }
    }
}

void judge(const struct history *history, const struct record *record)
{
    const struct row *runs = history_runs(history);
    for (size_t i = 0; i < runs->count; i++) {
        const struct run *run = runs->items[i];
        if (run->record != record && run->sent_to != record)
            continue;
        for (size_t k = 0; k < run->handles.count; k++)
            judge_handle(history, run->handles.items[k]);
        merge_steps(run);
    }
}
