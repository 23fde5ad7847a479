/* A queue of tasks in Redis: looking at it, and what an operator does to it. See queue.h. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/panic.h"
#include "task/queue.h"
#include "redis/reply.h"

static const char cancel_body[] = {
#include "task/cancel.lua.h"
};
static const char retry_body[] = {
#include "task/retry.lua.h"
};
static const char delete_body[] = {
#include "task/delete.lua.h"
};
static const char list_body[] = {
#include "task/list.lua.h"
};
static const char stats_body[] = {
#include "task/stats.lua.h"
};

static struct redis_script cancel_script = {.name = "task/cancel"};
static struct redis_script retry_script = {.name = "task/retry"};
static struct redis_script delete_script = {.name = "task/delete"};
static struct redis_script list_script = {.name = "task/list"};
static struct redis_script stats_script = {.name = "task/stats"};

void queue_admin_init(void)
{
    queue_add_script(&cancel_script, cancel_body, RUNS_WHEN_FULL);
    queue_add_script(&retry_script, retry_body, REFUSED_WHEN_FULL);
    queue_add_script(&delete_script, delete_body, RUNS_WHEN_FULL);
    queue_add_script(&list_script, list_body, ONLY_READS);
    queue_add_script(&stats_script, stats_body, ONLY_READS);
}

/* -------------------- one task -------------------- */

struct showing {
    void (*visit)(const char *field, const char *value, size_t bytes, void *arg);
    void *arg;
};

static enum mid_error on_shown(const struct redisReply *reply, void *arg)
{
    const struct showing *showing = arg;
    if (reply_count(reply) == 0)
        return MID_NOT_FOUND;
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        const struct redisReply *value = reply_element(reply, i + 1);
        showing->visit(reply_text(reply_element(reply, i)), reply_text(value), reply_bytes(value), showing->arg);
    }
    return MID_OK;
}

enum mid_error queue_show(const char *id, void (*visit)(const char *field, const char *value, size_t bytes, void *arg),
                          void *arg)
{
    char queue[QUEUE_NAME_BYTES];
    char key[QUEUE_KEY_BYTES + sizeof(":task:") + MID_TASK_ID_BYTES];
    ENSURE(task_id_parse(id, queue));
    snprintf(key, sizeof(key), "mid:q:{%s}:task:%s", queue, id);
    struct showing showing = {.visit = visit, .arg = arg};
    struct redis_call call = {.on_reply = on_shown, .arg = &showing};
    return redis_command(queue_redis(), 2, (struct redis_argument[]){REDIS_TEXT("HGETALL"), REDIS_TEXT(key)}, &call);
}

static enum mid_error on_state(const struct redisReply *reply, void *arg)
{
    const char *state = reply_text(reply);
    if (state[0] == '\0')
        return MID_NOT_FOUND;
    snprintf(arg, QUEUE_STATE_BYTES, "%s", state);
    return MID_OK;
}

MAY_SUSPEND static enum mid_error change(struct redis_script *script, const char *id,
                                         char state[static QUEUE_STATE_BYTES])
{
    char queue[QUEUE_NAME_BYTES];
    char key[QUEUE_KEY_BYTES];
    ENSURE(task_id_parse(id, queue));
    queue_key(queue, key);
    struct redis_call call = {.on_reply = on_state, .arg = state};
    return redis_script_run(queue_redis(), script, key, 1, (struct redis_argument[]){REDIS_TEXT(id)}, &call);
}

enum mid_error queue_cancel(const char *id, char state[static QUEUE_STATE_BYTES])
{
    return change(&cancel_script, id, state);
}

enum mid_error queue_retry(const char *id, char state[static QUEUE_STATE_BYTES])
{
    return change(&retry_script, id, state);
}

enum mid_error queue_delete(const char *id, char state[static QUEUE_STATE_BYTES])
{
    return change(&delete_script, id, state);
}

/* -------------------- all of them -------------------- */

struct listing {
    void (*visit)(const struct queue_row *row, void *arg);
    void *arg;
};

static enum mid_error on_listed(const struct redisReply *reply, void *arg)
{
    const struct listing *listing = arg;
    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct redisReply *task = reply_element(reply, i);
        listing->visit(&(struct queue_row){.id = reply_text(reply_element(task, 0)),
                                           .state = reply_text(reply_element(task, 1)),
                                           .name = reply_text(reply_element(task, 2)),
                                           .attempt = reply_text(reply_element(task, 3)),
                                           .attempts = reply_text(reply_element(task, 4)),
                                           .progress = reply_text(reply_element(task, 5)),
                                           .error = reply_text(reply_element(task, 6)),
                                           .age_ms = reply_integer(reply_element(task, 7))},
                       listing->arg);
    }
    return MID_OK;
}

enum mid_error queue_list(const char *queue, const char *state, int most,
                          void (*visit)(const struct queue_row *row, void *arg), void *arg)
{
    char key[QUEUE_KEY_BYTES];
    char most_text[NUMBER_TEXT_BYTES];
    queue_key(queue, key);
    number_format(most, most_text);
    struct listing listing = {.visit = visit, .arg = arg};
    struct redis_call call = {.on_reply = on_listed, .arg = &listing};
    return redis_script_run(queue_redis(), &list_script, key, 2,
                            (struct redis_argument[]){REDIS_TEXT(state), REDIS_TEXT(most_text)}, &call);
}

static void take_count(struct queue_stats *stats, const char *name, int64_t count)
{
#define TAKE_COUNT(member)                                                                                             \
    if (strcmp(name, #member) == 0)                                                                                    \
        stats->member = count;
    QUEUE_COUNTS(TAKE_COUNT)
#undef TAKE_COUNT
}

static enum mid_error on_stats(const struct redisReply *reply, void *arg)
{
    struct queue_stats *stats = arg;
    *stats = (struct queue_stats){
        .waiting = reply_integer(reply_element(reply, 0)),
        .delayed = reply_integer(reply_element(reply, 1)),
        .running = reply_integer(reply_element(reply, 2)),
        .dead_letters = reply_integer(reply_element(reply, 3)),
        .oldest_waiting_ms = reply_integer(reply_element(reply, 4)),
    };
    for (size_t i = 5; i + 1 < reply_count(reply); i += 2)
        take_count(stats, reply_text(reply_element(reply, i)), reply_integer(reply_element(reply, i + 1)));
    return MID_OK;
}

enum mid_error queue_stats(const char *queue, struct queue_stats *stats)
{
    char key[QUEUE_KEY_BYTES];
    queue_key(queue, key);
    struct redis_call call = {.on_reply = on_stats, .arg = stats};
    return redis_script_run(queue_redis(), &stats_script, key, 0, NULL, &call);
}
