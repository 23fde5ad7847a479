/* The Redis client when Redis is away: killed, stopped, starting, not there yet; and when the client itself goes. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server.h"
#include "support/process.h"

TestSuite(redis_recovery, .fini = server_fini, .timeout = 60);

static struct redis_client *shared;
static int done;

/* A command on a fiber of its own, and what became of it. */
static void ask_and_lose(void *arg)
{
    (void)arg;
    bool was_sent = false;
    cr_assert_eq(ask(shared, NULL, &was_sent, WORDS("INCR", "mid:count")), MID_UNAVAILABLE);
    cr_assert(was_sent);
    done++;
}

static void ask_until(int expected)
{
    while (done < expected)
        loop_yield();
}

static void lose_and_regain(void *arg)
{
    (void)arg;
    bool was_sent = true;
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP); /* so that the commands are under way when it dies */
    for (int i = 0; i < 10; i++)
        cr_assert(loop_spawn(ask_and_lose, NULL));
    loop_yield();
    server_stop(SIGKILL);
    ask_until(10);
    cr_assert_not(redis_client_is_ready(shared));
    int64_t asked_ms = loop_now_ms();
    cr_assert_eq(ask(shared, NULL, &was_sent, WORDS("PING")), MID_UNAVAILABLE);
    cr_assert_eq(loop_now_ms(), asked_ms); /* at once: not a turn later */
    cr_assert_not(was_sent);

    loop_park(200); /* several attempts fail meanwhile */
    server_start(NULL);
    cr_assert(redis_client_wait_ready(shared, 10000));
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("PING")), MID_OK);
    const struct redis_counts *counts = redis_client_counts(shared);
    cr_assert_eq(counts->connects, 2);
    cr_assert_eq(counts->disconnects, 1);
    cr_assert_eq(counts->timeouts, 0);
    redis_client_free(shared);
}

Test(redis_recovery, a_killed_redis_fails_commands_at_once_and_its_successor_is_found)
{
    server_start(NULL);
    run_scenario(lose_and_regain);
}

static void miss_the_deadline(void *arg)
{
    (void)arg;
    struct answer answer;
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    for (int i = 0; i < 10; i++)
        cr_assert(loop_spawn(ask_and_lose, NULL));
    ask_until(10);
    cr_assert_eq(redis_client_counts(shared)->timeouts, 1);

    /* The kernel still accepts connections for a stopped process, but nobody answers the greeting. */
    cr_assert_not(redis_client_wait_ready(shared, 2 * options.timeout_ms));
    process_signal(server.pid, SIGCONT);
    cr_assert(redis_client_wait_ready(shared, 10000));
    cr_assert_eq(ask(shared, &answer, NULL, WORDS("ECHO", "mine")), MID_OK);
    cr_assert_str_eq(answer.text, "mine"); /* and not an answer of the connection before */
    redis_client_free(shared);
}

Test(redis_recovery, a_stopped_redis_misses_the_deadline_and_is_found_again_when_it_goes_on)
{
    server_start(NULL);
    run_scenario(miss_the_deadline);
}

static void hold_up_the_loop(void *arg)
{
    int64_t until_ms = clock_monotonic_ms() + *(int64_t *)arg;
    while (clock_monotonic_ms() < until_ms)
        ;
}

static void keep_the_loop_from_waiting(void *arg)
{
    (void)arg;
    while (done == 0)
        loop_yield();
}

static void be_held_up(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    int64_t held_ms = 2 * options.timeout_ms;
    shared = ready_client(&options);
    cr_assert(loop_spawn(hold_up_the_loop, &held_ms));
    cr_assert(loop_spawn(keep_the_loop_from_waiting, NULL));
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("PING")),
                 MID_OK); /* issued, but not yet sent, when the holding up begins */
    cr_assert_eq(redis_client_counts(shared)->timeouts, 0);
    redis_client_free(shared);
    done = 1;
}

Test(redis_recovery, a_handler_that_holds_up_the_loop_does_not_make_an_answer_late)
{
    server_start(NULL);
    run_scenario(be_held_up);
}

static void be_disconnected(void *arg)
{
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    redis_int(probe, "CLIENT KILL TYPE normal SKIPME yes");
    while (redis_client_is_ready(shared)) /* nobody asks anything: the hang-up alone has to be noticed */
        loop_yield();
    cr_assert(redis_client_wait_ready(shared, 10000));
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("PING")), MID_OK);
    redis_probe_close(probe);
    redis_client_free(shared);
}

Test(redis_recovery, an_idle_connection_that_redis_closes_is_replaced)
{
    server_start(NULL);
    run_scenario(be_disconnected);
}

static void wait_for_the_start(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    struct redis_client *client = redis_client_new(&options);
    cr_assert_not(redis_client_wait_ready(client, 200));
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_UNAVAILABLE);
    server_start(NULL);
    cr_assert(redis_client_wait_ready(client, 10000));
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    redis_client_free(client);
}

Test(redis_recovery, a_redis_that_starts_later_is_found)
{
    server_start(NULL);
    server_stop(SIGKILL); /* the directory stays, and with it a socket that refuses connections */
    run_scenario(wait_for_the_start);
}

/* After an outage with the longest pauses, and then a time in which all was well. */
static void lose_a_connection_that_has_lasted(void *arg)
{
    enum { LONGEST_MS = 1000, OUTAGE_MS = 2500 }; /* 10, 20, ... 640, 1000: pauses of a half to the whole of it */
    (void)arg;
    struct redis_options options = quick_options();
    options.backoff_max_ms = LONGEST_MS;
    struct redis_client *client = redis_client_new(&options);
    cr_assert_not(redis_client_wait_ready(client, OUTAGE_MS));
    server_start(NULL);
    cr_assert(redis_client_wait_ready(client, 10000));
    loop_park(LONGEST_MS + 100);

    struct redis_probe *probe = redis_probe_open(server.socket_path);
    redis_int(probe, "CLIENT KILL TYPE normal SKIPME yes");
    while (redis_client_is_ready(client))
        loop_yield();
    int64_t lost_ms = loop_now_ms();
    cr_assert(redis_client_wait_ready(client, 10000));
    cr_expect_lt(loop_now_ms() - lost_ms, LONGEST_MS / 2,
                 "the pause was not the shortest, but one of the outage before");
    redis_probe_close(probe);
    redis_client_free(client);
}

Test(redis_recovery, pauses_begin_again_from_the_shortest_when_a_connection_has_lasted)
{
    server_start(NULL);
    server_stop(SIGKILL);
    run_scenario(lose_a_connection_that_has_lasted);
}

static void wait_for_the_data(void *arg)
{
    (void)arg;
    struct answer answer;
    struct redis_options options = quick_options();
    shared = redis_client_new(&options);
    while (redis_client_counts(shared)->errors == 0) { /* LOADING, in answer to the greeting */
        cr_assert_not(redis_client_is_ready(shared));
        loop_yield();
    }
    cr_assert(redis_client_wait_ready(shared, 30000));
    cr_assert_eq(ask(shared, &answer, NULL, WORDS("DBSIZE")), MID_OK);
    cr_assert_str_eq(answer.text, "2000");
    redis_client_free(shared);
}

Test(redis_recovery, a_redis_that_reads_its_data_is_not_ready)
{
    server_start(NULL);
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    free(redis_text(probe, "DEBUG POPULATE 2000"));
    free(redis_text(probe, "SAVE"));
    redis_probe_close(probe);
    server_stop(SIGKILL);
    /* half a millisecond for each key, and clients are looked at meanwhile */
    server_start(WORDS("--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"));
    run_scenario(wait_for_the_data);
}

static void wait_in_vain(void *arg)
{
    (void)arg;
    cr_assert_not(redis_client_wait_ready(shared, 60000));
    done++;
}

static void go_away(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    cr_assert(loop_spawn(ask_and_lose, NULL));
    loop_yield();
    redis_client_free(shared);
    ask_until(1);
    process_signal(server.pid, SIGCONT);

    options.address = "unix:/nonexistent/socket";
    shared = redis_client_new(&options);
    cr_assert(loop_spawn(wait_in_vain, NULL));
    loop_yield();
    redis_client_free(shared);
    ask_until(2);

    options.address = "localhost:1"; /* freed while the name is looked up */
    shared = redis_client_new(&options);
    loop_yield();
    redis_client_free(shared);
}

Test(redis_recovery, freeing_the_client_ends_what_waits_for_it)
{
    server_start(NULL);
    run_scenario(go_away);
}

static void offer_nonsense(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    options.address = "localhost";
    cr_assert_null(redis_client_new(&options));
}

Test(redis_recovery, an_address_that_is_none_is_refused_at_the_start)
{
    run_scenario(offer_nonsense);
}

/* -------------------- a replica -------------------- */

static int refused;

static void write_once(void *arg)
{
    (void)arg;
    bool was_sent = true;
    enum mid_error error = ask(shared, NULL, &was_sent, WORDS("SET", "a", "1"));
    if (error == MID_UNAVAILABLE && !was_sent)
        refused++;
}

/* The commands of one turn are all answered, though the first answer says that Redis is none for us any more. */
static void meet_a_failover(void *arg)
{
    enum { COMMANDS = 20 };
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    free(redis_text(probe, "REPLICAOF 127.0.0.1 1"));
    for (int i = 0; i < COMMANDS; i++)
        cr_assert(loop_spawn(write_once, NULL));
    while (redis_client_is_ready(shared))
        loop_park(1);
    cr_expect_eq(refused, COMMANDS, "%d", refused);

    cr_expect_not(redis_client_wait_ready(shared, 300), "a replica is not used");
    free(redis_text(probe, "REPLICAOF NO ONE"));
    cr_assert(redis_client_wait_ready(shared, 10000));
    cr_expect_eq(ask(shared, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);
    cr_expect_eq(redis_client_counts(shared)->connects, 2);
    redis_probe_close(probe);
    redis_client_free(shared);
}

Test(redis_recovery, a_redis_that_has_become_a_replica_is_left_when_it_has_answered_and_used_as_a_master_only)
{
    server_start(NULL);
    run_scenario(meet_a_failover);
}
