/* The map of a cluster's slots, and whether it serves. See cluster.h; the nodes are in cluster_nodes.c. */
#include "redis/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/panic.h"
#include "redis/cluster_map.h"
#include "redis/resp.h"

enum {
    LOOK_MS = 10000,       /* the map, when nothing seems wrong */
    LOOK_AGAIN_MS = 250,   /* while slots are not served; and when nothing has changed, at the soonest */
    QUESTION_MS = 1000,    /* for the answer of one node, until the next one is asked */
    LOOK_SOONEST_MS = 50,  /* after a change */
    UNINFORMED_MS = 15000, /* without a map that was believed */
    DOUBT_MS = 30000,      /* so long is an older map not believed */
    MARKS_TRIED = 64 * REDIS_SLOTS,
    SEEDS_AGAIN_MS = 1000, /* without any connection the addresses that were configured are tried, too */
};

struct waiter {
    struct list link;
    struct fiber *fiber;
    bool is_over;
    bool is_gone; /* the cluster */
};

static void on_time(struct timer *timer);

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

/* Of those that have slots, and a connection or the wish for one: each has one, or has been tried in vain. */
static bool were_all_tried(const struct redis_cluster *cluster)
{
    CLUSTER_EACH (cluster, node) {
        if (node->slot_count > 0 && node->client != NULL && !cluster_node_is_ready(node) && node->client->failures == 0)
            return false;
    }
    return true;
}

static void tell_ready(const struct redis_cluster *cluster)
{
    size_t masters = 0;
    CLUSTER_EACH (cluster, node)
        masters += node->slot_count > 0;
    log_event(MID_INFO, "redis.cluster", "masters=%zu replicas=%zu unserved_slots=%zu epoch=%" PRId64, masters,
              cluster->replicas, count_unserved(cluster), cluster->epoch);
}

/* The front is ready when it is worth asking: it knows the nodes, and is connected to one of them. */
static void judge(struct redis_cluster *cluster)
{
    struct redis_client *front = cluster->front;
    bool has_any = cluster_find_ready(cluster) != NULL;
    bool serves_any = count_unserved(cluster) < REDIS_SLOTS;
    bool is_enough = cluster->has_map && serves_any && (front->state == CONNECTION_READY || were_all_tried(cluster));
    cluster->alone_ms = has_any ? 0 : cluster->alone_ms != 0 ? cluster->alone_ms : loop_now_ms();
    if (cluster->front->options.is_lazy)
        is_enough = cluster->has_map;
    else
        counter_set(&front->counts->unserved_slots, count_unserved(cluster));
    if (is_enough && front->state != CONNECTION_READY) {
        front->state = CONNECTION_READY;
        cluster->failure[0] = '\0';
        if (!front->options.is_lazy)
            tell_ready(cluster);
        redis_client_became_ready(front);
    } else if (!is_enough) {
        front->state = CONNECTION_PAUSING;
    }
}

/* Whoever waits looks again, and who asks for the map may do so soon. */
static void note_news(struct redis_cluster *cluster)
{
    cluster->pause_ms = LOOK_SOONEST_MS;
    wake_waiters(cluster);
}

void redis_cluster_note_change(struct cluster_node *node)
{
    struct redis_cluster *cluster = node->cluster;
    if (node->client == NULL || cluster->front->is_closing) /* it is being made, or is going */
        return;
    node->asked_ms = 0;
    judge(cluster);
    note_news(cluster);
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
    if (before != NULL)
        before->slot_count--;
    if (node != NULL)
        node->slot_count++;
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

/* One that was retired is in the map again. */
static struct cluster_node *bring_back(struct cluster_node *node)
{
    if (node->retired_ms != 0)
        cluster_use(node);
    return node;
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

static void apply(struct redis_cluster *cluster, struct cluster_map *map)
{
    struct cluster_node **masters = calloc(map->count, sizeof(*masters));
    if (masters == NULL)
        panic("out of memory for the map of the cluster");
    for (size_t i = 0; i < map->count; i++)
        masters[i] = bring_back(cluster_find_or_make(cluster, &map->masters[i]));
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

/* -------------------- asking for it -------------------- */

static void note_failure(struct cluster_node *node, const char *reason)
{
    char name[REDIS_NAME_BYTES];
    snprintf(node->cluster->failure, sizeof(node->cluster->failure), "%.60s: %.120s",
             redis_address_name(&node->address, name), reason);
}

/* One of its nodes is one of ours. */
static bool is_of_this(const struct redis_cluster *cluster, const struct cluster_map *map)
{
    for (size_t i = 0; i < map->id_count; i++)
        for (size_t k = 0; k < cluster->id_count; k++)
            if (map->ids[i] == cluster->ids[k])
                return true;
    return false;
}

static bool is_believed(const struct cluster_node *node, const struct cluster_map *map)
{
    const struct redis_cluster *cluster = node->cluster;
    bool is_news = node->epoch >= cluster->epoch && is_of_this(cluster, map);
    return !cluster->has_map || is_news || loop_now_ms() - cluster->mapped_ms > DOUBT_MS;
}

static void on_slots(void *arg, const struct redisReply *reply)
{
    struct cluster_node *node = arg;
    struct redis_cluster *cluster = node->cluster;
    struct cluster_map map;
    char reason[REDIS_REASON_SIZE];
    cluster->is_asking = false;
    node->asked_ms = 0;
    if (reply == NULL || node->retired_ms != 0 || cluster->front->is_closing)
        return;
    if (!cluster_map_read(&map, reply, &node->address, reason, sizeof(reason))) {
        note_failure(node, reason);
        return;
    }
    if (is_believed(node, &map)) {
        apply(cluster, &map);
        cluster->epoch = node->epoch;
        cluster->mapped_ms = loop_now_ms();
    }
    judge(cluster);
    if (cluster->has_news)
        note_news(cluster);
    else
        cluster->pause_ms = 2 * cluster->pause_ms < LOOK_AGAIN_MS ? 2 * cluster->pause_ms : LOOK_AGAIN_MS;
    cluster->has_news = false;
    cluster_map_fini(&map);
}

static void on_epoch(void *arg, const struct redisReply *reply)
{
    struct cluster_node *node = arg;
    if (reply == NULL)
        return;
    node->epoch = cluster_epoch_read(reply);
    bool was_down = node->is_down;
    node->is_down = cluster_is_down(reply);
    node->cluster->has_news = node->cluster->has_news || node->is_down != was_down;
}

static void send_words(struct cluster_node *node, const char *word, redis_answer_fn *fn)
{
    struct redis_client *client = node->client;
    resp_begin(&client->request, 2);
    resp_add_text(&client->request, "CLUSTER");
    resp_add_text(&client->request, word);
    redis_request_send(client, fn, node);
}

void redis_cluster_ask(struct cluster_node *node)
{
    node->asked_ms = loop_now_ms();
    send_words(node, "INFO", on_epoch);
    send_words(node, "SLOTS", on_slots);
}

/* One node after another, and one question at a time. */
static void ask_next(struct redis_cluster *cluster)
{
    size_t ready = 0;
    if (cluster->is_asking && loop_now_ms() - cluster->asked_ms < QUESTION_MS)
        return;
    CLUSTER_EACH (cluster, node)
        ready += cluster_node_is_ready(node);
    cluster->asked_ms = loop_now_ms();
    cluster->is_asking = ready > 0;
    if (ready == 0)
        return;
    size_t skipped = cluster->questions++ % ready;
    CLUSTER_EACH (cluster, node) {
        if (cluster_node_is_ready(node) && skipped-- == 0) {
            redis_cluster_ask(node);
            return;
        }
    }
}

void redis_cluster_refresh(struct redis_cluster *cluster)
{
    int64_t due_ms = cluster->asked_ms + cluster->pause_ms - loop_now_ms();
    timer_start(&cluster->timer, due_ms > 0 ? due_ms : 0, on_time);
}

/* These questions have no deadline of their own, and a machine that has gone silently would be kept for minutes. */
static void leave_silent(struct redis_cluster *cluster)
{
    int64_t timeout_ms = cluster->front->options.timeout_ms;
    CLUSTER_EACH (cluster, node) {
        if (cluster_node_is_ready(node) && node->asked_ms != 0 && loop_now_ms() - node->asked_ms > timeout_ms)
            redis_connection_drop(node->client, "no answer to CLUSTER SLOTS in time");
    }
}

/* Nothing is connected, or nothing that is knows more than it has said: the addresses that were configured may. */
static bool needs_seeds(const struct redis_cluster *cluster)
{
    int64_t now_ms = loop_now_ms();
    bool is_alone = cluster->alone_ms != 0 && now_ms - cluster->alone_ms >= SEEDS_AGAIN_MS;
    bool is_uninformed = cluster->has_map && now_ms - cluster->mapped_ms > UNINFORMED_MS;
    return list_is_empty(&cluster->nodes) ||
           ((is_alone || is_uninformed) && now_ms - cluster->seeds_ms >= SEEDS_AGAIN_MS);
}

static void on_flush(void *arg)
{
    cluster_free_retired(arg);
}

static void on_time(struct timer *timer)
{
    struct redis_cluster *cluster = LIST_ELEMENT(timer, struct redis_cluster, timer);
    if (needs_seeds(cluster)) {
        cluster->seeds_ms = loop_now_ms();
        cluster_use_seeds(cluster);
    }
    leave_silent(cluster);
    ask_next(cluster);
    loop_request_flush(&cluster->flush);
    bool is_well = cluster->has_map && (cluster->front->options.is_lazy ? cluster_find_ready(cluster) != NULL
                                                                        : count_unserved(cluster) == 0);
    timer_start(&cluster->timer, is_well ? LOOK_MS : LOOK_AGAIN_MS, on_time);
}

void redis_cluster_take_moved(struct redis_cluster *cluster, int slot, struct cluster_node *to)
{
    if (cluster->owners[slot] != to) {
        set_owner(cluster, slot, to);
        choose_marks(cluster);
        note_news(cluster);
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
    flush_init(&cluster->flush, on_flush, cluster);
    cluster->pause_ms = LOOK_SOONEST_MS;
    cluster->alone_ms = loop_now_ms();
    counter_set(&front->counts->unserved_slots, front->options.is_lazy ? 0 : REDIS_SLOTS);
    timer_start(&cluster->timer, 0, on_time); /* and not at once: scripts are still to be registered */
    return cluster;
}

void redis_cluster_free(struct redis_cluster *cluster)
{
    if (cluster == NULL)
        return;
    cluster->front->is_closing = true;
    timer_fini(&cluster->timer);
    list_remove(&cluster->flush.link);
    cluster_free_nodes(cluster);
    release_waiters(cluster);
    free(cluster->ids);
    free(cluster);
}
