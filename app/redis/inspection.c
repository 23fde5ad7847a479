/* What can be found out about a Redis. See inspection.h. */
#include "redis/inspection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/cluster.h"
#include "redis/connection.h"
#include "redis/info.h"
#include "redis/tls.h"

static const char rights_script[] = {
#include "redis/rights.lua.h"
};

static struct redis_script script = {.name = "rights"};

/* Those of compose/users.acl, which has WAIT, WAITAOF and what a cluster needs as well. */
const char *const redis_needed_commands[] = {
    "ping",
    "info",
    "time",
    "script|load a",
    "eval return 1 mid:a",
    "evalsha 0 1 mid:a",
    "del mid:a",
    "exists mid:a",
    "get mid:a",
    "set mid:a 1",
    "persist mid:a",
    "pexpire mid:a 1",
    "pexpireat mid:a 1",
    "hget mid:a a",
    "hmget mid:a a",
    "hgetall mid:a",
    "hset mid:a a 1",
    "hdel mid:a a",
    "hlen mid:a",
    "hexists mid:a a",
    "hkeys mid:a",
    "hincrby mid:a a 1",
    "zadd mid:a 1 a",
    "zcard mid:a",
    "zrange mid:a 0 1",
    "zrangebyscore mid:a 0 1",
    "zcount mid:a 0 1",
    "zrem mid:a a",
    "zremrangebyscore mid:a 0 1",
    "xadd mid:a * a 1",
    "xdel mid:a 0-1",
    "xlen mid:a",
    "xrange mid:a - +",
    "xack mid:a a 0-1",
    "xpending mid:a a",
    "xreadgroup GROUP a a COUNT 1 STREAMS mid:a >",
    "xgroup|create mid:a a 0",
    "publish mid:a a",
    "subscribe mid:a",
    "unsubscribe mid:a",
    NULL,
};

/* And what a cluster's client needs besides. */
static const char *const cluster_commands[] = {"cluster|info", "cluster|slots", "asking"};

enum { NEEDED_MAX = 64 };

/* -------------------- INFO -------------------- */

static int64_t number_field(const char *text, const char *name)
{
    const char *value = redis_info_find(text, name);
    return value != NULL ? strtoll(value, NULL, 10) : 0;
}

static enum mid_error take_info(const redisReply *reply, void *arg)
{
    struct redis_inspection *inspection = arg;
    if (reply->type != REDIS_REPLY_STRING)
        return MID_OK;
    const char *policy = redis_info_find(reply->str, "maxmemory_policy");
    inspection->has_info = policy != NULL;
    inspection->used_bytes = number_field(reply->str, "used_memory");
    inspection->max_bytes = number_field(reply->str, "maxmemory");
    inspection->replicas = 0;
    for (const char *at = reply->str; (at = strstr(at, ",state=online,")) != NULL; at++)
        inspection->replicas++;
    inspection->has_append_only_file = number_field(reply->str, "aof_enabled") == 1;
    if (policy != NULL)
        snprintf(inspection->policy, sizeof(inspection->policy), "%.*s", (int)strcspn(policy, "\r\n"), policy);
    return MID_OK;
}

MAY_SUSPEND static enum mid_error ask_info(struct redis_client *client, struct redis_inspection *inspection)
{
    struct redis_call call = {.on_reply = take_info, .arg = inspection};
    const struct redis_argument words[] = {REDIS_TEXT("INFO"), REDIS_TEXT("memory"), REDIS_TEXT("persistence"),
                                           REDIS_TEXT("replication")};
    enum mid_error error = redis_command(client, sizeof(words) / sizeof(words[0]), words, &call);
    return error == MID_FAILED ? MID_OK : error; /* a user who may not ask */
}

/* -------------------- rights -------------------- */

static enum mid_error take_missing(const redisReply *reply, void *arg)
{
    struct redis_inspection *inspection = arg;
    if (reply->type != REDIS_REPLY_STRING)
        return MID_FAILED;
    snprintf(inspection->missing, sizeof(inspection->missing), "%s", reply->str);
    return MID_OK;
}

static void take_refusal(const char *text, size_t bytes, void *arg)
{
    struct redis_inspection *inspection = arg;
    redis_refusal_copy(inspection->refusal, sizeof(inspection->refusal), text, bytes);
}

MAY_SUSPEND static enum mid_error ask_rights(struct redis_client *client, enum mid_durability durability,
                                             struct redis_inspection *inspection)
{
    struct redis_argument arguments[NEEDED_MAX];
    size_t count = 0;
    for (; redis_needed_commands[count] != NULL; count++)
        arguments[count] = REDIS_TEXT(redis_needed_commands[count]);
    if (durability == MID_DURABLE_DISK)
        arguments[count++] = REDIS_TEXT("waitaof 1 0 0");
    if (durability == MID_DURABLE_REPLICA)
        arguments[count++] = REDIS_TEXT("wait 1 0");
    for (size_t i = 0; client->node != NULL && i < sizeof(cluster_commands) / sizeof(cluster_commands[0]); i++)
        arguments[count++] = REDIS_TEXT(cluster_commands[i]);
    struct redis_call call = {.on_reply = take_missing, .on_refusal = take_refusal, .arg = inspection};
    return redis_script_run(client, &script, client->mark_key, count, arguments, &call);
}

/* -------------------- the interface -------------------- */

void redis_inspection_prepare(struct redis_client *client)
{
    redis_client_add_script(client, &script, RUNS_WHEN_FULL, (const char *const[]){rights_script, NULL});
}

struct redis_inspected_cluster redis_inspect_cluster(const struct redis_client *client)
{
    struct redis_inspected_cluster found = {0};
    for (int slot = 0; client->cluster != NULL && slot < REDIS_SLOTS; slot++)
        found.slots += client->cluster->owners[slot] != NULL;
    if (client->cluster == NULL)
        return found;
    found.replicas = client->cluster->replicas;
    CLUSTER_EACH (client->cluster, node)
        found.masters += node->slot_count > 0;
    return found;
}

enum mid_error redis_inspect(struct redis_client *client, enum mid_durability durability,
                             struct redis_inspection *inspection)
{
    *inspection = (struct redis_inspection){
        .server = client->server,
        .tls_version = client->tls != NULL ? redis_tls_version(client->tls) : NULL,
        .clock_offset_ms = client->clock.offset_ms,
    };
    redis_address_name(&client->address, inspection->address);
    MID_TRY(ask_info(client, inspection));
    return ask_rights(client, durability, inspection);
}
