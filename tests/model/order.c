/*
 * The order in which commits were applied, as the log tells it, and what it has to agree with: who has answered what,
 * and when.
 *
 * The log is bounded, so a sight has only its end; one sight after another gives the whole.
 */
#include <stdlib.h>
#include <string.h>

#include "app/script.h"
#include "base/buffer.h"
#include "check.h"

/* The log as it would be without its bound. */
struct whole {
    struct check *check;
    struct buffer text;
    struct buffer ends; /* of size_t: where the text ends after each commit */
};

static size_t end_of(const struct whole *whole, size_t position)
{
    return position > 0 ? ((const size_t *)(const void *)whole->ends.data)[position - 1] : 0;
}

/* -------------------- a new commit of the log -------------------- */

static const char *wrong_with(const struct whole *whole, const struct call *call, const struct sight *sight)
{
    if (call == NULL)
        return "nobody has written it";
    if (call->record != whole->check->record)
        return "it belongs to another session";
    if (call->position > 0)
        return "it is there a second time";
    if (call->begin > sight->end)
        return "it has not begun yet";
    if (call->way == WAY_DROP)
        return "the handler had failed before it was committed";
    if (call->verdict == NOT)
        return "it was answered that nothing was written";
    return NULL;
}

static const char *rule_of(const struct call *call)
{
    return call == NULL            ? "unknown-commit"
           : call->position > 0    ? "applied-twice"
           : call->way == WAY_DROP ? "dropped-but-stored"
           : call->verdict == NOT  ? "refused-but-stored"
                                   : "commit-of-another";
}

static void append_commit(struct whole *whole, const char *value, size_t length, struct sight *sight)
{
    struct call *call = history_find(whole->check->history, value, length);
    const char *wrong = wrong_with(whole, call, sight);
    if (wrong != NULL)
        found(whole->check, ABOUT(whole->check, rule_of(call), .field = "log", .call = call, .sight = sight),
              "the commit %.*s is stored, but %s", (int)length, value, wrong);
    buffer_append(&whole->text, value, length);
    buffer_append_text(&whole->text, ";");
    buffer_append(&whole->ends, &whole->text.length, sizeof(size_t));
    row_add(&whole->check->order, call);
    if (call != NULL && call->position == 0)
        call->position = whole->check->order.count;
}

/* -------------------- a sight -------------------- */

/* How many commits were done where the known part of the text ends; *rest is what stands behind it. A commit that is
 * there a second time is none that is known. */
static size_t last_known(const struct whole *whole, const char *log, const char **rest)
{
    const struct row *order = &whole->check->order;
    size_t known = 0;
    if (strlen(log) >= LOG_MAX) /* the first may be the end of one */
        log += strcspn(log, ";") + 1;
    *rest = log;
    for (const char *at = log, *end; (end = strchr(at, ';')) != NULL; at = end + 1) {
        const struct call *call = history_find(whole->check->history, at, (size_t)(end - at));
        if (known == 0 && call != NULL && call->record == whole->check->record)
            known = call->position;
        else if (known > 0 && known < order->count && order->items[known] == call)
            known++;
        else if (known > 0)
            break;
        *rest = known > 0 ? end + 1 : log;
    }
    return known;
}

/* The text is the end of what it has to be, as long as the bound allows. */
static bool is_end_of_whole(const struct whole *whole, const char *log, size_t position)
{
    size_t length = strlen(log);
    size_t end = end_of(whole, position);
    return length == (end < LOG_MAX ? end : LOG_MAX) && memcmp(log, whole->text.data + end - length, length) == 0;
}

static void place(struct whole *whole, struct sight *sight)
{
    struct check *check = whole->check;
    const char *log = sight_field(sight, "log");
    const char *rest;
    sight->position = log == NULL ? 0 : NEVER;
    if (log == NULL)
        return;
    size_t known = last_known(whole, log, &rest);
    if (known == 0 && (check->order.count > 0 || strlen(log) >= LOG_MAX)) {
        found(check, ABOUT(check, "log-broken", .field = "log", .sight = sight),
              "nothing of what the log held is left (or the test looked too late)");
        return;
    }
    if (*rest != '\0' && known < check->order.count) {
        found(check, ABOUT(check, "log-broken", .field = "log", .call = check->order.items[known], .sight = sight),
              "a commit that was there is not: the log went on from an older one");
        return;
    }
    bool has_new = *rest != '\0';
    for (const char *end; (end = strchr(rest, ';')) != NULL; rest = end + 1)
        append_commit(whole, rest, (size_t)(end - rest), sight);
    sight->position = has_new ? check->order.count : known;
    if (!is_end_of_whole(whole, log, sight->position))
        found(check, ABOUT(check, "log-broken", .field = "log", .sight = sight),
              "the log is not the end of what was appended");
}

/* -------------------- what it has to agree with -------------------- */

/* From each sight on: the earliest position that any of them has. */
static size_t *earliest_positions(const struct check *check)
{
    size_t *earliest = calloc(check->sights.count + 1, sizeof(*earliest));
    earliest[check->sights.count] = NEVER;
    for (size_t i = check->sights.count; i-- > 0;) {
        const struct sight *sight = check->sights.items[i];
        earliest[i] = sight->position < earliest[i + 1] ? sight->position : earliest[i + 1];
    }
    return earliest;
}

/* The first sight that began behind the line. */
static size_t first_behind(const struct check *check, size_t line)
{
    size_t low = 0;
    size_t high = check->sights.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (((const struct sight *)check->sights.items[middle])->begin <= line)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct sight *sight_before(const struct check *check, size_t from, size_t position)
{
    for (size_t i = from; i < check->sights.count; i++)
        if (((const struct sight *)check->sights.items[i])->position < position)
            return check->sights.items[i];
    return NULL;
}

static void check_answers(struct check *check)
{
    size_t *earliest = earliest_positions(check);
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (call->first != call || !call_is_marked(call) || call->until == NEVER || call->verdict == NOT)
            continue;
        size_t from = first_behind(check, call->until);
        size_t position = call->position > 0 ? call->position : NEVER;
        if (earliest[from] == NEVER || earliest[from] >= position)
            continue;
        const struct sight *sight = sight_before(check, from, position);
        struct about about = {.record = check->record, .field = "log", .call = call, .sight = sight};
        if (call->verdict == APPLIED) {
            about.rule = call->is_promised ? "recorded-not-stored" : "ok-not-stored";
            found(check, &about, "%s %s, and is not stored%s", call->value,
                  call->is_promised ? "stayed recorded, and a later commit was answered MID_OK" : "was answered MID_OK",
                  call->position > 0 ? " until later" : "");
        } else if (call->position > 0) {
            about.rule = "settled-then-applied";
            found(check, &about, "%s was in doubt and settled, was not there, and was applied later", call->value);
        }
    }
    free(earliest);
}

/* What was over before another began stands before it. */
static void check_time(struct check *check)
{
    const struct call *soonest = NULL; /* to be over, of those behind */
    const struct call *told = NULL;
    for (size_t i = check->order.count; i-- > 0;) {
        const struct call *call = check->order.items[i];
        if (call == NULL)
            continue;
        if (soonest != NULL && soonest->until < call->begin && soonest != told)
            found(check, ABOUT(check, "order-of-time", .field = "log", .call = call, .other = soonest),
                  "%s was over before %s began, and was applied after it", soonest->value, call->value);
        told = soonest != NULL && soonest->until < call->begin ? soonest : told;
        if (soonest == NULL || call->until < soonest->until)
            soonest = call;
    }
}

/* The commits of a handle leave in their order. What is in doubt when a handler has failed is dropped, and may be
 * under way beside what after-response functions do. A task's step may be of any attempt. */
static void check_handle(struct check *check, const struct handle *handle)
{
    const struct call *last = NULL;
    for (size_t i = 0; i < handle->calls.count; i++) {
        const struct call *next = handle->calls.items[i];
        if (next->position == 0 || strcmp(next->name, next->value) != 0)
            continue;
        bool was_dropped =
            last != NULL && last->verdict == MAYBE && (last->phase != next->phase || call_may_come_late(last));
        if (last != NULL && last->position > next->position && !was_dropped)
            found(check, ABOUT(check, "order-of-handle", .field = "log", .call = last, .other = next),
                  "%s was recorded before %s, and was applied after it", last->value, next->value);
        last = next;
    }
}

static void check_handles(struct check *check)
{
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (call->handle->calls.items[0] == call)
            check_handle(check, call->handle);
    }
}

void check_order(struct check *check)
{
    struct whole whole = {.check = check};
    for (size_t i = 0; i < check->sights.count; i++)
        place(&whole, check->sights.items[i]);
    check_answers(check);
    check_time(check);
    check_handles(check);
    buffer_fini(&whole.text);
    buffer_fini(&whole.ends);
}
