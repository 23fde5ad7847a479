/* Hearing what is published. See subscriber.h. */
#include "redis/subscriber.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/log.h"
#include "base/panic.h"
#include "redis/command.h"
#include "redis/connection.h"
#include "redis/reply.h"
#include "redis/resp.h"

enum {
    PING_MS = 3000,  /* between two, and as long for the answer */
    CHOOSE_MS = 100, /* until another node of the cluster is tried */
    TELL_MS = 60000,
};

struct redis_subscriber {
    struct redis_client *commands;
    struct redis_client *own; /* NULL: of a cluster, of which no node is known yet */
    struct redis_listener listener;
    struct timer timer; /* the next PING, or, of a cluster, the next node */
    size_t choices;     /* of a node */
    bool is_ready;
    bool has_answered; /* anything, since the last PING */
    int64_t told_ms;   /* when a refusal was last logged; 0: never */
};

static void on_time(struct timer *timer);

/* -------------------- what comes -------------------- */

/* Not of a connection that is in its greeting, which ends by this. */
static void take_refusal(struct redis_subscriber *subscriber, const redisReply *reply)
{
    char name[REDIS_NAME_BYTES];
    char reason[REFUSAL_TEXT_SIZE];
    int64_t now_ms = loop_now_ms();
    redis_refusal_copy(reason, sizeof(reason), reply->str, reply->len);
    if (!subscriber->is_ready) {
        redis_connection_drop(subscriber->own, reason);
        return;
    }
    if (subscriber->told_ms != 0 && now_ms - subscriber->told_ms < TELL_MS)
        return;
    subscriber->told_ms = now_ms;
    log_event(MID_WARN, "redis.not-subscribed", "address=%s reason=\"%s\"", redis_client_name(subscriber->own, name),
              reason);
}

/* ["subscribe", channel, count] and ["message", channel, message]; others say that it lives. */
static void on_unasked(void *owner, const redisReply *reply)
{
    const struct redis_client *client = owner;
    struct redis_subscriber *subscriber = client->subscriber;
    const char *kind;
    const char *channel;
    const char *message;
    size_t bytes;
    subscriber->has_answered = true;
    if (reply->type == REDIS_REPLY_ERROR) {
        take_refusal(subscriber, reply);
        return;
    }
    if (!reply_string(reply_element(reply, 0), &kind, &bytes) ||
        !reply_string(reply_element(reply, 1), &channel, &bytes))
        return;
    if (strcmp(kind, "subscribe") == 0)
        subscriber->listener.subscribed(subscriber->listener.owner, channel);
    else if (strcmp(kind, "message") == 0 && reply_string(reply_element(reply, 2), &message, &bytes))
        subscriber->listener.heard(subscriber->listener.owner, channel, message, bytes);
}

/* -------------------- what is sent -------------------- */

/* Its answer comes unasked: among messages. */
static void send_word(struct redis_subscriber *subscriber, const char *word, const char *channel)
{
    struct redis_client *own = subscriber->own;
    if (!subscriber->is_ready)
        return;
    resp_begin(&own->request, channel != NULL ? 2 : 1);
    resp_add_text(&own->request, word);
    if (channel != NULL)
        resp_add_text(&own->request, channel);
    redis_request_send(own, NULL, NULL);
}

void redis_subscriber_add(struct redis_subscriber *subscriber, const char *channel)
{
    send_word(subscriber, "SUBSCRIBE", channel);
}

void redis_subscriber_remove(struct redis_subscriber *subscriber, const char *channel)
{
    send_word(subscriber, "UNSUBSCRIBE", channel);
}

/* -------------------- the connection -------------------- */

static void connect_to(struct redis_subscriber *subscriber, const struct redis_client *redis)
{
    struct redis_options options = redis->options;
    options.counts = NULL;
    options.durability = MID_DURABLE_DEFAULT;
    options.use = "notifications";
    subscriber->own = redis_client_new(&options);
    ENSURE(subscriber->own != NULL); /* the same address was understood before */
    subscriber->own->subscriber = subscriber;
    subscriber->own->socket.on_unasked = on_unasked;
}

static void disconnect(struct redis_subscriber *subscriber)
{
    if (subscriber->own == NULL)
        return;
    subscriber->own->subscriber = NULL;
    redis_client_free(subscriber->own);
    subscriber->own = NULL;
    if (subscriber->is_ready) {
        subscriber->is_ready = false;
        subscriber->listener.lost(subscriber->listener.owner);
    }
}

/* A node that is connected for commands, another one each time. */
static void choose_node(struct redis_subscriber *subscriber)
{
    size_t count = 0;
    while (redis_client_node(subscriber->commands, count) != NULL)
        count++;
    for (size_t i = 0; i < count; i++) {
        const struct redis_client *node = redis_client_node(subscriber->commands, subscriber->choices++ % count);
        if (!redis_client_is_ready(node))
            continue;
        connect_to(subscriber, node);
        return;
    }
    timer_start(&subscriber->timer, CHOOSE_MS, on_time);
}

/* The node is one of the cluster's masters no more, and may not hear of anything. */
static bool is_outside(const struct redis_subscriber *subscriber)
{
    const struct redis_client *node;
    for (size_t i = 0; (node = redis_client_node(subscriber->commands, i)) != NULL; i++)
        if (redis_address_is_same(&node->address, &subscriber->own->address))
            return false;
    return subscriber->commands->cluster != NULL;
}

void redis_subscriber_note_change(struct redis_subscriber *subscriber)
{
    bool was_ready = subscriber->is_ready;
    subscriber->is_ready = redis_client_is_ready(subscriber->own);
    if (subscriber->is_ready) {
        subscriber->has_answered = true;
        timer_start(&subscriber->timer, PING_MS, on_time);
        subscriber->listener.ready(subscriber->listener.owner);
        return;
    }
    timer_stop(&subscriber->timer);
    if (subscriber->commands->cluster != NULL)
        timer_start(&subscriber->timer, CHOOSE_MS, on_time);
    if (was_ready)
        subscriber->listener.lost(subscriber->listener.owner);
}

static void ping(struct redis_subscriber *subscriber)
{
    subscriber->has_answered = false;
    send_word(subscriber, "PING", NULL);
    timer_start(&subscriber->timer, PING_MS, on_time);
}

static void on_time(struct timer *timer)
{
    struct redis_subscriber *subscriber = LIST_ELEMENT(timer, struct redis_subscriber, timer);
    if (!subscriber->is_ready || is_outside(subscriber)) {
        disconnect(subscriber);
        choose_node(subscriber);
    } else if (subscriber->has_answered) {
        ping(subscriber);
    } else {
        redis_connection_drop(subscriber->own, "no answer in time");
    }
}

/* -------------------- life -------------------- */

struct redis_subscriber *redis_subscriber_new(struct redis_client *commands, const struct redis_listener *listener)
{
    struct redis_subscriber *subscriber = calloc(1, sizeof(*subscriber));
    if (subscriber == NULL)
        panic("out of memory for notifications");
    subscriber->commands = commands;
    subscriber->listener = *listener;
    if (commands->cluster != NULL)
        timer_start(&subscriber->timer, 0, on_time);
    else
        connect_to(subscriber, commands);
    return subscriber;
}

void redis_subscriber_free(struct redis_subscriber *subscriber)
{
    if (subscriber == NULL)
        return;
    timer_fini(&subscriber->timer);
    if (subscriber->own != NULL)
        subscriber->own->subscriber = NULL;
    redis_client_free(subscriber->own);
    free(subscriber);
}

bool redis_subscriber_is_ready(const struct redis_subscriber *subscriber)
{
    return subscriber->is_ready;
}
