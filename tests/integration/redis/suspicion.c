/* The Redis client when Redis is connected and silent: who is refused, who waits, and what ends it. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "pretender.h"
#include "server.h"
#include "support/process.h"
#include "support/owned.h"

TestSuite(redis_suspicion, .fini = server_fini, .timeout = 60);

enum { PATIENCE_MS = 50 };

static struct redis_client *shared;
static int done;

/* Times that no silence of these tests reaches: what ends is patience. */
static struct redis_options patient_options(void)
{
    struct redis_options options = quick_options();
    options.timeout_ms = 600000;
    return options;
}

static enum mid_error ask_impatiently(int64_t patience_ms, bool *was_sent)
{
    struct redis_call call = {.patience_ms = patience_ms, .was_sent = true};
    enum mid_error error = redis_command(shared, 1, (struct redis_argument[]){REDIS_TEXT("PING")}, &call);
    *was_sent = call.was_sent;
    return error;
}

static void wait_in_vain(void)
{
    bool was_sent;
    cr_assert_eq(ask_impatiently(PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_assert(was_sent);
    cr_assert(redis_client_is_suspect(shared));
}

static void expect_refused_at_once(void)
{
    bool was_sent;
    int64_t asked_ms = loop_now_ms();
    uint64_t commands = redis_client_counts(shared)->commands;
    cr_assert_eq(ask_impatiently(PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_assert_eq(loop_now_ms(), asked_ms); /* not a turn later */
    cr_assert_not(was_sent);
    cr_assert_eq(redis_client_counts(shared)->commands, commands);
}

static void expect_trusted(uint64_t suspicions)
{
    bool was_sent;
    cr_assert_not(redis_client_is_suspect(shared));
    cr_assert_eq(redis_client_counts(shared)->is_suspect, 0);
    cr_assert_eq(redis_client_counts(shared)->suspicions, suspicions);
    cr_assert_eq(ask_impatiently(10000, &was_sent), MID_OK);
}

static void await_trust(void)
{
    while (redis_client_is_suspect(shared))
        loop_yield();
}

static void wait_in_vain_on_a_fiber(void *arg)
{
    (void)arg;
    wait_in_vain();
    done++;
}

static void ask_patiently(void *arg)
{
    (void)arg;
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("INCR", "mid:count")), MID_OK);
    done++;
}

static void ask_and_lose(void *arg)
{
    (void)arg;
    bool was_sent = false;
    cr_assert_eq(ask(shared, NULL, &was_sent, WORDS("INCR", "mid:count")), MID_UNAVAILABLE);
    cr_assert(was_sent);
    done++;
}

/* -------------------- the log -------------------- */

static FILE *capture;

static void capture_log(void)
{
    capture = tmpfile();
    cr_assert(capture != NULL && dup2(fileno(capture), STDERR_FILENO) >= 0);
}

/* How many lines so far tell of the event. */
static int told(const char *event)
{
    char line[1024];
    char word[64];
    int lines = 0;
    snprintf(word, sizeof(word), " %s ", event);
    rewind(capture);
    while (fgets(line, sizeof(line), capture) != NULL)
        lines += strstr(line, word) != NULL;
    fseek(capture, 0, SEEK_END);
    return lines;
}

/* -------------------- a stall -------------------- */

enum { CROWD = 10 };

static void live_through_stalls(void *arg)
{
    (void)arg;
    enum { STALLS = 2 };
    struct redis_options options = patient_options();
    shared = ready_client(&options);
    for (int stall = 1; stall <= STALLS; stall++) {
        process_signal(server.pid, SIGSTOP);
        done = 0;
        for (int i = 0; i < CROWD; i++)
            cr_assert(loop_spawn(wait_in_vain_on_a_fiber, NULL));
        cr_assert(loop_spawn(ask_patiently, NULL)); /* before it is suspect */
        while (done < CROWD)
            loop_yield();
        int64_t suspect_ms = loop_now_ms(); /* and told before then */
        cr_assert_eq(redis_client_counts(shared)->suspicions, (uint64_t)stall);
        cr_assert_eq(redis_client_counts(shared)->is_suspect, 1);
        cr_assert(loop_spawn(ask_patiently, NULL)); /* and while it is */
        for (int i = 0; i < CROWD; i++)
            expect_refused_at_once();
        while (loop_now_ms() - suspect_ms < 1100) /* what is told is told once a second at most */
            loop_park(10);
        expect_refused_at_once();
        cr_assert_eq(done, CROWD); /* the patient ones go on waiting */
        cr_assert(redis_client_is_ready(shared));

        process_signal(server.pid, SIGCONT);
        while (done < CROWD + 2)
            loop_yield();
        expect_trusted((uint64_t)stall);
        cr_assert_eq(told("redis.suspect"), stall);
        cr_assert_eq(told("redis.trusted"), stall);
    }
    cr_assert_eq(redis_client_counts(shared)->connects, 1);
    cr_assert_eq(redis_client_counts(shared)->disconnects, 0);
    cr_assert_eq(redis_client_counts(shared)->timeouts, 0);
    redis_client_free(shared);
}

Test(redis_suspicion, a_stall_is_noticed_once_refuses_the_impatient_and_is_ridden_out_by_the_patient)
{
    capture_log();
    server_start(NULL);
    run_scenario(live_through_stalls);
}

static long long pings(void)
{
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    OWNED char *stats = redis_text(probe, "INFO commandstats");
    const char *line = strstr(stats, "cmdstat_ping:calls=");
    long long calls = line != NULL ? atoll(line + strlen("cmdstat_ping:calls=")) : 0;
    redis_probe_close(probe);
    return calls;
}

static void probe_once(void *arg)
{
    (void)arg;
    struct redis_options options = patient_options();
    shared = ready_client(&options);
    long long before = pings();
    process_signal(server.pid, SIGSTOP);
    wait_in_vain();
    for (int i = 0; i < 20; i++) {
        expect_refused_at_once();
        loop_park(PATIENCE_MS);
    }
    process_signal(server.pid, SIGCONT);
    await_trust();                     /* nobody asks anything: it heals by itself */
    cr_assert_eq(pings(), before + 2); /* the one that waited in vain, and the client's own */
    expect_trusted(1);
    redis_client_free(shared);
}

Test(redis_suspicion, one_ping_of_the_clients_own_is_under_way_however_late_its_answer)
{
    server_start(NULL);
    run_scenario(probe_once);
}

static void sleep_in_redis(void *arg)
{
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("DEBUG", "SLEEP", arg)), MID_OK);
    done++;
}

/* The answer to an earlier command comes while a later one still holds up the client's own PING. */
static void be_overtaken(void *arg)
{
    (void)arg;
    static char a_while[] = "0.7";
    static char longer[] = "1.5";
    struct redis_options options = patient_options();
    shared = ready_client(&options);
    long long before = pings();
    cr_assert(loop_spawn(sleep_in_redis, a_while));
    loop_park(150); /* so that Redis reads it alone, and answers it alone */
    cr_assert(loop_spawn(sleep_in_redis, longer));
    loop_yield();
    wait_in_vain();
    while (done < 1)
        loop_yield();
    cr_assert(redis_client_is_suspect(shared));
    expect_refused_at_once();
    cr_assert_eq(done, 1); /* it is the second sleep that was waited for */
    await_trust();
    cr_assert_eq(done, 2);
    cr_assert_eq(redis_client_counts(shared)->suspicions, 1);
    cr_assert_eq(ask(shared, NULL, NULL, WORDS("ECHO", "behind all of them")), MID_OK);
    cr_assert_eq(pings(), before + 2); /* the one that waited in vain, and one of the client's own */
    cr_assert_eq(told("redis.suspect"), 1);
    cr_assert_eq(told("redis.trusted"), 1);
    expect_trusted(1);
    redis_client_free(shared);
}

Test(redis_suspicion, the_answer_to_an_earlier_command_does_not_end_it)
{
    capture_log();
    server_start(NULL);
    run_scenario(be_overtaken);
}

/* -------------------- the connection's end -------------------- */

static void lose_while_suspect(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = patient_options();
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    wait_in_vain();
    cr_assert(loop_spawn(ask_and_lose, NULL));
    server_stop(SIGKILL);
    while (redis_client_is_ready(shared))
        loop_yield();
    while (done < 1)
        loop_yield();
    cr_assert_not(redis_client_is_suspect(shared));
    cr_assert_eq(redis_client_counts(shared)->is_suspect, 0);
    cr_assert_eq(ask_impatiently(PATIENCE_MS, &was_sent), MID_UNAVAILABLE);
    cr_assert_not(was_sent);

    server_start(NULL);
    cr_assert(redis_client_wait_ready(shared, 10000));
    expect_trusted(1);
    cr_assert_eq(told("redis.suspect"), 1);
    cr_assert_eq(told("redis.lost"), 1);
    cr_assert_eq(told("redis.trusted"), 0); /* it was not: another has come */

    process_signal(server.pid, SIGSTOP); /* and that one is probed as the first was */
    wait_in_vain();
    process_signal(server.pid, SIGCONT);
    await_trust();
    expect_trusted(2);
    redis_client_free(shared);
}

Test(redis_suspicion, a_lost_connection_takes_the_suspicion_with_it)
{
    capture_log();
    server_start(NULL);
    run_scenario(lose_while_suspect);
}

static void miss_the_deadline_while_suspect(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    wait_in_vain();
    while (redis_client_is_ready(shared)) /* nobody waits for anything, and the deadline still holds */
        loop_yield();
    cr_assert_not(redis_client_is_suspect(shared));
    cr_assert_eq(redis_client_counts(shared)->timeouts, 1);
    process_signal(server.pid, SIGCONT);
    cr_assert(redis_client_wait_ready(shared, 10000));
    expect_trusted(1);
    cr_assert_eq(redis_client_counts(shared)->connects, 2);
    redis_client_free(shared);
}

Test(redis_suspicion, a_silence_longer_than_the_timeout_costs_the_connection)
{
    server_start(NULL);
    run_scenario(miss_the_deadline_while_suspect);
}

/* The command that was given up is answered late; the PING alone never is. */
static void answer_all_but_ping(const char *request, char *reply, size_t size)
{
    bool is_ping = strstr(request, "PING") != NULL && strstr(request, "HELLO") == NULL;
    if (strstr(request, "ECHO") != NULL) {
        usleep(3 * PATIENCE_MS * 1000);
        snprintf(reply, size, "+late\r\n");
    } else if (is_ping) {
        reply[0] = '\0';
    }
}

static void wait_for_a_ping(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    shared = ready_client(&options);
    struct redis_call call = {.patience_ms = PATIENCE_MS};
    cr_assert_eq(redis_command(shared, 1, (struct redis_argument[]){REDIS_TEXT("ECHO")}, &call), MID_UNAVAILABLE);
    cr_assert(redis_client_is_suspect(shared));
    while (redis_client_counts(shared)->disconnects == 0)
        loop_yield();
    cr_expect_eq(redis_client_counts(shared)->timeouts, 1);
    cr_assert(redis_client_wait_ready(shared, 10000));
    cr_expect_not(redis_client_is_suspect(shared));
    redis_client_free(shared);
}

Test(redis_suspicion, a_ping_that_is_never_answered_costs_the_connection)
{
    struct pretender pretender;
    pretender_start(&pretender, answer_all_but_ping);
    run_scenario(wait_for_a_ping);
    pretender_stop(&pretender);
}

static void free_while_suspect(void *arg)
{
    (void)arg;
    struct redis_counts counts = {0};
    struct redis_options options = patient_options();
    options.counts = &counts;
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    wait_in_vain();
    cr_assert(loop_spawn(ask_and_lose, NULL));
    loop_yield();
    cr_assert_eq(counts.is_suspect, 1);
    redis_client_free(shared);
    while (done < 1)
        loop_yield();
    cr_assert_eq(counts.is_suspect, 0); /* what is counted outlives the client */
    cr_assert_eq(counts.suspicions, 1);
    process_signal(server.pid, SIGCONT);
}

Test(redis_suspicion, a_client_may_be_freed_while_it_suspects)
{
    server_start(NULL);
    run_scenario(free_while_suspect);
}

/* -------------------- limits, and delays of our own -------------------- */

static void suspect_at_the_limit(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = patient_options();
    options.pending_limit = 2;
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    cr_assert(loop_spawn(ask_patiently, NULL));
    loop_yield();
    wait_in_vain(); /* its command is still pending, and the PING is one too many */
    cr_assert_eq(ask(shared, NULL, &was_sent, WORDS("PING")), MID_OVERLOADED);
    cr_assert_not(was_sent);
    expect_refused_at_once();
    process_signal(server.pid, SIGCONT);
    await_trust();
    while (done < 1)
        loop_yield();
    expect_trusted(1);
    redis_client_free(shared);
}

Test(redis_suspicion, the_limit_of_commands_in_flight_does_not_keep_it_from_being_healed)
{
    server_start(NULL);
    run_scenario(suspect_at_the_limit);
}

enum { HELD_MS = 900, HELD_PATIENCE_MS = 300 };

/* When the loop turns again, patience is over, and Redis has had no chance to answer. */
static void hold_up_the_loop(void *arg)
{
    (void)arg;
    int64_t until_ms = clock_monotonic_ms() + HELD_MS;
    while (clock_monotonic_ms() < until_ms)
        ;
    loop_yield();
    process_signal(server.pid, SIGCONT);
}

static void be_held_up(void *arg)
{
    (void)arg;
    bool was_sent;
    struct redis_options options = patient_options();
    shared = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    cr_assert(loop_spawn(hold_up_the_loop, NULL));
    cr_assert_eq(ask_impatiently(HELD_PATIENCE_MS, &was_sent), MID_OK);
    cr_assert_eq(redis_client_counts(shared)->suspicions, 0);
    redis_client_free(shared);
}

Test(redis_suspicion, a_handler_that_holds_up_the_loop_does_not_make_redis_suspect)
{
    server_start(NULL);
    run_scenario(be_held_up);
}
