/*
 * Entries of durable streams in the commits of the two speeds: each of the two sessions has a stream, and both get the
 * same.
 */
#ifndef INTEGRATION_SPEEDS_ENTRIES_H
#define INTEGRATION_SPEEDS_ENTRIES_H

#include "fiber/fiber.h"
#include "session/commit_try.h"

/* What a commit is to append; "" and not `closes`: nothing. */
struct random_entry {
    char data[24];
    bool closes;
};

/* New streams for both sessions, which are full soon. */
MAY_SUSPEND void entries_begin(void);

/* Of some commits. */
struct random_entry entry_at_random(void);

/* To the stream of the session with that key. */
void entry_add(struct operations *operations, const char *session_key, const struct random_entry *entry);

/* Both streams have what they had, and the entry behind it if it was stored, as was told. */
void entries_expect(const struct commit *commit, const struct random_entry *entry, enum store_verdict verdict);

#endif
