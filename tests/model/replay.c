/*
 * The fields that are computed from the log: each commit is carried out in its turn, its answer compared, and each
 * sight compared with what was computed up to where it stands.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/script.h"
#include "base/panic.h"
#include "check.h"
#include "support/owned.h"

enum { FIELDS_MAX = 64 };

struct field {
    const char *name;
    char *value;   /* NULL: absent */
    bool is_wrong; /* and was reported */
};

struct replay {
    struct check *check;
    struct field fields[FIELDS_MAX];
    size_t count;
};

static bool is_computed(const char *name)
{
    return strncmp(name, "m.", 2) == 0 || strcmp(name, "made") == 0 || strcmp(name, "@user") == 0;
}

static struct field *field_of(struct replay *replay, const char *name, size_t length)
{
    for (size_t i = 0; i < replay->count; i++)
        if (strncmp(replay->fields[i].name, name, length) == 0 && replay->fields[i].name[length] == '\0')
            return &replay->fields[i];
    ENSURE(replay->count < FIELDS_MAX);
    struct field *field = &replay->fields[replay->count++];
    *field = (struct field){.name = strndup(name, length)};
    return field;
}

static void put(struct field *field, char *value)
{
    free(field->value);
    field->value = value;
}

/* -------------------- operations -------------------- */

static char *text_with(const char *before, const char *behind)
{
    size_t length = strlen(before);
    char *text = malloc(length + strlen(behind) + 1);
    ENSURE(text != NULL);
    memcpy(text, before, length);
    strcpy(text + length, behind);
    return text;
}

static void append(struct field *field, const char *value, size_t max_bytes)
{
    OWNED char *part = text_with(value, ";");
    OWNED char *whole = text_with(field->value != NULL ? field->value : "", part);
    size_t length = strlen(whole);
    put(field, strdup(length > max_bytes ? whole + length - max_bytes : whole));
}

static void increment(struct field *field, int64_t by)
{
    char text[32];
    int64_t before = field->value != NULL ? strtoll(field->value, NULL, 10) : 0;
    snprintf(text, sizeof(text), "%" PRId64, before + by);
    put(field, strdup(text));
}

static void expect_answer(struct replay *replay, const struct call *call, const char *field, const char *answer)
{
    bool is_known = call->verdict == APPLIED && call->way == WAY_ASK && call_is_answered(call, "MID_OK");
    const char *given = call->answer != NULL ? call->answer : "";
    if (is_known && strcmp(given, answer) != 0)
        found(replay->check, ABOUT(replay->check, "false-answer", .field = field, .call = call),
              "%s was answered \"%s\", and it is \"%s\"", call->value, given, answer);
}

static void set_if(struct replay *replay, const struct call *call, struct field *field, bool is_met)
{
    expect_answer(replay, call, field->name, is_met ? "1" : "0");
    if (is_met)
        put(field, strdup(call->value));
}

static void carry_out(struct replay *replay, const struct call *call, const struct operation *operation)
{
    bool is_login = operation->code == CODE_RENEW || operation->code == CODE_AGAIN;
    const char *name = is_login ? "@user" : operation->field;
    if (!is_computed(name) || operation->code == CODE_REFUSED)
        return;
    struct field *field = field_of(replay, name, strlen(name));
    switch (operation->code) {
    case CODE_SET:
        put(field, strdup(call->value));
        break;
    case CODE_BYTES:
        put(field, text_with(call->value, "%00%01%FF"));
        break;
    case CODE_DELETE:
        put(field, NULL);
        break;
    case CODE_INCREMENT:
        increment(field, operation->by);
        break;
    case CODE_TAIL:
        append(field, call->value, TAIL_MAX);
        break;
    case CODE_TAKE:
        expect_answer(replay, call, field->name, field->value != NULL ? field->value : "-");
        put(field, NULL);
        break;
    case CODE_SET_IF_ABSENT:
        set_if(replay, call, field, field->value == NULL);
        break;
    case CODE_COMPARE_AND_SET:
        set_if(replay, call, field, field->value != NULL && strcmp(field->value, operation->expected) == 0);
        break;
    case CODE_RENEW:
    case CODE_AGAIN:
        put(field, operation->field[0] != '\0' ? strdup(operation->field) : NULL);
        break;
    case CODE_APPEND:
    case CODE_GET:
    case CODE_REFUSED:
        break;
    }
}

/* -------------------- sights -------------------- */

static void compare(struct replay *replay, const struct sight *sight, struct field *field, const char *seen)
{
    const char *computed = field->value;
    bool is_same = seen == NULL || computed == NULL ? seen == computed : strcmp(seen, computed) == 0;
    if (is_same || field->is_wrong)
        return;
    const struct row *order = &replay->check->order;
    const struct call *last = sight->position > 0 ? order->items[sight->position - 1] : NULL;
    field->is_wrong = true;
    found(replay->check,
          ABOUT(replay->check, "not-what-was-committed", .field = field->name, .sight = sight, .call = last),
          "after %zu commits, the last of them %s, it has to be %s, and is %s", sight->position,
          last != NULL ? last->value : "none", computed != NULL ? computed : "absent", seen != NULL ? seen : "absent");
}

/* A login that had to be repeated is not in the log; and the application does not see "@user". */
static bool knows_user(const struct check *check, const struct sight *sight)
{
    if (sight->call != NULL)
        return false;
    for (size_t i = 0; i < check->record->calls.count; i++) {
        const struct call *call = check->record->calls.items[i];
        if (call->way == WAY_RENEW && !call_is_marked(call) && call->begin < sight->end)
            return false;
    }
    return true;
}

static void compare_all(struct replay *replay, const struct sight *sight)
{
    for (size_t i = 0; i < sight->count; i++) {
        const char *word = sight->words[i];
        if (strncmp(word, "m.", 2) == 0 || strncmp(word, "made=", 5) == 0)
            field_of(replay, word, strcspn(word, "="));
    }
    for (size_t i = 0; i < replay->count; i++) {
        struct field *field = &replay->fields[i];
        const char *seen = sight_field(sight, field->name);
        bool is_user = strcmp(field->name, "@user") == 0;
        if (is_user && !knows_user(replay->check, sight))
            continue;
        compare(replay, sight, field, is_user && seen != NULL && seen[0] == '\0' ? NULL : seen);
    }
}

static int compare_positions(const void *left, const void *right)
{
    const struct sight *const *a = left;
    const struct sight *const *b = right;
    return ((*a)->position > (*b)->position) - ((*a)->position < (*b)->position);
}

void check_replay(struct check *check)
{
    struct replay replay = {.check = check};
    struct row sights = {0};
    size_t position = 0;
    for (size_t i = 0; i < check->sights.count; i++)
        row_add(&sights, check->sights.items[i]);
    if (sights.count > 0)
        qsort(sights.items, sights.count, sizeof(void *), compare_positions);
    for (size_t i = 0; i < sights.count; i++) {
        const struct sight *sight = sights.items[i];
        if (sight->position == NEVER)
            break;
        for (; position < sight->position; position++) {
            const struct call *call = check->order.items[position];
            for (size_t k = 0; call != NULL && k < call->count; k++)
                carry_out(&replay, call, &call->operations[k]);
        }
        compare_all(&replay, sight);
    }
    for (size_t i = 0; i < replay.count; i++) {
        free((void *)(uintptr_t)replay.fields[i].name);
        free(replay.fields[i].value);
    }
    free(sights.items);
}
