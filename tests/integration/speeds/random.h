/*
 * Operations at random, for the tests of the two speeds: few fields, so that they meet, and values at the limits.
 */
#ifndef INTEGRATION_SPEEDS_RANDOM_H
#define INTEGRATION_SPEEDS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "session/operation.h"
#include "integration/random.h"

enum {
    RANDOM_OPERATIONS_MAX = 8,
    RANDOM_VALUE_BYTES_MAX = 110,
    FIELDS_MAX = 7, /* the session's limits */
    VALUE_BYTES_MAX = 100,
    SIZE_MAX_BYTES = 480,
    LIFETIME_SHORT_MS = 12, /* and below */
    LIFETIME_LONG_MS = 3600 * 1000,
};

/* What one operation is to be; the texts are in it. */
struct random_operation {
    enum operation_code code;
    const char *field;
    char value[2 * RANDOM_VALUE_BYTES_MAX];
    size_t bytes;
    int64_t number;
};

struct random_operations {
    struct random_operation items[RANDOM_OPERATIONS_MAX];
    size_t count;
};

enum random_kind {
    RANDOM_ANY,
    RANDOM_LASTING,    /* any, but none with a lifetime, after which the session takes the slow way for long */
    RANDOM_PLAIN,      /* such as go the fast way */
    RANDOM_INCREMENTS, /* mostly one */
};

/* For the record as it is; `is_small`: nothing that is too long for the compact form of a hash. */
void random_operations(enum random_kind kind, bool is_small, const struct record *record,
                       struct random_operations *all);

/* One with this code. */
void random_operation(enum operation_code code, bool is_small, const struct record *record,
                      struct random_operation *operation);

void operations_add_random(struct operations *operations, const struct random_operations *all, struct view *view);

void random_operations_print(const struct random_operations *all);

#endif
