/*
 * The writers: a few visitors, each with several lanes, on threads of their own, that send one run after another.
 *
 * All lanes of a visitor use his session at the same time. When it has ended, or cannot be reached any more because the
 * answer to a login was lost, he gets another one. Whenever a session was changed a good deal, its record is looked at,
 * before its log has lost what was not seen yet.
 */
#ifndef MODEL_WRITERS_H
#define MODEL_WRITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "look.h"

struct writers_options {
    const char *url; /* of the site, without a slash at the end */
    struct look_glass *glass;
    uint64_t seed;
};

struct writers_counts {
    size_t runs[4]; /* by scenario_kind */
    size_t sessions;
    size_t logins;
    size_t logins_repeated; /* their answer was lost */
    size_t logins_found;    /* and the repetition got it */
    size_t logouts;
    size_t tasks_left; /* that did not end in time */
};

struct writers;

struct writers *writers_start(const struct writers_options *options);

/* No more runs. */
void writers_stop(struct writers *writers);
bool writers_are_done(const struct writers *writers);

/* Waits for all lanes, which have been stopped, and frees the writers. */
struct writers_counts writers_end(struct writers *writers);

#endif
