/* Durability: what is answered MID_OK is on the disk, or in a replica; what cannot be confirmed is not. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pretender.h"
#include "redis/connection.h"
#include "server.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

TestSuite(redis_durability, .fini = server_fini, .timeout = 60);

enum { READY_MS = 15000, PATIENCE_MS = 2000 };

static struct redis_client *shared;
static int done;

static struct redis_options durable_options(enum mid_durability durability)
{
    struct redis_options options = quick_options();
    options.durability = durability;
    options.replicas = 1;
    return options;
}

static enum mid_error increment(enum mid_durability durability, int64_t patience_ms, bool *was_sent)
{
    struct redis_call call = {.durability = durability, .patience_ms = patience_ms, .was_sent = true};
    enum mid_error error =
        redis_command(shared, 2, (struct redis_argument[]){REDIS_TEXT("INCR"), REDIS_TEXT("mid:count")}, &call);
    *was_sent = call.was_sent;
    return error;
}

static long long count_at(struct redis_probe *probe)
{
    OWNED char *text = redis_text(probe, "GET mid:count");
    return text != NULL ? atoll(text) : 0;
}

static void start_both(void)
{
    server_start(NULL);
    server_start_replica();
    cr_assert(wait_until(redis_node_is_in_step, &server.replica_port, READY_MS));
}

/* -------------------- replicas -------------------- */

static void store_in_replica(void *arg)
{
    enum { CALLS = 200 };
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    shared = ready_client(&options);
    struct redis_probe *replica = redis_probe_open_port(server.replica_port);
    for (int i = 1; i <= CALLS; i++) {
        cr_assert_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
        cr_assert_eq(count_at(replica), i, "the answer came before the replica had it");
    }
    redis_probe_close(replica);
    redis_client_free(shared);
}

Test(redis_durability, what_is_answered_ok_is_in_the_replica)
{
    start_both();
    run_scenario(store_in_replica);
}

static void increment_on_a_fiber(void *arg)
{
    bool was_sent;
    (void)arg;
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    done++;
}

static void store_many(void *arg)
{
    enum { FIBERS = 500 };
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_DEFAULT);
    options.timeout_ms = 10000;
    shared = ready_client(&options);
    cr_assert_null(shared->durability, "nobody has asked for it");
    cr_assert_eq(increment(MID_DURABLE_MEMORY, 0, &was_sent), MID_OK);
    cr_assert_null(shared->durability);
    cr_assert_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    uint64_t rounds = redis_client_counts(shared)->durability_rounds;
    cr_expect_eq(rounds, 2, "the first one on a connection is asked twice");
    for (int i = 0; i < FIBERS; i++)
        cr_assert(loop_spawn(increment_on_a_fiber, NULL));
    while (done < FIBERS)
        loop_yield();
    rounds = redis_client_counts(shared)->durability_rounds - rounds;
    cr_expect_lt(rounds, 50, "%d calls of one turn took %llu rounds", FIBERS, (unsigned long long)rounds);
    redis_client_free(shared);
}

Test(redis_durability, one_round_covers_the_calls_of_a_turn)
{
    start_both();
    run_scenario(store_many);
}

/* The master answers, and its replica does not. */
static void lose_the_replica(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    shared = ready_client(&options);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    cr_assert_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);

    process_signal(server.replica, SIGSTOP);
    int64_t began_ms = loop_now_ms();
    cr_expect_eq(increment(MID_DURABLE_REPLICA, PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_expect(was_sent);
    cr_expect_eq(count_at(master), 2, "Redis has carried it out");
    cr_expect_lt(loop_now_ms() - began_ms, options.timeout_ms + 5000);
    cr_expect_eq(redis_client_counts(shared)->is_not_durable, 1);

    began_ms = loop_now_ms();
    cr_expect_eq(increment(MID_DURABLE_REPLICA, PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_expect_not(was_sent);
    cr_expect_eq(loop_now_ms(), began_ms, "the impatient are told at once");
    cr_expect_eq(count_at(master), 2, "it was not carried out");
    cr_expect_eq(increment(MID_DURABLE_MEMORY, PATIENCE_MS, &was_sent), MID_OK, "who does not ask for it goes on");
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE, "the patient are sent, and told");
    cr_expect(was_sent);

    process_signal(server.replica, SIGCONT);
    int64_t end_ms = loop_now_ms() + READY_MS;
    while (redis_client_counts(shared)->is_not_durable != 0 && loop_now_ms() < end_ms) /* it heals by itself */
        loop_park(10);
    cr_expect_eq(increment(MID_DURABLE_REPLICA, PATIENCE_MS, &was_sent), MID_OK);
    cr_expect_eq(redis_client_counts(shared)->disconnects, 0);
    redis_probe_close(master);
    redis_client_free(shared);
}

Test(redis_durability, without_the_replica_it_is_not_confirmed_and_soon_not_even_sent)
{
    start_both();
    run_scenario(lose_the_replica);
}

static void want_two(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.replicas = 2;
    shared = ready_client(&options);
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE);
    redis_client_free(shared);
}

Test(redis_durability, one_replica_is_not_two)
{
    start_both();
    run_scenario(want_two);
}

/* A logout can free memory when none is left; then the mark must not be what fails. */
static void fill_the_memory(void *arg)
{
    (void)arg;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    shared = ready_client(&options);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("SET", "mid:a", "1")), MID_OK);
    free(redis_text(master, "CONFIG SET maxmemory 1"));
    cr_expect_eq(ask(shared, NULL, NULL, WORDS("SET", "mid:b", "1")), MID_UNAVAILABLE);
    struct redis_call call = {.durability = MID_DURABLE_REPLICA};
    cr_expect_eq(redis_command(shared, 2, (struct redis_argument[]){REDIS_TEXT("DEL"), REDIS_TEXT("mid:a")}, &call),
                 MID_OK);
    redis_probe_close(master);
    redis_client_free(shared);
}

Test(redis_durability, it_is_confirmed_also_when_the_memory_is_full)
{
    start_both();
    run_scenario(fill_the_memory);
}

/* -------------------- which Redis -------------------- */

static void increment_and_expect_doubt(void *arg)
{
    bool was_sent;
    (void)arg;
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE);
    cr_expect(was_sent);
    done++;
}

/* Answered by a Redis that dies while its replica has not got it, and which another one replaces, that has a replica
 * of its own: what that one confirms is not what was stored. */
static void replace_the_redis(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.timeout_ms = 5000;
    shared = ready_client(&options);
    cr_assert_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    process_signal(server.replica, SIGSTOP);
    cr_assert(loop_spawn(increment_and_expect_doubt, NULL));
    struct redis_probe *master = redis_probe_open(server.socket_path);
    while (count_at(master) < 2)
        loop_yield();
    loop_park(50); /* it is answered, and waits */
    redis_probe_close(master);
    server_stop(SIGKILL);
    process_signal(server.replica, SIGKILL);
    start_both();
    while (done < 1)
        loop_yield();
    cr_assert(redis_client_wait_ready(shared, READY_MS));
    int64_t end_ms = loop_now_ms() + READY_MS;
    while (redis_client_counts(shared)->is_not_durable != 0 && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    redis_client_free(shared);
}

Test(redis_durability, what_another_redis_confirms_is_not_believed)
{
    start_both();
    run_scenario(replace_the_redis);
}

static void kill_client(const char *name)
{
    struct redis_probe *master = redis_probe_open(server.socket_path);
    OWNED char *list = redis_text(master, "CLIENT LIST TYPE normal");
    bool is_killed = false;
    for (char *line = list, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, name) != NULL)
            is_killed = redis_int(master, "CLIENT KILL ID %d", atoi(line + strlen("id="))) == 1;
    }
    cr_assert(is_killed, "%s", name);
    redis_probe_close(master);
}

static void increment_confirmed(void *arg)
{
    bool was_sent;
    (void)arg;
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    done++;
}

/* Only the connection on which WAIT is asked is cut: the same Redis confirms it on the next one. */
static void cut_the_round(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.timeout_ms = 10000;
    shared = ready_client(&options);
    cr_assert_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    process_signal(server.replica, SIGSTOP);
    cr_assert(loop_spawn(increment_confirmed, NULL));
    loop_park(200);
    kill_client(" cmd=wait ");
    loop_park(200);
    cr_expect_eq(done, 0);
    process_signal(server.replica, SIGCONT);
    while (done < 1)
        loop_yield();
    cr_expect_eq(redis_client_counts(shared)->durability_failures, 0);
    redis_client_free(shared);
}

Test(redis_durability, a_connection_that_is_cut_within_a_round_is_made_anew)
{
    start_both();
    run_scenario(cut_the_round);
}

/* An answer of a connection that was cut since is in doubt, though the round's own connection and the Redis are the
 * same: nobody knows what was between. */
static void cut_the_commands(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.timeout_ms = 3000;
    shared = ready_client(&options);
    cr_assert_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    process_signal(server.replica, SIGSTOP);
    cr_assert(loop_spawn(increment_confirmed, NULL)); /* it is in the round that waits */
    loop_park(200);
    cr_assert(loop_spawn(increment_and_expect_doubt, NULL)); /* and this one is behind it */
    loop_park(200);
    kill_client(" cmd=incr ");
    loop_park(500);
    cr_assert(redis_client_is_ready(shared));
    cr_expect_eq(done, 0);
    process_signal(server.replica, SIGCONT);
    while (done < 2)
        loop_yield();
    redis_client_free(shared);
}

Test(redis_durability, what_was_answered_on_a_connection_that_was_cut_since_is_in_doubt)
{
    start_both();
    run_scenario(cut_the_commands);
}

/* Without Sentinels nobody cuts the connections of a master that is made a replica. */
static void demote(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    shared = ready_client(&options);
    cr_assert_eq(increment(MID_DURABLE_REPLICA, PATIENCE_MS, &was_sent), MID_OK);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    free(redis_text(master, "REPLICAOF 127.0.0.1 1"));
    cr_expect_eq(increment(MID_DURABLE_REPLICA, PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    int64_t end_ms = loop_now_ms() + READY_MS;
    while (redis_client_counts(shared)->disconnects == 0 && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_eq(redis_client_counts(shared)->disconnects, 1);
    free(redis_text(master, "REPLICAOF NO ONE"));
    redis_probe_close(master);
    while (increment(MID_DURABLE_REPLICA, PATIENCE_MS, &was_sent) != MID_OK && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_lt(loop_now_ms(), end_ms);
    redis_client_free(shared);
}

Test(redis_durability, a_master_that_is_made_a_replica_is_left_though_nothing_is_sent_to_it)
{
    start_both();
    run_scenario(demote);
}

/* The connection for rounds is made when it is first needed: by then the socket may lead to another Redis. */
static void meet_another_redis(void *arg)
{
    (void)arg;
    bool was_sent;
    char other[128];
    struct redis_options options = durable_options(MID_DURABLE_DEFAULT);
    shared = ready_client(&options);
    snprintf(other, sizeof(other), "%s.other", server.socket_path);
    pid_t pid =
        process_spawn((const char *const[]){"setpriv", "--pdeathsig", "KILL", "redis-server", "--port", "0",
                                            "--unixsocket", other, "--save", "", "--logfile", "/dev/null", NULL},
                      NULL);
    while (access(other, F_OK) != 0)
        loop_park(10);
    loop_park(100);
    cr_assert_eq(rename(other, server.socket_path), 0);
    cr_expect_eq(increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE);
    cr_expect(was_sent);
    cr_expect_eq(redis_client_counts(shared)->durability_rounds, 0);
    redis_client_free(shared);
    process_signal(pid, SIGKILL);
}

Test(redis_durability, the_connection_for_rounds_has_to_lead_to_the_same_redis)
{
    if (server_is_by_tls())
        return; /* it does not go through the socket */
    start_both();
    run_scenario(meet_another_redis);
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
    shared = ready_client(&options);
    for (int i = 0; i < CALLS; i++) {
        enum mid_error error = increment(MID_DURABLE_DISK, 0, &was_sent);
        cr_expect_eq(error, is_on_disk_expected ? MID_OK : MID_UNAVAILABLE, "%s", mid_error_name(error));
    }
    cr_expect_eq(redis_client_counts(shared)->is_not_durable, is_on_disk_expected ? 0 : 1);
    redis_client_free(shared);
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
    cr_expect_eq(is_on_disk_expected ? count_at(probe) : 3, 3);
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
    shared = ready_client(&options);
    disks = 1;
    cr_expect_eq(increment(MID_DURABLE_DISK, 0, &was_sent), MID_OK);
    disks = 0;
    cr_expect_eq(increment(MID_DURABLE_DISK, 0, &was_sent), MID_UNAVAILABLE);
    cr_expect_eq(redis_client_counts(shared)->is_not_durable, 1);
    redis_client_free(shared);
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
    shared = ready_client(&options);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    process_signal(server.replica, SIGSTOP);
    cr_assert(loop_spawn(increment_and_expect_doubt, NULL));
    while (count_at(master) < 1)
        loop_yield();
    loop_park(100);
    cr_assert_eq(done, 0);
    redis_client_free(shared);
    while (done < 1)
        loop_yield();
    redis_probe_close(master);
}

Test(redis_durability, who_waits_is_told_when_the_client_goes)
{
    start_both();
    run_scenario(free_while_waiting);
}
