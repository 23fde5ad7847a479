/* Durability when connections and Redis change: what is confirmed is what was answered, or it is in doubt. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"
#include "redis/connection.h"
#include "support/owned.h"
#include "support/process.h"

TestSuite(redis_doubt, .fini = server_fini, .timeout = 60);

static uint64_t rounds(void)
{
    return redis_client_counts(durable_client)->durability_rounds;
}

static void await_round_after(uint64_t before)
{
    while (rounds() <= before)
        loop_yield();
}

static void await_count(long long count)
{
    struct redis_probe *master = redis_probe_open(server.socket_path);
    while (durable_count(master) < count)
        loop_yield();
    redis_probe_close(master);
}

/* Answered by a Redis that dies while its replica has not got it, and which another one replaces, that has a replica
 * of its own: what that one confirms is not what was stored. */
static void replace_the_redis(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.timeout_ms = 5000;
    durable_client = ready_client(&options);
    cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    process_signal(server.replica, SIGSTOP);
    uint64_t before = rounds();
    cr_assert(loop_spawn(durable_increment_in_doubt, NULL));
    await_round_after(before);
    server_stop(SIGKILL);
    process_signal(server.replica, SIGKILL);
    durable_start();
    while (durable_done < 1)
        loop_yield();
    cr_assert(redis_client_wait_ready(durable_client, DURABLE_READY_MS));
    int64_t end_ms = loop_now_ms() + DURABLE_READY_MS;
    while (redis_client_counts(durable_client)->is_not_durable != 0 && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    redis_client_free(durable_client);
}

Test(redis_doubt, what_another_redis_confirms_is_not_believed)
{
    durable_start();
    run_scenario(replace_the_redis);
}

static void await_blocked(void)
{
    struct redis_probe *master = redis_probe_open(server.socket_path);
    for (bool is_blocked = false; !is_blocked; loop_yield()) {
        OWNED char *clients = redis_text(master, "INFO clients");
        is_blocked = strstr(clients, "blocked_clients:1\r\n") != NULL;
    }
    redis_probe_close(master);
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

/* Only the connection on which WAIT is asked is cut: the same Redis confirms it on the next one. */
static void cut_the_round(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    options.timeout_ms = 10000;
    durable_client = ready_client(&options);
    cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    process_signal(server.replica, SIGSTOP);
    uint64_t before = rounds();
    cr_assert(loop_spawn(durable_increment_confirmed, NULL));
    await_round_after(before);
    await_blocked();
    kill_client(" cmd=wait ");
    await_round_after(before + 1);
    cr_expect_eq(durable_done, 0);
    process_signal(server.replica, SIGCONT);
    while (durable_done < 1)
        loop_yield();
    cr_expect_eq(redis_client_counts(durable_client)->durability_failures, 0);
    redis_client_free(durable_client);
}

Test(redis_doubt, a_connection_that_is_cut_within_a_round_is_made_anew)
{
    durable_start();
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
    durable_client = ready_client(&options);
    cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_OK);
    process_signal(server.replica, SIGSTOP);
    uint64_t before = rounds();
    cr_assert(loop_spawn(durable_increment_confirmed, NULL)); /* it is in the round that waits */
    await_round_after(before);
    cr_assert(loop_spawn(durable_increment_in_doubt, NULL)); /* and this one is behind it */
    await_count(3);
    while (redis_client_pending(durable_client) > 0)
        loop_yield();
    kill_client(" cmd=incr ");
    while (redis_client_counts(durable_client)->connects < 2)
        loop_yield();
    cr_expect_eq(durable_done, 0);
    process_signal(server.replica, SIGCONT);
    while (durable_done < 2)
        loop_yield();
    redis_client_free(durable_client);
}

Test(redis_doubt, what_was_answered_on_a_connection_that_was_cut_since_is_in_doubt)
{
    durable_start();
    run_scenario(cut_the_commands);
}

/* Without Sentinels nobody cuts the connections of a master that is made a replica. */
static void demote(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = durable_options(MID_DURABLE_REPLICA);
    durable_client = ready_client(&options);
    cr_assert_eq(durable_increment(MID_DURABLE_REPLICA, DURABLE_PATIENCE_MS, &was_sent), MID_OK);
    struct redis_probe *master = redis_probe_open(server.socket_path);
    free(redis_text(master, "REPLICAOF 127.0.0.1 1"));
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, DURABLE_PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    int64_t end_ms = loop_now_ms() + DURABLE_READY_MS;
    while (redis_client_counts(durable_client)->disconnects == 0 && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_eq(redis_client_counts(durable_client)->disconnects, 1);
    free(redis_text(master, "REPLICAOF NO ONE"));
    redis_probe_close(master);
    while (durable_increment(MID_DURABLE_REPLICA, DURABLE_PATIENCE_MS, &was_sent) != MID_OK && loop_now_ms() < end_ms)
        loop_park(10);
    cr_expect_lt(loop_now_ms(), end_ms);
    redis_client_free(durable_client);
}

Test(redis_doubt, a_master_that_is_made_a_replica_is_left_though_nothing_is_sent_to_it)
{
    durable_start();
    run_scenario(demote);
}

/* The connection for rounds is made when it is first needed: by then the socket may lead to another Redis. */
static void meet_another_redis(void *arg)
{
    (void)arg;
    bool was_sent;
    char other[128];
    struct redis_options options = durable_options(MID_DURABLE_DEFAULT);
    durable_client = ready_client(&options);
    snprintf(other, sizeof(other), "%s.other", server.socket_path);
    pid_t pid =
        process_spawn((const char *const[]){"setpriv", "--pdeathsig", "KILL", "redis-server", "--port", "0",
                                            "--unixsocket", other, "--save", "", "--logfile", "/dev/null", NULL},
                      NULL);
    while (access(other, F_OK) != 0)
        loop_park(10);
    cr_assert_eq(rename(other, server.socket_path), 0);
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), MID_UNAVAILABLE);
    cr_expect(was_sent);
    cr_expect_eq(redis_client_counts(durable_client)->durability_rounds, 0);
    redis_client_free(durable_client);
    process_signal(pid, SIGKILL);
}

Test(redis_doubt, the_connection_for_rounds_has_to_lead_to_the_same_redis)
{
    if (server_is_by_tls())
        return; /* it does not go through the socket */
    durable_start();
    run_scenario(meet_another_redis);
}
