/* A look into Redis from a test. See redis.h. */
#include "support/redis.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/panic.h"
#include "redis/command_key.h"
#include "support/owned.h"

enum { REPLY_TIMEOUT_S = 10, LOADING_TRIES = 1000, LOADING_PAUSE_US = 10 * 1000 };

enum { NODES_MAX = 16 };

struct redis_probe {
    redisContext *context; /* of a cluster: the last one that was used */
    int count;             /* of its nodes; 0: it is none */
    int ports[NODES_MAX];
    redisContext *nodes[NODES_MAX];
};

struct redis_monitor {
    struct redis_probe *listener;
    struct redis_probe *marker;
    unsigned marks;
    struct buffer lines;
};

struct redis_probe *redis_probe_open(const char *socket_path)
{
    struct redis_probe *probe = calloc(1, sizeof(*probe));
    ENSURE(probe != NULL);
    struct timeval limit = {.tv_sec = REPLY_TIMEOUT_S};
    probe->context = redisConnectUnixWithTimeout(socket_path, limit);
    ENSURE(probe->context != NULL);
    if (probe->context->err)
        panic("redis %s: %s", socket_path, probe->context->errstr);
    redisSetTimeout(probe->context, limit);
    return probe;
}

struct redis_probe *redis_probe_open_port(int port)
{
    struct timeval limit = {.tv_sec = REPLY_TIMEOUT_S};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", port, limit);
    ENSURE(context != NULL);
    if (context->err) {
        redisFree(context);
        return NULL;
    }
    struct redis_probe *probe = calloc(1, sizeof(*probe));
    ENSURE(probe != NULL);
    redisSetTimeout(context, limit);
    probe->context = context;
    return probe;
}

void redis_probe_close(struct redis_probe *probe)
{
    if (!probe)
        return;
    if (probe->count == 0)
        redisFree(probe->context);
    for (int i = 0; i < probe->count; i++)
        redisFree(probe->nodes[i]);
    free(probe);
}

/* -------------------- of a cluster -------------------- */

struct redis_probe *redis_probe_open_cluster(const int ports[], int count)
{
    struct timeval limit = {.tv_sec = REPLY_TIMEOUT_S};
    struct redis_probe *probe = calloc(1, sizeof(*probe));
    ENSURE(probe != NULL && count <= NODES_MAX);
    probe->count = count;
    for (int i = 0; i < count; i++) {
        probe->ports[i] = ports[i];
        probe->nodes[i] = redisConnectWithTimeout("127.0.0.1", ports[i], limit);
        ENSURE(probe->nodes[i] != NULL && probe->nodes[i]->err == 0);
        redisSetTimeout(probe->nodes[i], limit);
    }
    probe->context = probe->nodes[0];
    return probe;
}

static bool is_loading(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "LOADING ", 8) == 0;
}

/* A Redis that was restarted accepts connections before it has read its data: it is asked again. */
static redisReply *ask(redisContext *context, const char *bytes, size_t count)
{
    void *reply = NULL;
    for (int tries = 0; tries < LOADING_TRIES && (tries == 0 || is_loading(reply)); tries++) {
        if (reply != NULL) {
            freeReplyObject(reply);
            usleep(LOADING_PAUSE_US);
        }
        reply = NULL;
        redisAppendFormattedCommand(context, bytes, count);
        redisGetReply(context, &reply);
    }
    return reply;
}

/* The command that redisvFormatCommand() has written, in its arguments; how many. */
enum { WORDS_MAX = 64 };
static size_t split(const char *bytes, struct redis_argument words[])
{
    char *at;
    size_t count = strtoul(bytes + 1, &at, 10);
    ENSURE(count <= WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        words[i].bytes = strtoul(at + 3, &at, 10);
        words[i].data = at + 2;
        at += 2 + words[i].bytes;
    }
    return count;
}

static redisReply *follow(struct redis_probe *probe, redisReply *moved, const char *bytes, size_t count)
{
    int port = atoi(strrchr(moved->str, ':') + 1);
    freeReplyObject(moved);
    for (int i = 0; i < probe->count; i++)
        if (probe->ports[i] == port)
            probe->context = probe->nodes[i];
    return ask(probe->context, bytes, count);
}

static void add(redisReply *sum, const redisReply *reply)
{
    if (sum->type == REDIS_REPLY_INTEGER)
        sum->integer += reply->integer;
    if (sum->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return;
    sum->element = realloc(sum->element, (sum->elements + reply->elements) * sizeof(redisReply *));
    ENSURE(sum->element != NULL);
    for (size_t i = 0; i < reply->elements; i++)
        sum->element[sum->elements++] = reply->element[i];
}

/* Of all that are masters: a replica has the same once more. */
static redisReply *ask_all(struct redis_probe *probe, const char *bytes, size_t count)
{
    redisReply *sum = NULL;
    for (int i = 0; i < probe->count; i++) {
        redisReply *role = redisCommand(probe->nodes[i], "ROLE");
        bool is_master = role != NULL && strcmp(role->element[0]->str, "master") == 0;
        freeReplyObject(role);
        redisReply *reply = is_master ? ask(probe->nodes[i], bytes, count) : NULL;
        if (reply != NULL && sum != NULL) {
            add(sum, reply);
            reply->elements = 0; /* the sum has them now */
            freeReplyObject(reply);
        } else if (reply != NULL) {
            sum = reply;
        }
    }
    return sum;
}

static redisReply *ask_cluster(struct redis_probe *probe, const char *bytes, size_t count)
{
    struct redis_argument words[WORDS_MAX];
    bool has_key = redis_command_key(split(bytes, words), words) != NULL;
    redisReply *reply = has_key ? ask(probe->context, bytes, count) : ask_all(probe, bytes, count);
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MOVED ", 6) == 0)
        reply = follow(probe, reply, bytes, count);
    return reply;
}

/* -------------------- asking -------------------- */

static redisReply *command(struct redis_probe *probe, const char *format, va_list arguments)
{
    char *bytes;
    int count = redisvFormatCommand(&bytes, format, arguments);
    ENSURE(count > 0);
    redisReply *reply =
        probe->count > 0 ? ask_cluster(probe, bytes, (size_t)count) : ask(probe->context, bytes, (size_t)count);
    redisFreeCommand(bytes);
    if (!reply)
        panic("redis \"%s\": %s", format, probe->context->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        panic("redis \"%s\": %s", format, reply->str);
    return reply;
}

static char *text_of(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL)
        return NULL;
    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
        panic("redis answered with type %d instead of a string", reply->type);
    char *text = calloc(1, (size_t)reply->len + 1);
    ENSURE(text != NULL);
    memcpy(text, reply->str, (size_t)reply->len);
    return text;
}

long long redis_int(struct redis_probe *probe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(probe, format, arguments);
    va_end(arguments);
    if (reply->type != REDIS_REPLY_INTEGER)
        panic("redis \"%s\": type %d instead of an integer", format, reply->type);
    long long value = reply->integer;
    freeReplyObject(reply);
    return value;
}

char *redis_text(struct redis_probe *probe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(probe, format, arguments);
    va_end(arguments);
    char *text = text_of(reply);
    freeReplyObject(reply);
    return text;
}

static void add_texts(struct redis_texts *texts, const redisReply *reply)
{
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_ARRAY) {
            add_texts(texts, reply->element[i]);
            continue;
        }
        texts->items = realloc(texts->items, (texts->count + 1) * sizeof(*texts->items));
        ENSURE(texts->items != NULL);
        texts->items[texts->count++] = text_of(reply->element[i]);
    }
}

struct redis_texts redis_texts(struct redis_probe *probe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = command(probe, format, arguments);
    va_end(arguments);
    if (reply->type != REDIS_REPLY_ARRAY)
        panic("redis \"%s\": type %d instead of an array", format, reply->type);
    struct redis_texts texts = {0};
    add_texts(&texts, reply);
    freeReplyObject(reply);
    return texts;
}

void redis_texts_fini(struct redis_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct redis_texts){0};
}

struct redis_monitor *redis_monitor_start(const char *socket_path)
{
    struct redis_monitor *monitor = calloc(1, sizeof(*monitor));
    ENSURE(monitor != NULL);
    monitor->listener = redis_probe_open(socket_path);
    monitor->marker = redis_probe_open(socket_path);
    OWNED char *answer = redis_text(monitor->listener, "MONITOR");
    ENSURE(answer != NULL && strcmp(answer, "OK") == 0);
    return monitor;
}

/* Reads one line of MONITOR into the lines; false when it is the marker, which stays out. */
static bool read_line(struct redis_monitor *monitor, const char *marker, size_t *count)
{
    void *got;
    if (redisGetReply(monitor->listener->context, &got) != REDIS_OK)
        panic("MONITOR: %s", monitor->listener->context->errstr);
    redisReply *reply = got;
    bool is_marker = strstr(reply->str, marker) != NULL;
    /* A script's own commands are marked "[0 lua]". Every worker sends INFO once a second, whatever else happens. */
    if (!is_marker && !strstr(reply->str, " lua] \"") && !strstr(reply->str, "] \"INFO\" \"memory\"")) {
        buffer_append(&monitor->lines, reply->str, (size_t)reply->len);
        buffer_append_text(&monitor->lines, "\n");
        (*count)++;
    }
    freeReplyObject(reply);
    return !is_marker;
}

size_t redis_monitor_count(struct redis_monitor *monitor)
{
    /* Redis tells its monitors in the order of execution: what comes before a command of ours was executed before it.
     */
    char marker[64];
    snprintf(marker, sizeof(marker), "midstream-monitor-%d-%u", (int)getpid(), ++monitor->marks);
    free(redis_text(monitor->marker, "ECHO %s", marker));
    monitor->lines.length = 0;
    size_t count = 0;
    while (read_line(monitor, marker, &count))
        ;
    buffer_append(&monitor->lines, "", 1);
    return count;
}

const char *redis_monitor_lines(const struct redis_monitor *monitor)
{
    return monitor->lines.data ? monitor->lines.data : "";
}

void redis_monitor_stop(struct redis_monitor *monitor)
{
    if (!monitor)
        return;
    redis_probe_close(monitor->listener);
    redis_probe_close(monitor->marker);
    buffer_fini(&monitor->lines);
    free(monitor);
}
