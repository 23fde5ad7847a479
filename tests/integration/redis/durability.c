/* Durability: what is answered MID_OK is on the disk, or in a replica; what cannot be confirmed is not. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"
#include "pretender.h"
#include "redis/connection.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

TestSuite(redis_durability, .fini = server_fini, .timeout = 60);

/* -------------------- replicas -------------------- */

static void store_in_replica(void *arg)
{
    enum { CALLS = 200 };
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    durable_client = ready_client(&options);
    struct redis_probe *replica = redis_probe_open_port(server.replica_port);
    for (int i = 1; i <= CALLS; i++) {
        cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
        cr_assert_eq(durable_count(replica), i, "the answer came before the replica had it");
    }
    redis_probe_close(replica);
    redis_client_free(durable_client);
}

Test(redis_durability, what_is_answered_ok_is_in_the_replica)
{
    durable_start();
    run_scenario(store_in_replica);
}

static void store_many(void *arg)
{
    enum { FIBERS = 500 };
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_DEFAULT);
    options.timeout_ms = 10000;
    durable_client = ready_client(&options);
    cr_assert_null(durable_client->durability, "nobody has asked for it");
    cr_assert_eq(durable_increment(MID_DURABLE_MEMORY, 0, &was_sent), MID_OK);
    cr_assert_null(durable_client->durability);
    cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    uint64_t rounds = redis_client_counts(durable_client)->durability_rounds;
    cr_expect_eq(rounds, 2, "the first one on a connection is asked twice");
    for (int i = 0; i < FIBERS; i++)
        cr_assert(loop_spawn(durable_increment_confirmed, NULL));
    while (durable_done < FIBERS)
        loop_yield();
    rounds = redis_client_counts(durable_client)->durability_rounds - rounds;
    cr_expect_lt(rounds, 50, "%d calls of one turn took %llu rounds", FIBERS, (unsigned long long)rounds);
    redis_client_free(durable_client);
}

Test(redis_durability, one_round_covers_the_calls_of_a_turn)
{
    durable_start();
    run_scenario(store_many);
}

/* The master answers, and its replica does not. */
static void lose_the_replica(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    durable_client = ready_client(&options);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);

    process_signal(server.replica, SIGSTOP);
    int64_t began_ms = loop_now_ms();
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, DURABLE_PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_expect(was_sent);
    cr_expect_eq(durable_count(master), 2, "Redis has carried it out");
    cr_expect_lt(loop_now_ms() - began_ms, options.timeout_ms + 5000);
    cr_expect_eq(redis_client_counts(durable_client)->is_not_durable, 1);

    began_ms = loop_now_ms();
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, DURABLE_PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_expect_not(was_sent);
    cr_expect_eq(loop_now_ms(), began_ms, "the impatient are told at once");
    cr_expect_eq(durable_count(master), 2, "it was not carried out");
    cr_expect_eq(durable_increment(MID_DURABLE_MEMORY, DURABLE_PATIENCE_MS, &was_sent), MID_OK,
                 "who does not ask for it goes on");
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE,
                 "the patient are sent, and told");
    cr_expect(was_sent);

    process_signal(server.replica, SIGCONT);
    int64_t end_ms = loop_now_ms() + DURABLE_READY_MS;
    while (redis_client_counts(durable_client)->is_not_durable != 0 && loop_now_ms() < end_ms) /* it heals by itself */
        loop_park(10);
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, DURABLE_PATIENCE_MS, &was_sent), MID_OK);
    cr_expect_eq(redis_client_counts(durable_client)->disconnects, 0);
    redis_probe_close(master);
    redis_client_free(durable_client);
}

Test(redis_durability, without_the_replica_it_is_not_confirmed_and_soon_not_even_sent)
{
    durable_start();
    run_scenario(lose_the_replica);
}

static void want_two(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.replicas = 2;
    durable_client = ready_client(&options);
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE);
    redis_client_free(durable_client);
}

Test(redis_durability, one_replica_is_not_two)
{
    durable_start();
    run_scenario(want_two);
}

/* A logout can free memory when none is left; then the mark must not be what fails. */
static void fill_the_memory(void *arg)
{
    (void)arg;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    durable_client = ready_client(&options);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    cr_assert_eq(ask(durable_client, NULL, NULL, WORDS("SET", "mid:a", "1")), MID_OK);
    free(redis_text(master, "CONFIG SET maxmemory 1"));
    cr_expect_eq(ask(durable_client, NULL, NULL, WORDS("SET", "mid:b", "1")), MID_UNAVAILABLE);
    struct redis_call call = {.durability = MID_DURABLE_REPLICA};
    cr_expect_eq(
        redis_command(durable_client, 2, (struct redis_argument[]){REDIS_TEXT("DEL"), REDIS_TEXT("mid:a")}, &call),
        MID_OK);
    redis_probe_close(master);
    redis_client_free(durable_client);
}

Test(redis_durability, it_is_confirmed_also_when_the_memory_is_full)
{
    durable_start();
    run_scenario(fill_the_memory);
}

/* -------------------- the disk -------------------- */

static bool knows_waitaof(void)
{
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    OWNED char *text = redis_text(probe, "INFO server");
    redis_probe_close(probe);
    const char *version = strstr(text, "redis_version:") + strlen("redis_version:");
    return strncmp(version, "7.0.", 4) != 0;
}

static bool is_on_disk_expected;

static void store_on_disk(void *arg)
{
    enum { CALLS = 3 }; /* each may wait for a second: appendfsync everysec */
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_DISK);
    options.timeout_ms = 5000;
    durable_client = ready_client(&options);
    for (int i = 0; i < CALLS; i++) {
        enum mid_error error = durable_increment(MID_DURABLE_DISK, 0, &was_sent);
        cr_expect_eq(error, is_on_disk_expected ? MID_OK : MID_UNAVAILABLE, "%s", mid_error_name(error));
    }
    cr_expect_eq(redis_client_counts(durable_client)->is_not_durable, is_on_disk_expected ? 0 : 1);
    redis_client_free(durable_client);
}

/* WAITAOF is of Redis 7.2: an older one confirms nothing. */
Test(redis_durability, what_is_answered_ok_is_on_the_disk)
{
    server_start(WORDS("--appendonly", "yes"));
    is_on_disk_expected = knows_waitaof();
    run_scenario(store_on_disk);
    server_stop(SIGKILL);
    server_start(WORDS("--appendonly", "yes"));
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    cr_expect_eq(is_on_disk_expected ? durable_count(probe) : 3, 3);
    redis_probe_close(probe);
}

Test(redis_durability, without_an_append_only_file_nothing_is_on_the_disk)
{
    server_start(NULL);
    is_on_disk_expected = false;
    run_scenario(store_on_disk);
}

static int disks; /* that the pretender has written to */

/* INFO server of both connections, the mark, and WAITAOF: a mark and WAITAOF come together. */
static void be_on_disk(const char *request, char *reply, size_t size)
{
    if (strstr(request, "INFO") != NULL)
        snprintf(reply, size, "$25\r\n# Server\r\nrun_id:abcdef\r\n\r\n");
    else if (strstr(request, "WAITAOF") != NULL)
        snprintf(reply, size, "+OK\r\n*2\r\n:%d\r\n:0\r\n", disks);
    else if (strstr(request, "INCR") != NULL)
        snprintf(reply, size, ":1\r\n");
}

static void ask_the_pretender(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_DISK);
    durable_client = ready_client(&options);
    disks = 1;
    cr_expect_eq(durable_increment(MID_DURABLE_DISK, 0, &was_sent), MID_OK);
    disks = 0;
    cr_expect_eq(durable_increment(MID_DURABLE_DISK, 0, &was_sent), MID_UNAVAILABLE);
    cr_expect_eq(redis_client_counts(durable_client)->is_not_durable, 1);
    redis_client_free(durable_client);
}

Test(redis_durability, waitaof_says_how_many_disks_have_it)
{
    struct pretender pretender;
    pretender_start(&pretender, be_on_disk);
    run_scenario(ask_the_pretender);
    pretender_stop(&pretender);
}

/* -------------------- the end -------------------- */

static void free_while_waiting(void *arg)
{
    (void)arg;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.timeout_ms = 60000;
    durable_client = ready_client(&options);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    process_signal(server.replica, SIGSTOP);
    cr_assert(loop_spawn(durable_increment_in_doubt, NULL));
    while (durable_count(master) < 1 || redis_client_counts(durable_client)->durability_rounds == 0)
        loop_yield();
    cr_assert_eq(durable_done, 0);
    redis_client_free(durable_client);
    while (durable_done < 1)
        loop_yield();
    redis_probe_close(master);
}

Test(redis_durability, who_waits_is_told_when_the_client_goes)
{
    durable_start();
    run_scenario(free_while_waiting);
}
