/* How many streams one session has open. See stream_limit.h. */
#include "session/stream_limit.h"

#include <string.h>

enum { BUCKETS = 1024 };

static size_t most;
static struct list buckets[BUCKETS]; /* sessions with a stream, by a piece of their rid, which is random */

void stream_limit_init(size_t streams_max)
{
    most = streams_max;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&buckets[i]);
}

enum mid_error stream_limit_enter(struct mid_session *session)
{
    size_t piece;
    memcpy(&piece, session->rid, sizeof(piece));
    struct list *bucket = &buckets[piece % BUCKETS];
    size_t count = 0;
    for (struct list *link = bucket->next; link != bucket; link = link->next) {
        const struct mid_session *other = LIST_ELEMENT(link, struct mid_session, stream_link);
        count += memcmp(other->rid, session->rid, TOKEN_RID_BYTES) == 0;
    }
    if (count >= most)
        return mid_fail(session->rq, MID_TOO_MANY, "this session has %zu open streams, which is the maximum", count);
    list_append(bucket, &session->stream_link);
    return MID_OK;
}
