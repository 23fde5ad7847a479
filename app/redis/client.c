/* The life of a client, and waiting for it. See client.h; the connection's own life is in connection.c. */
#include "redis/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/panic.h"
#include "redis/cluster.h"
#include "redis/command.h"
#include "redis/connection.h"
#include "redis/durability.h"

struct waiter {
    struct list link;
    struct fiber *fiber;
    bool is_over; /* the client is ready, or gone */
    bool is_ready;
};

static const char *copy_text(const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = strdup(text);
    if (copy == NULL)
        panic("out of memory for the settings of Redis");
    return copy;
}

static void free_text(const char *text)
{
    if (text == NULL)
        return;
    char *copy = (char *)(uintptr_t)text; /* our own, of copy_text() */
    explicit_bzero(copy, strlen(copy));
    free(copy);
}

static bool begin(struct redis_client *client, char *reason, size_t reason_size)
{
    if (client->options.topology == REDIS_CLUSTER) {
        client->cluster = redis_cluster_new(client, reason, reason_size);
        return client->cluster != NULL;
    }
    if (!redis_connection_init(client, reason, reason_size))
        return false;
    if (redis_durability_is_needed(client->options.durability))
        redis_durability_begin(client);
    return true;
}

struct redis_client *redis_client_new(const struct redis_options *options)
{
    char reason[REDIS_HOST_LENGTH_MAX * 2];
    struct redis_address address = {0};
    ENSURE(options->timeout_ms > 0 && options->backoff_ms > 0 && options->backoff_max_ms >= options->backoff_ms &&
           options->pending_limit > 0);
    ENSURE(options->credentials.username == NULL || options->credentials.password != NULL);
    bool is_one = options->master == NULL && options->topology != REDIS_CLUSTER;
    if (is_one && !redis_address_parse(options->address, &address, reason, sizeof(reason))) {
        log_event(MID_ERROR, "redis.address", "reason=\"%s\"", reason);
        return NULL;
    }

    struct redis_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        panic("out of memory for the Redis client");
    client->options = *options;
    client->options.address = copy_text(options->address);
    client->options.master = copy_text(options->master);
    client->address = address;
    client->counts = options->counts != NULL ? options->counts : &client->own_counts;
    list_init(&client->pending);
    list_init(&client->waiters);
    strcpy(client->mark_key, "mid:mark");
    if (!begin(client, reason, sizeof(reason))) {
        log_event(MID_ERROR, "redis.address", "reason=\"%s\"", reason);
        redis_client_free(client);
        return NULL;
    }
    return client;
}

static void release_waiters(struct redis_client *client, bool is_ready)
{
    struct list *link;
    while ((link = list_take_first(&client->waiters)) != NULL) {
        struct waiter *waiter = LIST_ELEMENT(link, struct waiter, link);
        waiter->is_over = true;
        waiter->is_ready = is_ready;
        loop_wake(waiter->fiber);
    }
}

void redis_client_free(struct redis_client *client)
{
    if (client == NULL)
        return;
    if (client->options.topology == REDIS_CLUSTER)
        redis_cluster_free(client->cluster);
    else
        redis_connection_fini(client);
    redis_durability_free(client->durability);
    ENSURE(list_is_empty(&client->pending));
    release_waiters(client, false);
    buffer_fini(&client->request);
    free_text(client->options.address);
    free_text(client->options.master);
    free(client);
}

void redis_client_add_script(struct redis_client *client, struct redis_script *script, enum redis_script_kind kind,
                             const char *const parts[])
{
    ENSURE(client->state == CONNECTION_PAUSING);
    redis_script_compose(script, kind, parts);
    script->next = client->scripts;
    client->scripts = script;
}

bool redis_client_is_ready(const struct redis_client *client)
{
    return client->state == CONNECTION_READY;
}

struct redis_client *redis_client_of(struct redis_client *client, const char *key)
{
    if (client == NULL || client->cluster == NULL)
        return client;
    const struct cluster_node *node = redis_cluster_owner(client->cluster, redis_slot_of(key, strlen(key)));
    return node != NULL ? node->client : client;
}

struct redis_client *redis_client_node(struct redis_client *client, size_t number)
{
    if (client->cluster != NULL)
        return redis_cluster_master(client->cluster, number);
    return number == 0 ? client : NULL;
}

/* The front stands for a node that is not known. */
static bool is_away(const struct redis_client *client)
{
    return client->node == NULL || !cluster_node_serves(client->node);
}

bool redis_client_is_away(struct redis_client *client, const char *key)
{
    return client->cluster != NULL && is_away(redis_client_of(client, key));
}

bool redis_client_is_suspect(const struct redis_client *client)
{
    return client->is_suspect;
}

int64_t redis_client_unix_ms(const struct redis_client *client)
{
    return clock_unix_ms() + (client != NULL ? client->clock.offset_ms : 0);
}

void redis_client_release_waiters(struct redis_client *client)
{
    release_waiters(client, false);
}

void redis_client_became_ready(struct redis_client *client)
{
    release_waiters(client, true);
}

bool redis_client_wait_ready(struct redis_client *client, int64_t timeout_ms)
{
    if (redis_client_is_ready(client))
        return true;
    struct waiter waiter = {.fiber = fiber_current()};
    list_append(&client->waiters, &waiter.link);
    int64_t deadline_ms = loop_now_ms() + timeout_ms;
    while (!waiter.is_over && loop_now_ms() < deadline_ms)
        loop_park(deadline_ms - loop_now_ms());
    list_remove(&waiter.link); /* does nothing when it was taken out already, so the client may be gone */
    return waiter.is_ready;
}

bool redis_client_wait_key(struct redis_client *client, const char *key, int64_t timeout_ms)
{
    if (client->cluster == NULL)
        return redis_client_wait_ready(client, timeout_ms);
    return redis_cluster_wait_slot(client->cluster, redis_slot_of(key, strlen(key)), loop_now_ms() + timeout_ms);
}

uint64_t redis_client_connection(const struct redis_client *client)
{
    return client->connection;
}

size_t redis_client_pending(const struct redis_client *client)
{
    return client->cluster != NULL ? redis_cluster_pending(client->cluster) : client->pending_count;
}

const char *redis_client_name(const struct redis_client *client, char name[static REDIS_NAME_BYTES])
{
    if (client->sentinel == NULL || client->address.port == 0)
        return client->options.address;
    return redis_address_name(&client->address, name);
}

const struct redis_counts *redis_client_counts(const struct redis_client *client)
{
    return client->counts;
}

const char *redis_client_failure(const struct redis_client *client)
{
    return client->cluster != NULL ? redis_cluster_failure(client->cluster) : client->failure;
}
