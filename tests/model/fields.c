/*
 * Fields that commits touch without leaving a mark in the log. Each value is written once, so a sight of one names its
 * writer; and what is seen has to be possible:
 *
 *     nothing that was answered MID_OK may have come after the writer was over, and been over before the sight began.
 *
 * Sums lie between what was over before the sight and what had begun by its end; and where few commits are in doubt,
 * the difference has to be the sum of some of them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { DOUBTS_MAX = 18 /* of which every sum is tried */ };

static const char text_behind[] = "%00%01%FF";

/* What a call did to a field, or may have done. */
struct effect {
    const struct call *call;
    const struct operation *operation;
    bool is_write; /* otherwise it removes */
};

/* What somebody has seen of a field. */
struct look {
    size_t begin;
    size_t end;
    const struct call *self;   /* whose answer it is; NULL: a sight */
    const struct sight *sight; /* NULL: an answer */
};

struct register_check {
    struct check *check;
    const char *field;
    struct effect *effects;
    size_t count;
};

/* -------------------- effects -------------------- */

static bool is_answer(const struct call *call, const char *answer)
{
    return call_is_answered(call, "MID_OK") && call->answer != NULL && strcmp(call->answer, answer) == 0;
}

/* Whether the operation may have changed the field, and how. */
static bool has_effect(const struct call *call, const struct operation *operation, bool *is_write)
{
    *is_write = true;
    switch (operation->code) {
    case CODE_SET:
    case CODE_BYTES:
        return true;
    case CODE_SET_IF_ABSENT:
    case CODE_COMPARE_AND_SET:
        return !is_answer(call, "0");
    case CODE_DELETE:
        *is_write = false;
        return true;
    case CODE_TAKE:
        *is_write = false;
        return !is_answer(call, "-");
    default:
        return false;
    }
}

static void collect_effects(struct register_check *reg)
{
    const struct row *calls = &reg->check->record->calls;
    reg->effects = calloc(calls->count + 1, sizeof(*reg->effects));
    for (size_t i = 0; i < calls->count; i++) {
        const struct call *call = calls->items[i];
        if (call->first != call || call->verdict == NOT)
            continue;
        for (size_t k = 0; k < call->count; k++) {
            struct effect effect = {.call = call, .operation = &call->operations[k]};
            if (strcmp(effect.operation->field, reg->field) == 0 &&
                has_effect(call, effect.operation, &effect.is_write))
                reg->effects[reg->count++] = effect;
        }
    }
}

/* -------------------- registers -------------------- */

/* A change that was answered MID_OK after `line` and before the look, and is not what was seen. `what`: 'w' writes,
 * 'r' removals, '*' both. */
static const struct call *change_between(const struct register_check *reg, size_t line, const struct look *look,
                                         const struct call *seen, char what)
{
    for (size_t i = 0; i < reg->count; i++) {
        const struct effect *effect = &reg->effects[i];
        const struct call *call = effect->call;
        bool is_meant = what == '*' || (what == 'w') == effect->is_write;
        if (is_meant && call != seen && call != look->self && call->verdict == APPLIED && call->begin > line &&
            call->until < look->begin)
            return call;
    }
    return NULL;
}

/* The latest line at which a write, or a removal, that may explain the look can have been applied. False: there is
 * none. */
static bool latest_of(const struct register_check *reg, bool is_write, const struct look *look, size_t *line)
{
    bool is_any = false;
    *line = 0;
    for (size_t i = 0; i < reg->count; i++) {
        const struct effect *effect = &reg->effects[i];
        if (effect->is_write != is_write || effect->call == look->self || effect->call->begin > look->end)
            continue;
        is_any = true;
        *line = effect->call->until > *line ? effect->call->until : *line;
    }
    return is_any;
}

static void expect_no_change(const struct register_check *reg, size_t line, const struct look *look,
                             const struct call *seen, char what, const char *state)
{
    const struct call *lost = change_between(reg, line, look, seen, what);
    if (lost == NULL)
        return;
    struct about about = {.record = reg->check->record,
                          .field = reg->field,
                          .call = lost,
                          .other = look->self != NULL ? look->self : seen,
                          .sight = look->sight};
    about.rule = look->self != NULL  ? "false-answer-or-lost"
                 : lost->is_promised ? "recorded-not-stored"
                                     : "ok-not-stored";
    found(reg->check, &about, "%s was answered MID_OK before, but the field is %s", lost->value, state);
}

static void saw_absent(const struct register_check *reg, const struct look *look)
{
    size_t line;
    latest_of(reg, false, look, &line);
    expect_no_change(reg, line, look, NULL, 'w', "absent");
}

static bool writes(const struct call *call, const char *field, const char *value)
{
    for (size_t i = 0; call != NULL && i < call->count; i++) {
        const struct operation *operation = &call->operations[i];
        bool is_write;
        if (strcmp(operation->field, field) == 0 && has_effect(call, operation, &is_write) && is_write)
            return strcmp(value + strlen(call->value), operation->code == CODE_BYTES ? text_behind : "") == 0;
    }
    return false;
}

static void saw_value(const struct register_check *reg, const struct look *look, const char *value)
{
    const struct call *writer = history_find(reg->check->history, value, strcspn(value, "%"));
    struct about about = {
        .record = reg->check->record, .field = reg->field, .call = writer, .other = look->self, .sight = look->sight};
    if (!writes(writer, reg->field, value) || writer->record != reg->check->record) {
        about.rule = "unknown-value";
        found(reg->check, &about, "the value is %s, which nobody has written there", value);
    } else if (writer->verdict == NOT) {
        about.rule = writer->way == WAY_DROP ? "dropped-but-stored" : "refused-but-stored";
        found(reg->check, &about, "the value is %s, which was not committed", value);
    } else if (writer->begin > look->end) {
        about.rule = "unknown-value";
        found(reg->check, &about, "the value is %s, which is yet to be written", value);
    } else {
        expect_no_change(reg, writer->until, look, writer, '*', value);
    }
}

/* "Not set": there has to be a value of another. */
static void saw_present(const struct register_check *reg, const struct look *look)
{
    size_t line;
    if (!latest_of(reg, true, look, &line))
        found(reg->check, ABOUT(reg->check, "false-answer", .field = reg->field, .call = look->self),
              "%s was told that there is a value, and nobody else has written any", look->self->value);
    else
        expect_no_change(reg, line, look, NULL, 'r', "said to be there");
}

/* "Not set": the value has to have been another, at some time. */
static void saw_other(const struct register_check *reg, const struct look *look, const char *expected)
{
    const struct call *writer = history_find(reg->check->history, expected, strlen(expected));
    if (writer == NULL || writer->verdict != APPLIED || writer->until >= look->begin)
        return;
    for (size_t i = 0; i < reg->count; i++) {
        const struct call *call = reg->effects[i].call;
        if (call != writer && call != look->self && call->begin < look->end && call->until > writer->begin)
            return;
    }
    found(reg->check, ABOUT(reg->check, "false-answer", .field = reg->field, .call = look->self, .other = writer),
          "%s was told that the value is another than %s, which nobody else has changed", look->self->value, expected);
}

static void check_answer(const struct register_check *reg, const struct call *call, const struct operation *operation)
{
    const struct look look = {.begin = call->begin, .end = call->end, .self = call};
    bool was_set = is_answer(call, "1");
    if (operation->code == CODE_TAKE && is_answer(call, "-"))
        saw_absent(reg, &look);
    else if (operation->code == CODE_TAKE)
        saw_value(reg, &look, call->answer != NULL ? call->answer : "");
    else if (operation->code == CODE_SET_IF_ABSENT && was_set)
        saw_absent(reg, &look);
    else if (operation->code == CODE_SET_IF_ABSENT)
        saw_present(reg, &look);
    else if (operation->code == CODE_COMPARE_AND_SET && was_set)
        saw_value(reg, &look, operation->expected);
    else if (operation->code == CODE_COMPARE_AND_SET)
        saw_other(reg, &look, operation->expected);
}

/* The same value is taken once, and replaced once. */
static void check_once(const struct register_check *reg, const struct effect *effect)
{
    const struct call *call = effect->call;
    bool is_take = effect->operation->code == CODE_TAKE && call->verdict == APPLIED;
    bool is_swap = effect->operation->code == CODE_COMPARE_AND_SET && call->verdict == APPLIED;
    for (const struct effect *other = reg->effects; other != effect && (is_take || is_swap); other++) {
        bool is_same = other->operation->code == effect->operation->code && other->call->verdict == APPLIED &&
                       (is_take ? strcmp(other->call->answer, call->answer) == 0
                                : strcmp(other->operation->expected, effect->operation->expected) == 0);
        if (is_same)
            found(reg->check,
                  ABOUT(reg->check, is_take ? "taken-twice" : "replaced-twice", .field = reg->field, .call = call,
                        .other = other->call),
                  "%s and %s were told the same", other->call->value, call->value);
    }
}

static void check_register(struct check *check, const char *field)
{
    struct register_check reg = {.check = check, .field = field};
    collect_effects(&reg);
    for (size_t i = 0; i < check->sights.count; i++) {
        const struct sight *sight = check->sights.items[i];
        const struct look look = {.begin = sight->begin, .end = sight->end, .sight = sight};
        const char *value = sight_field(sight, field);
        if (value != NULL)
            saw_value(&reg, &look, value);
        else
            saw_absent(&reg, &look);
    }
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        const struct operation *last = call->count > 0 ? &call->operations[call->count - 1] : NULL;
        if (call->way == WAY_ASK && !call->is_lost && call_is_answered(call, "MID_OK") &&
            strcmp(last->field, field) == 0)
            check_answer(&reg, call, last);
    }
    for (size_t i = 0; i < reg.count; i++)
        check_once(&reg, &reg.effects[i]);
    free(reg.effects);
}

/* -------------------- sums -------------------- */

struct sum_check {
    int64_t least;
    int64_t most;
    int64_t doubts[DOUBTS_MAX];
    size_t count; /* of doubts, also of those for which there is no room */
};

static void add_to_sum(struct sum_check *sum, const struct call *call, int64_t by, const struct sight *sight)
{
    bool is_placed = call_is_marked(call) && sight->position != NEVER;
    bool is_in = is_placed ? call->position > 0 && call->position <= sight->position
                           : call->verdict == APPLIED && call->until < sight->begin;
    if (call->verdict == NOT || (is_placed && !is_in) || call->begin > sight->end)
        return;
    sum->most += by;
    if (is_in) {
        sum->least += by;
        return;
    }
    if (sum->count < DOUBTS_MAX)
        sum->doubts[sum->count] = by;
    sum->count++;
}

static bool is_sum_of_some(const int64_t *doubts, size_t count, int64_t sum)
{
    if (sum == 0)
        return true;
    if (count == 0 || sum < 0)
        return false;
    return is_sum_of_some(doubts + 1, count - 1, sum - doubts[0]) || is_sum_of_some(doubts + 1, count - 1, sum);
}

static void check_sum(struct check *check, const char *field)
{
    for (size_t i = 0; i < check->sights.count; i++) {
        const struct sight *sight = check->sights.items[i];
        const char *text = sight_field(sight, field);
        int64_t value = text != NULL ? strtoll(text, NULL, 10) : 0;
        struct sum_check sum = {0};
        for (size_t k = 0; k < check->record->calls.count; k++) {
            const struct call *call = check->record->calls.items[k];
            for (size_t n = 0; call->first == call && n < call->count; n++)
                if (call->operations[n].code == CODE_INCREMENT && strcmp(call->operations[n].field, field) == 0)
                    add_to_sum(&sum, call, call->operations[n].by, sight);
        }
        bool is_possible = value >= sum.least && value <= sum.most &&
                           (sum.count > DOUBTS_MAX || is_sum_of_some(sum.doubts, sum.count, value - sum.least));
        if (is_possible)
            continue;
        found(check, ABOUT(check, "sum", .field = field, .sight = sight),
              "the sum is %" PRId64 "; certain are %" PRId64 ", and %zu commits in doubt can make it %" PRId64
              " at the most%s",
              value, sum.least, sum.count, sum.most,
              value >= sum.least && value <= sum.most ? ", but no choice of them makes it what it is" : "");
        return; /* what is wrong once stays wrong */
    }
}

/* -------------------- pairs -------------------- */

/* Two fields that every commit sets to the same value. */
static void check_pair(struct check *check, const char *left, const char *right)
{
    for (size_t i = 0; i < check->sights.count; i++) {
        const struct sight *sight = check->sights.items[i];
        const char *a = sight_field(sight, left);
        const char *b = sight_field(sight, right);
        if (a == NULL || b == NULL ? a != b : strcmp(a, b) != 0)
            found(check, ABOUT(check, "torn-commit", .field = left, .sight = sight), "%s is %s, and %s is %s", left,
                  a != NULL ? a : "absent", right, b != NULL ? b : "absent");
    }
}

/* -------------------- all of them -------------------- */

static bool is_sum(const char *field)
{
    return strcmp(field, "u.sum") == 0 || strcmp(field, "u.big") == 0;
}

/* Fields that somebody has touched. */
static void collect_fields(const struct check *check, struct row *fields)
{
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        for (size_t k = 0; k < call->count; k++) {
            const char *field = call->operations[k].field;
            bool is_known = strncmp(field, "u.", 2) != 0;
            for (size_t n = 0; n < fields->count && !is_known; n++)
                is_known = strcmp(fields->items[n], field) == 0;
            if (!is_known)
                row_add(fields, (void *)(uintptr_t)field);
        }
    }
}

void check_fields(struct check *check)
{
    struct row fields = {0};
    collect_fields(check, &fields);
    for (size_t i = 0; i < fields.count; i++) {
        const char *field = fields.items[i];
        if (is_sum(field))
            check_sum(check, field);
        else
            check_register(check, field);
    }
    check_pair(check, "m.x", "m.y");
    check_pair(check, "u.v", "u.w");
    free(fields.items);
}
