/*
 * Recorded changes of a session: not a new whole, but what to do, so that two writers only meet on a field that both
 * touch.
 */
#ifndef SESSION_OPERATION_H
#define SESSION_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "session/view.h"

/* The codes are those of commit.lua. */
enum operation_code {
    OPERATION_SET = 's',
    OPERATION_DELETE = 'd',
    OPERATION_INCREMENT = 'i',
    OPERATION_APPEND = 'a',
    OPERATION_SET_IF_ABSENT = 'n',
    OPERATION_COMPARE_AND_SET = 'c',
    OPERATION_TAKE = 't',
    OPERATION_RENEW = 'g', /* `field` is the user */
};

struct operation_text {
    const char *data;
    size_t bytes;
};

struct operation {
    struct operation *next;
    char code; /* enum operation_code */
    struct operation_text field;
    struct operation_text arguments[2]; /* empty where there is none */

    /* What Redis answered; `result.data` NULL: nothing. In the operations' arena. */
    struct operation_text result;
};

struct operations {
    struct arena arena; /* given back when they are committed or dropped */
    struct operation *first;
    struct operation **end;
    size_t count;
    size_t bytes;
};

void operations_init(struct operations *operations);

/* Forgets all of them and gives the memory back. */
void operations_drop(struct operations *operations);

/* Records one; the texts are copied. */
struct operation *operations_add(struct operations *operations, enum operation_code code, struct operation_text field,
                                 int argument_count, const struct operation_text arguments[]);

/* Shows in the view what the operation will have done, as far as that can be told before Redis has answered. */
void operation_preview(const struct operation *operation, struct view *view);

/* Shows in the view what it has done, by Redis's answer. */
void operation_settle(const struct operation *operation, struct view *view);

#endif
