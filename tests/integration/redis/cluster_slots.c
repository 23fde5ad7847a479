/* Slots of a Redis Cluster that move from one master to another. */
#include "redis/cluster.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster_site.h"
#include "support/owned.h"
#include "support/process.h"

TestSuite(redis_cluster_slots, .fini = cluster_site_end, .timeout = 90);

/* redis-cli moves them, as an operator would. */
static pid_t spawn_resharding(int from, int to, int slots)
{
    char address[32], count[16], from_id[41], to_id[41];
    snprintf(address, sizeof(address), "127.0.0.1:%d", cluster_site.ports[1]);
    snprintf(count, sizeof(count), "%d", slots);
    redis_cluster_id(from, from_id); /* key by key, so that what belongs together is apart for a while */
    redis_cluster_id(to, to_id);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC); /* it tells of each slot */
    pid_t pid = process_spawn((const char *const[]){"redis-cli", "--cluster", "reshard", address, "--cluster-from",
                                                    from_id, "--cluster-to", to_id, "--cluster-slots", count,
                                                    "--cluster-pipeline", "1", "--cluster-yes", NULL},
                              &(struct process_options){.output_fd = null});
    close(null);
    return pid;
}

static struct redis_script pair_script = {.name = "pair"};

/* As those of sessions and queues do: a key beside its own, of the same slot. */
static const char pair_body[] = "redis.call('INCR', KEYS[1])\n"
                                "return redis.call('INCR', 'also:' .. KEYS[1])";

static struct redis_client *client_with_script(void)
{
    struct redis_options options = cluster_options();
    struct redis_client *client = redis_client_new(&options);
    redis_client_add_script(client, &pair_script, REFUSED_WHEN_FULL, (const char *const[]){pair_body, NULL});
    cr_assert(redis_client_wait_ready(client, READY_MS));
    return client;
}

enum { MOVED_SLOTS = 1000, PAIRS = 4000, PAIRS_IN_SLOT = 20, TAGS = PAIRS / PAIRS_IN_SLOT };
static int pairs_done[PAIRS];

static int tags[TAGS]; /* whose slots move: redis-cli takes the first ones of the node */

static void choose_tags(void)
{
    char tag[KEY_BYTES];
    for (int count = 0, number = 0; count < TAGS; number++) {
        snprintf(tag, sizeof(tag), "%d", number);
        if (slot_of(tag) < MOVED_SLOTS)
            tags[count++] = number;
    }
}

static const char *pair_key(int pair, char key[static KEY_BYTES])
{
    snprintf(key, KEY_BYTES, "pair:%d:{%d}", pair % PAIRS_IN_SLOT, tags[pair / PAIRS_IN_SLOT]);
    return key;
}

/* Of slots that move; every one of which is written a few times. */
static void write_pairs(void *arg)
{
    int first = (int)(intptr_t)arg;
    cluster_load.writers++;
    for (int i = first; !cluster_load.is_over; i = (i + 7) % PAIRS) {
        char key[KEY_BYTES];
        pair_key(i, key);
        struct redis_call call = {.patience_ms = 1000};
        enum mid_error error = redis_script_run(cluster_load.client, &pair_script, key, 0, NULL, &call);
        cluster_load.sent++;
        cluster_load.failed += error != MID_OK;
        pairs_done[i] += error == MID_OK;
        loop_park(1);
    }
    cluster_load.writers--;
}

static void move_slots(void *arg)
{
    enum { WRITERS = 20 };
    (void)arg;
    choose_tags();
    struct redis_client *client = client_with_script();
    cluster_load.client = client;
    for (int i = 0; i < WRITERS; i++)
        cr_assert(loop_spawn(write_pairs, (void *)(intptr_t)(i * PAIRS / WRITERS)));
    loop_park(500);
    pid_t reshard = spawn_resharding(0, 1, MOVED_SLOTS);
    int64_t end_ms = loop_now_ms() + 60000;
    while (process_is_alive(reshard) && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_eq(process_wait(reshard, READY_MS), 0);
    loop_park(200);
    cluster_load_end("a thousand slots moved");
    cr_expect_eq(cluster_load.failed, 0);
    cr_expect_gt(redirections(client), 0);
    for (int i = 0; i < PAIRS; i++) { /* neither lost nor done twice, and never by half */
        char key[KEY_BYTES], also[KEY_BYTES + sizeof("also:")];
        struct answer one, other;
        snprintf(also, sizeof(also), "also:%s", pair_key(i, key));
        if (pairs_done[i] == 0)
            continue;
        cr_assert_eq(ask(client, &one, NULL, WORDS("GET", key)), MID_OK);
        cr_assert_eq(ask(client, &other, NULL, WORDS("GET", also)), MID_OK);
        cr_expect_eq(atoi(one.text), pairs_done[i], "%s is %s", key, one.text);
        cr_expect_str_eq(one.text, other.text);
    }
    redis_client_free(client);
}

Test(redis_cluster_slots, a_thousand_slots_move_and_no_command_fails)
{
    cluster_site_start(0);
    run_scenario(move_slots);
}

/* What has moved already is asked for at the other node; a script waits until all has moved. */
static void stay_between(void *arg)
{
    (void)arg;
    struct redis_client *client = client_with_script();
    static const char here[] = "here:{a}", there[] = "there:{a}";
    const int slot = slot_of(here), from = place_of(client, slot), to = (from + 1) % 3;
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", here, "1")), MID_OK);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", there, "2")), MID_OK);
    slot_begin(slot, from, to);
    slot_move_key(there, from, to);

    struct answer answer;
    cr_expect_eq(ask(client, &answer, NULL, WORDS("GET", here)), MID_OK);
    cr_expect_str_eq(answer.text, "1");
    cr_expect_eq(ask(client, &answer, NULL, WORDS("GET", there)), MID_OK);
    cr_expect_str_eq(answer.text, "2");
    cr_expect_eq(place_of(client, slot), from, "ASK is about one command");
    const int64_t begun_ms = loop_now_ms();
    struct redis_call call = {.patience_ms = 300};
    cr_expect_eq(redis_script_run(client, &pair_script, here, 0, NULL, &call), MID_UNAVAILABLE);
    cr_expect_not(call.was_sent);
    cr_expect_geq(loop_now_ms() - begun_ms, 200);
    cr_expect_eq(ask(client, &answer, NULL, WORDS("GET", here)), MID_OK);
    cr_expect_str_eq(answer.text, "1", "nothing of it was carried out");

    slot_move_key(here, from, to);
    const int64_t again_ms = loop_now_ms();
    cr_expect_eq(redis_script_run(client, &pair_script, here, 0, NULL, &call), MID_UNAVAILABLE,
                 "all keys are there, and the slot is not");
    cr_expect_geq(loop_now_ms() - again_ms, 200, "it was given up early");
    cr_expect_eq(redis_client_counts(client)->suspicions, 0);
    slot_end(slot, from, to);
    cr_expect_eq(redis_script_run(client, &pair_script, here, 0, NULL, &call), MID_OK);
    await_owner(client, slot, to); /* a node that has not heard of it may be asked for the map meanwhile */
    redis_client_free(client);
}

Test(redis_cluster_slots, while_a_slot_moves_commands_follow_their_key_and_scripts_wait)
{
    cluster_site_start(0);
    run_scenario(stay_between);
}

/* -------------------- nobody's -------------------- */

/* A slot that nobody has: it cannot be confirmed either, and nothing is begun for it that would stay. */
static void confirm_nothing(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    options.durability = MID_DURABLE_REPLICA;
    options.replicas = 1;
    struct redis_client *client = ready_client(&options);
    for (int i = 0; i < 3; i++)
        order(i, "CLUSTER DELSLOTS %d", slot_of("a"));
    int64_t end_ms = loop_now_ms() + READY_MS;
    while (client->cluster->owners[slot_of("a")] != NULL && loop_now_ms() < end_ms) {
        redis_cluster_refresh(client->cluster);
        loop_park(20);
    }
    cr_assert_null(client->cluster->owners[slot_of("a")]);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("GET", "a")), MID_UNAVAILABLE);
    cr_expect_eq(redis_client_confirm(client, "a", MID_DURABLE_REPLICA, 0, redis_client_connection(client)),
                 MID_UNAVAILABLE);
    cr_expect_null(client->durability);
    cr_expect_eq(redis_client_counts(client)->unserved_slots, 1);
    cr_expect(redis_client_is_ready(client), "the others are served");
    redis_client_free(client);
}

Test(redis_cluster_slots, a_slot_that_nobody_has_is_unavailable_alone)
{
    cluster_site_start(0);
    run_scenario(confirm_nothing);
}
