/* What a worker hears of its sessions. See live.h. */
#include "live/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "base/hash.h"
#include "base/panic.h"
#include "base/share.h"
#include "http/request.h"
#include "redis/subscriber.h"
#include "session/streams.h"

static const char ends_channel[] = "mid:ended";

enum { BUCKETS = 1024 };

/* A channel, the key of a session or of something else, which at least one request listens to. */
struct topic {
    struct list link;      /* in its bucket */
    struct list watches;   /* of a session */
    struct list listeners; /* of what else it is */
    bool is_heard;
    char key[];
};

static struct {
    struct live_settings settings;
    struct live_counts unused_counts;
    struct redis_subscriber *subscriber; /* NULL: nobody has needed it yet */
    struct list topics[BUCKETS];         /* by their key, which is random */
} own;

/* -------------------- topics -------------------- */

static struct list *bucket_of(const char *key)
{
    return &own.topics[hash_text(key) % BUCKETS];
}

static struct topic *find_topic(const char *key)
{
    struct list *bucket = bucket_of(key);
    for (struct list *link = bucket->next; link != bucket; link = link->next)
        if (strcmp(LIST_ELEMENT(link, struct topic, link)->key, key) == 0)
            return LIST_ELEMENT(link, struct topic, link);
    return NULL;
}

static struct topic *make_topic(const char *key)
{
    size_t bytes = strlen(key) + 1;
    struct topic *topic = calloc(1, sizeof(*topic) + bytes);
    if (topic == NULL)
        panic("out of memory for what is waited for");
    memcpy(topic->key, key, bytes);
    list_init(&topic->watches);
    list_init(&topic->listeners);
    list_append(bucket_of(key), &topic->link);
    redis_subscriber_add(own.subscriber, key);
    return topic;
}

static void for_each_topic(void (*fn)(struct topic *topic))
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct list *link = own.topics[i].next; link != &own.topics[i]; link = link->next)
            fn(LIST_ELEMENT(link, struct topic, link));
}

/* -------------------- waking -------------------- */

static void wake(struct live_watch *watch)
{
    struct mid_request *rq = watch->session->rq;
    watch->session->is_behind = true;
    if (rq->wait.fiber != NULL)
        loop_wake(rq->wait.fiber);
}

static void tell_listeners(const struct topic *topic, const char *message, size_t bytes)
{
    for (struct list *link = topic->listeners.next; link != &topic->listeners; link = link->next) {
        struct live_listener *listener = LIST_ELEMENT(link, struct live_listener, link);
        listener->heard(listener, message, bytes);
    }
}

/* All who wait look. */
static void make_look(struct topic *topic)
{
    tell_listeners(topic, NULL, 0);
    for (struct list *link = topic->watches.next; link != &topic->watches; link = link->next) {
        struct live_watch *watch = LIST_ELEMENT(link, struct live_watch, link);
        watch->must_look = true;
        wake(watch);
    }
}

/* Own commits are heard as well, and known. */
static void tell(const struct topic *topic, const struct header *header)
{
    for (struct list *link = topic->watches.next; link != &topic->watches; link = link->next) {
        struct live_watch *watch = LIST_ELEMENT(link, struct live_watch, link);
        enum news news = session_news(watch->session, header);
        if (header->revision > watch->heard_revision)
            watch->heard_revision = header->revision;
        watch->must_look = watch->must_look || news == NEWS_DOUBTFUL;
        if (news != NEWS_NONE)
            wake(watch);
    }
}

/* -------------------- what is heard -------------------- */

static void on_end(const char *message, size_t bytes)
{
    struct topic *topic;
    if (bytes != STORE_KEY_BYTES - 1)
        return;
    counter_add(&own.settings.counts->heard[LIVE_ENDED], 1);
    streams_alarm(message);
    topic = find_topic(message);
    if (topic != NULL)
        make_look(topic);
}

static void on_change(const char *channel, const char *message, size_t bytes)
{
    struct header header;
    struct topic *topic = find_topic(channel);
    if (topic == NULL)
        return; /* the last one has just left */
    counter_add(&own.settings.counts->heard[LIVE_CHANGED], 1);
    tell_listeners(topic, message, bytes);
    if (list_is_empty(&topic->watches))
        return;
    if (header_parse(message, bytes, &header))
        tell(topic, &header);
    else
        make_look(topic);
}

static void on_heard(void *owner, const char *channel, const char *message, size_t bytes)
{
    (void)owner;
    if (strcmp(channel, ends_channel) == 0)
        on_end(message, bytes);
    else
        on_change(channel, message, bytes);
}

/* What was published before is not known: now they look, and nothing can escape them. */
static void on_subscribed(void *owner, const char *channel)
{
    struct topic *topic;
    (void)owner;
    if (strcmp(channel, ends_channel) == 0) {
        streams_alarm(NULL);
        return;
    }
    topic = find_topic(channel);
    if (topic == NULL)
        return;
    topic->is_heard = true;
    make_look(topic);
}

static void subscribe(struct topic *topic)
{
    redis_subscriber_add(own.subscriber, topic->key);
}

static void on_ready(void *owner)
{
    (void)owner;
    counter_add(&own.settings.counts->connects, 1);
    own.settings.counts->is_ready = 1;
    redis_subscriber_add(own.subscriber, ends_channel);
    for_each_topic(subscribe);
}

static void forget_subscription(struct topic *topic)
{
    topic->is_heard = false;
}

static void on_lost(void *owner)
{
    (void)owner;
    own.settings.counts->is_ready = 0;
    for_each_topic(forget_subscription);
}

/* -------------------- watches -------------------- */

void live_begin(void)
{
    if (own.subscriber != NULL || own.settings.redis == NULL)
        return;
    own.subscriber = redis_subscriber_new(
        own.settings.redis,
        &(struct redis_listener){.ready = on_ready, .lost = on_lost, .subscribed = on_subscribed, .heard = on_heard});
}

static struct topic *topic_of(const char *key)
{
    live_begin();
    struct topic *topic = find_topic(key);
    return topic != NULL ? topic : make_topic(key);
}

static void release(struct topic *topic)
{
    if (!list_is_empty(&topic->watches) || !list_is_empty(&topic->listeners))
        return;
    list_remove(&topic->link);
    redis_subscriber_remove(own.subscriber, topic->key);
    free(topic);
}

void live_watch_begin(struct live_watch *watch, struct mid_session *session)
{
    struct topic *topic = topic_of(session->key);
    *watch = (struct live_watch){
        .topic = topic, .session = session, .heard_revision = -1, .looked_ms = loop_now_ms(), .share = share_next()};
    list_append(&topic->watches, &watch->link);
    counter_add(&own.settings.counts->watchers, 1);
}

void live_watch_end(struct live_watch *watch)
{
    struct topic *topic = watch->topic;
    list_remove(&watch->link);
    counter_add(&own.settings.counts->watchers, (uint64_t)-1);
    release(topic);
}

void live_listen(struct live_listener *listener, const char *channel)
{
    listener->topic = topic_of(channel);
    list_append(&listener->topic->listeners, &listener->link);
    counter_add(&own.settings.counts->watchers, 1);
}

void live_unlisten(struct live_listener *listener)
{
    list_remove(&listener->link);
    counter_add(&own.settings.counts->watchers, (uint64_t)-1);
    release(listener->topic);
}

bool live_watch_is_heard(const struct live_watch *watch)
{
    return watch->topic->is_heard;
}

void live_count_wake(void)
{
    counter_add(&own.settings.counts->wakes, 1);
}

/* -------------------- life -------------------- */

void live_init(const struct live_settings *settings)
{
    own.settings = *settings;
    if (own.settings.counts == NULL)
        own.settings.counts = &own.unused_counts;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&own.topics[i]);
}

void live_fini(void)
{
    redis_subscriber_free(own.subscriber);
    own.subscriber = NULL;
}
