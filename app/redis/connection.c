/*
 * The connection's states: connecting, greeting, ready, lost, and again. See connection.h.
 *
 * Everything that goes wrong ends in connection_failed(): it tells it, once, and pauses. Pauses double, with jitter, so
 * that the workers of a pool do not come back in step; they begin again from the shortest only when a connection has
 * lasted, so that a Redis that dies at once after every greeting is not hammered.
 */
#include "redis/connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/panic.h"
#include "redis/cluster.h"
#include "redis/durability.h"
#include "redis/resolve.h"
#include "redis/subscriber.h"
#include "redis/tls.h"

enum {
    TELL_AGAIN_MS = 60000, /* an outage is mentioned once a minute */
    TELL_NEWS_MS = 5000,   /* and another reason for it sooner */
};

static uint64_t connections; /* that this process has made */

static void on_time(struct timer *timer);

/* -------------------- the timer -------------------- */

void redis_connection_start_timer(struct redis_client *client, int64_t delay_ms)
{
    client->timer_due_ms = loop_now_ms() + delay_ms;
    timer_start(&client->timer, delay_ms, on_time);
}

/* -------------------- failing, pausing -------------------- */

/* What its connections are for, as the log says it. */
static const char *use_of(const struct redis_client *client)
{
    return client->options.use != NULL ? client->options.use : "commands";
}

/* Of a node that its cluster no longer names, or that is a replica in it, nobody expects more. */
static enum mid_level level_of(const struct redis_client *client)
{
    bool is_replica = client->options.topology == REDIS_CLUSTER_NODE && client->is_replica;
    return client->is_retired || is_replica ? MID_INFO : MID_WARN;
}

/* The reason may change with every attempt, as with several Sentinels. */
static void tell_failure(struct redis_client *client, const char *reason)
{
    char name[REDIS_NAME_BYTES];
    int64_t now_ms = loop_now_ms();
    bool is_news = strcmp(reason, client->told) != 0;
    int64_t pause_ms = client->failures == 1 ? 0 : is_news ? TELL_NEWS_MS : TELL_AGAIN_MS;
    snprintf(client->failure, sizeof(client->failure), "%s", reason);
    if (now_ms - client->told_ms < pause_ms)
        return;
    log_event(level_of(client), "redis.unreachable", "address=%s reason=\"%s\" attempts=%u for_ms=%" PRId64 " use=%s",
              redis_client_name(client, name), reason, client->failures, now_ms - client->began_ms, use_of(client));
    snprintf(client->told, sizeof(client->told), "%s", reason);
    client->told_ms = now_ms;
}

/* It became ready, was lost, or has failed to connect. */
static void note_change(struct redis_client *client)
{
    if (client->node != NULL)
        redis_cluster_note_change(client->node);
    if (client->subscriber != NULL)
        redis_subscriber_note_change(client->subscriber);
}

static void connection_failed(struct redis_client *client, const char *reason)
{
    char name[REDIS_NAME_BYTES];
    bool was_ready = client->state == CONNECTION_READY;
    client->state = CONNECTION_PAUSING;
    client->is_deadline_timer_on = false;
    redis_suspicion_end(client);
    if (was_ready) {
        int64_t now_ms = loop_now_ms();
        if (now_ms - client->ready_ms >= client->options.backoff_max_ms)
            client->attempts = 1;
        client->began_ms = now_ms;
        counter_add(&client->counts->disconnects, 1);
        counter_add(&client->counts->connections, (uint64_t)-1);
        log_event(level_of(client), "redis.lost", "address=%s reason=\"%s\" use=%s", redis_client_name(client, name),
                  reason, use_of(client));
    } else {
        client->failures++;
        tell_failure(client, reason);
    }
    const struct redis_options *options = &client->options;
    if (!client->is_retired)
        redis_connection_start_timer(client,
                                     backoff_ms((int)client->attempts, options->backoff_ms, options->backoff_max_ms));
    note_change(client);
}

static void on_gone(void *owner, const char *reason)
{
    struct redis_client *client = owner;
    if (!client->is_closing)
        connection_failed(client, reason);
}

void redis_connection_drop(struct redis_client *client, const char *reason)
{
    redis_socket_close(&client->socket, reason);
}

void redis_connection_became_ready(struct redis_client *client)
{
    int64_t now_ms = loop_now_ms();
    char name[REDIS_NAME_BYTES];
    bool is_resumed = client->tls != NULL && redis_tls_is_resumed(client->tls);
    log_event(MID_INFO, "redis.connected",
              "address=%s attempts=%u after_ms=%" PRId64 " version=%s tls=%s resumed=%s use=%s",
              redis_client_name(client, name), client->failures + 1, now_ms - client->began_ms, client->server.version,
              client->tls != NULL ? redis_tls_version(client->tls) : "no", is_resumed ? "yes" : "no", use_of(client));
    timer_stop(&client->timer);
    client->state = CONNECTION_READY;
    client->failures = 0;
    client->ready_ms = now_ms;
    client->connection = ++connections;
    counter_add(&client->counts->connects, 1);
    counter_add(&client->counts->connections, 1);
    redis_client_became_ready(client);
    note_change(client);
}

void redis_connection_retire(struct redis_client *client)
{
    client->is_retired = true;
    if (client->state == CONNECTION_PAUSING)
        timer_stop(&client->timer);
    redis_durability_retire(client->durability);
}

void redis_connection_revive(struct redis_client *client)
{
    if (!client->is_retired)
        return;
    client->is_retired = false;
    if (client->state == CONNECTION_READY)
        client->connection = ++connections; /* meanwhile it may have been a replica, and have forgotten what it said */
    redis_durability_revive(client->durability);
    if (client->state != CONNECTION_PAUSING)
        return;
    client->failures = client->attempts = 0;
    client->began_ms = loop_now_ms();
    client->ready_ms = 0;
    redis_connection_start_timer(client, 0);
}

/* -------------------- connecting -------------------- */

static void open_connection(struct redis_client *client, const struct redis_address *address)
{
    char reason[REDIS_REASON_SIZE];
    client->state = CONNECTION_CONNECTING;
    if (!redis_socket_open(&client->socket, address, reason, sizeof(reason))) {
        connection_failed(client, reason);
        return;
    }
    redis_connection_start_timer(client, client->options.timeout_ms);
    redis_greeting_send(client);
}

static void on_resolved(void *arg, const char *host, const char *reason)
{
    struct redis_client *client = arg;
    client->resolution = NULL;
    if (host == NULL) {
        connection_failed(client, reason);
        return;
    }
    struct redis_address numeric = client->address;
    snprintf(numeric.host, sizeof(numeric.host), "%s", host);
    open_connection(client, &numeric);
}

static void connect_to_address(struct redis_client *client)
{
    if (client->address.is_numeric) {
        open_connection(client, &client->address);
        return;
    }
    client->state = CONNECTION_RESOLVING;
    client->resolution = resolution_new(&client->address, client->failures, on_resolved, client);
    if (client->resolution == NULL)
        connection_failed(client, "cannot resolve the host: no thread");
}

static void on_master_found(void *owner, const struct redis_address *master)
{
    struct redis_client *client = owner;
    client->address = *master;
    if (client->tls != NULL)
        redis_tls_channel_expect(client->tls, master->host);
    connect_to_address(client);
}

static void on_master_unknown(void *owner, const char *reason)
{
    connection_failed(owner, reason);
}

static void on_master_switched(void *owner, const char *reason)
{
    struct redis_client *client = owner;
    if (client->resolution == NULL) {
        redis_connection_drop(client, reason);
        return;
    }
    resolution_abandon(client->resolution); /* of the old one's name */
    client->resolution = NULL;
    connection_failed(client, reason);
}

static void begin_attempt(struct redis_client *client)
{
    client->attempts++;
    client->is_replica = false;
    if (client->sentinel == NULL) {
        connect_to_address(client);
        return;
    }
    client->state = CONNECTION_RESOLVING;
    redis_sentinel_find(client->sentinel);
}

static void on_time(struct timer *timer)
{
    struct redis_client *client = LIST_ELEMENT(timer, struct redis_client, timer);
    switch (client->state) {
    case CONNECTION_PAUSING:
        begin_attempt(client);
        break;
    case CONNECTION_CONNECTING:
        redis_connection_drop(client, client->socket.state == REDIS_SOCKET_HANDSHAKE
                                          ? "no answer to the TLS handshake in time (redis:// is without TLS)"
                                          : "no answer to the greeting in time");
        break;
    case CONNECTION_READY:
        redis_command_deadline(client);
        break;
    case CONNECTION_RESOLVING:
        break; /* resolver and Sentinel have limits of their own, and nobody waits for them */
    }
}

/* -------------------- life -------------------- */

static bool meet_sentinels(struct redis_client *client, char *reason, size_t reason_size)
{
    const struct redis_sentinel_options options = {.addresses = client->options.address,
                                                   .master = client->options.master,
                                                   .credentials = client->options.sentinel_credentials,
                                                   .tls = client->options.tls,
                                                   .timeout_ms = client->options.timeout_ms};
    const struct redis_sentinel_listener listener = {
        .owner = client, .found = on_master_found, .failed = on_master_unknown, .switched = on_master_switched};
    client->sentinel = redis_sentinel_new(&options, &listener, reason, reason_size);
    return client->sentinel != NULL;
}

bool redis_connection_init(struct redis_client *client, char *reason, size_t reason_size)
{
    if (client->options.tls != NULL)
        client->tls = redis_tls_channel_new(client->options.tls, client->address.host);
    redis_socket_init(&client->socket, client->tls, on_gone, client, &client->counts->writes);
    client->state = CONNECTION_PAUSING;
    client->began_ms = loop_now_ms();
    redis_connection_start_timer(client, 0); /* and not at once: scripts are still to be registered */
    return client->options.master == NULL || meet_sentinels(client, reason, reason_size);
}

void redis_connection_fini(struct redis_client *client)
{
    resolution_abandon(client->resolution);
    client->is_closing = true;
    if (client->state == CONNECTION_READY)
        counter_add(&client->counts->connections, (uint64_t)-1);
    redis_sentinel_free(client->sentinel);
    redis_socket_close(&client->socket, "closing");
    redis_tls_channel_free(client->tls);
    redis_suspicion_end(client);
    timer_fini(&client->timer);
}
