/* What a Redis Cluster confirms: each master waits for its own replicas, by a key that it has. */
#include "redis/cluster.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_site.h"
#include "support/owned.h"
#include "support/process.h"

TestSuite(redis_cluster_durability, .fini = cluster_site_end, .timeout = 90);

MAY_SUSPEND static struct redis_client *new_client(void)
{
    struct redis_options options = cluster_options();
    options.durability = MID_DURABLE_REPLICA;
    options.replicas = 1;
    return ready_client(&options);
}

static enum mid_error increment(struct redis_client *client, const char *key)
{
    struct redis_call call = {.durability = MID_DURABLE_REPLICA};
    const struct redis_argument words[] = {REDIS_TEXT("INCR"), REDIS_TEXT(key)};
    return redis_command(client, 2, words, &call);
}

static void confirm_everywhere(void *arg)
{
    (void)arg;
    struct redis_client *client = new_client();
    char key[KEY_BYTES];
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(increment(client, key_at(i, key)), MID_OK, "%s", key);
        struct redis_probe *replica = redis_probe_open_port(cluster_site.ports[3 + i]);
        free(redis_text(replica, "READONLY"));
        OWNED char *number = redis_text(replica, "GET %s", key);
        cr_expect_str_eq(number, "1");
        redis_probe_close(replica);
    }
    process_signal(cluster_site.pids[4], SIGSTOP);
    cr_expect_eq(increment(client, key_at(1, key)), MID_UNAVAILABLE, "its replica is away");
    cr_expect_eq(increment(client, key_at(0, key)), MID_OK);
    cr_expect_eq(increment(client, key_at(2, key)), MID_OK);
    cr_expect_eq(redis_client_counts(client)->is_not_durable, 1);
    process_signal(cluster_site.pids[4], SIGCONT);
    int64_t end_ms = loop_now_ms() + FAILOVER_MS;
    while (increment(client, key_at(1, key)) != MID_OK && loop_now_ms() < end_ms)
        loop_park(20);
    cr_expect_lt(loop_now_ms(), end_ms);
    cr_expect_eq(redis_client_counts(client)->is_not_durable, 0);
    redis_client_free(client);
}

Test(redis_cluster_durability, every_master_waits_for_its_own_replicas)
{
    cluster_site_start(0);
    run_scenario(confirm_everywhere);
}

/* The key that is written before WAIT is in a slot that moves, and then has moved. */
static void move_the_mark(void *arg)
{
    (void)arg;
    struct redis_client *client = new_client();
    char key[KEY_BYTES], mark[REDIS_MARK_KEY_BYTES];
    cr_assert_eq(increment(client, key_at(0, key)), MID_OK);
    strcpy(mark, client->cluster->owners[slot_of(key)]->client->mark_key);
    const int slot = slot_of(mark);
    cr_assert_neq(slot, slot_of(key));
    cr_assert_eq(place_of(client, slot), 0, "every node has a mark of its own");
    struct redis_probe *source = redis_probe_open_port(cluster_site.ports[0]);
    redis_int(source, "DEL %s", mark);
    redis_probe_close(source);
    slot_begin(slot, 0, 1);
    cr_expect_eq(increment(client, key), MID_OK, "it is on its way");
    slot_end(slot, 0, 1);
    for (int i = 0; i < 20; i++)
        cr_expect_eq(increment(client, key), MID_OK, "it has moved");
    cr_expect_eq(redis_client_counts(client)->is_not_durable, 0);
    cr_expect_eq(redis_client_counts(client)->durability_failures, 0);
    redis_client_free(client);
}

Test(redis_cluster_durability, commits_are_confirmed_while_slots_move)
{
    cluster_site_start(0);
    run_scenario(move_the_mark);
}
