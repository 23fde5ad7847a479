/*
 * Redis with a replica and Sentinels, whose master is killed under load: with commit-durability=replica nothing that
 * was acknowledged is lost, and no logout is undone.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"
#include "fault.h"
#include "hammer.h"
#include "support/redis_node.h"

enum {
    NODES = 2,
    SENTINELS = 3,
    STREAMS = 20,
    EVENTS = 60,
    VISITORS = 4,
    LEAVERS = 20,
    FAILOVER_MS = 30000,
    DOWN_AFTER_MS = 1500
};

/* -------------------- the servers -------------------- */

static struct {
    char directory[64];
    int ports[NODES];
    pid_t pids[NODES];
    int sentinel_ports[SENTINELS];
    pid_t sentinels[SENTINELS];
} servers;

static void start_node(size_t node, int master_port)
{
    servers.pids[node] = redis_node_start(servers.directory, servers.ports[node], master_port);
}

static void start_servers(void)
{
    snprintf(servers.directory, sizeof(servers.directory), "/tmp/midstream-failover-XXXXXX");
    cr_assert_not_null(mkdtemp(servers.directory));
    for (size_t i = 0; i < NODES; i++)
        servers.ports[i] = redis_node_port();
    start_node(0, 0);
    start_node(1, servers.ports[0]);
    cr_assert(wait_until(redis_node_is_in_step, &servers.ports[1], FAILOVER_MS));
    for (size_t i = 0; i < SENTINELS; i++) {
        servers.sentinel_ports[i] = redis_node_port();
        servers.sentinels[i] =
            redis_sentinel_start(servers.directory, servers.sentinel_ports[i], servers.ports[0], DOWN_AFTER_MS, "");
    }
    for (size_t i = 0; i < SENTINELS; i++)
        cr_assert(wait_until(redis_sentinel_knows_all, &servers.sentinel_ports[i], FAILOVER_MS));
}

static void end_servers(void)
{
    for (size_t i = 0; i < SENTINELS; i++)
        if (servers.sentinels[i] != 0)
            process_signal(servers.sentinels[i], SIGKILL);
    for (size_t i = 0; i < NODES; i++)
        if (servers.pids[i] != 0)
            process_signal(servers.pids[i], SIGKILL);
    struct buffer output = {0};
    if (servers.directory[0] != '\0')
        process_run((const char *const[]){"rm", "-r", servers.directory, NULL}, NULL, &output, PATIENCE_MS);
    buffer_fini(&output);
}

TestSuite(fault_failover, .fini = end_servers, .timeout = 300);

static bool all_name(int port)
{
    for (size_t i = 0; i < SENTINELS; i++)
        if (redis_sentinel_master(servers.sentinel_ports[i]) != port)
            return false;
    return true;
}

static bool have_other_master(void *arg)
{
    return all_name(servers.ports[1 - *(size_t *)arg]);
}

static bool agree(void *arg)
{
    size_t *master = arg;
    *master = all_name(servers.ports[1]) ? 1 : 0;
    return all_name(servers.ports[*master]);
}

/* A busy machine may have made the Sentinels change it. */
static size_t current_master(void)
{
    size_t master;
    cr_assert(wait_until(agree, &master, FAILOVER_MS));
    return master;
}

/* Kills the master. When the replica is the master, what was killed comes back, empty, as its replica. */
static void fail_over(void)
{
    size_t old = current_master();
    process_signal(servers.pids[old], SIGKILL);
    cr_assert_geq(process_wait(servers.pids[old], PATIENCE_MS), 0);
    cr_assert(wait_until(have_other_master, &old, FAILOVER_MS));
    start_node(old, servers.ports[1 - old]);
    cr_assert(wait_until(redis_node_is_in_step, &servers.ports[old], FAILOVER_MS));
}

/* -------------------- visitors who leave -------------------- */

struct leaver {
    struct cookie_jar *visitor;
    char *key;
    bool has_left; /* that was answered */
};

static void enter(struct site *site, struct leaver *leaver)
{
    struct site own = *site;
    leaver->visitor = own.visitor = cookie_jar_new();
    site_make_session(&own);
    leaver->key = site_key(&own);
}

/* Asks until it is answered: with 503 while it cannot be confirmed. */
static void leave(const struct site *site, struct leaver *leaver)
{
    struct site own = *site;
    own.visitor = leaver->visitor;
    for (int64_t end_ms = clock_monotonic_ms() + FAILOVER_MS; !leaver->has_left && clock_monotonic_ms() < end_ms;) {
        int status = site_send(&own, "POST", "/logout", NULL, NULL);
        leaver->has_left = status == 200 || status == 204 || status == 303;
        cr_expect(leaver->has_left || status == 503, "%d", status);
        usleep(20000);
    }
}

struct exodus {
    const struct site *site;
    struct leaver *leavers;
    size_t count;
    pthread_t thread;
};

static void *leave_one_by_one(void *arg)
{
    const struct exodus *exodus = arg;
    for (size_t i = 0; i < exodus->count; i++)
        leave(exodus->site, &exodus->leavers[i]);
    return NULL;
}

static size_t count_revived(const struct site *site, const struct leaver leavers[])
{
    size_t revived = 0;
    for (size_t i = 0; i < LEAVERS; i++)
        revived += !leavers[i].has_left || redis_int(site->redis, "EXISTS %s", leavers[i].key) != 0;
    return revived;
}

static void free_leavers(struct leaver leavers[])
{
    for (size_t i = 0; i < LEAVERS; i++) {
        cookie_jar_free(leavers[i].visitor);
        free(leavers[i].key);
    }
}

/* -------------------- the test -------------------- */

static struct site open_site(const char *durability)
{
    OWNED char *redis = text_printf("MIDSTREAM_REDIS=redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/ours",
                                    servers.sentinel_ports[0], servers.sentinel_ports[1], servers.sentinel_ports[2]);
    OWNED char *setting = text_printf("MIDSTREAM_COMMIT_DURABILITY=%s", durability);
    return site_open_with(&(struct stack_options){
        .workers = 2, .environment = SETTINGS(redis, setting, "MIDSTREAM_COMMIT_TIMEOUT_MS=60000")});
}

static void look_at_master(struct site *site)
{
    redis_probe_close(site->redis);
    site->redis = redis_probe_open_port(servers.ports[current_master()]);
    cr_assert_not_null(site->redis);
}

Test(fault_failover, with_durability_replica_nothing_that_was_acknowledged_is_lost)
{
    static const struct crowd_options streams = {.path = "/events?count=60&interval_ms=100",
                                                 .clients = STREAMS,
                                                 .lines_per_piece = 3,
                                                 .pieces = EVENTS,
                                                 .interval_us = 100000};
    struct leaver leavers[LEAVERS] = {0};
    size_t left = 0;
    start_servers();
    struct site site = open_site("replica");
    look_at_master(&site);
    cr_assert(fault_await_sessions(&site));
    for (size_t i = 0; i < LEAVERS; i++)
        enter(&site, &leavers[i]);
    struct hammer *hammer = hammer_start(&site, VISITORS);
    for (size_t i = 0; i < fault_scale(1, 5); i++) {
        struct crowd *crowd = crowd_open(&site, &streams);
        cr_assert(crowd_wait_pieces(crowd, 5, PATIENCE_MS));
        struct exodus exodus = {.site = &site, .leavers = &leavers[left], .count = LEAVERS / fault_scale(1, 5)};
        cr_assert_eq(pthread_create(&exodus.thread, NULL, leave_one_by_one, &exodus), 0);
        usleep((useconds_t)(20000 * exodus.count / 2)); /* some have left, and some are about to */
        fail_over();
        pthread_join(exodus.thread, NULL);
        left += exodus.count;
        look_at_master(&site);
        cr_assert(fault_await_sessions(&site));
        cr_assert(crowd_wait_end(crowd, 4 * PATIENCE_MS));
        struct crowd_tally tally = crowd_tally(crowd);
        cr_expect_eq(tally.complete, STREAMS, "%zu of %d are complete", tally.complete, STREAMS);
        cr_expect_eq(tally.false_complete, 0);
        cr_expect_eq(fault_count_miscommitted(&site, crowd, STREAMS, EVENTS), 0);
        crowd_close(crowd);
    }
    struct hammer_sum sum = hammer_stop(hammer);
    fprintf(stderr, "fault_failover: %zu acknowledged, %zu unavailable, %zu lost\n", sum.acknowledged, sum.unavailable,
            sum.lost);
    cr_expect_gt(sum.acknowledged, 0);
    cr_expect_gt(sum.unavailable, 0, "no request met the fault");
    cr_expect_eq(sum.failed, 0, "%zu failed, the first with %s", sum.failed, sum.first_failure);
    cr_expect_eq(sum.lost, 0, "%zu of %zu acknowledged changes are lost", sum.lost, sum.acknowledged);
    cr_expect_eq(sum.beyond, 0, "%zu changes were made twice", sum.beyond);
    cr_expect_eq(count_revived(&site, leavers), 0, "a logout was undone");
    free_leavers(leavers);
    site_close(&site);
}
