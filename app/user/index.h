/*
 * Which sessions a user has: an index in Redis, `mid:u:{USER}`, which names them by their rids.
 *
 * DESIGN. The index and the records of the sessions are in different slots, so no step changes both. A session is named
 * before its record says that it is the user's; so the index may name one too many, and never one too few. Who meets a
 * name without a session takes it away, and a session that is used makes sure that it is named.
 *
 * A login, and an end of all sessions, are given numbers that rise. An end of all takes its number first and then goes
 * to every session that is named with a smaller one: it ends those that are the user's, and leaves a bar at the others,
 * which a login with a smaller number does not pass (session/commit.lua). So a login that was under way ends or never
 * begins, whatever steps the two have taken when they meet, and wherever either of them stops.
 *
 * index.lua and the scripts beside it; docs/adr/0025-sessions-of-a-user.md.
 */
#ifndef USER_INDEX_H
#define USER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream.h"
#include "redis/client.h"

enum {
    USER_RID_BYTES = 33,   /* 32 hexadecimal digits and a NUL */
    USER_HASH_BYTES = 33,  /* the same */
    USER_INDEX_PAGE = 100, /* names that are read at a time */
};

struct user_index_settings {
    struct redis_client *redis;
    int64_t lifetime_ms;    /* of a user's session, at most */
    int64_t sessions_max;   /* of a user; 0: no limit */
    bool refuses_when_full; /* a login; otherwise the oldest session ends for it */
};

/* Registers the scripts with the client: before the first turn of the loop. */
void user_index_init(const struct user_index_settings *settings);

/* A user's name as it is part of keys: its hash. */
void user_hash(const char *user, char hash[static USER_HASH_BYTES]);

/* How a call waits: as struct redis_call. */
struct user_index_terms {
    int64_t patience_ms;
    enum mid_durability durability;
};

struct user_entrance {
    int64_t number;  /* of the login */
    int64_t others;  /* how many sessions are named besides this one */
    bool is_full;    /* the user has as many sessions as he may have: nothing was entered */
    bool is_revoked; /* all sessions were ended after this login had begun: nothing was entered */
};

/* All may suspend, and return MID_OK, MID_UNAVAILABLE, MID_OVERLOADED or MID_FAILED. */

/* The session is about to be the user's. `before` is the number that the login was given before, or 0. */
MAY_SUSPEND MID_CHECK enum mid_error user_index_enter(const char *user, const char *rid, int64_t before,
                                                      const struct user_index_terms *terms,
                                                      struct user_entrance *entrance);

/* The login was stored. What goes wrong does not matter. */
MAY_SUSPEND void user_index_confirm(const char *user, const char *rid, int64_t number, int64_t patience_ms);

/* A number for a login whose session is entered later; nothing is stored. */
MAY_SUSPEND MID_CHECK enum mid_error user_index_begin(const char *user, int64_t patience_ms, int64_t *number);

/* The session is in use, and was logged in to at that time. *is_revoked: it should have ended. */
MAY_SUSPEND MID_CHECK enum mid_error user_index_keep(const char *user, const char *rid, int64_t login_ms,
                                                     int64_t patience_ms, bool *is_revoked);

/* The session is gone, or somebody else's. What goes wrong does not matter: whoever meets the name tries again. */
MAY_SUSPEND void user_index_leave(const char *user, const char *rid, bool is_gone, int64_t patience_ms);

/* Sessions that are gone. The same. */
MAY_SUSPEND void user_index_forget(const char *user, const char *const rids[], size_t count, int64_t patience_ms);

/* Takes a number for the end of all sessions named below it; `spared`, a rid or "", is named above. */
MAY_SUSPEND MID_CHECK enum mid_error user_index_revoke(const char *user, const char *spared,
                                                       const struct user_index_terms *terms, int64_t *number);

struct user_index_name {
    char rid[USER_RID_BYTES];
    int64_t number; /* when it was entered, more or less */
};

struct user_index_page {
    struct user_index_name names[USER_INDEX_PAGE];
    size_t count;
    int64_t end;  /* the number of the last one that was read, whatever it is */
    bool is_last; /* there are no more */
};

/* The names with numbers between those, without them; the newest first, or the oldest. */
struct user_index_range {
    int64_t above;
    int64_t below;
    bool newest_first;
};
MAY_SUSPEND MID_CHECK enum mid_error user_index_read(const char *user, const struct user_index_range *range,
                                                     int64_t patience_ms, struct user_index_page *page);

/* Above every number, and exact as the score of a sorted set. */
#define USER_NUMBER_MAX ((INT64_C(1) << 53) - 1)

/* How many names there are. */
MAY_SUSPEND MID_CHECK enum mid_error user_index_count(const char *user, int64_t patience_ms, int64_t *count);

/* How many of so many sessions have to end; 0 without a limit. */
int64_t user_index_excess(int64_t sessions);

#endif
