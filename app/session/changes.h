/*
 * Which fields have changed between two reads of a session: fingerprints of what was known before the second.
 */
#ifndef SESSION_CHANGES_H
#define SESSION_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "session/view.h"

/* What a view showed at a time. */
struct snapshot {
    struct fingerprint *fields; /* one for each field that had a value, or was known to have none */
    size_t count;
    size_t capacity;
    bool was_complete; /* a field that is not here did not exist */
    bool is_taken;
};

/* Empty when zeroed. */
struct changes {
    struct snapshot before; /* the last read that was asked for */
    struct snapshot next;   /* what was shown since then, before the runtime has read again for reasons of its own */
};

/* The view is about to be read again: remembers what it shows, unless that was done since the last turn. */
void changes_note(struct changes *changes, const struct view *view);

/* It was read again because the application has asked for that. */
void changes_turn(struct changes *changes);

/* Whether the view shows something else than before the last turn; true when it was not known then, or is not known
 * now; false before the first turn. */
bool changes_have(const struct changes *changes, const struct view *view, const char *name);

/* Gives the memory back. */
void changes_fini(struct changes *changes);

#endif
