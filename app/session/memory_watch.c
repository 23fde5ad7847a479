/* New sessions by the memory of Redis. See memory_watch.h. */
#include "session/memory_watch.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "http/request.h"
#include "redis/refusal.h"
#include "session/counts.h"

enum { PAUSE_MS = 1000, RETRY_PAUSE_MS = 100 };

static struct {
    struct redis_client *redis;
    int64_t percent;
    struct timer timer;
    bool is_stopped;
    bool is_full;
    struct memory_figures figures;
} watch;

/* -------------------- the verdict -------------------- */

/* Not used * 100: figures may be as large as they like. */
static int64_t share(int64_t max_bytes, int64_t percent)
{
    return max_bytes / 100 * percent + max_bytes % 100 * percent / 100;
}

static bool is_full_now(const struct memory_figures *figures)
{
    if (figures->max_bytes == 0 || watch.percent == 0)
        return false;
    bool is_leaving = watch.is_full && watch.percent > 1;
    return figures->used_bytes >= share(figures->max_bytes, is_leaving ? watch.percent - 1 : watch.percent);
}

static void take(const struct memory_figures *figures, const char *address)
{
    bool was_full = watch.is_full;
    watch.figures = *figures;
    watch.is_full = is_full_now(figures);
    if (watch.is_full && !was_full)
        log_event(MID_WARN, "session.store-full",
                  "address=%s used_bytes=%" PRId64 " maxmemory=%" PRId64 " percent=%" PRId64
                  " consequence=\"no new sessions, those that exist go on\"",
                  address, figures->used_bytes, figures->max_bytes, watch.percent);
    if (!watch.is_full && was_full)
        log_event(MID_INFO, "session.store-has-room", "address=%s used_bytes=%" PRId64 " maxmemory=%" PRId64, address,
                  figures->used_bytes, figures->max_bytes);
}

void memory_watch_take(const struct memory_figures *figures, int64_t percent)
{
    watch.percent = percent;
    take(figures, "");
}

struct memory_figures memory_watch_figures(void)
{
    return watch.figures;
}

bool memory_watch_is_full(void)
{
    return watch.is_full;
}

enum mid_error memory_watch_admit(struct mid_request *rq)
{
    if (!watch.is_full)
        return MID_OK;
    session_count_refusal(SESSION_REFUSAL_MEMORY);
    return mid_fail(rq, MID_OVERLOADED,
                    "the session store is filled to %" PRId64 " %%: no new sessions, those that exist go on",
                    watch.percent);
}

/* -------------------- asking -------------------- */

struct answer {
    char address[REDIS_NAME_BYTES]; /* of who was asked; "": nobody was */
    struct memory_figures figures;
    char refusal[REFUSAL_TEXT_SIZE];
};

static enum mid_error on_info(const struct redisReply *reply, void *arg)
{
    struct answer *answer = arg;
    bool is_text = reply->type == REDIS_REPLY_STRING;
    return is_text && memory_info_parse(reply->str, reply->len, &answer->figures) ? MID_OK : MID_FAILED;
}

static void on_refusal(const char *text, size_t bytes, void *arg)
{
    struct answer *answer = arg;
    redis_refusal_copy(answer->refusal, sizeof(answer->refusal), text, bytes);
}

/* Asking again would be refused again: a reload begins anew. */
static void give_up(const struct answer *answer)
{
    watch.is_stopped = true;
    watch.is_full = false;
    watch.figures = (struct memory_figures){0};
    log_event(
        MID_WARN, "session.memory-unknown",
        "address=%s reason=\"%s\" consequence=\"new sessions are not limited by memory\" advice=\"allow +info, and reload\"",
        answer->address,
        answer->refusal[0] != '\0' ? answer->refusal : "used_memory and maxmemory are not in the answer");
}

static void ask(struct timer *timer);

static bool is_fuller(const struct memory_figures *a, const struct memory_figures *b)
{
    if (a->max_bytes == 0 || b->max_bytes == 0)
        return a->max_bytes > b->max_bytes;
    return (double)a->used_bytes / (double)a->max_bytes > (double)b->used_bytes / (double)b->max_bytes;
}

/* The figures of the fullest. A node that is away has no say. */
MAY_SUSPEND static enum mid_error ask_all(struct answer *fullest)
{
    enum mid_error result = MID_UNAVAILABLE;
    struct redis_client *node;
    for (size_t i = 0; !watch.is_stopped && (node = redis_client_node(watch.redis, i)) != NULL; i++) {
        struct answer answer = {.refusal = ""};
        char name[REDIS_NAME_BYTES];
        snprintf(answer.address, sizeof(answer.address), "%s", redis_client_name(node, name));
        struct redis_call call = {.on_reply = on_info, .on_refusal = on_refusal, .arg = &answer};
        enum mid_error error =
            redis_command(node, 2, (struct redis_argument[]){REDIS_TEXT("INFO"), REDIS_TEXT("memory")}, &call);
        if (error == MID_FAILED ||
            (error == MID_OK && (result != MID_OK || is_fuller(&answer.figures, &fullest->figures))))
            *fullest = answer;
        if (error == MID_FAILED)
            return error;
        if (result != MID_OK)
            result = error;
    }
    return result;
}

static void ask_once(void *arg)
{
    (void)arg;
    struct answer answer = {.refusal = ""};
    enum mid_error error = ask_all(&answer);
    if (watch.is_stopped)
        return;
    if (error == MID_OK)
        take(&answer.figures, answer.address);
    if (error == MID_FAILED)
        give_up(&answer);
    else
        timer_start(&watch.timer, error == MID_OK ? PAUSE_MS : RETRY_PAUSE_MS, ask);
}

static void ask(struct timer *timer)
{
    if (!loop_spawn(ask_once, NULL))
        timer_start(timer, PAUSE_MS, ask);
}

void memory_watch_start(struct redis_client *redis, int64_t percent)
{
    watch.redis = redis;
    watch.percent = percent;
    if (percent > 0)
        timer_start(&watch.timer, 0, ask);
}

void memory_watch_stop(void)
{
    watch.is_stopped = true;
    timer_fini(&watch.timer);
}
