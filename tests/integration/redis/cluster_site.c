/* A cluster, and what the tests of it share. See cluster_site.h. */
#include "cluster_site.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "redis/cluster.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/text.h"

struct redis_cluster_nodes cluster_site;
struct cluster_load cluster_load;

void cluster_site_end(void)
{
    redis_cluster_stop(&cluster_site);
    server_fini(); /* the directory */
}

void cluster_site_start(int node_timeout_ms)
{
    server_make_directory();
    redis_cluster_start(&cluster_site, &(struct redis_cluster_options){.directory = server.directory,
                                                                       .masters = 3,
                                                                       .replicas = 1,
                                                                       .node_timeout_ms = node_timeout_ms});
}

struct redis_options cluster_options(void)
{
    struct redis_options options = quick_options();
    options.address = strstr(cluster_site.url, "://") + 3;
    options.topology = REDIS_CLUSTER;
    options.tls = NULL;
    options.timeout_ms = 2000;
    return options;
}

int slot_of(const char *key)
{
    return redis_slot_of(key, strlen(key));
}

int place_of(const struct redis_client *client, int slot)
{
    const struct cluster_node *owner = client->cluster->owners[slot];
    for (int i = 0; i < cluster_site.count; i++)
        if (owner != NULL &&
            (owner->address.port == cluster_site.ports[i] || owner->address.port == cluster_site.tls_ports[i]))
            return i;
    return -1;
}

const char *key_at(int master, char key[static KEY_BYTES])
{
    for (int i = 0;; i++) {
        snprintf(key, KEY_BYTES, "key:{k%d}", i); /* not of the slot of a mark: mid:mark:{0} */
        if (slot_of(key) * 3 / REDIS_SLOTS == master)
            return key;
    }
}

void order(int node, const char *format, ...)
{
    char command[512];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof(command), format, list);
    va_end(list);
    struct redis_probe *probe = redis_probe_open_port(cluster_site.ports[node]);
    cr_assert_not_null(probe);
    OWNED char *answer = redis_text(probe, command);
    cr_assert_str_eq(answer, "OK", "%s", command);
    redis_probe_close(probe);
}

void slot_begin(int slot, int from, int to)
{
    char id[41];
    order(to, "CLUSTER SETSLOT %d IMPORTING %s", slot, redis_cluster_id(from, id));
    order(from, "CLUSTER SETSLOT %d MIGRATING %s", slot, redis_cluster_id(to, id));
}

void slot_move_key(const char *key, int from, int to)
{
    order(from, "MIGRATE 127.0.0.1 %d %s 0 1000", cluster_site.ports[to], key);
}

void slot_end(int slot, int from, int to)
{
    char id[41];
    order(to, "CLUSTER SETSLOT %d NODE %s", slot, redis_cluster_id(to, id));
    order(from, "CLUSTER SETSLOT %d NODE %s", slot, redis_cluster_id(to, id));
}

void cluster_site_print(void)
{
    for (int i = 0; i < cluster_site.count; i++) {
        struct redis_probe *probe = redis_probe_open_port(cluster_site.ports[i]);
        OWNED char *nodes = probe != NULL ? redis_text(probe, "CLUSTER NODES") : NULL;
        OWNED char *info = probe != NULL ? redis_text(probe, "CLUSTER INFO") : NULL;
        OWNED char *view = probe != NULL ? text_printf("%s%.80s\n", nodes, info) : NULL;
        OWNED char *path = text_printf("%s/cluster-%d.log", server.directory, i);
        size_t bytes;
        OWNED char *log = file_read(path, &bytes);
        printf("node %d at %d:\n%s%s\n", i, cluster_site.ports[i], view != NULL ? view : "away\n", log);
        redis_probe_close(probe);
    }
}

void await_owner(struct redis_client *client, int slot, int place)
{
    int64_t end_ms = loop_now_ms() + FAILOVER_MS;
    while ((place_of(client, slot) != place || redis_client_counts(client)->unserved_slots != 0) &&
           loop_now_ms() < end_ms)
        loop_park(5);
    uint64_t unserved = redis_client_counts(client)->unserved_slots;
    if (place_of(client, slot) != place || unserved != 0)
        cluster_site_print();
    cr_assert_eq(place_of(client, slot), place);
    cr_assert_eq(unserved, 0, "%" PRIu64 " slots are not served", unserved);
}

long long redirections(const struct redis_client *client)
{
    return (long long)redis_client_counts(client)->redirections;
}

void cluster_load_end(const char *what)
{
    cluster_load.is_over = true;
    while (cluster_load.writers > 0)
        loop_park(5);
    fprintf(stderr, "redis_cluster: %s: %d commands, %d failed, over %lld ms; %lld redirections\n", what,
            cluster_load.sent, cluster_load.failed,
            (long long)(cluster_load.last_failure_ms - cluster_load.first_failure_ms),
            redirections(cluster_load.client));
}
