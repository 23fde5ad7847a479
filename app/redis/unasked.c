/*
 * Answers that nobody asked for. See unasked.h.
 *
 * The functions that make a reply may say that they cannot; hiredis ends the connection then. One that lies in no array
 * is a whole answer, and the first of the callbacks that wait is its own.
 */
#include "redis/unasked.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static redisReplyObjectFunctions plain;

static bool is_asked_for(const redisReadTask *task)
{
    const redisAsyncContext *context = task->privdata;
    if (task->parent != NULL || task->type == REDIS_REPLY_ERROR || context->replies.head != NULL)
        return true;
    *(bool *)context->data = true;
    return false;
}

static void *make_string(const redisReadTask *task, char *text, size_t bytes)
{
    return is_asked_for(task) ? plain.createString(task, text, bytes) : NULL;
}

static void *make_array(const redisReadTask *task, element_count count)
{
    return is_asked_for(task) ? plain.createArray(task, count) : NULL;
}

static void *make_integer(const redisReadTask *task, long long number)
{
    return is_asked_for(task) ? plain.createInteger(task, number) : NULL;
}

static void *make_nil(const redisReadTask *task)
{
    return is_asked_for(task) ? plain.createNil(task) : NULL;
}

#if HIREDIS_MAJOR >= 1
static void *make_double(const redisReadTask *task, double number, char *text, size_t bytes)
{
    return is_asked_for(task) ? plain.createDouble(task, number, text, bytes) : NULL;
}

static void *make_bool(const redisReadTask *task, int is_true)
{
    return is_asked_for(task) ? plain.createBool(task, is_true) : NULL;
}
#endif

void redis_unasked_refuse(redisAsyncContext *context, bool *was_refused)
{
    static redisReplyObjectFunctions functions;
    redisReader *reader = context->c.reader;
    if (plain.createString == NULL) {
        plain = functions = *reader->fn;
        functions.createString = make_string;
        functions.createArray = make_array;
        functions.createInteger = make_integer;
        functions.createNil = make_nil;
#if HIREDIS_MAJOR >= 1
        functions.createDouble = make_double;
        functions.createBool = make_bool;
#endif
    }
    *was_refused = false;
    context->data = was_refused; /* hiredis leaves it to us */
    reader->fn = &functions;
    reader->privdata = context;
}
