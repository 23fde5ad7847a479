/* The map of a cluster's slots, and whether it serves. See cluster.h; the nodes are in cluster_nodes.c. */
#include "redis/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/panic.h"
#include "redis/cluster_map.h"

enum {
    MARKS_TRIED = 64 * REDIS_SLOTS,
    PARTIAL_MS = 1000,     /* without some slots, until that is logged: a slot that moves is back sooner */
    TELL_AGAIN_MS = 60000, /* that it goes on */
};

struct waiter {
    struct list link;
    struct fiber *fiber;
    bool is_over;
    bool is_gone; /* the cluster */
};

/* -------------------- waiting -------------------- */

/* Each takes itself out of the list when it runs: until then it can still be told that the cluster is gone. */
static void wake_waiters(struct redis_cluster *cluster)
{
    for (struct list *link = cluster->waiters.next; link != &cluster->waiters; link = link->next) {
        struct waiter *waiter = LIST_ELEMENT(link, struct waiter, link);
        waiter->is_over = true;
        loop_wake(waiter->fiber);
    }
}

static void release_waiters(struct redis_cluster *cluster)
{
    for (struct list *link; (link = list_take_first(&cluster->waiters)) != NULL;) {
        struct waiter *waiter = LIST_ELEMENT(link, struct waiter, link);
        waiter->is_over = waiter->is_gone = true;
        loop_wake(waiter->fiber);
    }
}

/* Until it is over, or until then. By itself, or gcc 14 says that the waiter stays in the list when its caller returns.
 */
MAY_SUSPEND static void __attribute__((noinline))
wait_as(struct waiter *waiter, struct redis_cluster *cluster, int64_t end_ms)
{
    list_append(&cluster->waiters, &waiter->link);
    while (!waiter->is_over && loop_now_ms() < end_ms)
        loop_park(end_ms - loop_now_ms());
    list_remove(&waiter->link); /* does nothing when the cluster is gone */
}

bool redis_cluster_wait(struct redis_cluster *cluster, int64_t end_ms)
{
    struct waiter waiter = {.fiber = fiber_current()};
    wait_as(&waiter, cluster, end_ms);
    return !waiter.is_gone;
}

bool redis_cluster_wait_slot(struct redis_cluster *cluster, int slot, int64_t end_ms)
{
    for (;;) {
        const struct cluster_node *node = redis_cluster_owner(cluster, slot);
        if (node != NULL && cluster_node_is_ready(node))
            return true;
        redis_cluster_refresh(cluster);
        if (loop_now_ms() >= end_ms || !redis_cluster_wait(cluster, end_ms))
            return false;
    }
}

/* -------------------- whether it serves -------------------- */

static size_t count_unserved(const struct redis_cluster *cluster)
{
    size_t unserved = REDIS_SLOTS;
    CLUSTER_EACH (cluster, node) {
        if (cluster_node_serves(node))
            unserved -= node->slot_count;
    }
    return unserved;
}

static bool serves_any(const struct redis_cluster *cluster)
{
    return count_unserved(cluster) < REDIS_SLOTS;
}

/* Of those that have slots, and a connection or the wish for one: each has one, or has been tried in vain. */
static bool were_all_tried(const struct redis_cluster *cluster)
{
    CLUSTER_EACH (cluster, node) {
        if (node->slot_count > 0 && node->client != NULL && !cluster_node_is_ready(node) && node->client->failures == 0)
            return false;
    }
    return true;
}

bool cluster_is_well(const struct redis_cluster *cluster)
{
    if (!cluster->has_map)
        return false;
    return cluster->front->options.is_lazy ? cluster_find_ready(cluster) != NULL : count_unserved(cluster) == 0;
}

/* The front is ready when it is worth asking: it knows the nodes, and one of them serves. A lazy one connects to them
 * when it is asked. */
static bool is_worth_asking(const struct redis_cluster *cluster)
{
    const struct redis_client *front = cluster->front;
    if (!cluster->has_map || front->options.is_lazy)
        return cluster->has_map;
    return serves_any(cluster) && (front->state == CONNECTION_READY || were_all_tried(cluster));
}

static void become_ready(struct redis_cluster *cluster)
{
    cluster->front->state = CONNECTION_READY;
    cluster->failure[0] = '\0';
    redis_client_became_ready(cluster->front);
}

void cluster_judge(struct redis_cluster *cluster)
{
    struct redis_client *front = cluster->front;
    if (cluster_find_ready(cluster) != NULL)
        cluster->alone_ms = 0;
    else if (cluster->alone_ms == 0)
        cluster->alone_ms = loop_now_ms();
    counter_set(&front->counts->unserved_slots, count_unserved(cluster));
    if (!is_worth_asking(cluster))
        front->state = CONNECTION_PAUSING;
    else if (front->state != CONNECTION_READY)
        become_ready(cluster);
    cluster_tell(cluster);
}

/* -------------------- telling it -------------------- */

static void tell(struct redis_cluster *cluster, size_t unserved)
{
    int64_t now_ms = loop_now_ms();
    int64_t for_ms = cluster->partial_ms != 0 ? now_ms - cluster->partial_ms : 0;
    size_t masters = 0;
    CLUSTER_EACH (cluster, node)
        masters += node->slot_count > 0;
    cluster->told = (struct cluster_told){.told_ms = now_ms, .is_whole = unserved == 0};
    cluster->has_other_masters = false;
    log_event(unserved == 0 ? MID_INFO : MID_WARN, "redis.cluster",
              "masters=%zu replicas=%zu unserved_slots=%zu for_ms=%" PRId64 " epoch=%" PRId64, masters,
              cluster->replicas, unserved, for_ms, cluster->epoch);
}

void cluster_tell(struct redis_cluster *cluster)
{
    const struct cluster_told *told = &cluster->told;
    int64_t now_ms = loop_now_ms();
    size_t unserved = count_unserved(cluster);
    if (!cluster->has_map || cluster->front->options.is_lazy) /* of which there is one for each queue */
        return;
    if (unserved > 0 && cluster->partial_ms == 0)
        cluster->partial_ms = now_ms;
    bool is_due = told->told_ms == 0 || told->is_whole || now_ms - told->told_ms >= TELL_AGAIN_MS;
    if (unserved == 0 ? !told->is_whole || cluster->has_other_masters
                      : is_due && now_ms - cluster->partial_ms >= PARTIAL_MS)
        tell(cluster, unserved);
    if (unserved == 0)
        cluster->partial_ms = 0;
}

/* -------------------- what has changed -------------------- */

void cluster_note_news(struct redis_cluster *cluster)
{
    cluster->pause_ms = CLUSTER_SOONEST_MS;
    wake_waiters(cluster);
}

/* What a replica of the cluster says before it is left is not the reason. */
static void note_failure(const struct cluster_node *node)
{
    const struct redis_client *client = node->client;
    bool has_failed = !cluster_node_is_ready(node) && node->retired_ms == 0 && client->failure[0] != '\0';
    bool is_being_left = client->is_replica && strcmp(client->server.mode, "cluster") == 0;
    if (has_failed && !is_being_left && !serves_any(node->cluster))
        cluster_note_failure(node, client->failure);
}

void redis_cluster_note_change(struct cluster_node *node)
{
    struct redis_cluster *cluster = node->cluster;
    if (node->client == NULL || cluster->front->is_closing) /* it is being made, or is going */
        return;
    note_failure(node);
    cluster_judge(cluster);
    cluster_note_news(cluster);
    if (!cluster_node_is_ready(node))
        redis_cluster_refresh(cluster);
}

/* -------------------- the map -------------------- */

static void set_owner(struct redis_cluster *cluster, int slot, struct cluster_node *node)
{
    struct cluster_node *before = cluster->owners[slot];
    if (before == node)
        return;
    cluster->has_news = true;
    bool is_none_now = before != NULL && --before->slot_count == 0;
    bool was_none = node != NULL && node->slot_count++ == 0;
    cluster->has_other_masters = cluster->has_other_masters || is_none_now || was_none;
    cluster->owners[slot] = node;
}

/* Every master needs a key of its own that is written before WAIT (mark.h): the first number from there on whose slot
 * it has. False: there is none. */
static bool choose_mark(struct cluster_node *node, unsigned from)
{
    char *key = node->client->mark_key;
    for (unsigned number = from; number < from + MARKS_TRIED; number++) {
        snprintf(key, REDIS_MARK_KEY_BYTES, "mid:mark:{%u}", number);
        if (node->cluster->owners[redis_slot_of(key, strlen(key))] != node)
            continue;
        node->mark = number;
        return true;
    }
    return false;
}

static void choose_marks(struct redis_cluster *cluster)
{
    CLUSTER_EACH (cluster, node) {
        if (node->slot_count == 0 || node->client == NULL)
            continue;
        const char *key = node->client->mark_key;
        if (cluster->owners[redis_slot_of(key, strlen(key))] != node)
            (void)choose_mark(node, 0);
    }
}

bool redis_cluster_change_mark(const struct redis_client *client)
{
    struct cluster_node *node = client->node;
    if (node == NULL)
        return false;
    redis_cluster_refresh(node->cluster);
    return node->slot_count > 0 && choose_mark(node, node->mark + 1);
}

static void use_and_retire(struct redis_cluster *cluster)
{
    struct cluster_node *next;
    for (struct cluster_node *node = cluster_next(cluster, NULL); node != NULL; node = next) {
        next = cluster_next(cluster, node);
        if (node->slot_count == 0)
            cluster_retire(node);
        else if (!cluster->front->options.is_lazy)
            cluster_use(node);
    }
}

void cluster_apply(struct redis_cluster *cluster, struct cluster_map *map)
{
    struct cluster_node **masters = calloc(map->count, sizeof(*masters));
    if (masters == NULL)
        panic("out of memory for the map of the cluster");
    for (size_t i = 0; i < map->count; i++)
        masters[i] = cluster_find_or_make(cluster, &map->masters[i]);
    for (int slot = 0; slot < REDIS_SLOTS; slot++)
        set_owner(cluster, slot, map->owners[slot] != 0 ? masters[map->owners[slot] - 1] : NULL);
    free(masters);
    use_and_retire(cluster);
    choose_marks(cluster);
    free(cluster->ids);
    cluster->ids = map->ids;
    cluster->id_count = map->id_count;
    map->ids = NULL; /* the cluster's now */
    cluster->replicas = map->replicas;
    cluster->has_map = true;
}

void redis_cluster_take_moved(struct redis_cluster *cluster, int slot, struct cluster_node *to)
{
    if (cluster->owners[slot] != to) {
        set_owner(cluster, slot, to);
        choose_marks(cluster);
        cluster_note_news(cluster);
    }
    redis_cluster_refresh(cluster);
}

/* -------------------- life -------------------- */

struct redis_cluster *redis_cluster_new(struct redis_client *front, char *reason, size_t reason_size)
{
    struct redis_cluster *cluster = calloc(1, sizeof(*cluster));
    if (cluster == NULL)
        panic("out of memory for the cluster");
    cluster->front = front;
    cluster->seed_count =
        redis_address_parse_list(front->options.address, cluster->seeds, REDIS_SEEDS_MAX, reason, reason_size);
    if (cluster->seed_count == 0) {
        free(cluster);
        return NULL;
    }
    list_init(&cluster->nodes);
    list_init(&cluster->retired);
    list_init(&cluster->waiters);
    counter_set(&front->counts->unserved_slots, REDIS_SLOTS);
    cluster_watch_begin(cluster);
    return cluster;
}

void redis_cluster_free(struct redis_cluster *cluster)
{
    if (cluster == NULL)
        return;
    cluster->front->is_closing = true;
    cluster_watch_end(cluster);
    cluster_free_nodes(cluster);
    release_waiters(cluster);
    free(cluster->ids);
    free(cluster);
}
