/* Fibers and the loop: order, parks and wakes, timers, descriptors, threads, flushes, limits. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fiber/loop.h"

static void begin(void)
{
    fiber_init(256 * 1024, 1000);
    loop_init();
}

static void finish(void)
{
    loop_fini();
    fiber_fini();
}

TestSuite(loop, .init = begin, .fini = finish);

static char trace[256];

static void note(const char *step)
{
    strncat(trace, step, sizeof(trace) - strlen(trace) - 1);
}

static struct fiber *sleeper;

static void sleep_until_woken(void *arg)
{
    (void)arg;
    sleeper = fiber_current();
    note("a");
    cr_assert_eq(loop_park(-1), WAKE_READY);
    note("d");
    loop_stop();
}

static void wake_sleeper(void *arg)
{
    (void)arg;
    note("b");
    loop_wake(sleeper);
    note("c");
}

Test(loop, a_woken_fiber_goes_on_after_the_one_that_woke_it_suspends)
{
    cr_assert(loop_spawn(sleep_until_woken, NULL));
    cr_assert(loop_spawn(wake_sleeper, NULL));
    loop_run();
    cr_assert_str_eq(trace, "abcd");
    cr_assert_eq(fiber_count(), 0);
    cr_assert_eq(fiber_pooled_count(), 2);
}

static void park_for(void *arg)
{
    cr_assert_eq(loop_park(*(int *)arg), WAKE_TIMEOUT);
    note(*(int *)arg == 20 ? "late" : "early ");
    if (*(int *)arg == 20)
        loop_stop();
}

Test(loop, parks_end_in_the_order_of_their_times)
{
    int late = 20;
    int early = 5;
    loop_spawn(park_for, &late);
    loop_spawn(park_for, &early);
    loop_run();
    cr_assert_str_eq(trace, "early late");
}

static int pipe_ends[2];

static void wait_for_pipe(void *arg)
{
    (void)arg;
    enum wake wake;
    cr_assert(loop_wait_fd(pipe_ends[0], EPOLLIN, 5, &wake));
    cr_assert_eq(wake, WAKE_TIMEOUT, "nothing was written yet");
    cr_assert_eq(write(pipe_ends[1], "x", 1), 1);
    cr_assert(loop_wait_fd(pipe_ends[0], EPOLLIN, 5000, &wake));
    cr_assert_eq(wake, WAKE_READY);
    cr_assert_not(loop_wait_fd(-1, EPOLLIN, 5, &wake), "a descriptor that is not open cannot be watched");
    loop_stop();
}

Test(loop, a_fiber_waits_for_a_descriptor)
{
    cr_assert_eq(pipe(pipe_ends), 0);
    loop_spawn(wait_for_pipe, NULL);
    loop_run();
}

static pid_t work_thread;

static void work(void *arg)
{
    work_thread = gettid();
    *(int *)arg = 42;
}

static void use_a_thread(void *arg)
{
    (void)arg;
    int answer = 0;
    cr_assert(loop_offload(work, &answer));
    cr_assert_eq(answer, 42);
    cr_assert_neq(work_thread, gettid());
    loop_stop();
}

Test(loop, offloaded_work_runs_on_another_thread)
{
    loop_spawn(use_a_thread, NULL);
    loop_run();
}

enum { THREADS = 6 };

static atomic_int inside;

/* Returns when all are here, which needs as many threads. */
static void meet(void *arg)
{
    (void)arg;
    atomic_fetch_add(&inside, 1);
    while (atomic_load(&inside) < THREADS)
        sched_yield();
}

static int returned;

static void offload_meeting(void *arg)
{
    (void)arg;
    cr_assert(loop_offload(meet, NULL));
    if (++returned == THREADS)
        loop_stop();
}

Test(loop, as_many_threads_work_at_once_as_were_asked_for, .timeout = 60)
{
    loop_set_threads(THREADS);
    for (int i = 0; i < THREADS; i++)
        loop_spawn(offload_meeting, NULL);
    loop_run();
}

static void let_them_go(void *arg)
{
    cr_expect_eq(*(int *)arg, 42);
    atomic_store(&inside, THREADS);
}

Test(loop, a_thread_of_its_own_waits_behind_nothing_in_the_pool, .timeout = 60)
{
    int answer = 0;
    loop_set_threads(1);
    returned = THREADS - 2;
    loop_spawn(offload_meeting, NULL); /* fills the pool */
    loop_spawn(offload_meeting, NULL); /* waits behind it */
    cr_assert(loop_start_thread(work, let_them_go, &answer));
    loop_run();
    cr_expect_eq(returned, THREADS);
}

static int flush_count;
static struct flush flush;

static void on_flush(void *arg)
{
    (void)arg;
    flush_count++;
}

static void ask_for_flush(void *arg)
{
    loop_request_flush(&flush);
    loop_request_flush(&flush);
    cr_assert_eq(flush_count, 0, "a flush waits for the end of the turn");
    if (arg != NULL) {
        loop_yield();
        cr_assert_eq(flush_count, 1, "all requests of a turn make one flush");
        loop_stop();
    }
}

Test(loop, a_turn_is_flushed_once_when_its_fibers_have_run)
{
    int last = 0;
    flush_init(&flush, on_flush, NULL);
    loop_spawn(ask_for_flush, NULL);
    loop_spawn(ask_for_flush, &last);
    loop_run();
    cr_assert_eq(flush_count, 1);
}

static void count_and_flush(void *arg)
{
    *(int *)arg += 1;
    loop_request_flush(&flush);
}

static struct timer stopping;
static int run_after_stop;

static void spawn_and_stop(struct timer *timer)
{
    (void)timer;
    loop_stop();
    loop_spawn(count_and_flush, &run_after_stop);
}

Test(loop, a_stop_from_a_timer_leaves_neither_a_ready_fiber_nor_a_flush_behind)
{
    flush_init(&flush, on_flush, NULL);
    timer_start(&stopping, 0, spawn_and_stop);
    loop_run();
    timer_fini(&stopping);
    cr_assert_eq(run_after_stop, 1);
    cr_assert_eq(flush_count, 1);
    cr_assert_eq(fiber_count(), 0);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void stop_loop(struct timer *timer)
{
    (void)timer;
    loop_stop();
}

Test(loop, fibers_above_the_limit_are_refused_and_pooled_ones_used_again)
{
    for (int i = 0; i < 1000; i++)
        cr_assert(loop_spawn(do_nothing, NULL));
    cr_assert_not(loop_spawn(do_nothing, NULL));
    struct timer stop = {0};
    timer_start(&stop, 0, stop_loop);
    loop_run();
    timer_fini(&stop);
    cr_assert_eq(fiber_count(), 0);
    cr_assert_eq(fiber_pooled_count(), 1000);
    cr_assert(loop_spawn(do_nothing, NULL));
    cr_assert_eq(fiber_pooled_count(), 999);
    struct timer again = {0};
    timer_start(&again, 0, stop_loop);
    loop_run();
    timer_fini(&again);
}

static void rest(void *arg)
{
    (void)arg;
    loop_park(0); /* with a timer, which the loop holds */
}

static void stop_when_all_have_ended(struct timer *timer)
{
    if (fiber_count() == 0)
        loop_stop();
    else
        timer_start(timer, 1, stop_when_all_have_ended);
}

Test(loop, stacks_that_nobody_needs_are_given_back_a_few_at_a_time)
{
    for (int i = 0; i < 1000; i++)
        cr_assert(loop_spawn(i % 2 == 0 ? rest : do_nothing, NULL));
    struct timer stop = {0};
    timer_start(&stop, 0, stop_when_all_have_ended);
    loop_run();
    timer_fini(&stop);
    cr_assert_eq(fiber_pooled_count(), 1000);
    loop_give_back_stacks();
    cr_expect_eq(fiber_pooled_count(), 1000, "they were needed a moment ago");
    size_t calls = 0;
    for (size_t before = 0; before != fiber_pooled_count() && calls < 1000; calls++) {
        before = fiber_pooled_count();
        loop_give_back_stacks();
        cr_assert(before - fiber_pooled_count() <= 16);
    }
    cr_expect_eq(fiber_pooled_count(), 64);
    cr_expect_gt(calls, 50);
}
