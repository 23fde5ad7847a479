/* What is checked of one session. See check.h. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

bool call_is_marked(const struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->operations[i].code == CODE_APPEND)
            return true;
    return false;
}

void found(const struct check *check, const struct about *about, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    findings_add(check->findings, check->history, about, format, arguments);
    va_end(arguments);
}

static int compare_begins(const void *left, const void *right)
{
    const struct sight *const *a = left;
    const struct sight *const *b = right;
    return ((*a)->begin > (*b)->begin) - ((*a)->begin < (*b)->begin);
}

/* What is left to the runtime after the response may be in doubt, and nobody is told; and a view that shows what was to
 * be dropped is wrong, but not what is stored. Until a commit goes well. */
static bool has_silent_doubt(const struct call *read)
{
    const struct row *calls = &read->handle->calls;
    bool is_doubtful = false;
    for (size_t i = 0; i < calls->count && calls->items[i] != read; i++) {
        const struct call *call = calls->items[i];
        if (call->way == WAY_IMPLICIT || call->way == WAY_DROP)
            is_doubtful = call->verdict != APPLIED;
        else if (call->verdict == APPLIED && call_is_change(call))
            is_doubtful = false;
    }
    return is_doubtful;
}

/* A visitor whose session is gone sees an empty one, of his own. */
static bool is_elsewhere(const struct call *read)
{
    return read->sight->count == 0 && read->handle->attempt == NULL && !call_is_in_contact(read, read->begin);
}

/* Those of the test itself, and those of handles that had nothing in doubt. */
static void collect_sights(struct check *check)
{
    const struct record *record = check->record;
    for (size_t i = 0; i < record->sights.count; i++) {
        struct sight *sight = record->sights.items[i];
        if (sight->end != NEVER && !sight->is_gone)
            row_add(&check->sights, sight);
    }
    for (size_t i = 0; i < record->calls.count; i++) {
        const struct call *call = record->calls.items[i];
        if (call->sight != NULL && !call->has_doubt && !has_silent_doubt(call) && !is_elsewhere(call))
            row_add(&check->sights, call->sight);
    }
    if (check->sights.count > 0)
        qsort(check->sights.items, check->sights.count, sizeof(void *), compare_begins);
}

void check_record(const struct history *history, const struct record *record, struct findings *findings)
{
    if (record->is_unclear)
        return;
    struct check check = {.history = history, .record = record, .findings = findings};
    judge(history, record);
    collect_sights(&check);
    check_order(&check);
    check_replay(&check);
    check_fields(&check);
    check_endings(&check);
    free(check.sights.items);
    free(check.order.items);
}
