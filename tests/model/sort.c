/* Which session each call belongs to. See sort.h. */
#include "sort.h"

#include <string.h>

#include "judge.h"

/* What a handler has left to the runtime is answered by what the test has heard. */
static void answer_implicit(const struct run *run)
{
    static const struct {
        const char *verdict;
        const char *error;
    } errors[] = {{"ok", "MID_OK"}, {"ended", "MID_ENDED"}, {"refused", "MID_UNPROCESSABLE"}};
    const struct handle *handle = run->handles.count > 0 ? run->handles.items[run->handles.count - 1] : NULL;
    for (size_t i = 0; handle != NULL && run->verdict != NULL && i < handle->calls.count; i++) {
        struct call *call = handle->calls.items[i];
        if (call->way != WAY_IMPLICIT || call->phase == 'a' || call->phase == 'b')
            continue;
        for (size_t k = 0; k < sizeof(errors) / sizeof(errors[0]); k++)
            if (strcmp(run->verdict, errors[k].verdict) == 0) {
                call->error = errors[k].error;
                call->end = run->end;
            }
    }
}

/* Nobody has seen the cookie that may have come, and the session that the request was sent to may have been gone. */
static bool is_lost(const struct handle *handle)
{
    const struct run *run = handle->run;
    bool is_heard = run->end != NEVER && run->verdict != NULL && strcmp(run->verdict, "unknown") != 0;
    if (handle->attempt != NULL || is_heard || run->sent_to == NULL)
        return false;
    for (size_t i = 0; i < handle->calls.count; i++) {
        const struct call *call = handle->calls.items[i];
        bool has_met = call_is_answered(call, "MID_OK") && call->end < run->sent_to->first_logout;
        if (has_met || call->way == WAY_DESTROY) /* who logs out has looked whose session it is */
            return false;
    }
    return run->sent_to->first_logout != NEVER;
}

/* A visitor whose session was gone is given another: what he was not told before may have been done in the old one. */
static void assign(const struct handle *handle)
{
    const struct run *run = handle->run;
    bool is_in_old = run->sent_to != NULL && run->record != run->sent_to && handle->attempt == NULL;
    for (size_t i = 0; i < handle->calls.count; i++) {
        struct call *call = handle->calls.items[i];
        is_in_old = is_in_old && !call_is_answered(call, "MID_OK");
        call->is_lost = is_lost(handle);
        call->record = is_in_old ? run->sent_to : run->record;
        if (is_in_old && !call_is_answered(call, "MID_UNPROCESSABLE"))
            run->record->is_unclear = true;
    }
}

static void find_logouts(const struct row *calls)
{
    for (size_t i = 0; i < calls->count; i++) {
        const struct call *call = calls->items[i];
        struct record *record = call->handle->run->sent_to;
        if (call->way == WAY_DESTROY && record != NULL && !call_is_answered(call, "MID_ENDED") &&
            call->begin < record->first_logout)
            record->first_logout = call->begin;
    }
}

void sort_calls(const struct history *history)
{
    const struct row *records = history_records(history);
    const struct row *calls = history_calls(history);
    const struct row *runs = history_runs(history);
    for (size_t i = 0; i < records->count; i++)
        ((struct record *)records->items[i])->calls.count = 0;
    find_logouts(calls);
    for (size_t i = 0; i < runs->count; i++) {
        const struct run *run = runs->items[i];
        answer_implicit(run);
        for (size_t k = 0; k < run->handles.count; k++)
            assign(run->handles.items[k]);
    }
    for (size_t i = 0; i < calls->count; i++) {
        struct call *call = calls->items[i];
        if (call->record != NULL)
            row_add(&call->record->calls, call);
    }
}
