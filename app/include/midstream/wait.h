/*
 * Waiting, and what goes on when the response is over.
 */
#ifndef MIDSTREAM_WAIT_H
#define MIDSTREAM_WAIT_H

#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/* Suspends the fiber. MID_GONE: the client has left meanwhile, at most 100 ms ago. MID_DRAINING: see "streams". */
MID_PUBLIC MID_CHECK enum mid_error mid_sleep_ms(struct mid_request *rq, int64_t ms);

/*
 * Suspends until the descriptor is readable and/or writable (poll(2)'s POLLIN, POLLOUT) or the time is over
 * (MID_TIMEOUT; -1: no limit). MID_GONE: the client has left meanwhile. MID_FAILED: the descriptor cannot be polled.
 * The descriptor stays the caller's.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_wait(struct mid_request *rq, int fd, short poll_events, int64_t timeout_ms);

/*
 * Runs `work` on a thread of the pool (offload-threads of them; what exceeds them waits) and suspends until it has
 * returned: for code that must block. `work` may call nothing of this header. A thread cannot be stopped, and it uses
 * what `arg` points to: so this call returns when `work` has, however late. MID_TIMEOUT: that was later than the time
 * limit of the request. Code that may block for longer has to have a limit of its own: a connect timeout, SO_RCVTIMEO,
 * alarm(2) in a child process.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_offload(struct mid_request *rq, void (*work)(void *arg), void *arg);

MID_PUBLIC int64_t mid_unix_ms(void);

/* -------------------- after the response -------------------- */

enum mid_outcome {
    MID_COMPLETE, /* the last byte was handed to nginx */
    MID_LEFT,     /* the client left before the end */
    MID_CUT,      /* the handler failed, before or after the head, or the server went away */
};

typedef void mid_after(struct mid_request *rq, enum mid_outcome outcome, void *arg);

/*
 * Calls `fn` once when the response is over, whatever its outcome, in the order of registration. It runs on its own
 * time: the client has the response and the connection serves the next request. What a handler that failed has recorded
 * is dropped before; a commit of its that was not answered may still arrive, also after those made here. The session
 * can still be changed and its changes are committed when `fn` returns; calls that suspend return MID_TIMEOUT once
 * after-timeout-ms has passed. Shutdown waits for it. MID_FAILED: this is a task, which has no response; nothing is
 * registered.
 */
MID_PUBLIC enum mid_error mid_after_response(struct mid_request *rq, mid_after *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
