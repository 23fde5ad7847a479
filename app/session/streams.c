/* The streams of this worker's sessions. See streams.h. */
#include "session/streams.h"

#include <string.h>

#include "base/hash.h"
#include "http/request.h"

enum { BUCKETS = 1024 };

static size_t most;
static void (*when_begun)(void);
static struct list buckets[BUCKETS]; /* sessions with a stream, by their key, which is random */

void streams_init(size_t streams_max, void (*on_begin)(void))
{
    most = streams_max;
    when_begun = on_begin;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&buckets[i]);
}

static struct list *bucket_of(const char *key)
{
    return &buckets[hash_text(key) % BUCKETS];
}

enum mid_error streams_enter(struct mid_session *session)
{
    struct list *bucket = bucket_of(session->key);
    size_t count = 0;
    for (struct list *link = bucket->next; link != bucket; link = link->next) {
        const struct mid_session *other = LIST_ELEMENT(link, struct mid_session, stream_link);
        count += strcmp(other->key, session->key) == 0;
    }
    if (count >= most)
        return mid_fail(session->rq, MID_TOO_MANY, "this session has %zu open streams, which is the maximum", count);
    list_append(bucket, &session->stream_link);
    if (when_begun != NULL)
        when_begun();
    return MID_OK;
}

static void alarm_in(const struct list *bucket, const char *key)
{
    for (struct list *link = bucket->next; link != bucket; link = link->next) {
        const struct mid_session *session = LIST_ELEMENT(link, struct mid_session, stream_link);
        if (key == NULL || strcmp(session->key, key) == 0)
            request_alarm(session->rq);
    }
}

void streams_alarm(const char *key)
{
    if (key != NULL) {
        alarm_in(bucket_of(key), key);
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        alarm_in(&buckets[i], NULL);
}
