/* Masters of a Redis Cluster that are replaced, are away, or say nothing, under load. */
#include "redis/cluster.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cluster_site.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

enum { NODE_TIMEOUT_MS = 1500 };

TestSuite(redis_cluster_failover, .fini = cluster_site_end, .timeout = 90);

/* Increments a counter of each master; `arg` is the number of the one that fails. */
static void write_on(void *arg)
{
    int failing = (int)(intptr_t)arg;
    cluster_load.writers++;
    for (int i = 0; !cluster_load.is_over; i++) {
        char key[KEY_BYTES];
        enum mid_error error = ask(cluster_load.client, NULL, NULL, WORDS("INCR", key_at(i % 3, key)));
        cluster_load.sent++;
        if (error != MID_OK) {
            cluster_load.failed++;
            cluster_load.failed_elsewhere += i % 3 != failing;
            cluster_load.first_failure_ms =
                cluster_load.first_failure_ms != 0 ? cluster_load.first_failure_ms : loop_now_ms();
            cluster_load.last_failure_ms = loop_now_ms();
        }
        loop_park(5);
    }
    cluster_load.writers--;
}

static void begin_load(struct redis_client *client, int failing)
{
    enum { WRITERS = 20 };
    cluster_load.client = client;
    for (int i = 0; i < WRITERS; i++)
        cr_assert(loop_spawn(write_on, (void *)(intptr_t)failing));
    loop_park(200);
}

static void order_a_failover(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    char key[KEY_BYTES];
    begin_load(client, 1);
    order(4, "CLUSTER FAILOVER");
    await_owner(client, slot_of(key_at(1, key)), 4);
    loop_park(200);
    cluster_load_end("CLUSTER FAILOVER");
    cr_expect_eq(cluster_load.failed, 0);
    redis_client_free(client);
}

Test(redis_cluster_failover, an_ordered_failover_fails_nobody)
{
    cluster_site_start(0);
    run_scenario(order_a_failover);
}

static void survive_a_master(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    char key[KEY_BYTES];
    begin_load(client, 0);
    redis_cluster_kill(&cluster_site, 0);
    await_owner(client, slot_of(key_at(0, key)), 3);
    loop_park(200);
    cluster_load_end("kill -9");
    cr_expect_gt(cluster_load.failed, 0);
    cr_expect_eq(cluster_load.failed_elsewhere, 0, "only the slots of the killed one");
    cr_expect_eq(ask(client, NULL, NULL, WORDS("INCR", key_at(0, key))), MID_OK);
    redis_client_free(client);
    redis_cluster_restart(&cluster_site, 0);
}

Test(redis_cluster_failover, a_killed_master_is_replaced_and_its_slots_alone_fail)
{
    cluster_site_start(NODE_TIMEOUT_MS);
    run_scenario(survive_a_master);
}

/* The node is there, and says nothing: no failover comes, since the others have not missed it for long enough. */
static void freeze_a_master(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    options.timeout_ms = 500;
    struct redis_client *client = ready_client(&options);
    begin_load(client, 2);
    process_signal(cluster_site.pids[2], SIGSTOP);
    loop_park(3000);
    process_signal(cluster_site.pids[2], SIGCONT);
    char key[KEY_BYTES];
    await_owner(client, slot_of(key_at(2, key)), 2);
    cluster_load_end("SIGSTOP");
    cr_expect_gt(cluster_load.failed, 0);
    cr_expect_eq(cluster_load.failed_elsewhere, 0);
    redis_client_free(client);
}

Test(redis_cluster_failover, of_a_node_that_cannot_be_reached_only_its_slots_fail)
{
    cluster_site_start(0);
    run_scenario(freeze_a_master);
}

/* The client has a map; all masters end; the replicas cannot be elected without them, so the old ones come back. */
static void lose_all(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    for (int i = 0; i < 3; i++) {
        redis_cluster_kill(&cluster_site, i);
    }
    loop_park(500);
    cr_expect_not(redis_client_is_ready(client));
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_UNAVAILABLE);
    cr_expect_eq(redis_client_counts(client)->unserved_slots, REDIS_SLOTS);
    for (int i = 0; i < 3; i++)
        redis_cluster_restart(&cluster_site, i);
    cr_assert(redis_client_wait_ready(client, FAILOVER_MS));
    int64_t end_ms = loop_now_ms() + FAILOVER_MS;
    while (ask(client, NULL, NULL, WORDS("SET", "a", "1")) != MID_OK && loop_now_ms() < end_ms)
        loop_park(20);
    if (loop_now_ms() >= end_ms)
        cluster_site_print();
    cr_expect_lt(loop_now_ms(), end_ms, "%s", redis_client_failure(client));
    redis_client_free(client);
}

Test(redis_cluster_failover, all_masters_may_go_and_come_back)
{
    cluster_site_start(0);
    run_scenario(lose_all);
}

/* Nobody asks it anything but for the map. */
static void miss_a_silent_one(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    options.timeout_ms = 500;
    struct redis_client *client = ready_client(&options);
    process_signal(cluster_site.pids[2], SIGSTOP);
    int64_t end_ms = loop_now_ms() + FAILOVER_MS;
    while (redis_client_counts(client)->unserved_slots == 0 && loop_now_ms() < end_ms) {
        redis_cluster_refresh(client->cluster);
        loop_park(20);
    }
    cr_expect_gt(redis_client_counts(client)->unserved_slots, 0);
    cr_expect(redis_client_is_ready(client));
    process_signal(cluster_site.pids[2], SIGCONT);
    char key[KEY_BYTES];
    await_owner(client, slot_of(key_at(2, key)), 2);
    redis_client_free(client);
}

Test(redis_cluster_failover, a_node_that_says_nothing_is_left_though_nobody_asks_it)
{
    cluster_site_start(0);
    run_scenario(miss_a_silent_one);
}

/* As the readers of tasks are connected: to where they began, and to the node of their queue. Both end. */
static void lose_both(void *arg)
{
    (void)arg;
    char address[32], key[KEY_BYTES];
    struct redis_options options = cluster_options();
    snprintf(address, sizeof(address), "127.0.0.1:%d", cluster_site.ports[4]);
    options.address = address;
    options.is_lazy = true;
    struct redis_client *client = ready_client(&options);
    cr_assert(redis_client_wait_key(client, key_at(0, key), READY_MS));
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", key, "1")), MID_OK);
    cr_expect_leq(redis_client_counts(client)->connections, 2);
    redis_cluster_kill(&cluster_site, 4);
    redis_cluster_kill(&cluster_site, 0);
    int64_t end_ms = loop_now_ms() + FAILOVER_MS;
    while (ask(client, NULL, NULL, WORDS("SET", key, "2")) != MID_OK && loop_now_ms() < end_ms)
        loop_park(20);
    cr_expect_lt(loop_now_ms(), end_ms);
    cr_expect_eq(place_of(client, slot_of(key)), 3);
    redis_client_free(client);
    redis_cluster_restart(&cluster_site, 0);
    redis_cluster_restart(&cluster_site, 4);
}

Test(redis_cluster_failover, who_is_connected_to_one_node_only_finds_the_others_when_that_ends)
{
    cluster_site_start(NODE_TIMEOUT_MS);
    run_scenario(lose_both);
}

/* -------------------- another one at the same address -------------------- */

/* The new one: whom it has no link to, it does not ask for a vote. */
static bool has_met_the_masters(void *arg)
{
    (void)arg;
    int masters = 0;
    struct redis_probe *probe = redis_probe_open_port(cluster_site.ports[0]);
    OWNED char *nodes = redis_text(probe, "CLUSTER NODES");
    for (char *rest = nodes, *line; (line = strsep(&rest, "\n")) != NULL;)
        masters += strstr(line, " master ") != NULL && strstr(line, " connected") != NULL;
    redis_probe_close(probe);
    return masters == 3;
}

/* Whoever was at the address has failed, and has been replaced by an empty one with another identity, which becomes the
 * master again: the client knows addresses only. */
static void replace_a_node(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    char key[KEY_BYTES], id[41], line[96];
    struct answer answer;
    const int slot = slot_of(key_at(0, key));
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", key, "kept")), MID_OK);
    redis_cluster_kill(&cluster_site, 0);
    await_owner(client, slot, 3);

    redis_cluster_replace(&cluster_site, 0);
    order(3, "CLUSTER MEET 127.0.0.1 %d %d", cluster_site.ports[0], cluster_site.bus_ports[0]);
    redis_cluster_id(3, id);
    cr_assert(wait_until(has_met_the_masters, NULL, READY_MS));
    order(0, "CLUSTER REPLICATE %s", id);
    snprintf(line, sizeof(line), "127.0.0.1:%d@%d slave %s", cluster_site.ports[0], cluster_site.bus_ports[0], id);
    for (int voter = 1; voter <= 3; voter++) /* which has to know whose replica it is */
        cr_assert(wait_until(redis_cluster_says, &(struct redis_cluster_wish){&cluster_site, voter, line}, READY_MS));
    cr_assert(wait_until(redis_node_is_in_step, &cluster_site.ports[0], READY_MS));
    order(0, "CLUSTER FAILOVER");
    await_owner(client, slot, 0);
    cr_expect_eq(ask(client, &answer, NULL, WORDS("GET", key)), MID_OK);
    cr_expect_str_eq(answer.text, "kept");
    redis_client_free(client);
}

Test(redis_cluster_failover, a_node_is_replaced_by_another_at_its_address)
{
    cluster_site_start(NODE_TIMEOUT_MS);
    run_scenario(replace_a_node);
}
