/* The nodes of a cluster, and their connections. See cluster.h. */
#include "redis/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/panic.h"

enum { RETIRED_MORE_MS = 1000 }; /* a retired node outlives the longest call by so long */

static struct cluster_node *node_of(struct list *link)
{
    return LIST_ELEMENT(link, struct cluster_node, link);
}

struct cluster_node *cluster_next(const struct redis_cluster *cluster, const struct cluster_node *node)
{
    struct list *next = node != NULL ? node->link.next : cluster->nodes.next;
    return next != &cluster->nodes ? node_of(next) : NULL;
}

bool cluster_node_is_ready(const struct cluster_node *node)
{
    return node->client != NULL && node->client->state == CONNECTION_READY;
}

bool cluster_node_serves(const struct cluster_node *node)
{
    return cluster_node_is_ready(node) && !node->is_down;
}

struct cluster_node *cluster_find_ready(const struct redis_cluster *cluster)
{
    CLUSTER_EACH (cluster, node)
        if (cluster_node_is_ready(node))
            return node;
    return NULL;
}

/* -------------------- making, using -------------------- */

static struct cluster_node *make(struct redis_cluster *cluster, const struct redis_address *address)
{
    struct cluster_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        panic("out of memory for a node of the cluster");
    node->cluster = cluster;
    node->address = *address;
    list_append(&cluster->nodes, &node->link);
    return node;
}

struct cluster_node *cluster_find_or_make(struct redis_cluster *cluster, const struct redis_address *address)
{
    CLUSTER_EACH (cluster, node)
        if (redis_address_is_same(&node->address, address))
            return node;
    for (struct list *link = cluster->retired.next; link != &cluster->retired; link = link->next) {
        struct cluster_node *node = node_of(link);
        if (!redis_address_is_same(&node->address, address))
            continue;
        cluster_use(node);
        return node;
    }
    return make(cluster, address);
}

void cluster_use(struct cluster_node *node)
{
    struct redis_client *front = node->cluster->front;
    char name[REDIS_NAME_BYTES];
    if (node->retired_ms != 0) {
        node->retired_ms = 0;
        list_remove(&node->link);
        list_append(&node->cluster->nodes, &node->link);
    }
    if (node->client != NULL) {
        redis_connection_revive(node->client);
        return;
    }
    struct redis_options options = front->options;
    options.address = redis_address_name(&node->address, name);
    options.topology = REDIS_CLUSTER_NODE;
    options.counts = front->counts;
    node->client = redis_client_new(&options);
    ENSURE(node->client != NULL); /* the address was understood before */
    node->client->scripts = front->scripts;
    node->client->node = node;
}

/* One of the seeds, or of the nodes in the map, in turn. */
static void use_another(struct redis_cluster *cluster)
{
    size_t known = 0;
    CLUSTER_EACH (cluster, node)
        known += node->slot_count > 0;
    size_t number = cluster->seeds_used++ % (cluster->seed_count + known);
    if (number < cluster->seed_count) {
        cluster_use(cluster_find_or_make(cluster, &cluster->seeds[number]));
        return;
    }
    number -= cluster->seed_count;
    CLUSTER_EACH (cluster, node) {
        if (node->slot_count > 0 && number-- == 0) {
            cluster_use(node);
            return;
        }
    }
}

void cluster_use_seeds(struct redis_cluster *cluster)
{
    if (cluster->front->options.is_lazy) {
        use_another(cluster);
        return;
    }
    for (size_t i = 0; i < cluster->seed_count; i++)
        cluster_use(cluster_find_or_make(cluster, &cluster->seeds[i]));
}

/* -------------------- leaving -------------------- */

void cluster_retire(struct cluster_node *node)
{
    node->retired_ms = loop_now_ms();
    list_remove(&node->link);
    list_append(&node->cluster->retired, &node->link);
    if (node->client != NULL)
        redis_connection_retire(node->client);
}

static void free_node(struct cluster_node *node)
{
    redis_client_free(node->client);
    free(node);
}

static void free_list(struct list *list)
{
    for (struct list *link = list->next, *next; link != list; link = next) {
        next = link->next;
        free_node(node_of(link));
    }
}

static bool is_held(const struct cluster_node *node, int64_t grace_ms)
{
    bool is_asked = node->client != NULL && node->client->pending_count > 0;
    return is_asked || loop_now_ms() - node->retired_ms < grace_ms;
}

void cluster_free_retired(struct redis_cluster *cluster)
{
    struct list over;
    int64_t grace_ms = 2 * cluster->front->options.timeout_ms + RETIRED_MORE_MS;
    list_init(&over);
    for (struct list *oldest; (oldest = list_take_first(&cluster->retired)) != NULL; list_append(&over, oldest)) {
        if (is_held(node_of(oldest), grace_ms)) {
            list_prepend(&cluster->retired, oldest);
            break;
        }
    }
    free_list(&over);
}

void cluster_free_nodes(struct redis_cluster *cluster)
{
    free_list(&cluster->nodes);
    free_list(&cluster->retired);
}

/* -------------------- for the front -------------------- */

struct cluster_node *redis_cluster_node_at(struct redis_cluster *cluster, const struct redis_address *address)
{
    struct cluster_node *node = cluster_find_or_make(cluster, address);
    cluster_use(node);
    return node;
}

struct cluster_node *redis_cluster_owner(struct redis_cluster *cluster, int slot)
{
    struct cluster_node *node = slot >= 0 ? cluster->owners[slot] : cluster_find_ready(cluster);
    if (node != NULL && node->client == NULL)
        cluster_use(node);
    return node;
}

struct redis_client *redis_cluster_master(struct redis_cluster *cluster, size_t number)
{
    CLUSTER_EACH (cluster, node) {
        if (node->slot_count == 0 || number-- > 0)
            continue;
        cluster_use(node);
        return node->client;
    }
    return NULL;
}

void cluster_note_failure(const struct cluster_node *node, const char *reason)
{
    char name[REDIS_NAME_BYTES];
    snprintf(node->cluster->failure, REDIS_REASON_SIZE, "%.60s: %.120s", redis_address_name(&node->address, name),
             reason);
}

size_t redis_cluster_pending(const struct redis_cluster *cluster)
{
    size_t count = 0;
    CLUSTER_EACH (cluster, node)
        count += node->client != NULL ? node->client->pending_count : 0;
    return count;
}

const char *redis_cluster_failure(const struct redis_cluster *cluster)
{
    return cluster->failure;
}
