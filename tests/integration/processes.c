/* What the tests themselves rely on: a test that fails leaves nothing running. */
#include <criterion/criterion.h>
#include <signal.h>
#include <unistd.h>

#include "site.h"

static bool has_ended(void *arg)
{
    return !process_is_alive(*(const pid_t *)arg);
}

/* In a child of its own, as Criterion runs each test. */
_Noreturn static void start_and_end(int report_fd)
{
    pid_t started = process_spawn((const char *const[]){"sleep", "1000", NULL}, NULL);
    _exit(write(report_fd, &started, sizeof(started)) != sizeof(started));
}

Test(processes, a_program_ends_with_the_test_that_has_started_it)
{
    int ends[2];
    pid_t started;
    cr_assert_eq(pipe(ends), 0);
    pid_t test = fork();
    if (test == 0)
        start_and_end(ends[1]);
    cr_assert_eq(read(ends[0], &started, sizeof(started)), sizeof(started));
    cr_expect_eq(process_wait(test, PATIENCE_MS), 0);
    cr_expect(wait_until(has_ended, &started, PATIENCE_MS), "process %d has outlived its test", (int)started);
    process_signal(started, SIGKILL);
    close(ends[0]);
    close(ends[1]);
}
