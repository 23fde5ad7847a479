/*
 * Hearing what is published in Redis (Pub/Sub), on a connection of its own beside that of the commands.
 *
 * It is a client like any other (TLS, Sentinels, users, pauses), whose connection carries subscriptions instead of
 * commands. Of a cluster one master is enough, since its nodes pass on what is published; when that one goes, another
 * is taken.
 *
 * What is published while there is no connection is lost, and nobody can tell whether anything was: so whoever listens
 * is told of every new connection, subscribes again, and looks what has changed meanwhile. A connection that is silent
 * is asked by a PING, and given up without an answer.
 *
 * https://redis.io/docs/latest/develop/pubsub/
 */
#ifndef REDIS_SUBSCRIBER_H
#define REDIS_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>

#include "redis/client.h"

struct redis_subscriber;

/* All on the loop's stack. */
struct redis_listener {
    void *owner;
    void (*ready)(void *owner);                           /* there is a connection, which is subscribed to nothing */
    void (*lost)(void *owner);                            /* there is none any more */
    void (*subscribed)(void *owner, const char *channel); /* what is published there from now on is heard */
    void (*heard)(void *owner, const char *channel, const char *message, size_t bytes);
};

/* To the Redis of `commands`, which outlives it, from the next turn of the loop on. */
struct redis_subscriber *redis_subscriber_new(struct redis_client *commands, const struct redis_listener *listener);

/* NULL is fine; not from a callback. */
void redis_subscriber_free(struct redis_subscriber *subscriber);

bool redis_subscriber_is_ready(const struct redis_subscriber *subscriber);

/* Begin and end to hear of a channel; while there is no connection, nothing. A channel that may not be subscribed to is
 * logged (redis.not-subscribed), and not heard of. */
void redis_subscriber_add(struct redis_subscriber *subscriber, const char *channel);
void redis_subscriber_remove(struct redis_subscriber *subscriber, const char *channel);

/* connection.c: its connection became ready, was lost, or has failed. */
void redis_subscriber_note_change(struct redis_subscriber *subscriber);

#endif
