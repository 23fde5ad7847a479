/*
 * Asking the nodes of a cluster for its map, again and again, and what of their answers is believed. See cluster.h.
 */
#include "redis/cluster.h"

#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/cluster_map.h"
#include "redis/resp.h"

enum {
    LOOK_MS = 10000,       /* the map, when nothing seems wrong */
    LOOK_AGAIN_MS = 250,   /* while slots are not served; and when nothing has changed, at the soonest */
    QUESTION_MS = 1000,    /* for the answer of one node, until the next one is asked */
    UNINFORMED_MS = 15000, /* without a map that was believed */
    DOUBT_MS = 30000,      /* so long is an older map not believed */
    SEEDS_AGAIN_MS = 1000, /* without any connection the addresses that were configured are tried, too */
};

/* -------------------- answers -------------------- */

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

/* An error that the rest of the greeting does not meet: what a user may not, and whatever comes later. INFO, which is
 * asked together with SLOTS, would be refused for the same reason. */
static bool is_told_here(const struct cluster_node *node, const redisReply *reply)
{
    static const char not_permitted[] = "NOPERM ";
    bool is_greeting = node->client->state != CONNECTION_READY;
    return reply->type == REDIS_REPLY_ERROR &&
           (!is_greeting || strncmp(reply->str, not_permitted, strlen(not_permitted)) == 0);
}

static void on_slots(void *arg, const struct redisReply *reply)
{
    struct cluster_node *node = arg;
    struct redis_cluster *cluster = node->cluster;
    struct cluster_map map;
    char reason[REDIS_REASON_SIZE];
    redis_command_note_answer(node->client);
    cluster->is_asking = false;
    if (reply == NULL || node->retired_ms != 0 || cluster->front->is_closing)
        return;
    if (is_told_here(node, reply))
        redis_command_note_error(node->client, reply);
    if (!cluster_map_read(&map, reply, &node->address, reason, sizeof(reason))) {
        cluster_note_failure(node, reason);
        return;
    }
    if (is_believed(node, &map)) {
        cluster_apply(cluster, &map);
        cluster->epoch = node->epoch;
        cluster->mapped_ms = loop_now_ms();
    }
    cluster_judge(cluster);
    if (cluster->has_news)
        cluster_note_news(cluster);
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
    if (node->is_down)
        cluster_note_failure(node, "the cluster is down (cluster_state:fail)");
    node->cluster->has_news = node->cluster->has_news || node->is_down != was_down;
}

/* -------------------- questions -------------------- */

static void on_time(struct timer *timer);

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
    send_words(node, "INFO", on_epoch);
    send_words(node, "SLOTS", on_slots);
    redis_command_note_question(node->client);
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
    ask_next(cluster);
    cluster_tell(cluster);
    loop_request_flush(&cluster->flush);
    timer_start(&cluster->timer, cluster_is_well(cluster) ? LOOK_MS : LOOK_AGAIN_MS, on_time);
}

void cluster_watch_begin(struct redis_cluster *cluster)
{
    flush_init(&cluster->flush, on_flush, cluster);
    cluster->pause_ms = CLUSTER_SOONEST_MS;
    cluster->alone_ms = loop_now_ms();
    timer_start(&cluster->timer, 0, on_time); /* and not at once: scripts are still to be registered */
}

void cluster_watch_end(struct redis_cluster *cluster)
{
    timer_fini(&cluster->timer);
    list_remove(&cluster->flush.link);
}
