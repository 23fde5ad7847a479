/*
 * Scripts: EVALSHA while Redis has the script, EVAL when it has lost it (a restart, SCRIPT FLUSH, a failover).
 *
 * The first NOSCRIPT forgets the script's hash and asks Redis to load it again; until that is answered everybody sends
 * EVAL. Commands that were under way meanwhile come back with NOSCRIPT too, and each is sent again, from the loop,
 * while its fiber and with it its arguments stay where they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "redis/command.h"
#include "redis/resp.h"
#include "redis/slot.h"

enum { GUARD_BYTES = 256 };

void redis_script_compose(struct redis_script *script, enum redis_script_kind kind, const char *const parts[])
{
    static const char *const all_flags[] = {
        [REFUSED_WHEN_FULL] = "",
        [RUNS_WHEN_FULL] = "#!lua flags=allow-oom\n",
        [ONLY_READS] = "#!lua flags=no-writes\n",
    };
    const char *flags = all_flags[kind];
    size_t bytes = strlen(flags) + 1;
    for (const char *const *part = parts; *part != NULL; part++)
        bytes += strlen(*part);
    char *body = malloc(bytes);
    if (body == NULL)
        panic("out of memory for the script %s", script->name);
    char *end = stpcpy(body, flags);
    for (const char *const *part = parts; *part != NULL; part++)
        end = stpcpy(end, *part);
    free(script->body); /* of an earlier client */
    script->body = body;
    script->sha1[0] = '\0';
}

/* A key of the same slot, which never exists; see struct redis_invocation. */
static void add_guard(struct buffer *request, const char *key)
{
    char guard[GUARD_BYTES];
    size_t tag_bytes;
    const char *tag = redis_hash_tag(key, strlen(key), &tag_bytes);
    int bytes = snprintf(guard, sizeof(guard), "mid:none:{%.*s}", (int)tag_bytes, tag);
    ENSURE((size_t)bytes < sizeof(guard));
    resp_add(request, guard, (size_t)bytes);
}

void redis_script_format(struct redis_client *client, const struct redis_invocation *run)
{
    struct buffer *request = &client->request;
    const struct redis_script *script = run->script;
    bool is_loaded = script->sha1[0] != '\0';
    bool is_guarded = client->options.topology == REDIS_CLUSTER_NODE;
    resp_begin(request, run->count + 4 + is_guarded);
    resp_add_text(request, is_loaded ? "EVALSHA" : "EVAL");
    resp_add_text(request, is_loaded ? script->sha1 : script->body);
    resp_add_text(request, is_guarded ? "2" : "1");
    resp_add_text(request, run->key);
    if (is_guarded)
        add_guard(request, run->key);
    for (size_t i = 0; i < run->count; i++)
        resp_add(request, run->arguments[i].data, run->arguments[i].bytes);
}

bool redis_script_heal(struct redis_pending *pending)
{
    struct redis_client *client = pending->client;
    struct redis_invocation run = *pending->run;
    pending->run = NULL; /* once */
    if (run.script->sha1[0] != '\0') {
        run.script->sha1[0] = '\0';
        redis_connection_load_script(client, run.script);
    }
    struct redis_script unloaded = {.body = run.script->body};
    run.script = &unloaded;
    redis_script_format(client, &run);
    return redis_command_resend(pending);
}
