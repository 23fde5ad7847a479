/* The Redis client: commands and answers, set-ups, scripts, error replies, limits. Outages are in recovery.c. */
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "support/process.h"
#include "support/owned.h"

enum { FIBERS = 1000, ROUNDS = 3 };

static struct redis_client *shared; /* of the scenario's other fibers */
static int done;

TestSuite(redis_client, .fini = server_fini, .timeout = 60);

/* -------------------- answers -------------------- */

static void ask_for_my_number(void *arg)
{
    int number = *(int *)arg;
    for (int round = 0; round < ROUNDS; round++) {
        char text[32];
        struct answer answer;
        snprintf(text, sizeof(text), "%d of %d", round, number);
        cr_assert_eq(ask(shared, &answer, NULL, WORDS("ECHO", text)), MID_OK);
        cr_assert_str_eq(answer.text, text);
        for (int i = 0; i < number % 3; i++)
            loop_yield(); /* so that the fibers fall out of step */
    }
    done++;
}

static void ask_from_many_fibers(void *arg)
{
    (void)arg;
    static int numbers[FIBERS];
    struct redis_options options = quick_options();
    options.timeout_ms = 10000;
    shared = ready_client(&options);
    for (int i = 0; i < FIBERS; i++) {
        numbers[i] = i;
        cr_assert(loop_spawn(ask_for_my_number, &numbers[i]));
    }
    while (done < FIBERS)
        loop_yield();
    cr_assert_eq(redis_client_counts(shared)->commands, FIBERS * ROUNDS);
    redis_client_free(shared);
}

Test(redis_client, answers_of_a_thousand_fibers_reach_the_fiber_that_asked)
{
    server_start(NULL);
    run_scenario(ask_from_many_fibers);
    cr_assert_eq(done, FIBERS);
}

static void ask_once(void *arg)
{
    (void)arg;
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("PING")), MID_OK);
    done++;
}

static void ask_in_one_turn(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    uint64_t writes = redis_client_counts(shared)->writes;
    for (int i = 0; i < 100; i++)
        cr_assert(loop_spawn(ask_once, NULL));
    while (done < 100)
        loop_yield();
    cr_assert_eq(redis_client_counts(shared)->writes, writes + 1);
    redis_client_free(shared);
}

Test(redis_client, commands_of_one_turn_leave_in_one_write)
{
    server_start(NULL);
    run_scenario(ask_in_one_turn);
}

static enum mid_error compare_bytes(const struct redisReply *reply, void *arg)
{
    const struct redis_argument *expected = arg;
    bool is_same = reply->len == expected->bytes && memcmp(reply->str, expected->data, expected->bytes) == 0;
    return is_same ? MID_OK : MID_UNPROCESSABLE;
}

static void store_and_read_bytes(void *arg)
{
    (void)arg;
    enum { BIG = 8 * 1024 * 1024 }; /* more than a socket takes at once */
    OWNED char *big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 31 % 251);
    const struct redis_argument values[] = {{"a\0b\r\n*1\r\n$4\r\nPING\r\n", 20}, {"", 0}, {big, BIG}};
    struct redis_options options = quick_options();
    options.timeout_ms = 10000;
    struct redis_client *client = ready_client(&options);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct redis_argument value = values[i];
        struct redis_call call = {.on_reply = compare_bytes, .arg = &value};
        cr_assert_eq(redis_command(client, 2, (struct redis_argument[]){REDIS_TEXT("ECHO"), value}, &call), MID_OK);
    }
    redis_client_free(client);
}

Test(redis_client, arguments_and_answers_may_be_any_bytes_of_any_size)
{
    server_start(NULL);
    run_scenario(store_and_read_bytes);
}

static void let_redis_go_on(void *arg)
{
    (void)arg;
    loop_park(20);
    process_signal(server.pid, SIGCONT);
}

static void fill_the_socket(void *arg)
{
    (void)arg;
    enum { BIG = 8 * 1024 * 1024 };
    OWNED char *big = calloc(1, BIG);
    struct redis_argument value = {big, BIG};
    struct redis_call call = {.on_reply = compare_bytes, .arg = &value};
    struct redis_options options = quick_options();
    options.timeout_ms = 10000;
    struct redis_client *client = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    cr_assert(loop_spawn(let_redis_go_on, NULL));
    cr_assert_eq(redis_command(client, 2, (struct redis_argument[]){REDIS_TEXT("ECHO"), value}, &call), MID_OK);
    redis_client_free(client);
}

Test(redis_client, other_fibers_run_while_redis_takes_nothing)
{
    server_start(NULL);
    run_scenario(fill_the_socket);
}

static enum mid_error say_no(const struct redisReply *reply, void *arg)
{
    (void)reply, (void)arg;
    return MID_ENDED;
}

static void return_the_verdict(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    struct redis_client *client = ready_client(&options);
    struct redis_call call = {.on_reply = say_no};
    cr_assert_eq(redis_command(client, 1, (struct redis_argument[]){REDIS_TEXT("PING")}, &call), MID_ENDED);
    redis_client_free(client);
}

Test(redis_client, a_command_returns_what_on_reply_made_of_the_answer)
{
    server_start(NULL);
    run_scenario(return_the_verdict);
}

static void disturb(void *arg)
{
    loop_wake(arg);
}

static void ask_while_disturbed(void *arg)
{
    (void)arg;
    struct answer answer;
    struct redis_options options = quick_options();
    struct redis_client *client = ready_client(&options);
    cr_assert(loop_spawn(disturb, fiber_current()));
    cr_assert_eq(ask(client, &answer, NULL, WORDS("ECHO", "still here")), MID_OK);
    cr_assert_str_eq(answer.text, "still here");
    redis_client_free(client);
}

Test(redis_client, another_wake_does_not_end_a_command)
{
    server_start(NULL);
    run_scenario(ask_while_disturbed);
}

/* -------------------- set-ups -------------------- */

static void heal_the_password(void *arg)
{
    (void)arg;
    bool was_sent = true;
    struct redis_options options = quick_options();
    options.credentials.password = "wrong";
    struct redis_client *client = redis_client_new(&options);
    cr_assert_not(redis_client_wait_ready(client, 200));
    cr_assert_eq(ask(client, NULL, &was_sent, WORDS("PING")), MID_UNAVAILABLE);
    cr_assert_not(was_sent);
    cr_assert_geq(redis_client_counts(client)->errors, 1);

    struct redis_probe *probe = redis_probe_open(server.socket_path);
    free(redis_text(probe, "AUTH right"));
    free(redis_text(probe, "CONFIG SET requirepass wrong"));
    cr_assert(redis_client_wait_ready(client, 10000));
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    redis_probe_close(probe);
    redis_client_free(client);
}

Test(redis_client, a_wrong_password_is_unavailable_until_it_is_right)
{
    server_start(WORDS("--requirepass", "right"));
    run_scenario(heal_the_password);
}

static void ask_as_user(void *arg)
{
    (void)arg;
    struct answer answer;
    struct redis_options options = quick_options();
    options.credentials.username = "app";
    options.credentials.password = "a secret";
    struct redis_client *client = ready_client(&options);
    cr_assert_eq(ask(client, &answer, NULL, WORDS("ACL", "WHOAMI")), MID_OK);
    cr_assert_str_eq(answer.text, "app");
    cr_assert_eq(ask(client, &answer, NULL, WORDS("GET", "elsewhere")), MID_FAILED); /* NOPERM */
    redis_client_free(client);
}

Test(redis_client, an_acl_user_is_who_asks)
{
    server_start(NULL);
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    free(redis_text(probe, "ACL SETUSER app on %s ~mid:* +@all", ">a secret"));
    redis_probe_close(probe);
    run_scenario(ask_as_user);
}

static void store_in_database(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    options.database = 3;
    struct redis_client *client = ready_client(&options);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", "place", "three")), MID_OK);
    redis_client_free(client);
}

Test(redis_client, the_database_number_is_selected)
{
    server_start(NULL);
    run_scenario(store_in_database);
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    cr_assert_eq(redis_int(probe, "EXISTS place"), 0);
    free(redis_text(probe, "SELECT 3"));
    cr_assert_eq(redis_int(probe, "EXISTS place"), 1);
    redis_probe_close(probe);
}

static void ask_over_tcp(void *arg)
{
    (void)arg;
    static const char *const hosts[] = {"127.0.0.1", "[::1]", "localhost"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char address[64];
        struct redis_options options = quick_options();
        snprintf(address, sizeof(address), "%s:%d", hosts[i], server_port());
        options.address = address;
        struct redis_client *client = ready_client(&options);
        cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
        redis_client_free(client);
    }
}

Test(redis_client, it_connects_over_ipv4_ipv6_and_by_name)
{
    server_start(NULL);
    run_scenario(ask_over_tcp);
}

static atomic_bool is_gate_open;

static void wait_at_gate(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_gate_open))
        sched_yield();
}

static void fill_pool(void *arg)
{
    (void)arg;
    cr_assert(loop_offload(wait_at_gate, NULL));
}

static void connect_beside_a_full_pool(void *arg)
{
    (void)arg;
    char address[64];
    struct redis_options options = quick_options();
    snprintf(address, sizeof(address), "localhost:%d", server_port());
    options.address = address;
    loop_set_threads(1);
    cr_assert(loop_spawn(fill_pool, NULL));
    loop_yield();
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    atomic_store(&is_gate_open, true);
    redis_client_free(client);
}

Test(redis_client, a_name_is_resolved_while_all_threads_of_the_pool_are_busy)
{
    server_start(NULL);
    run_scenario(connect_beside_a_full_pool);
}

/* -------------------- scripts -------------------- */

static struct redis_script script = {.name = "add"};
static const char *const script_parts[] = {"return redis.call(", "'HINCRBY', KEYS[1], 'sum', ARGV[1])", NULL};

static void run_script(void *arg)
{
    (void)arg;
    struct redis_call call = {0};
    cr_assert_eq(redis_script_run(shared, &script, "mid:sum", 1, (struct redis_argument[]){REDIS_TEXT("1")}, &call),
                 MID_OK);
    done++;
}

static void run_scripts_through_a_flush(void *arg)
{
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = quick_options();
    shared = redis_client_new(&options);
    redis_client_add_script(shared, &script, REFUSED_WHEN_FULL, script_parts);
    cr_assert(redis_client_wait_ready(shared, 10000));
    run_script(NULL);

    free(redis_text(probe, "SCRIPT FLUSH"));
    for (int i = 0; i < 100; i++)
        cr_assert(loop_spawn(run_script, NULL));
    while (done < 101)
        loop_yield();
    run_script(NULL);
    free(redis_text(probe, "CONFIG RESETSTAT"));
    run_script(NULL);

    OWNED char *sum = redis_text(probe, "HGET mid:sum sum");
    cr_assert_str_eq(sum, "103");
    OWNED char *stats = redis_text(probe, "INFO commandstats");
    cr_assert_not_null(strstr(stats, "cmdstat_evalsha:calls=1,"), "%s", stats);
    cr_assert_null(strstr(stats, "cmdstat_eval:"), "%s", stats);
    redis_probe_close(probe);
    redis_client_free(shared);
}

Test(redis_client, a_flushed_script_cache_heals_without_a_lost_or_repeated_run)
{
    server_start(NULL);
    run_scenario(run_scripts_through_a_flush);
}

/* -------------------- error replies and limits -------------------- */

static void meet_refusals(void *arg)
{
    (void)arg;
    static const struct {
        const char *cause;
        const char *cure;
    } cases[] = {
        {"CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"},                         /* OOM */
        {"CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"}, /* NOREPLICAS */
    };
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = quick_options();
    struct redis_client *client = ready_client(&options);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool was_sent = true;
        free(redis_text(probe, cases[i].cause));
        cr_assert_eq(ask(client, NULL, &was_sent, WORDS("SET", "a", "1")), MID_UNAVAILABLE, "%s", cases[i].cause);
        cr_assert_not(was_sent);
        free(redis_text(probe, cases[i].cure));
        cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK, "%s", cases[i].cure);
    }
    cr_assert_eq(ask(client, NULL, NULL, WORDS("HGET", "a", "b")), MID_FAILED); /* WRONGTYPE */
    cr_assert_eq(redis_client_counts(client)->errors, 3);
    cr_assert_eq(redis_client_counts(client)->connects, 1);
    redis_probe_close(probe);
    redis_client_free(client);
}

Test(redis_client, a_redis_that_cannot_serve_now_is_unavailable_and_any_other_error_is_a_failure)
{
    server_start(NULL);
    run_scenario(meet_refusals);
}

static void exceed_the_limit(void *arg)
{
    (void)arg;
    bool was_sent = true;
    struct redis_options options = quick_options();
    options.pending_limit = 2;
    options.timeout_ms = 10000;
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    for (int i = 0; i < 2; i++)
        cr_assert(loop_spawn(ask_once, NULL));
    loop_yield();
    cr_assert_eq(ask(shared, NULL, &was_sent, WORDS("PING")), MID_OVERLOADED);
    cr_assert_not(was_sent);
    process_signal(server.pid, SIGCONT);
    while (done < 2)
        loop_yield();
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("PING")), MID_OK);
    redis_client_free(shared);
}

Test(redis_client, commands_above_the_limit_in_flight_are_refused)
{
    server_start(NULL);
    run_scenario(exceed_the_limit);
}
