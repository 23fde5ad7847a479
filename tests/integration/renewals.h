/*
 * Renewals that no response brings a cookie of, and what comes of them.
 */
#ifndef INTEGRATION_RENEWALS_H
#define INTEGRATION_RENEWALS_H

#include "browsers.h"

/* Renews in a stream, whose head is out. Returns what became of it; the caller's to free. */
char *renewal_in_stream(const struct stage *stage, const char *user);

#define EXPECT_RENEWAL(stage, user, result)                                                                            \
    do {                                                                                                               \
        OWNED char *renewal = renewal_in_stream((stage), (user));                                                      \
        cr_expect_str_eq(renewal, "renew:" user " " result, "%s", renewal);                                            \
    } while (0)

/* Whether the visitor's cookie is another one after the acts, which have to go well. */
bool renewal_changes_cookie(const struct stage *stage, const char *acts);

/* The header of a commit that somebody else has made. */
void renewal_store(const struct stage *stage, const char *key, struct header *header);

/* Renews it, as another handle of the session does it, with a commit behind it. */
void renewal_elsewhere(const struct stage *stage, const char *key);

#endif
