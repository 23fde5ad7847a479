/*
 * The header that a commit will make of the one that is believed in: what lets it go the fast way (believed.lua).
 */
#ifndef SESSION_FORESIGHT_H
#define SESSION_FORESIGHT_H

#include "session/commit_try.h"

/* False: it cannot be told, or the commit would be refused; then commit.lua has to look at the record. */
bool foresee(const struct commit *commit, const struct commit_terms *terms, struct header *next);

#endif
