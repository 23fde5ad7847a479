/*
 * Several browsers of one site, whose visitors log in as the same user or as others.
 */
#ifndef INTEGRATION_BROWSERS_H
#define INTEGRATION_BROWSERS_H

#include "stage.h"

/* The same site, with another browser, which is the caller's to close. */
struct stage browser_beside(const struct stage *stage);
void browser_leave(struct stage *browser);

/* The session's cookie that the browser has; the caller's to free. And the same browser's other connection, or a thief:
 * with the cookie that it has now. */
char *browser_cookie(const struct stage *browser);
struct stage browser_with_same_cookie(const struct stage *browser);

/* Plays acts, and gives the value of the last one, or "status N" when it has failed; the caller's to free. */
char *play(const struct stage *stage, const char *acts);

#define EXPECT_PLAY(stage, acts, expected)                                                                             \
    do {                                                                                                               \
        char *expect_value = play((stage), (acts));                                                                    \
        cr_expect_str_eq(expect_value, (expected), "%s: %s", (acts), expect_value);                                    \
        free(expect_value);                                                                                            \
    } while (0)

/* Logs in as that user from that address. */
void log_in(const struct stage *stage, const char *user, const char *address);

/* The key of the user's index, which the caller frees, and how many sessions it names. */
char *index_key(const char *user);
long long named(const struct stage *stage, const char *user);

#endif
