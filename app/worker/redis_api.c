/* Commands of applications. See redis_api.h and midstream.h. */
#include "worker/redis_api.h"

#include <string.h>
#include <strings.h>

#include "http/request.h"
#include "redis/format.h"
#include "redis/refusal.h"
#include "redis/value.h"

/* Those that block, those after which the connection is another one, and those that end it or the server, or make the
 * server another's replica, which drops its data. */
static const char *const forbidden[] = {
    "BLPOP",   "BRPOP",    "BRPOPLPUSH", "BLMOVE",      "BLMPOP",     "BZPOPMIN",     "BZPOPMAX",   "BZMPOP",
    "WAIT",    "WAITAOF",  "SUBSCRIBE",  "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE",
    "MONITOR", "MULTI",    "EXEC",       "DISCARD",     "WATCH",      "UNWATCH",      "SELECT",     "AUTH",
    "HELLO",   "RESET",    "QUIT",       "CLIENT",      "SYNC",       "PSYNC",        "READONLY",   "READWRITE",
    "ASKING",  "SHUTDOWN", "DEBUG",      "REPLCONF",    "REPLICAOF",  "SLAVEOF",      "FAILOVER",
};
/* The next script of this connection would be run by a debugger, which ends it. */
static const char *const debugger[] = {"SCRIPT", "DEBUG"};
/* These may block if they are told to. */
static const char *const blocking_readers[] = {"XREAD", "XREADGROUP"};

static struct redis_client *redis;

void redis_api_init(struct redis_client *client)
{
    redis = client;
}

/* -------------------- what is refused -------------------- */

static bool is_word(const struct redis_argument *argument, const char *word)
{
    return argument->bytes == strlen(word) && strncasecmp(argument->data, word, argument->bytes) == 0;
}

static bool is_among(const struct redis_argument *name, size_t count, const char *const words[])
{
    for (size_t i = 0; i < count; i++)
        if (is_word(name, words[i]))
            return true;
    return false;
}

/* Options stand before the word STREAMS: the last one, because a group may have that name, too. */
static bool asks_to_block(size_t count, const struct redis_argument arguments[])
{
    size_t end = count - 1;
    while (end > 0 && !is_word(&arguments[end], "STREAMS"))
        end--;
    for (size_t i = 1; i < end; i++)
        if (is_word(&arguments[i], "BLOCK"))
            return true;
    return false;
}

static bool is_forbidden(size_t count, const struct redis_argument arguments[])
{
    if (is_among(&arguments[0], sizeof(blocking_readers) / sizeof(blocking_readers[0]), blocking_readers))
        return asks_to_block(count, arguments);
    if (count > 1 && is_word(&arguments[0], debugger[0]) && is_word(&arguments[1], debugger[1]))
        return true;
    return is_among(&arguments[0], sizeof(forbidden) / sizeof(forbidden[0]), forbidden);
}

/* -------------------- asking -------------------- */

/* On the fiber's stack while it waits. */
struct question {
    struct arena *arena;
    const struct mid_redis_value *value;
    char refusal[REFUSAL_TEXT_SIZE];
};

static enum mid_error on_reply(const struct redisReply *reply, void *arg)
{
    struct question *question = arg;
    question->value = redis_value_copy(reply, question->arena);
    return MID_OK;
}

static void on_refusal(const char *text, size_t bytes, void *arg)
{
    struct question *question = arg;
    redis_refusal_copy(question->refusal, sizeof(question->refusal), text, bytes);
}

/* struct mid_redis_argument is the same as the room's own, but public. */
static struct redis_argument *copy_arguments(struct mid_request *rq, size_t count,
                                             const struct mid_redis_argument arguments[])
{
    struct redis_argument *copies = arena_alloc(&rq->handler_arena, count * sizeof(*copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = (struct redis_argument){arguments[i].data, arguments[i].bytes};
    return copies;
}

MAY_SUSPEND static enum mid_error ask(struct mid_request *rq, size_t count, const struct redis_argument arguments[],
                                      const struct mid_redis_value **value)
{
    if (count == 0)
        return mid_fail(rq, MID_BAD_REQUEST, "a Redis command needs a name");
    if (is_forbidden(count, arguments))
        return mid_fail(rq, MID_FORBIDDEN, "the command %.*s cannot be used on a shared connection",
                        (int)arguments[0].bytes, (const char *)arguments[0].data);
    struct question question = {.arena = &rq->handler_arena};
    struct redis_call call = {.on_reply = on_reply, .on_refusal = on_refusal, .arg = &question};
    enum mid_error error = redis_command(redis, count, arguments, &call);
    if (error != MID_OK && question.refusal[0] != '\0')
        return mid_fail(rq, error, "Redis: %s", question.refusal);
    MID_TRY(error);
    if (value != NULL)
        *value = question.value;
    return MID_OK;
}

enum mid_error mid_redis_command(struct mid_request *rq, size_t count, const struct mid_redis_argument arguments[],
                                 const struct mid_redis_value **value)
{
    return ask(rq, count, copy_arguments(rq, count, arguments), value);
}

enum mid_error mid_redis(struct mid_request *rq, const struct mid_redis_value **value, const char *format, ...)
{
    struct redis_argument *arguments;
    size_t count;
    va_list list;
    va_start(list, format);
    bool is_format = redis_format(&rq->handler_arena, &count, &arguments, format, list);
    va_end(list);
    return is_format ? ask(rq, count, arguments, value)
                     : mid_fail(rq, MID_FAILED, "\"%.100s\" is not a valid format for a Redis command", format);
}
