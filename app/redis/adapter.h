/*
 * hiredis on our loop: one asynchronous connection, its descriptor watched, its writes collected.
 *
 * DESIGN. The descriptor is watched level-triggered for reading, because hiredis reads once per call. What commands
 * append leaves in one write at the end of the turn; only while the socket is full, or still connecting, is it watched
 * for writing as well. Errors and hang-ups of the descriptor are handed to hiredis as readable: its read() then learns
 * the cause (hiredis's own libuv adapter drops them, and hangs).
 *
 * LIFETIME.
 * 1. hiredis owns its context, and frees it by itself when the connection fails. Its cleanup hook is the one call that
 *    comes in every case, whoever ends it, and exactly once. There the adapter forgets the context and calls `on_gone`.
 * 2. The callback of every pending command is called with a NULL reply when the context goes: before on_gone with
 *    hiredis 0.14; before or after it with 1.x, but always before the call of hiredis returns that ended it.
 * 3. So on_gone may arrange for a new connection later, from a timer, but not open it at once.
 * 4. The adapter's memory is the owner's, who frees it after adapter_close(), and not from a callback.
 */
#ifndef REDIS_ADAPTER_H
#define REDIS_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/async.h>

#include "fiber/loop.h"
#include "redis/address.h"

/* On the loop's stack, or within adapter_close(). `reason` is gone when it returns. */
typedef void redis_gone_fn(void *owner, const char *reason);

struct redis_adapter {
    /* read-only after adapter_init() */
    redis_gone_fn *on_gone;
    void *owner;
    uint64_t *writes; /* counts the turns in which commands left */

    redisAsyncContext *context; /* NULL: no connection */
    struct watch watch;
    struct flush flush;
    bool is_connecting;       /* until the descriptor is writable for the first time */
    bool is_flushing;         /* hiredis is writing: what it asks for now is to be told when there is room */
    bool is_write_watched;    /* EPOLLOUT is among the watched events */
    bool was_unasked;         /* see unasked.h */
    const char *close_reason; /* of adapter_close(), while it runs */
};

void redis_adapter_init(struct redis_adapter *adapter, redis_gone_fn *on_gone, void *owner, uint64_t *writes);

/*
 * Begins to connect; commands may be issued at once and leave when the connection stands. The host has to be numeric
 * (hiredis would block in the resolver). False with a reason when it fails at once; on_gone is not called then.
 */
bool redis_adapter_open(struct redis_adapter *adapter, const struct redis_address *address, char *reason,
                        size_t reason_size);

/* Ends the connection with all that is pending; `reason` is handed to on_gone. From a callback of hiredis it takes
 * effect when that has returned, so the text has to live until then. */
void redis_adapter_close(struct redis_adapter *adapter, const char *reason);

#endif
