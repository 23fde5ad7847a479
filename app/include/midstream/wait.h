/*
 * Waiting, and work after the response.
 */
#ifndef MIDSTREAM_WAIT_H
#define MIDSTREAM_WAIT_H

#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/* Suspends the fiber. MID_GONE: the client has disconnected, at most 100 ms ago. MID_DRAINING: see midstream/stream.h.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_sleep_ms(struct mid_request *rq, int64_t ms);

/*
 * Suspends until the descriptor is readable and/or writable (POLLIN, POLLOUT as in poll(2)), or the timeout expires
 * (MID_TIMEOUT; -1: no limit). MID_GONE: the client has disconnected. MID_FAILED: the descriptor cannot be polled. The
 * descriptor remains owned by the caller.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_wait(struct mid_request *rq, int fd, short poll_events, int64_t timeout_ms);

/*
 * Runs blocking code on a thread of the pool (offload-threads threads; further calls wait) and suspends until it has
 * returned; also for a request whose client has left and for a task that was cancelled. `work` must not call this
 * library. A thread cannot be stopped and uses what `arg` points to, so the call
 * returns only when `work` has returned. MID_TIMEOUT: that was after the time limit of the request. Code that may block
 * for long needs its own limit: a connect timeout, SO_RCVTIMEO, alarm(2) in a child process.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_offload(struct mid_request *rq, void (*work)(void *arg), void *arg);

MID_PUBLIC int64_t mid_unix_ms(void);

/* -------------------- after the response -------------------- */

enum mid_outcome {
    MID_COMPLETE, /* the last byte was passed to nginx */
    MID_LEFT,     /* the client disconnected before the end */
    MID_CUT,      /* the handler failed, before or after the head, or the server stopped */
};

typedef void mid_after(struct mid_request *rq, enum mid_outcome outcome, void *arg);

/*
 * Calls `fn` once after the response, whatever its outcome, in order of registration. The client has the response by
 * then, and the connection serves the next request. If the handler failed, its uncommitted changes are discarded first;
 * a commit whose reply was lost may still be applied, even after commits made here. `fn` can change the session; its
 * changes are committed when it returns. Calls that suspend return MID_TIMEOUT once after-timeout-ms has passed.
 * Shutdown waits for these functions. MID_FAILED: called in a task, which has no response; nothing is registered.
 */
MID_PUBLIC enum mid_error mid_after_response(struct mid_request *rq, mid_after *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
