/* `midstream check --connect`. See connect_command.h. */
#include "command/connect_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/with_redis.h"
#include "redis/inspection.h"
#include "redis/slot.h"

enum { REASON_BYTES = 1024, CLOCK_TOLERANCE_MS = 1000, MIB = 1024 * 1024 };

/* What a server says is shown on a terminal: as one line, and without anything that a terminal obeys. */
static const char *plain(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return text;
}

/* -------------------- what was found -------------------- */

static void print_server(const struct redis_inspection *found, const struct settings *settings)
{
    bool is_node = strcmp(found->server.mode, "cluster") == 0;
    printf("redis: %s is %s %s, %s, %s; database %" PRId64 "\n", is_node ? found->address : settings->redis,
           found->server.name, found->server.version, found->server.mode, found->server.role, settings->redis_database);
    if (found->tls_version == NULL)
        puts("tls: no");
    else
        printf("tls: %s, certificate %s\n", found->tls_version,
               settings->redis_tls_verify ? "verified" : "NOT VERIFIED (redis-tls-verify)");
}

static void print_memory(struct redis_inspection *found)
{
    if (!found->has_info) {
        puts("memory, append-only file: unknown; the user may not run INFO");
        return;
    }
    printf("memory: %" PRId64 " MiB used", found->used_bytes / MIB);
    if (found->max_bytes > 0)
        printf(" of %" PRId64 " MiB", found->max_bytes / MIB);
    printf("; maxmemory-policy %s\nappend-only file: %s\n", plain(found->policy),
           found->has_append_only_file ? "yes" : "no");
}

static void print_user(struct redis_inspection *found, const struct settings *settings)
{
    const char *user = settings->redis_user != NULL ? settings->redis_user : "default";
    if (found->missing[0] == '\0')
        printf("rights of the user %s: all that are needed\n", user);
    else
        printf("rights of the user %s: missing: %s\n", user, plain(found->missing));
    printf("clock: %" PRId64 " ms %s this machine's\n", (int64_t)llabs(found->clock_offset_ms),
           found->clock_offset_ms < 0 ? "behind" : "ahead of");
}

/* -------------------- what should be otherwise -------------------- */

static void warn(const char *sentence)
{
    printf("warning: %s\n", sentence);
}

static void print_warnings(const struct redis_inspection *found)
{
    if (found->has_info && strcmp(found->policy, "noeviction") != 0)
        warn("with this maxmemory-policy Redis deletes sessions and tasks when its memory is full; set noeviction");
    if (found->has_info && found->max_bytes == 0)
        warn("Redis has no maxmemory, so it can use up the memory of its machine");
    if (found->has_info && !found->has_append_only_file)
        warn("without an append-only file (appendonly yes) a restart of Redis loses sessions and tasks");
    if (llabs(found->clock_offset_ms) > CLOCK_TOLERANCE_MS)
        warn("the clocks of Redis and of this machine differ; use NTP on both");
}

/* Whether it can be as commit-durability says. */
static bool print_durability(const struct redis_inspection *found, const struct configuration *configuration)
{
    int64_t wanted = configuration->settings.commit_replicas;
    switch (configuration_durability(configuration)) {
    case MID_DURABLE_DISK:
        printf("commits, logouts and tasks wait for the disk\n");
        if (strncmp(found->server.version, "7.0.", 4) == 0)
            warn("WAITAOF is a command of Redis 7.2 and later: with commit-durability=disk every change is 503");
        if (!found->has_info || found->has_append_only_file)
            return true;
        warn("with commit-durability=disk and no append-only file nothing is ever stored: every change is 503");
        return false;
    case MID_DURABLE_REPLICA:
        if (!found->has_info) {
            printf("commits, logouts and tasks wait for %" PRId64 " replicas; how many there are is unknown\n", wanted);
            return true;
        }
        printf("commits, logouts and tasks wait for %" PRId64 " of %" PRId64 " connected replicas\n", wanted,
               found->replicas);
        if (found->replicas >= wanted)
            return true;
        warn("fewer replicas are connected than commit-replicas says: until then every change is 503");
        return false;
    default:
        return true;
    }
}

/* -------------------- the command -------------------- */

/* `reason` may be a server's words. */
static int refuse(const char *address, const char *reason)
{
    char shown[REASON_BYTES];
    snprintf(shown, sizeof(shown), "%s", reason);
    fprintf(stderr, "%s: cannot use Redis at %s: %s\n", program_invocation_short_name, address, plain(shown));
    return 1;
}

/* Of a cluster only some nodes may be connected. */
static const char *explain(const struct redis_client *redis, const struct redis_inspection *found, enum mid_error error)
{
    if (found->refusal[0] != '\0')
        return found->refusal;
    bool is_away = !redis_client_is_ready(redis) && redis_client_failure(redis)[0] != '\0';
    return is_away ? redis_client_failure(redis) : mid_error_text(error);
}

/* Whether all slots have a master. */
static bool print_cluster(const struct redis_client *redis)
{
    struct redis_inspected_cluster found = redis_inspect_cluster(redis);
    if (found.masters == 0)
        return true;
    printf("cluster: %zu masters with %zu of 16384 slots, %zu replicas\n", found.masters, found.slots, found.replicas);
    if (found.replicas < found.masters)
        warn("there are fewer replicas than masters: when a master without one fails, its sessions are gone");
    if (found.slots == REDIS_SLOTS)
        return true;
    warn("slots without a master: sessions and tasks that belong there are 503");
    return false;
}

MAY_SUSPEND static int inspect_one(struct redis_client *redis, const struct configuration *configuration)
{
    struct redis_inspection found;
    enum mid_error error = redis_inspect(redis, configuration_durability(configuration), &found);
    if (error != MID_OK)
        return refuse(configuration->is_redis_cluster ? found.address : configuration->settings.redis,
                      explain(redis, &found, error));
    print_server(&found, &configuration->settings);
    print_memory(&found);
    print_user(&found, &configuration->settings);
    print_warnings(&found);
    bool is_durable = print_durability(&found, configuration);
    return found.missing[0] == '\0' && is_durable ? 0 : 1;
}

MAY_SUSPEND static int inspect(struct redis_client *redis, const struct configuration *configuration)
{
    int code = print_cluster(redis) ? 0 : 1;
    struct redis_client *node;
    for (size_t i = 0; (node = redis_client_node(redis, i)) != NULL; i++)
        if (inspect_one(node, configuration) != 0)
            code = 1;
    return code;
}

static int fail(const struct redis_client *redis, const struct configuration *configuration)
{
    const char *reason = redis_client_failure(redis);
    return refuse(configuration->settings.redis, reason[0] != '\0' ? reason : "no answer within redis-timeout-ms");
}

int connect_command(struct settings *settings)
{
    static const struct with_redis commands = {.prepare = redis_inspection_prepare, .run = inspect, .fail = fail};
    return with_redis_run(&commands, settings);
}
