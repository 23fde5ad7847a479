/*
 * A proxy between workers and Redis that delays, drops and cuts, but never changes an order.
 *
 * It takes the place of Redis's socket, and passes everything on at once but for its faults, one every so often:
 *
 *     delayed commands    what one worker sends is held for a while
 *     delayed answers     what one worker is told is held for a while
 *     cut before          the next commands of a worker never reach Redis, and the connection ends
 *     cut in a command    Redis gets the beginning of them only
 *     cut after           Redis carries them out, the answer is dropped, and the connection ends
 *     cut in an answer    the worker gets the beginning of it only
 *     stop                nothing passes, in any direction, and nobody is let in
 *
 * A worker that gives up its connection does not call its commands back: what has left it reaches Redis, when its time
 * has come, as it does on a network.
 *
 * The choices are a sequence made of the seed: the same seed chooses the same faults in the same order. Which commands
 * they meet is up to the machine. Each fault is a line of the journal ("! cut-before PID"), with the worker it has hit.
 */
#ifndef MODEL_PROXY_H
#define MODEL_PROXY_H

#include <stddef.h>
#include <stdint.h>

enum fault {
    FAULT_DELAYED_COMMANDS,
    FAULT_DELAYED_ANSWERS,
    FAULT_CUT_BEFORE,
    FAULT_CUT_IN_COMMAND,
    FAULT_CUT_AFTER,
    FAULT_CUT_IN_ANSWER,
    FAULT_STOP,
    FAULT_COUNT,
    FAULT_NONE = FAULT_COUNT,
};

/* "cut-before" */
const char *fault_name(enum fault fault);

struct proxy_options {
    const char *socket_path; /* where Redis listens, and the workers look for it */
    uint64_t seed;
    uint32_t pause_ms; /* between two faults, on the average; 0: there are none */
};

struct proxy;

/* Redis's own socket is proxy_redis_path() from now on. Connections that exist are not touched. */
struct proxy *proxy_open(const struct proxy_options *options);
const char *proxy_redis_path(const struct proxy *proxy);

/* No faults from now on; when it returns, what was held has passed. */
void proxy_calm(struct proxy *proxy);

/* How often each fault has hit somebody. */
size_t proxy_count(const struct proxy *proxy, enum fault fault);

/* Ends it, and puts Redis's socket back. */
void proxy_close(struct proxy *proxy);

#endif
