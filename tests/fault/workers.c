/* Workers that die, hang, die again and again, or run out of descriptors: what their streams and the others' see. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"
#include "fault.h"

TestSuite(fault_workers, .timeout = 120);

/* A request that has to succeed, now or on the way to the next worker. Returns how long it took. */
static int64_t request_us(const struct site *site)
{
    struct http_response response;
    int status = site_send(site, "GET", "/counter", NULL, &response);
    int64_t took_us = response.total_us;
    cr_expect_eq(status, 200, "%d %s", status, response.body.data);
    http_response_fini(&response);
    return took_us;
}

static pid_t a_worker(const struct site *site)
{
    pid_t workers[STACK_WORKERS_MAX];
    cr_assert_gt(stack_workers(site->stack, workers), 0);
    return workers[0];
}

/*
 * A piece is sent after the commit of the one before was acknowledged (routes/streams.c), so what the client saw is at
 * most one ahead of what has to be stored. Returns how many clients saw more.
 */
static size_t count_lost_commits(const struct site *site, struct crowd *crowd, size_t clients)
{
    size_t lost = 0;
    for (size_t i = 0; i < clients; i++) {
        struct crowd_client client = crowd_client(crowd, i);
        OWNED char *cookie = crowd_cookie(crowd, i);
        cr_assert_not_null(cookie, "client %zu was given no cookie", i);
        int64_t seen = (int64_t)client.pieces;
        lost += fault_stored_number(site, cookie, "event") < (client.end == CROWD_COMPLETE ? seen : seen - 1);
    }
    return lost;
}

Test(fault_workers, a_worker_killed_among_many_streams_cuts_its_own_visibly_and_no_others)
{
    const size_t clients = fault_scale(200, 1000);
    struct site site = site_open_with(&(struct stack_options){.workers = 2});
    struct crowd *crowd = crowd_open(&site, &(struct crowd_options){.path = "/events?count=16&interval_ms=500",
                                                                    .clients = clients,
                                                                    .lines_per_piece = 3,
                                                                    .pieces = 16,
                                                                    .interval_us = 500000});
    cr_assert(crowd_wait_pieces(crowd, 3, 2 * PATIENCE_MS), "the streams do not begin");
    cr_assert_eq(crowd_tally(crowd).open, clients);
    pid_t worker = a_worker(&site);
    int64_t killed_us = clock_monotonic_us();
    process_signal(worker, SIGKILL);
    cr_expect_lt(request_us(&site), 1000000, "the next request took longer than a worker may take to come back");
    int64_t whole_ms = fault_await_workers(&site, 2, worker, PATIENCE_MS);
    cr_expect(whole_ms >= 0 && whole_ms < 1000, "the pool was whole again after %lld ms", (long long)whole_ms);
    cr_assert(crowd_wait_end(crowd, 2 * PATIENCE_MS));

    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect_eq(tally.false_complete, 0, "%zu streams that were cut look complete", tally.false_complete);
    cr_expect_eq(tally.complete + tally.cut, clients);
    /* nginx gives each stream to the worker that has fewer, so each has half of them, give or take what was under way.
     */
    cr_expect(tally.cut > clients * 2 / 5 && tally.cut < clients * 3 / 5, "%zu of %zu were cut", tally.cut, clients);
    cr_expect_eq(count_lost_commits(&site, crowd, clients), 0);
    int64_t late_us = crowd_lateness_p99_us(crowd, killed_us, INT64_MAX);
    cr_expect(late_us >= 0 && late_us < LATENESS_MAX_US, "the others were late by %lld us", (long long)late_us);
    crowd_close(crowd);
    site_close(&site);
}

Test(fault_workers, a_worker_that_hangs_is_replaced_and_the_streams_of_others_are_on_time)
{
    enum { CLIENTS = 40, WATCHDOG_MS = 1000 };
    struct site site =
        site_open_with(&(struct stack_options){.workers = 2, .environment = SETTINGS("MIDSTREAM_WATCHDOG_MS=1000")});
    struct crowd *crowd = crowd_open(&site, &(struct crowd_options){.path = "/events?count=30&interval_ms=200",
                                                                    .clients = CLIENTS,
                                                                    .lines_per_piece = 3,
                                                                    .pieces = 30,
                                                                    .interval_us = 200000});
    cr_assert(crowd_wait_pieces(crowd, 3, PATIENCE_MS));
    pid_t worker = a_worker(&site);
    int64_t stopped_us = clock_monotonic_us();
    process_signal(worker, SIGSTOP);
    int64_t whole_ms = fault_await_workers(&site, 2, worker, PATIENCE_MS);
    /* The master looks once a second at the least, and the new worker starts at once. */
    cr_expect(whole_ms >= 0 && whole_ms < WATCHDOG_MS + 2000, "it was replaced after %lld ms", (long long)whole_ms);
    request_us(&site);
    cr_assert(crowd_wait_end(crowd, PATIENCE_MS));

    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect_eq(tally.false_complete, 0);
    cr_expect_eq(tally.complete + tally.cut, CLIENTS);
    cr_expect(tally.cut >= CLIENTS * 2 / 5 && tally.cut <= CLIENTS * 3 / 5, "%zu were cut", tally.cut);
    cr_expect_eq(count_lost_commits(&site, crowd, CLIENTS), 0);
    int64_t late_us = crowd_lateness_p99_us(crowd, stopped_us, INT64_MAX);
    cr_expect(late_us >= 0 && late_us < LATENESS_MAX_US, "the others were late by %lld us", (long long)late_us);
    cr_expect(site_wait_log(&site, "worker.wedged"));
    crowd_close(crowd);
    site_close(&site);
}

/* -------------------- a crash loop -------------------- */

/* Kills each worker as soon as it is there, for so long. Returns how many. */
static size_t kill_each(const struct site *site, int64_t for_ms)
{
    size_t killed = 0;
    pid_t last = 0;
    int64_t end_ms = clock_monotonic_ms() + for_ms;
    while (clock_monotonic_ms() < end_ms) {
        pid_t workers[STACK_WORKERS_MAX];
        if (stack_workers(site->stack, workers) > 0 && workers[0] != last) {
            last = workers[0];
            process_signal(last, SIGKILL);
            killed++;
        }
        usleep(2000);
    }
    return killed;
}

Test(fault_workers, in_a_crash_loop_the_master_backs_off_and_comes_back_when_it_is_over)
{
    struct site site = site_open(NULL);
    pid_t master = site.stack->master;
    int64_t cpu_before_ms = fault_cpu_ms(master);
    size_t killed = kill_each(&site, 4000);
    /* Pauses of 100, 200, 400, 800, 1600 and 3200 ms make six deaths, with the first; without them there are hundreds.
     */
    cr_expect(killed >= 3 && killed <= 7, "%zu workers were started", killed);
    cr_expect_lt(fault_cpu_ms(master) - cpu_before_ms, 1000, "the master is busy");
    /* The next pause is 3.2 s, or 5, the longest. */
    int64_t began_ms = clock_monotonic_ms();
    request_us(&site);
    cr_expect_lt(clock_monotonic_ms() - began_ms, 7000);
    pid_t worker = site_worker(&site);

    /* Who has lived for a second is replaced at once again. */
    usleep(1100000);
    process_signal(worker, SIGKILL);
    int64_t whole_ms = fault_await_workers(&site, 1, worker, PATIENCE_MS);
    cr_expect(whole_ms >= 0 && whole_ms < 1000, "it was back after %lld ms", (long long)whole_ms);
    request_us(&site);
    site_close(&site);
}

/* -------------------- descriptors -------------------- */

/* A program that runs the workers with so many descriptors, which is what a shell may do and this test may not. */
static char *make_narrow_program(const char *dir, int descriptors)
{
    const char *program = getenv("MIDSTREAM");
    OWNED char *real = realpath(program != NULL ? program : "build/asan/midstream", NULL);
    char *path = text_printf("%s/midstream", dir);
    cr_assert_not_null(real);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/sh\nulimit -n %d\nexec '%s' \"$@\"\n", descriptors, real);
    fclose(file);
    cr_assert_eq(chmod(dir, 0755), 0); /* whoever the servers run as */
    cr_assert_eq(chmod(path, 0755), 0);
    return path;
}

Test(fault_workers, a_worker_out_of_descriptors_pauses_accepting_without_spinning_and_recovers)
{
    enum { CLIENTS = 100, DESCRIPTORS = 64, LOOK_MS = 1500 };
    char dir[] = "/tmp/midstream-narrow-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    OWNED char *program = make_narrow_program(dir, DESCRIPTORS);
    struct site site = site_open_with(&(struct stack_options){.workers = 1, .midstream = program});
    pid_t worker = site_worker(&site);
    struct crowd *crowd = crowd_open(&site, &(struct crowd_options){.path = "/events?count=3&interval_ms=1500",
                                                                    .clients = CLIENTS,
                                                                    .lines_per_piece = 3,
                                                                    .pieces = 3,
                                                                    .interval_us = 1500000});
    cr_assert(site_wait_log(&site, "listener.pause"), "a hundred streams fit into %d descriptors", DESCRIPTORS);
    int64_t cpu_before_ms = fault_cpu_ms(worker);
    int64_t from_ms = clock_monotonic_ms();
    usleep(LOOK_MS * 1000);
    int64_t cpu_ms = fault_cpu_ms(worker) - cpu_before_ms;
    /* A loop that spins uses all that it gets, half a processor at the least on a busy machine of two. Some fifty
     * streams send an event each in this time. */
    cr_expect_lt(cpu_ms, (clock_monotonic_ms() - from_ms) / 3, "it used %lld ms", (long long)cpu_ms);
    cr_assert(crowd_wait_end(crowd, 30000), "%zu streams never came to their turn", crowd_tally(crowd).open);

    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect_eq(tally.false_complete, 0);
    cr_expect_eq(tally.not_ok, 0, "%zu were refused", tally.not_ok);
    cr_expect_eq(tally.complete, CLIENTS);
    cr_expect_eq(site_worker(&site), worker, "it did not survive");
    request_us(&site);
    crowd_close(crowd);
    site_close(&site);
    unlink(program);
    rmdir(dir);
}
