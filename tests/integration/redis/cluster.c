/*
 * The client with a Redis Cluster, all real: where keys are, what waits for replicas, and what is none. Failovers are
 * in cluster_failover.c, slots that move in cluster_slots.c, and what no node should say in cluster_lies.c.
 */
#include "redis/cluster.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificates.h"
#include "cluster_site.h"
#include "redis/tls.h"
#include "support/owned.h"
#include "support/process.h"

TestSuite(redis_cluster, .fini = cluster_site_end, .timeout = 90);

/* -------------------- where keys are -------------------- */

static void use_every_node(void *arg)
{
    enum { KEYS = 300 };
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    int used[3] = {0};
    for (int i = 0; i < KEYS; i++) {
        char key[KEY_BYTES];
        struct answer answer;
        snprintf(key, sizeof(key), "key:%d", i);
        used[place_of(client, slot_of(key))]++;
        cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", key, key)), MID_OK);
        cr_assert_eq(ask(client, &answer, NULL, WORDS("GET", key)), MID_OK);
        cr_expect_str_eq(answer.text, key);
    }
    for (int i = 0; i < 3; i++)
        cr_expect_gt(used[i], KEYS / 6, "node %d has %d keys", i, used[i]);
    cr_expect_eq(redirections(client), 0, "the map was right");
    cr_expect_eq(redis_client_counts(client)->unserved_slots, 0);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK, "without a key any node will do");
    redis_client_free(client);
}

Test(redis_cluster, every_key_is_sent_to_its_node)
{
    cluster_site_start(0);
    run_scenario(use_every_node);
}

/* One is a replica, the others are away. */
static void begin_with_a_replica(void *arg)
{
    (void)arg;
    char addresses[128];
    snprintf(addresses, sizeof(addresses), "127.0.0.1:1,127.0.0.1:%d,localhost:2", cluster_site.ports[4]);
    struct redis_options options = cluster_options();
    options.address = addresses;
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(redis_client_counts(client)->unserved_slots, 0);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);
    int64_t end_ms = loop_now_ms() + 2 * options.timeout_ms + READY_MS;
    while (!list_is_empty(&client->cluster->retired) && loop_now_ms() < end_ms) {
        redis_cluster_refresh(client->cluster);
        loop_park(20);
    }
    size_t count = 0;
    CLUSTER_EACH (client->cluster, node)
        count++;
    cr_expect_lt(loop_now_ms(), end_ms, "seeds that are no masters are forgotten");
    cr_expect_eq(count, 3);
    redis_client_free(client);
}

Test(redis_cluster, one_replica_among_the_seeds_is_enough)
{
    cluster_site_start(0);
    run_scenario(begin_with_a_replica);
}

/* -------------------- TLS -------------------- */

static void start_with_tls(void)
{
    char more[800];
    server_make_certificates();
    OWNED char *certificate = strdup(certificate_path("server.pem"));
    OWNED char *key = strdup(certificate_path("server.key"));
    snprintf(more, sizeof(more), "tls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\ntls-auth-clients no\n",
             certificate, key, certificate_path("ca.pem"));
    redis_cluster_start(&cluster_site,
                        &(struct redis_cluster_options){
                            .directory = server.directory, .masters = 3, .replicas = 1, .has_tls = true, .more = more});
}

MAY_SUSPEND static struct redis_client *ready_client_by_tls(void)
{
    char address[32];
    struct redis_options options = cluster_options();
    snprintf(address, sizeof(address), "localhost:%d", cluster_site.tls_ports[2]);
    options.address = address;
    options.tls = server_tls();
    return ready_client(&options);
}

static void use_tls(void *arg)
{
    (void)arg;
    char key[KEY_BYTES];
    struct redis_client *client = ready_client_by_tls();
    cr_expect_eq(redis_client_counts(client)->unserved_slots, 0);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", key_at(i, key), "1")), MID_OK);
        cr_expect_eq(place_of(client, slot_of(key)), i);
        cr_expect_not_null(client->cluster->owners[slot_of(key)]->client->tls);
    }
    order(4, "CLUSTER FAILOVER");
    while (place_of(client, slot_of(key_at(1, key))) != 4) {
        cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", key, "2")), MID_OK);
        loop_park(5);
    }
    await_owner(client, slot_of(key), 4);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", key, "3")), MID_OK);
    redis_client_free(client);
}

Test(redis_cluster, every_node_is_spoken_to_by_tls)
{
    start_with_tls();
    run_scenario(use_tls);
}

/* Of an authority of its own, as that is renewed, too. Connections stay; those that come after them are with the new.
 */
static void renew_certificates(void *arg)
{
    (void)arg;
    char key[KEY_BYTES];
    struct redis_client *client = ready_client_by_tls();
    server_make_certificates();
    for (int i = 0; i < cluster_site.count; i++)
        order(i, "CONFIG SET tls-cert-file %s tls-key-file %s tls-ca-cert-file %s", certificate_path("server.pem"),
              certificate_path("server.key"), certificate_path("ca.pem"));
    for (int i = 0; i < 3; i++) {
        const struct redis_client *node = client->cluster->owners[slot_of(key_at(i, key))]->client;
        uint64_t connection = redis_client_connection(node);
        cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", key, "1")), MID_OK);
        cr_expect_eq(redis_client_connection(node), connection, "it stays");
        struct redis_probe *probe = redis_probe_open_port(cluster_site.ports[i]);
        cr_expect_gt(redis_int(probe, "CLIENT KILL TYPE normal"), 0);
        redis_probe_close(probe);
        int64_t end_ms = loop_now_ms() + READY_MS;
        while (ask(client, NULL, NULL, WORDS("SET", key, "2")) != MID_OK && loop_now_ms() < end_ms)
            loop_park(20);
        cr_expect_lt(loop_now_ms(), end_ms, "%d: %s", i, redis_client_failure(client));
        cr_expect_neq(redis_client_connection(node), connection);
        cr_expect_not(redis_tls_is_resumed(node->tls), "a session outlives the authority that it was verified by");
    }
    redis_client_free(client);
}

Test(redis_cluster, certificates_are_renewed_while_it_is_used)
{
    start_with_tls();
    run_scenario(renew_certificates);
}

/* -------------------- what is no cluster, or is one -------------------- */

static void expect_failure(const struct redis_options *options, const char *says)
{
    struct redis_client *client = redis_client_new(options);
    cr_assert_not_null(client);
    cr_expect_not(redis_client_wait_ready(client, 500));
    cr_expect_not_null(strstr(redis_client_failure(client), says), "%s", redis_client_failure(client));
    redis_client_free(client);
}

static void mistake_them(void *arg)
{
    (void)arg;
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
    struct redis_options options = cluster_options();
    options.address = address;
    expect_failure(&options, "this is no node of a Redis Cluster");
    snprintf(address, sizeof(address), "127.0.0.1:%d", cluster_site.ports[0]);
    options.topology = REDIS_STANDALONE;
    expect_failure(&options, "this is a node of a Redis Cluster, whose URL begins with redis+cluster://");
}

Test(redis_cluster, one_that_is_taken_for_the_other_is_told)
{
    server_start(NULL);
    redis_cluster_start(&cluster_site, &(struct redis_cluster_options){.directory = server.directory, .masters = 1});
    run_scenario(mistake_them);
}

static void ask_in_vain(void *arg)
{
    struct redis_client *client = arg;
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "none{a}", "1", "XX")), MID_UNAVAILABLE);
    cluster_load.writers--;
}

/* As a consumer of tasks is closed when its worker drains: whoever is inside comes out. */
static void leave_in_the_middle(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    options.timeout_ms = 20000;
    struct redis_client *client = ready_client(&options);
    const int slot = slot_of("a");
    const int owner = place_of(client, slot);
    process_signal(cluster_site.pids[owner], SIGSTOP);
    cluster_load.writers = 2;
    cr_assert(loop_spawn(ask_in_vain, client));
    loop_park(50);
    redis_client_free(client); /* one waits for its answer */
    process_signal(cluster_site.pids[owner], SIGCONT);

    client = ready_client(&options);
    char id[41];
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", "b{a}", "1")), MID_OK);
    order(owner, "CLUSTER SETSLOT %d MIGRATING %s", slot, redis_cluster_id((owner + 1) % 3, id));
    cr_assert(loop_spawn(ask_in_vain, client));
    loop_park(50);
    redis_client_free(client); /* one goes between two nodes */
    while (cluster_load.writers > 0)
        loop_park(5);
}

Test(redis_cluster, it_may_be_closed_while_commands_are_under_way)
{
    cluster_site_start(0);
    run_scenario(leave_in_the_middle);
}
