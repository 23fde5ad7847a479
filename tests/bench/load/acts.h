/*
 * What is done to sessions while streams of them are open, and how soon the streams show it: one request after the
 * other, each when the one before was answered and every stream that has to show it has.
 *
 * Act k is by the session of cookie k, modulo their number, and the streams with that cookie have to show it: by an
 * event, as of GET /watch, or by their end with "session-ended". If there are more cookies than streams, all acts are
 * by the last cookie, which has no stream, and all streams have to show them.
 */
#ifndef LOAD_ACTS_H
#define LOAD_ACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cookies.h"
#include "options.h"
#include "response.h"
#include "samples.h"

struct acts {
    const struct options *options;
    const struct cookies *cookies;
    int fd; /* -1: not connected */
    struct response response;
    unsigned begun;
    bool is_under_way;
    bool is_answered;
    unsigned unseen; /* streams that have not shown the one that is under way */
    bool *has_shown; /* by stream, heap */
    int64_t sent_at_us;
    int64_t next_at_us;
    bool is_cut_off;  /* they cannot go on: nobody listens, or a stream is gone */
    unsigned refused; /* answered with another status than 2xx, or not at all */
    uint64_t lost;    /* times that a stream has not shown one */
    struct samples answered;
    struct samples seen; /* by each stream, since the request was sent */
};

void acts_init(struct acts *acts, const struct options *options, const struct cookies *cookies);
void acts_fini(struct acts *acts);

/* Whether all of them are over, or one was not seen, or they are cut off; true when none were asked for. */
bool acts_are_over(const struct acts *acts);

/* Afterwards there is something to be waited for, `fd`; false: nobody listens. Blocks, which is why it is done first.
 */
MID_CHECK bool acts_connect(struct acts *acts);

/* When it is to be called next, at the latest: INT64_MAX when there is nothing to do but to wait. */
int64_t acts_next_us(const struct acts *acts);

/* The streams are open, and there is a connection: sends what is due, and gives up what has taken too long. */
void acts_turn(struct acts *acts, int64_t now_us);

/* There is something to be read from `fd`. */
void acts_read(struct acts *acts, int64_t now_us);

/* A stream that has to show them is not open, or has ended by itself. */
void acts_cut_off(struct acts *acts);

/* A stream has had an event. */
void acts_see(struct acts *acts, unsigned stream, int64_t at_us);

#endif
