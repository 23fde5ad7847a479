/* Operations at random. See random.h. */
#include "random.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

#define NAME_OF_64_BYTES "a-name-of-sixty-four-bytes-which-is-as-long-as-a-name-may-b-ää"

static const char *const names[] = {"a", "b", "n", "c", "größe", "名前", "count", NAME_OF_64_BYTES, "d"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };
_Static_assert(sizeof(NAME_OF_64_BYTES) == 64 + 1, "the name has another length");

/* Almost numbers, and numbers where doubles end and where 64 bits do. */
static const char *const odd_texts[] = {
    "0",
    "1",
    "-1",
    "9007199254740990",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740991",
    "-9007199254740992",
    "-9007199254740993",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775809",
    "007",
    "-0",
    "+5",
    " 5",
    "5 ",
    "1e3",
    "0x10",
    "nan",
    "inf",
    "1.0",
    "no number",
};
enum { ODD_TEXTS = sizeof(odd_texts) / sizeof(odd_texts[0]) };

static const int64_t odd_numbers[] = {
    0,
    0,
    1,
    -1,
    9007199254740991,
    9007199254740992,
    9007199254740993,
    -9007199254740992,
    INT64_MAX,
    INT64_MIN,
    INT64_MAX - 1,
};
enum { ODD_NUMBERS = sizeof(odd_numbers) / sizeof(odd_numbers[0]) };

static size_t random_length(bool is_small)
{
    static const size_t edges[] = {0, 20, 21, 64, 65, 99, VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1};
    size_t length = random_chance(60) ? random_below(24) : edges[random_below(sizeof(edges) / sizeof(edges[0]))];
    return is_small && length > 64 ? 64 : length;
}

static size_t random_text(bool is_small, char text[static RANDOM_VALUE_BYTES_MAX])
{
    if (random_chance(20)) {
        const char *odd = odd_texts[random_below(ODD_TEXTS)];
        memcpy(text, odd, strlen(odd));
        return strlen(odd);
    }
    if (random_chance(40))
        return number_format((int64_t)random_below(100) - 50, text);
    size_t length = random_length(is_small);
    bool is_binary = random_chance(30);
    for (size_t i = 0; i < length; i++)
        text[i] = is_binary ? (char)random_below(256) : (char)('a' + random_below(26));
    if (length > 1 && random_chance(10)) /* a number, for who reads up to the NUL */
        memcpy(text, "5", 2);
    return length;
}

static size_t random_increment(const struct record_field *old, char text[static RANDOM_VALUE_BYTES_MAX])
{
    char digits[32];
    int64_t by = (int64_t)random_below(21) - 10;
    long long number;
    if (random_chance(15))
        by = odd_numbers[random_below(ODD_NUMBERS)];
    if (old != NULL && old->bytes < sizeof(digits) && random_chance(20)) { /* to 0 */
        snprintf(digits, sizeof(digits), "%.*s", (int)old->bytes, old->value);
        if (sscanf(digits, "%lld", &number) == 1 && number > INT64_MIN)
            by = -number;
    }
    return number_format(by, text);
}

/* What is expected, which is right every second time, with the new value behind it. */
static void compare_and_set(bool is_small, const struct record_field *old, struct random_operation *operation)
{
    size_t expected = 0;
    if (old != NULL && old->bytes <= RANDOM_VALUE_BYTES_MAX && random_chance(60)) {
        memcpy(operation->value, old->value, old->bytes);
        expected = old->bytes;
    } else {
        expected = random_text(is_small, operation->value);
    }
    operation->number = (int64_t)expected;
    operation->bytes = expected + random_text(is_small, operation->value + expected);
}

static void renew(struct random_operation *operation)
{
    static const char *const users[] = {"", "ada", "ada", "grace"};
    const char *user = users[random_below(sizeof(users) / sizeof(users[0]))];
    operation->field = "@user";
    operation->bytes = strlen(user);
    memcpy(operation->value, user, operation->bytes);
}

static void describe(struct random_operation *operation)
{
    static const char *const abouts[] = {"127.0.0.1\nFirefox", "\n", "::1\n"};
    const char *about = abouts[random_below(sizeof(abouts) / sizeof(abouts[0]))];
    operation->field = "@about";
    operation->bytes = strlen(about);
    memcpy(operation->value, about, operation->bytes);
}

static const struct record_field *choose_field(const struct record *record, bool is_number,
                                               struct random_operation *operation)
{
    const struct record_field *old = NULL;
    for (int i = 0; i < 5; i++) { /* an increment should meet a number, more often than not */
        operation->field = names[random_below(NAMES)];
        old = record_find(record, operation->field, strlen(operation->field));
        if (!is_number || old == NULL || (old->bytes > 0 && (old->value[0] == '-' || old->value[0] < '9')))
            break;
    }
    return old;
}

void random_operation(enum operation_code code, bool is_small, const struct record *record,
                      struct random_operation *operation)
{
    *operation = (struct random_operation){.code = code};
    const struct record_field *old = choose_field(record, code == OPERATION_INCREMENT, operation);
    switch (code) {
    case OPERATION_INCREMENT:
        operation->bytes = random_increment(old, operation->value);
        break;
    case OPERATION_APPEND:
        operation->number = 1 + (int64_t)random_below(is_small ? 60 : VALUE_BYTES_MAX + 5);
        operation->bytes = random_text(is_small, operation->value);
        break;
    case OPERATION_SET_FOR:
        operation->number = random_chance(15) ? 1 + (int64_t)random_below(LIFETIME_SHORT_MS) : LIFETIME_LONG_MS;
        operation->bytes = random_text(is_small, operation->value);
        break;
    case OPERATION_COMPARE_AND_SET:
        compare_and_set(is_small, old, operation);
        break;
    case OPERATION_SET:
    case OPERATION_SET_IF_ABSENT:
        operation->bytes = random_text(is_small, operation->value);
        break;
    case OPERATION_RENEW:
        renew(operation);
        break;
    case OPERATION_DESCRIBE:
        describe(operation);
        break;
    case OPERATION_DELETE:
    case OPERATION_TAKE:
    case OPERATION_ENTRY:
    case OPERATION_NOTHING:
        break;
    }
}

static enum operation_code random_code(enum random_kind kind)
{
    static const enum operation_code plain[] = {
        OPERATION_SET,    OPERATION_SET,           OPERATION_DELETE,          OPERATION_INCREMENT,
        OPERATION_APPEND, OPERATION_SET_IF_ABSENT, OPERATION_COMPARE_AND_SET, OPERATION_TAKE,
    };
    if (kind == RANDOM_INCREMENTS)
        return OPERATION_INCREMENT;
    if (kind != RANDOM_PLAIN && random_chance(12))
        return kind == RANDOM_ANY && random_chance(60) ? OPERATION_SET_FOR
               : random_chance(30)                     ? OPERATION_DESCRIBE
                                                       : OPERATION_RENEW;
    return plain[random_below(sizeof(plain) / sizeof(plain[0]))];
}

void random_operations(enum random_kind kind, bool is_small, const struct record *record, struct random_operations *all)
{
    bool has_renewal = false;
    bool is_one = random_chance(kind == RANDOM_INCREMENTS ? 85 : 45);
    all->count = is_one ? 1 : 1 + random_below(1 + random_below(RANDOM_OPERATIONS_MAX)); /* rather few */
    for (size_t i = 0; i < all->count; i++) {
        enum operation_code code = random_code(kind);
        if (code == OPERATION_RENEW && has_renewal)
            code = OPERATION_SET;
        if (kind == RANDOM_PLAIN && i == 0 && random_chance(40))
            code = OPERATION_INCREMENT;
        if (kind == RANDOM_PLAIN && i > 0 && code == OPERATION_INCREMENT)
            code = OPERATION_APPEND;
        has_renewal = has_renewal || code == OPERATION_RENEW;
        random_operation(code, is_small, record, &all->items[i]);
    }
}

void operations_add_random(struct operations *operations, const struct random_operations *all, struct view *view)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct random_operation *one = &all->items[i];
        struct operation *operation =
            operations_add(operations, one->code, (struct operation_text){one->field, strlen(one->field)},
                           (struct operation_text){one->value, one->bytes}, one->number);
        operation_preview(operations, operation, view);
    }
}

void random_operations_print(const struct random_operations *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct random_operation *one = &all->items[i];
        fprintf(stderr, "  %c %s number=%lld value(%zu)=\"", one->code, one->field, (long long)one->number, one->bytes);
        for (size_t k = 0; k < one->bytes; k++) {
            unsigned char byte = (unsigned char)one->value[k];
            fprintf(stderr, byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
        }
        fprintf(stderr, "\"\n");
    }
}
