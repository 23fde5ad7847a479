/*
 * Which fields have changed between two reads of a session: fingerprints of what was known before the second.
 */
#ifndef SESSION_CHANGES_H
#define SESSION_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "session/view.h"

/* Empty when zeroed. */
struct changes {
    struct fingerprint *before; /* one for each field that had a value, and that was known to have none */
    size_t count;
    size_t capacity;
    bool was_complete; /* a field that is not here did not exist */
    bool has_begun;    /* there was a read before */
};

/* Remembers what the view shows, which is about to be read again. */
void changes_note(struct changes *changes, const struct view *view);

/* Whether the view shows something else now; true when it was not known before, or is not known now. */
bool changes_have(const struct changes *changes, const struct view *view, const char *name);

/* Gives the memory back. */
void changes_fini(struct changes *changes);

#endif
