/* Redis with a replica and Sentinels, whose master is killed under load. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "failover.h"
#include "support/redis_node.h"

enum { NODES = 2, SENTINELS = 3, DOWN_AFTER_MS = 1500 };

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
static void fail_over(const char *key)
{
    (void)key;
    size_t old = current_master();
    process_signal(servers.pids[old], SIGKILL);
    cr_assert_geq(process_wait(servers.pids[old], PATIENCE_MS), 0);
    cr_assert(wait_until(have_other_master, &old, FAILOVER_MS));
    start_node(old, servers.ports[1 - old]);
    cr_assert(wait_until(redis_node_is_in_step, &servers.ports[old], FAILOVER_MS));
}

static void look_at_master(struct site *site)
{
    redis_probe_close(site->redis);
    site->redis = redis_probe_open_port(servers.ports[current_master()]);
    cr_assert_not_null(site->redis);
}

Test(fault_failover, with_durability_replica_nothing_that_was_acknowledged_is_lost)
{
    start_servers();
    OWNED char *url = text_printf("redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/ours",
                                  servers.sentinel_ports[0], servers.sentinel_ports[1], servers.sentinel_ports[2]);
    failover_test(&(struct failover){.url = url, .fail_over = fail_over, .look = look_at_master});
}
