/* Running tasks of a pool: what those that are left learn about a process that has died. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fiber/fiber.h"
#include "task/running_tasks.h"

static uint32_t number;
static bool dies_inside;

static void hold_a_task(void *arg)
{
    number = running_tasks_add(arg, 7);
    fiber_leave();
    if (dies_inside)
        raise(SIGKILL);
    fiber_leave();
}

/* A process with two tasks, that dies with the second one on the processor, or with none. */
static void run_and_die(bool inside)
{
    pid_t child = fork();
    if (child == 0) {
        char first[] = "default.first";
        char second[] = "default.second";
        fiber_init(256 * 1024, 10);
        running_tasks_enter();
        struct fiber *fibers[] = {fiber_new(hold_a_task, first), fiber_new(hold_a_task, second)};
        fiber_enter(fibers[0]);
        fiber_enter(fibers[1]);
        dies_inside = inside;
        fiber_enter(fibers[1]);
        raise(SIGKILL);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status));
}

/* Takes what is left, and settles it: who is to blame for each. */
static size_t take_left(struct left_task left[static 2])
{
    size_t count = 0;
    while (count < 2 && running_tasks_next_left(&left[count])) {
        running_tasks_forget(&left[count]);
        count++;
    }
    struct left_task more;
    cr_expect_not(running_tasks_next_left(&more));
    return count;
}

Test(running_tasks, the_task_on_the_processor_is_told_from_the_others)
{
    struct left_task left[2];
    running_tasks_create(2, 4);
    running_tasks_enter();
    run_and_die(true);
    cr_assert_eq(take_left(left), 2);
    cr_expect_str_eq(left[0].id, "default.first");
    cr_expect_eq(left[0].generation, 7);
    cr_expect(!left[0].was_on_processor && left[0].was_another);
    cr_expect_str_eq(left[1].id, "default.second");
    cr_expect(left[1].was_on_processor && !left[1].was_another);
}

Test(running_tasks, nobody_is_to_blame_for_a_process_that_dies_while_it_waits)
{
    struct left_task left[2];
    running_tasks_create(2, 4);
    running_tasks_enter();
    run_and_die(false);
    cr_assert_eq(take_left(left), 2);
    for (int i = 0; i < 2; i++)
        cr_expect(!left[i].was_on_processor && !left[i].was_another);
}

Test(running_tasks, pages_of_the_dead_are_used_again)
{
    struct left_task left[2];
    running_tasks_create(1, 4);
    running_tasks_enter();
    for (int i = 0; i < 10; i++) {
        run_and_die(true);
        cr_assert_eq(take_left(left), 2);
    }
}

Test(running_tasks, without_shared_memory_there_is_nothing_to_settle)
{
    struct left_task left;
    running_tasks_enter();
    cr_expect_not(running_tasks_next_left(&left));
}
