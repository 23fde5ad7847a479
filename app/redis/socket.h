/*
 * One connection to one Redis server: a socket on the loop, what is to be sent, and whoever waits for an answer.
 *
 * DESIGN. Requests are collected and leave in one write at the end of the turn; only while the socket is full, or still
 * connecting, is it watched for writing. Redis answers in order, so a queue says whose the next answer is. Answers are
 * read by hiredis's reader, which is all of hiredis that is used here: its asynchronous API copies every request, asks
 * for memory for every callback, and ends the process when an answer comes that nobody has asked for (a proxy in front
 * of Redis that answers twice would do). Here the connection ends instead (docs/adr/0019-own-socket-to-redis.md).
 *
 * LIFETIME.
 * 1. A connection ends once: by redis_socket_close(), or by itself. Then everybody who waits is called with NULL, and
 *    then `on_gone`.
 * 2. Closing from within the call for an answer takes effect when that has returned.
 * 3. on_gone may arrange for a new connection later, from a timer, but not open it at once: an event of this turn may
 *    still name the old one.
 * 4. The memory is the owner's, who frees it after redis_socket_close(), and not from a callback.
 */
#ifndef REDIS_SOCKET_H
#define REDIS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "fiber/loop.h"
#include "redis/address.h"
#include "redis/answer_queue.h"

/* On the loop's stack, or within redis_socket_close(). `reason` is gone when it returns. */
typedef void redis_gone_fn(void *owner, const char *reason);

/* What comes unasked, of a subscription; gone when it returns. */
typedef void redis_unasked_fn(void *owner, const struct redisReply *reply);

enum { REDIS_REASON_SIZE = 192 };

struct redisReader;
struct redis_tls_channel;

enum redis_socket_state {
    REDIS_SOCKET_CLOSED,
    REDIS_SOCKET_CONNECTING, /* until the descriptor is writable for the first time */
    REDIS_SOCKET_HANDSHAKE,  /* of TLS */
    REDIS_SOCKET_OPEN,
};

struct redis_socket {
    /* read-only after redis_socket_init() */
    redis_gone_fn *on_gone;
    void *owner;
    redis_unasked_fn *on_unasked;  /* NULL: an answer that nobody has asked for ends the connection */
    uint64_t *writes;              /* counts the turns in which requests left */
    struct redis_tls_channel *tls; /* the owner's; NULL: without */

    enum redis_socket_state state;
    struct watch watch;
    uint32_t watched; /* the EPOLL* events that it is watched for */
    struct flush flush;
    struct buffer output;
    size_t sent; /* of the output */
    struct answer_queue queue;
    struct redisReader *reader;
    bool is_first;     /* the output is the first one, and has the password in it */
    bool has_received; /* anything on this connection */
    bool is_answering; /* within the call for an answer */
    bool is_closing;   /* it ends when that call has returned */
    char reason[REDIS_REASON_SIZE];
};

/* `tls` is NULL without TLS, and outlives the socket otherwise. */
void redis_socket_init(struct redis_socket *socket, struct redis_tls_channel *tls, redis_gone_fn *on_gone, void *owner,
                       uint64_t *writes);

/*
 * Begins to connect; requests may be sent at once and leave when the connection stands. The host has to be numeric (a
 * resolver would block). False with a reason when it fails at once; on_gone is not called then.
 */
bool redis_socket_open(struct redis_socket *socket, const struct redis_address *address, char *reason,
                       size_t reason_size);

/* Appends a request, which is copied, to what leaves at the end of the turn; fn(arg) is called for its answer, or, if
 * fn is NULL, that comes unasked: on a connection with a subscription it may come behind messages. False when there is
 * no connection, or it is ending: fn is not called then. */
bool redis_socket_send(struct redis_socket *socket, const struct buffer *request, redis_answer_fn *fn, void *arg);

/* Ends the connection with all that is pending; a copy of `reason` is handed to on_gone. */
void redis_socket_close(struct redis_socket *socket, const char *reason);

#endif
