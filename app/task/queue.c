/* A queue of tasks in Redis: adding, taking, and what the owner says. See queue.h. */
#include "task/queue.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/panic.h"
#include "redis/refusal.h"
#include "redis/reply.h"

static const char common_body[] = {
#include "task/queue.lua.h"
};
static const char enqueue_body[] = {
#include "task/enqueue.lua.h"
};
static const char start_body[] = {
#include "task/start.lua.h"
};
static const char heartbeat_body[] = {
#include "task/heartbeat.lua.h"
};
static const char done_body[] = {
#include "task/done.lua.h"
};
static const char fail_body[] = {
#include "task/fail.lua.h"
};
static const char yield_body[] = {
#include "task/yield.lua.h"
};
static const char recover_body[] = {
#include "task/recover.lua.h"
};
static const char sweep_body[] = {
#include "task/sweep.lua.h"
};

static struct queue_settings settings;
static struct redis_script enqueue_script = {.name = "task/enqueue"};
static struct redis_script start_script = {.name = "task/start"};
static struct redis_script heartbeat_script = {.name = "task/heartbeat"};
static struct redis_script done_script = {.name = "task/done"};
static struct redis_script fail_script = {.name = "task/fail"};
static struct redis_script yield_script = {.name = "task/yield"};
static struct redis_script recover_script = {.name = "task/recover"};
static struct redis_script sweep_script = {.name = "task/sweep"};

/* -------------------- set-up -------------------- */

void queue_add_script(struct redis_script *script, const char *body, enum redis_script_kind kind)
{
    char line[256];
    snprintf(line, sizeof(line),
             "local LEASE_MS, KEEP_MS, DEAD_KEEP_MS, QUEUE_MAX, LOSSES_MAX = %" PRId64 ", %" PRId64 ", %" PRId64
             ", %" PRId64 ", %" PRId64 "\n",
             settings.lease_ms, settings.keep_ms, settings.dead_keep_ms, settings.tasks_max, settings.losses_max);
    redis_client_add_script(settings.redis, script, kind, (const char *const[]){line, common_body, body, NULL});
}

void queue_init(const struct queue_settings *queue_settings)
{
    settings = *queue_settings;
    queue_add_script(&enqueue_script, enqueue_body, REFUSED_WHEN_FULL);
    queue_add_script(&start_script, start_body, REFUSED_WHEN_FULL);
    queue_add_script(&heartbeat_script, heartbeat_body, RUNS_WHEN_FULL);
    queue_add_script(&done_script, done_body, RUNS_WHEN_FULL);
    queue_add_script(&fail_script, fail_body, RUNS_WHEN_FULL);
    queue_add_script(&yield_script, yield_body, RUNS_WHEN_FULL);
    queue_add_script(&recover_script, recover_body, RUNS_WHEN_FULL);
    queue_add_script(&sweep_script, sweep_body, RUNS_WHEN_FULL);
    queue_admin_init();
}

struct redis_client *queue_redis(void)
{
    return settings.redis;
}

void queue_key(const char *queue, char key[static QUEUE_KEY_BYTES])
{
    snprintf(key, QUEUE_KEY_BYTES, "mid:q:{%s}", queue);
}

/* -------------------- names -------------------- */

static const char lower_and_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hexadecimal[] = "0123456789abcdef";

bool queue_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < QUEUE_NAME_BYTES && strspn(name, lower_and_digits) == length;
}

bool task_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= 64 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == length;
}

bool task_id_parse(const char *id, char queue[static QUEUE_NAME_BYTES])
{
    size_t name_length = strspn(id, lower_and_digits);
    if (name_length == 0 || name_length >= QUEUE_NAME_BYTES || id[name_length] != '.')
        return false;
    const char *digits = id + name_length + 1;
    if (strlen(digits) != 32 || strspn(digits, hexadecimal) != 32)
        return false;
    memcpy(queue, id, name_length);
    queue[name_length] = '\0';
    return true;
}

/* The key of the queue of a task that is known to have an id. */
static void key_of(const char *id, char key[static QUEUE_KEY_BYTES])
{
    char queue[QUEUE_NAME_BYTES];
    ENSURE(task_id_parse(id, queue));
    queue_key(queue, key);
}

bool queue_wait_ready(const char *queue_or_id, int64_t timeout_ms)
{
    char key[QUEUE_KEY_BYTES];
    if (strchr(queue_or_id, '.') != NULL)
        key_of(queue_or_id, key);
    else
        queue_key(queue_or_id, key);
    return redis_client_wait_key(settings.redis, key, timeout_ms);
}

bool queue_is_away(const char *queue)
{
    char key[QUEUE_KEY_BYTES];
    queue_key(queue, key);
    return redis_client_is_away(settings.redis, key);
}

/* -------------------- adding -------------------- */

static enum mid_error on_added(const struct redisReply *reply, void *arg)
{
    const char *status = reply_text(reply_element(reply, 0));
    if (strcmp(status, "OK") != 0)
        return MID_OVERLOADED;
    snprintf(arg, MID_TASK_ID_BYTES, "%s", reply_text(reply_element(reply, 1)));
    return MID_OK;
}

enum mid_error queue_add(const struct queue_task *task, char id[static MID_TASK_ID_BYTES])
{
    char key[QUEUE_KEY_BYTES];
    char delay[NUMBER_TEXT_BYTES];
    char attempts[NUMBER_TEXT_BYTES];
    char deadline[NUMBER_TEXT_BYTES];
    key_of(task->id, key);
    number_format(task->delay_ms, delay);
    number_format(task->attempts, attempts);
    number_format(task->deadline_ms, deadline);
    struct redis_argument arguments[] = {
        REDIS_TEXT(task->id),  REDIS_TEXT(task->name),       {task->payload, task->payload_bytes},
        REDIS_TEXT(delay),     REDIS_TEXT(attempts),         REDIS_TEXT(task->dedup_key),
        REDIS_TEXT(task->rid), REDIS_TEXT(task->request_id), REDIS_TEXT(deadline)};
    struct redis_call call = {.on_reply = on_added, .arg = id, .durability = task->durability};
    return redis_script_run(settings.redis, &enqueue_script, key, sizeof(arguments) / sizeof(arguments[0]), arguments,
                            &call);
}

/* -------------------- reading -------------------- */

struct reading {
    struct queue_delivery *deliveries;
    size_t most;
    size_t *count;
};

/* [[stream, [[entry, [field, id]], ...]]], or nil when the time is over. */
static enum mid_error on_read(const struct redisReply *reply, void *arg)
{
    struct reading *reading = arg;
    const struct redisReply *entries = reply_element(reply_element(reply, 0), 1);
    size_t count = entries != NULL && entries->type == REDIS_REPLY_ARRAY ? entries->elements : 0;
    *reading->count = 0;
    for (size_t i = 0; i < count && i < reading->most; i++) {
        const struct redisReply *entry = entries->element[i];
        struct queue_delivery *delivery = &reading->deliveries[(*reading->count)++];
        snprintf(delivery->entry, sizeof(delivery->entry), "%s", reply_text(reply_element(entry, 0)));
        snprintf(delivery->id, sizeof(delivery->id), "%s", reply_text(reply_element(reply_element(entry, 1), 1)));
    }
    return MID_OK;
}

enum mid_error queue_read(struct redis_client *reader, const char *queue, size_t most, int64_t block_ms,
                          struct queue_delivery deliveries[], size_t *count)
{
    char stream[QUEUE_KEY_BYTES + sizeof(":stream")];
    char most_text[NUMBER_TEXT_BYTES];
    char block_text[NUMBER_TEXT_BYTES];
    queue_key(queue, stream);
    strcat(stream, ":stream");
    number_format((int64_t)(most < QUEUE_STEP_MAX ? most : QUEUE_STEP_MAX), most_text);
    number_format(block_ms, block_text);
    /* All workers are one consumer of the group: who owns a task is the business of leases, and consumers with names of
     * their own would pile up. */
    struct redis_argument arguments[] = {REDIS_TEXT("XREADGROUP"), REDIS_TEXT("GROUP"),    REDIS_TEXT("workers"),
                                         REDIS_TEXT("worker"),     REDIS_TEXT("COUNT"),    REDIS_TEXT(most_text),
                                         REDIS_TEXT("BLOCK"),      REDIS_TEXT(block_text), REDIS_TEXT("STREAMS"),
                                         REDIS_TEXT(stream),       REDIS_TEXT(">")};
    struct reading reading = {.deliveries = deliveries, .most = most, .count = count};
    struct redis_call call = {.on_reply = on_read, .arg = &reading};
    return redis_command(reader, sizeof(arguments) / sizeof(arguments[0]), arguments, &call);
}

/* -------------------- starting -------------------- */

struct starting {
    void (*on_start)(const struct queue_start *start, void *arg);
    void *arg;
    bool was_refused;
};

static enum mid_error on_started(const struct redisReply *reply, void *arg)
{
    struct starting *starting = arg;
    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct redisReply *task = reply_element(reply, i);
        if (reply_count(task) == 0)
            continue;
        const struct redisReply *payload = reply_element(task, 5);
        starting->on_start(&(struct queue_start){.id = reply_text(reply_element(task, 0)),
                                                 .generation = reply_integer(reply_element(task, 1)),
                                                 .attempt = (int)reply_integer(reply_element(task, 2)),
                                                 .attempts = (int)reply_integer(reply_element(task, 3)),
                                                 .name = reply_text(reply_element(task, 4)),
                                                 .payload = reply_text(payload),
                                                 .payload_bytes = reply_bytes(payload),
                                                 .rid = reply_text(reply_element(task, 6)),
                                                 .waited_ms = reply_integer(reply_element(task, 7)),
                                                 .deadline_ms = reply_integer(reply_element(task, 8))},
                           starting->arg);
    }
    return MID_OK;
}

static void on_start_refused(const char *text, size_t bytes, void *arg)
{
    struct starting *starting = arg;
    starting->was_refused = redis_refusal_of(text, bytes) != REDIS_MISTAKE;
}

enum mid_error queue_start(const char *queue, const char *worker, size_t count,
                           const struct queue_delivery deliveries[],
                           void (*on_start)(const struct queue_start *start, void *arg), void *arg)
{
    char key[QUEUE_KEY_BYTES];
    ENSURE(count <= QUEUE_STEP_MAX);
    queue_key(queue, key);
    struct redis_argument *arguments = malloc((1 + 2 * count) * sizeof(*arguments));
    if (arguments == NULL)
        panic("out of memory for %zu tasks to start", count);
    arguments[0] = REDIS_TEXT(worker);
    for (size_t i = 0; i < count; i++) {
        arguments[1 + 2 * i] = REDIS_TEXT(deliveries[i].entry);
        arguments[2 + 2 * i] = REDIS_TEXT(deliveries[i].id);
    }
    struct starting starting = {.on_start = on_start, .arg = arg};
    struct redis_call call = {.on_reply = on_started, .on_refusal = on_start_refused, .arg = &starting};
    enum mid_error error = redis_script_run(settings.redis, &start_script, key, 1 + 2 * count, arguments, &call);
    free(arguments);
    bool was_refused = starting.was_refused && error == MID_UNAVAILABLE && !call.was_sent; /* by the last one asked */
    return was_refused ? MID_OVERLOADED : error;
}

/* -------------------- owning -------------------- */

struct beats {
    struct queue_beat *beats;
    size_t count;
};

static enum mid_error on_heartbeat(const struct redisReply *reply, void *arg)
{
    struct beats *beats = arg;
    for (size_t i = 0; i < beats->count; i++) {
        int64_t verdict = reply_integer(reply_element(reply, i + 1));
        beats->beats[i].until_ms = reply_integer(reply_element(reply, 0));
        beats->beats[i].verdict = verdict == 2 ? LEASE_HELD_AND_CANCELLED : verdict == 1 ? LEASE_HELD : LEASE_LOST;
    }
    return MID_OK;
}

enum mid_error queue_heartbeat(const char *queue, size_t count, struct queue_beat beats[])
{
    char key[QUEUE_KEY_BYTES];
    queue_key(queue, key);
    struct redis_argument *arguments = malloc(3 * count * sizeof(*arguments) + count * NUMBER_TEXT_BYTES);
    if (arguments == NULL)
        panic("out of memory for %zu heartbeats", count);
    char *numbers = (char *)(arguments + 3 * count);
    for (size_t i = 0; i < count; i++) {
        char *number = numbers + i * NUMBER_TEXT_BYTES;
        number_format(beats[i].lease.generation, number);
        arguments[3 * i] = REDIS_TEXT(beats[i].lease.id);
        arguments[3 * i + 1] = REDIS_TEXT(number);
        arguments[3 * i + 2] = REDIS_TEXT(beats[i].progress);
    }
    struct beats answer = {.beats = beats, .count = count};
    struct redis_call call = {.on_reply = on_heartbeat, .arg = &answer};
    enum mid_error error = redis_script_run(settings.redis, &heartbeat_script, key, 3 * count, arguments, &call);
    free(arguments);
    return error;
}

static enum mid_error on_owner_said(const struct redisReply *reply, void *arg)
{
    (void)arg;
    return reply_integer(reply) == 1 ? MID_OK : MID_LOST_LEASE;
}

/* A script whose first two arguments name the lease. */
MAY_SUSPEND static enum mid_error say(struct redis_script *script, struct queue_lease lease, size_t count,
                                      const struct redis_argument more[])
{
    enum { MORE_MAX = 3 };
    char key[QUEUE_KEY_BYTES];
    char generation[NUMBER_TEXT_BYTES];
    key_of(lease.id, key);
    number_format(lease.generation, generation);
    ENSURE(count <= MORE_MAX);
    struct redis_argument arguments[2 + MORE_MAX] = {REDIS_TEXT(lease.id), REDIS_TEXT(generation)};
    for (size_t i = 0; i < count; i++)
        arguments[2 + i] = more[i];
    struct redis_call call = {.on_reply = on_owner_said};
    return redis_script_run(settings.redis, script, key, 2 + count, arguments, &call);
}

enum mid_error queue_done(struct queue_lease lease, const char *progress, const char *result)
{
    return say(&done_script, lease, 2, (struct redis_argument[]){REDIS_TEXT(progress), REDIS_TEXT(result)});
}

enum mid_error queue_yield(struct queue_lease lease)
{
    return say(&yield_script, lease, 0, NULL);
}

enum mid_error queue_recover(struct queue_lease lease, enum queue_blame blame, const char *detail, int64_t pause_ms)
{
    static const char *const to_blame[] = {"itself", "another", "nobody"};
    char pause[NUMBER_TEXT_BYTES];
    number_format(pause_ms, pause);
    return say(&recover_script, lease, 3,
               (struct redis_argument[]){REDIS_TEXT(to_blame[blame]), REDIS_TEXT(detail), REDIS_TEXT(pause)});
}

enum mid_error queue_fail(struct queue_lease lease, const char *error, const char *detail, int64_t pause_ms)
{
    char pause[NUMBER_TEXT_BYTES];
    number_format(pause_ms, pause);
    return say(&fail_script, lease, 3,
               (struct redis_argument[]){REDIS_TEXT(error), REDIS_TEXT(detail), REDIS_TEXT(pause)});
}

/* -------------------- sweeping -------------------- */

static enum mid_error on_swept(const struct redisReply *reply, void *arg)
{
    *(struct queue_sweep *)arg = (struct queue_sweep){
        .next_ms = reply_integer(reply_element(reply, 0)),
        .promoted = reply_integer(reply_element(reply, 1)),
        .reclaimed = reply_integer(reply_element(reply, 2)),
    };
    return MID_OK;
}

enum mid_error queue_sweep(const char *queue, struct queue_sweep *sweep)
{
    char key[QUEUE_KEY_BYTES];
    queue_key(queue, key);
    struct redis_call call = {.on_reply = on_swept, .arg = sweep};
    return redis_script_run(settings.redis, &sweep_script, key, 0, NULL, &call);
}
