/*
 * A Redis Cluster of three masters and three replicas under load: masters that are killed, and slots that move.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "failover.h"
#include "hammer.h"
#include "redis/slot.h"
#include "support/redis_cluster.h"
#include "support/redis_node.h"

enum { MASTERS = 3, NODE_TIMEOUT_MS = 1500, STREAMS = 20, EVENTS = 60, VISITORS = 4, RESHARD_MS = 180000 };

/* -------------------- the servers -------------------- */

static char directory[64];
static struct redis_cluster_nodes nodes;

static void start_servers(int node_timeout_ms)
{
    snprintf(directory, sizeof(directory), "/tmp/midstream-cluster-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    redis_cluster_start(
        &nodes, &(struct redis_cluster_options){
                    .directory = directory, .masters = MASTERS, .replicas = 1, .node_timeout_ms = node_timeout_ms});
}

static void end_servers(void)
{
    struct buffer output = {0};
    redis_cluster_stop(&nodes);
    if (directory[0] != '\0')
        process_run((const char *const[]){"rm", "-r", directory, NULL}, NULL, &output, PATIENCE_MS);
    buffer_fini(&output);
}

TestSuite(fault_cluster, .fini = end_servers, .timeout = 900);

static void look(struct site *site)
{
    redis_probe_close(site->redis);
    site->redis = redis_probe_open_cluster(nodes.ports, nodes.count);
}

/* -------------------- masters that are killed -------------------- */

static struct {
    int slot;
    int old;
} change;

/* As every other master sees it. */
static bool has_other_master(void *arg)
{
    (void)arg;
    for (int i = 0; i < nodes.count; i++) {
        if (i == change.old)
            continue;
        int master = redis_cluster_master_of(&nodes, i, change.slot);
        if (master < 0 || master == change.old)
            return false;
    }
    return true;
}

/* What was killed comes back, empty, as a replica of its replica. */
static void fail_over(const char *key)
{
    change.slot = redis_slot_of(key, strlen(key));
    change.old = redis_cluster_master_of(&nodes, 0, change.slot);
    cr_assert_geq(change.old, 0);
    redis_cluster_kill(&nodes, change.old);
    cr_assert(wait_until(has_other_master, NULL, FAILOVER_MS));
    redis_cluster_restart(&nodes, change.old);
    cr_assert(wait_until(redis_node_is_in_step, &nodes.ports[change.old], FAILOVER_MS));
}

Test(fault_cluster, with_durability_replica_nothing_that_was_acknowledged_is_lost)
{
    start_servers(NODE_TIMEOUT_MS);
    failover_test(&(struct failover){.url = nodes.url, .fail_over = fail_over, .look = look});
}

/* -------------------- slots that move -------------------- */

/* Until all nodes tell the same of the slots: without that nothing is moved. */
static bool is_agreed(void *arg)
{
    struct buffer output = {0};
    const char *address = arg;
    int code = process_run((const char *const[]){"redis-cli", "--cluster", "check", address, NULL}, NULL, &output,
                           PATIENCE_MS);
    buffer_fini(&output);
    return code == 0;
}

static void move_slots(int from, int to, int count)
{
    struct buffer output = {0};
    char from_id[41], to_id[41];
    OWNED char *address = text_printf("127.0.0.1:%d", nodes.ports[2]);
    OWNED char *slots = text_printf("%d", count);
    cr_assert(wait_until(is_agreed, address, FAILOVER_MS));
    redis_cluster_id(from, from_id);
    redis_cluster_id(to, to_id);
    int code =
        process_run((const char *const[]){"redis-cli", "--cluster", "reshard", address, "--cluster-from", from_id,
                                          "--cluster-to", to_id, "--cluster-slots", slots, "--cluster-yes", NULL},
                    NULL, &output, RESHARD_MS);
    cr_assert_eq(code, 0, "%.*s", (int)output.length, output.data);
    buffer_fini(&output);
}

Test(fault_cluster, slots_move_under_visitors_and_none_of_them_notices)
{
    static const struct crowd_options streams = {.path = "/events?count=60&interval_ms=100",
                                                 .clients = STREAMS,
                                                 .lines_per_piece = 3,
                                                 .pieces = EVENTS,
                                                 .interval_us = 100000};
    start_servers(0);
    OWNED char *redis = text_printf("MIDSTREAM_REDIS=%s", nodes.url);
    struct site site = site_open_with(&(struct stack_options){.workers = 2, .environment = SETTINGS(redis)});
    look(&site);
    cr_assert(fault_await_sessions(&site));
    struct hammer *hammer = hammer_start(&site, VISITORS);
    struct crowd *crowd = crowd_open(&site, &streams);
    cr_assert(crowd_wait_pieces(crowd, 5, PATIENCE_MS));
    for (int i = 0; i < MASTERS; i++) /* all the slots that each had in the beginning, but for some */
        move_slots(i, (i + 1) % MASTERS, 4000);
    cr_assert(crowd_wait_end(crowd, 4 * PATIENCE_MS));
    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect_eq(tally.complete, STREAMS, "%zu of %d are complete", tally.complete, STREAMS);
    cr_expect_eq(fault_count_miscommitted(&site, crowd, STREAMS, EVENTS), 0);
    crowd_close(crowd);
    struct hammer_sum sum = hammer_stop(hammer);
    fprintf(stderr, "fault_cluster: 12,000 slots moved: %zu acknowledged, %zu unavailable, %zu lost\n",
            sum.acknowledged, sum.unavailable, sum.lost);
    cr_expect_gt(sum.acknowledged, 0);
    cr_expect_eq(sum.unavailable, 0);
    cr_expect_eq(sum.failed, 0, "%zu failed, the first with %s", sum.failed, sum.first_failure);
    cr_expect_eq(sum.lost, 0);
    cr_expect_eq(sum.beyond, 0);
    site_close(&site);
}

/* -------------------- visitors who come while a master is away -------------------- */

static size_t count_refused(struct site *site, size_t visitors)
{
    size_t refused = 0;
    struct cookie_jar *own = site->visitor;
    for (size_t i = 0; i < visitors; i++) {
        site->visitor = cookie_jar_new();
        refused += site_send(site, "GET", "/counter", NULL, NULL) != 200;
        cookie_jar_free(site->visitor);
    }
    site->visitor = own;
    return refused;
}

struct wish {
    struct site *site;
    const char *event;
};

/* Who comes until the worker says so may be refused. */
static bool has_noticed(void *arg)
{
    const struct wish *wish = arg;
    (void)count_refused(wish->site, 1);
    OWNED char *log = site_log(wish->site);
    return strstr(log, wish->event) != NULL;
}

static void expect_nobody_refused(struct site *site, const char *event)
{
    cr_assert(wait_until(has_noticed, &(struct wish){site, event}, PATIENCE_MS));
    cr_expect_eq(count_refused(site, 60), 0, "%s: new visitors are given sessions of the slots that are away", event);
}

Test(fault_cluster, new_visitors_begin_elsewhere_while_a_master_is_away)
{
    start_servers(0);
    OWNED char *redis = text_printf("MIDSTREAM_REDIS=%s", nodes.url);
    struct site site = site_open_with(&(struct stack_options){.workers = 1, .environment = SETTINGS(redis)});
    look(&site);
    cr_assert(fault_await_sessions(&site));
    process_signal(nodes.pids[0], SIGSTOP);
    expect_nobody_refused(&site, "redis.suspect");
    process_signal(nodes.pids[0], SIGCONT);
    redis_cluster_kill(&nodes, 1);
    OWNED char *lost = text_printf("redis.lost address=127.0.0.1:%d", nodes.ports[1]);
    expect_nobody_refused(&site, lost);
    site_close(&site);
}
