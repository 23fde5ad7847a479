/*
 * Scripts: EVALSHA while Redis has the script, EVAL when it has lost it (a restart, SCRIPT FLUSH, a failover).
 *
 * The first NOSCRIPT forgets the script's hash and asks Redis to load it again; until that is answered everybody sends
 * EVAL. Commands that were under way meanwhile come back with NOSCRIPT too, and each is sent again, from the loop,
 * while its fiber and with it its arguments stay where they are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "redis/command.h"
#include "redis/resp.h"

void redis_script_compose(struct redis_script *script, enum redis_when_full when_full, const char *const parts[])
{
    const char *flags = when_full == RUNS_WHEN_FULL ? "#!lua flags=allow-oom\n" : "";
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

struct redis_script_run {
    struct redis_script *script;
    const char *key;
    size_t count;
    const struct redis_argument *arguments;
};

static void format_run(struct buffer *request, const struct redis_script_run *run)
{
    const struct redis_script *script = run->script;
    bool is_loaded = script->sha1[0] != '\0';
    resp_begin(request, run->count + 4);
    resp_add_text(request, is_loaded ? "EVALSHA" : "EVAL");
    resp_add_text(request, is_loaded ? script->sha1 : script->body);
    resp_add_text(request, "1");
    resp_add_text(request, run->key);
    for (size_t i = 0; i < run->count; i++)
        resp_add(request, run->arguments[i].data, run->arguments[i].bytes);
}

bool redis_script_heal(struct redis_pending *pending)
{
    struct redis_client *client = pending->client;
    struct redis_script_run run = *pending->run;
    pending->run = NULL; /* once */
    if (run.script->sha1[0] != '\0') {
        run.script->sha1[0] = '\0';
        redis_connection_load_script(client, run.script);
    }
    struct redis_script unloaded = {.body = run.script->body};
    run.script = &unloaded;
    format_run(&client->request, &run);
    return redis_command_resend(pending);
}

enum mid_error redis_script_run(struct redis_client *client, struct redis_script *script, const char *key, size_t count,
                                const struct redis_argument arguments[], struct redis_call *call)
{
    MID_TRY(redis_command_admit(client, call));
    struct redis_script_run run = {.script = script, .key = key, .count = count, .arguments = arguments};
    format_run(&client->request, &run);
    return redis_command_await(client, call, &run);
}
