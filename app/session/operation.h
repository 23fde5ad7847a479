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
#include "base/buffer.h"
#include "journal/journal.h"
#include "session/view.h"

/* The codes are those of commit.lua. */
enum operation_code {
    OPERATION_NOTHING = '-', /* never sent: what an operation with an answer comes to when it changes nothing */
    OPERATION_SET = 's',
    OPERATION_SET_FOR = 'f', /* `number` is the lifetime in ms */
    OPERATION_DELETE = 'd',
    OPERATION_INCREMENT = 'i',
    OPERATION_APPEND = 'a', /* `number` is how many bytes are kept */
    OPERATION_SET_IF_ABSENT = 'n',
    OPERATION_COMPARE_AND_SET = 'c', /* `value` is the expected value, of `number` bytes, with the new one behind it */
    OPERATION_TAKE = 't',
    OPERATION_RENEW = 'g',    /* `value` is the user; the field is "@user" */
    OPERATION_ENTRY = 'e',    /* of a durable stream, which is the field; the last of its commit. `number` is whether it
                                 closes the stream; `value` operation_entry_pack()'s */
    OPERATION_DESCRIBE = 'b', /* `value` is the address, a line feed, and the agent; the field is "@about" */
};

struct operation_text {
    const char *data;
    size_t bytes;
};

struct operation {
    struct operation *next;
    enum operation_code code;
    struct operation_text field;
    struct operation_text value; /* empty where there is none */
    int64_t number;

    /* What it does to the record that the view shows: by operation_preview(). Before that, nothing is foreseen. */
    bool is_foreseen;         /* all of the following is known */
    int64_t foreseen_at;      /* the record's revision that it is known of; -1: of none in particular */
    enum operation_code does; /* what it comes to; another code than its own for one with an answer */
    int fields_change;
    int64_t size_change;
    size_t longest; /* of the values that it makes */

    /* The answer: foreseen, or Redis's. `data` NULL: none. In the operations' arena. */
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

/* Moves what makes one commit: up to the first entry of a durable stream, or all. `to` has to be empty. */
void operations_move(struct operations *to, struct operations *from);

/* Whether there is an entry among them; one of that stream. */
bool operations_have_entry(const struct operations *operations);
bool operations_have_entry_of(const struct operations *operations, const char *stream);

/* How many stand behind the last entry, and their bytes. */
void operations_count_last(const struct operations *operations, size_t *count, size_t *bytes);

/* The value of an OPERATION_ENTRY, which is appended to `value`; and what it says, which points into it: the bytes,
 * event, incarnation, producer, and the epoch of that. */
void operation_entry_pack(struct buffer *value, const struct journal_append *append);
void operation_entry(const struct operation *operation, struct journal_append *append);

/* Records one; the texts are copied. */
struct operation *operations_add(struct operations *operations, enum operation_code code, struct operation_text field,
                                 struct operation_text value, int64_t number);

/* The newest one; NULL: there is none. */
struct operation *operations_last(const struct operations *operations);

/* Whether the answer of Redis is needed, or foreseen. */
bool operation_has_answer(const struct operation *operation);

/* Whether they ask for the same. */
bool operation_is_equal(const struct operation *operation, enum operation_code code, struct operation_text field,
                        struct operation_text value, int64_t number);

/* Shows in the view what all of them will have done, as far as that can be told before Redis has answered. */
void operations_preview(struct operations *operations, struct view *view);

/* The same, without a change of what is known of them: they were sent as they are. */
void operations_show(struct operations *operations, struct view *view);
void operation_preview(struct operations *operations, struct operation *operation, struct view *view);

/* Shows in the view what they have done, by Redis's answers; but for a field that a later operation touches, of them or
 * of those recorded since, whose preview stays. */
void operations_show_results(const struct operations *operations, const struct operations *later, struct view *view);
void operation_show_result(const struct operation *operation, struct view *view);

#endif
