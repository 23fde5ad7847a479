/*
 * Many clients of one path at a time, all read by one thread as soon as something comes, so that when a piece arrived
 * is what the site did and not when the test looked.
 *
 * A client knows how its response ended as HTTP/1.1 tells it: complete, when the last chunk came; cut, when the
 * connection ended before. A piece is a fixed number of lines (an event of /events has three).
 */
#ifndef FAULT_CROWD_H
#define FAULT_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "integration/site.h"

enum crowd_end { CROWD_OPEN, CROWD_COMPLETE, CROWD_CUT };

struct crowd_options {
    const char *path;
    size_t clients;
    size_t lines_per_piece;
    size_t pieces;       /* that a complete response has; what comes behind (an end marker) counts as no piece */
    int64_t interval_us; /* between pieces that are on time */
};

struct crowd;

/* Connects them all and sends their requests, each as a visitor without a cookie. */
struct crowd *crowd_open(const struct site *site, const struct crowd_options *options);

/* Leaves, where a response is still open, and frees. NULL is fine. */
void crowd_close(struct crowd *crowd);

/* Waits until every client has so many pieces, or has none to wait for because its response is over. */
bool crowd_wait_pieces(struct crowd *crowd, size_t pieces, int timeout_ms);
bool crowd_wait_end(struct crowd *crowd, int timeout_ms);

/* How many responses are open, complete and cut at the moment. */
struct crowd_tally {
    size_t open;
    size_t complete;
    size_t cut;
    size_t false_complete; /* complete, and without its last piece: what never may be */
    size_t not_ok;         /* with another status than 200 */
};
struct crowd_tally crowd_tally(struct crowd *crowd);

/* One client. The texts stay the crowd's, and still only after the response has ended. */
struct crowd_client {
    enum crowd_end end;
    int status; /* 0: no head came */
    size_t pieces;
    const char *body;
};
struct crowd_client crowd_client(struct crowd *crowd, size_t index);

/* The cookie that the client was given, as a new text for the caller to free; or NULL. */
char *crowd_cookie(struct crowd *crowd, size_t index);

/*
 * How late the pieces were that had to come between two times of clock_monotonic_us(): all but one in a hundred of them
 * less than this, in microseconds. A piece that never came is as late as the time it was waited for; those of cut
 * responses are left out. Each client's schedule begins with the piece that was earliest. -1: no piece was due.
 */
int64_t crowd_lateness_p99_us(struct crowd *crowd, int64_t from_us, int64_t to_us);

#endif
