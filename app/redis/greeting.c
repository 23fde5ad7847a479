/*
 * The greeting: what is said on a new connection, and must have been answered before it is READY. See connection.h.
 *
 * HELLO is answered to every user (it needs no right), so that a Redis that cannot be used is refused with a sentence
 * and not by what fails later. Whoever does not know it (a proxy) is taken for what it says that it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/panic.h"
#include "redis/auth.h"
#include "redis/cluster.h"
#include "redis/connection.h"
#include "redis/resp.h"

/* Without it this machine's clock is taken for Redis's, and everything else goes on. */
static void on_clock_answer(void *arg, const redisReply *reply)
{
    struct redis_client *client = arg;
    int64_t redis_ms;
    if (reply == NULL)
        return;
    if (redis_clock_read(reply, &redis_ms)) {
        redis_clock_set(&client->clock, redis_ms, client->clock_asked_ms, clock_unix_ms());
    } else if (reply->type == REDIS_REPLY_ERROR) {
        redis_command_note_error(client, reply);
    }
    redis_connection_became_ready(client);
}

/* Not together with the rest of the greeting, whose answers may take long: the less time between asking and answer, the
 * more the answer says. */
static void ask_clock(struct redis_client *client)
{
    resp_begin(&client->request, 1);
    resp_add_text(&client->request, "TIME");
    client->clock_asked_ms = clock_unix_ms();
    redis_request_send(client, on_clock_answer, client);
}

static void take_greeting_answer(struct redis_client *client, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        counter_add(&client->counts->errors, 1);
        char reason[REFUSAL_TEXT_SIZE];
        redis_refusal_copy(reason, sizeof(reason), reply->str, reply->len);
        redis_connection_drop(client, reason);
        return;
    }
    if (--client->greeting_left == 0)
        ask_clock(client);
}

static void on_greeting_answer(void *arg, const redisReply *reply)
{
    if (reply != NULL)
        take_greeting_answer(arg, reply);
}

static void on_hello_answer(void *arg, const redisReply *reply)
{
    struct redis_client *client = arg;
    char reason[REDIS_REASON_SIZE];
    if (reply == NULL)
        return;
    redis_server_info_read(&client->server, reply);
    client->is_replica = redis_server_info_is_replica(&client->server);
    bool is_node = client->options.topology == REDIS_CLUSTER_NODE;
    if (!redis_server_info_is_usable(&client->server, is_node, reason, sizeof(reason)))
        redis_connection_drop(client, reason);
    else if (--client->greeting_left == 0)
        ask_clock(client);
}

/* A script that is being loaded: the nodes of a cluster share it. */
struct loading {
    struct redis_client *client;
    struct redis_script *script;
};

static void take_loaded(struct redis_client *client, struct redis_script *script, const redisReply *reply)
{
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_STRING && reply->len == sizeof(script->sha1) - 1)
        memcpy(script->sha1, reply->str, sizeof(script->sha1));
    if (client->state == CONNECTION_CONNECTING)
        take_greeting_answer(client, reply);
    else if (reply->type == REDIS_REPLY_ERROR)
        redis_command_note_error(client, reply);
}

static void on_script_loaded(void *arg, const redisReply *reply)
{
    struct loading *loading = arg;
    take_loaded(loading->client, loading->script, reply);
    free(loading);
}

void redis_connection_load_script(struct redis_client *client, struct redis_script *script)
{
    resp_begin(&client->request, 3);
    resp_add_text(&client->request, "SCRIPT");
    resp_add_text(&client->request, "LOAD");
    resp_add_text(&client->request, script->body);
    struct loading *loading = malloc(sizeof(*loading));
    if (loading == NULL)
        panic("out of memory for the script %s", script->name);
    *loading = (struct loading){.client = client, .script = script};
    if (!redis_request_send(client, on_script_loaded, loading))
        free(loading);
}

void redis_greeting_send(struct redis_client *client)
{
    const struct redis_options *options = &client->options;
    client->greeting_left = 2; /* HELLO, PING */
    if (redis_auth_send(&client->socket, &client->request, &options->credentials, on_greeting_answer, client))
        client->greeting_left++;
    if (client->node != NULL)
        redis_cluster_ask(client->node); /* also a replica, which HELLO finds, knows the map */
    resp_begin(&client->request, 1);
    resp_add_text(&client->request, "HELLO");
    redis_request_send(client, on_hello_answer, client);
    if (options->database != 0) {
        char number[16];
        snprintf(number, sizeof(number), "%d", options->database);
        resp_begin(&client->request, 2);
        resp_add_text(&client->request, "SELECT");
        resp_add_text(&client->request, number);
        redis_request_send(client, on_greeting_answer, client);
        client->greeting_left++;
    }
    for (struct redis_script *script = client->scripts; script != NULL; script = script->next) {
        redis_connection_load_script(client, script);
        client->greeting_left++;
    }
    resp_begin(&client->request, 1);
    resp_add_text(&client->request, "PING"); /* refused with LOADING while Redis reads its data */
    redis_request_send(client, on_greeting_answer, client);
}
