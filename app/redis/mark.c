/* A mark, and whether it has arrived. See mark.h. */
#include "redis/mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/connection.h"
#include "redis/redirection.h"
#include "redis/reply.h"
#include "redis/resp.h"

/* It is a script because only that can write when the memory of Redis is full, which a logout can. The key is gone
 * after a minute. */
static const char script[] = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'EX', 60)";

static bool is_disk(const struct redis_mark *mark)
{
    return mark->durability == MID_DURABLE_DISK;
}

/* -------------------- answers -------------------- */

/* What a blocked client is told when its master is made a replica. */
static bool is_unblocked(const redisReply *reply)
{
    static const char code[] = "UNBLOCKED ";
    return strncmp(reply->str, code, strlen(code)) == 0 && strstr(reply->str, "state changed") != NULL;
}

static void note_refusal(struct redis_mark *mark, const redisReply *reply)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || mark->refused != MARK_DURABLE)
        return;
    struct redis_redirection redirection;
    enum redis_refusal refusal = redis_refusal_of(reply->str, reply->len);
    bool is_elsewhere = redis_redirection_read(&redirection, reply->str, reply->len);
    bool is_demoted = refusal == REDIS_IS_REPLICA || is_unblocked(reply);
    mark->refused = is_elsewhere               ? MARK_ELSEWHERE
                    : is_demoted               ? MARK_DEMOTED
                    : refusal == REDIS_MISTAKE ? MARK_MISTAKEN
                                               : MARK_REFUSED;
    redis_refusal_copy(mark->reason, sizeof(mark->reason), reply->str, reply->len);
}

static void on_written(void *arg, const redisReply *reply)
{
    struct redis_mark *mark = arg;
    mark->is_written = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    note_refusal(mark, reply);
}

/* Of WAITAOF: how many disks of its own, and of replicas; of WAIT: how many replicas. */
static int64_t count_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY ? reply_integer(reply_element(reply, 0)) : reply_integer(reply);
}

static enum redis_mark_verdict judge(struct redis_mark *mark, const redisReply *reply)
{
    if (reply == NULL) {
        snprintf(mark->reason, sizeof(mark->reason), "the connection was lost");
        return MARK_LOST;
    }
    note_refusal(mark, reply);
    if (mark->refused != MARK_DURABLE)
        return mark->refused;
    int64_t count = count_of(reply);
    if (mark->is_written && count >= (is_disk(mark) ? 1 : mark->wanted))
        return MARK_DURABLE;
    if (is_disk(mark))
        snprintf(mark->reason, sizeof(mark->reason), "not on the disk in time");
    else
        snprintf(mark->reason, sizeof(mark->reason), "in %" PRId64 " replicas in time, of %" PRId64 " that are wanted",
                 count, mark->wanted);
    return MARK_LATE;
}

static void on_arrived(void *arg, const redisReply *reply)
{
    struct redis_mark *mark = arg;
    enum redis_mark_verdict verdict = judge(mark, reply);
    mark->fn(mark->arg, verdict, mark->reason);
}

/* -------------------- sending -------------------- */

static void add_number(struct buffer *request, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    resp_add_text(request, text);
}

bool redis_mark_send(struct redis_mark *mark, struct redis_client *client, int64_t timeout_ms)
{
    struct buffer *request = &client->request;
    mark->is_written = false;
    mark->refused = MARK_DURABLE;
    resp_begin(request, 4);
    resp_add_text(request, "EVAL");
    resp_add_text(request, script);
    resp_add_text(request, "1");
    resp_add_text(request, mark->key);
    if (!redis_request_send(client, on_written, mark))
        return false;

    /* WAITAOF disks replicas timeout; WAIT replicas timeout. */
    resp_begin(request, is_disk(mark) ? 4 : 3);
    resp_add_text(request, is_disk(mark) ? "WAITAOF" : "WAIT");
    add_number(request, is_disk(mark) ? 1 : mark->wanted);
    if (is_disk(mark))
        add_number(request, 0);
    add_number(request, timeout_ms);
    return redis_request_send(client, on_arrived, mark);
}
