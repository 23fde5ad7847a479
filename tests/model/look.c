/* A look into Redis. See look.h. */
#include "look.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/journal.h"
#include "base/panic.h"

struct look_glass {
    redisContext *redis;
    pthread_mutex_t mutex;
};

struct look_glass *look_open(const char *redis_path)
{
    struct look_glass *glass = calloc(1, sizeof(*glass));
    ENSURE(glass != NULL);
    glass->redis = redisConnectUnix(redis_path);
    if (glass->redis == NULL || glass->redis->err != 0)
        panic("%s: %s", redis_path, glass->redis != NULL ? glass->redis->errstr : "out of memory");
    pthread_mutex_init(&glass->mutex, NULL);
    return glass;
}

void look_close(struct look_glass *glass)
{
    redisFree(glass->redis);
    pthread_mutex_destroy(&glass->mutex);
    free(glass);
}

/* Under the mutex. Never NULL. */
static redisReply *ask(struct look_glass *glass, const char *command, const char *key, const char *field)
{
    redisReply *reply =
        field != NULL ? redisCommand(glass->redis, command, key, field) : redisCommand(glass->redis, command, key);
    if (reply == NULL)
        panic("%s: %s", command, glass->redis->errstr);
    return reply;
}

static void note_fields(struct line *line, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        panic("HGETALL: %s", reply->str != NULL ? reply->str : "no list");
    if (reply->elements == 0)
        line_printf(line, " gone");
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *value = reply->element[i + 1];
        line_printf(line, " %s=", reply->element[i]->str);
        line_add_bytes(line, value->str, value->len);
    }
}

void look_at(struct look_glass *glass, const char *rid)
{
    struct line line;
    char key[64];
    stpcpy(stpcpy(stpcpy(key, "mid:s:{"), rid), "}");
    pthread_mutex_lock(&glass->mutex);
    line_begin(&line);
    line_printf(&line, " S %s", rid);
    line_write(&line);
    redisReply *reply = ask(glass, "HGETALL %s", key, NULL);
    line_begin(&line);
    line_printf(&line, " T %s", rid);
    note_fields(&line, reply);
    line_write(&line);
    pthread_mutex_unlock(&glass->mutex);
    freeReplyObject(reply);
}

char *look_task_state(struct look_glass *glass, const char *id)
{
    pthread_mutex_lock(&glass->mutex);
    redisReply *reply = ask(glass, "HGET mid:q:{default}:task:%s %s", id, "state");
    pthread_mutex_unlock(&glass->mutex);
    char *state = reply->type == REDIS_REPLY_STRING ? strdup(reply->str) : NULL;
    freeReplyObject(reply);
    return state;
}

void look_end_connections(struct look_glass *glass)
{
    pthread_mutex_lock(&glass->mutex);
    redisReply *reply = ask(glass, "CLIENT KILL TYPE %s SKIPME yes", "normal", NULL);
    pthread_mutex_unlock(&glass->mutex);
    freeReplyObject(reply);
}
