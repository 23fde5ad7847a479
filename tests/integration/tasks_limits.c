/* Tasks at their limits: of time, and of what one step takes. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "office.h"

TestSuite(tasks_limits, .timeout = 120);

Test(tasks_limits, an_attempt_that_waits_beyond_its_deadline_fails_and_is_tried_again)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    must_add(&office, "/add/sleep?attempts=2&deadline_ms=300", "60000", id);
    await(&office, id, "dead 2/2");
    OWNED char *error = field(&office, id, "error");
    cr_expect(strncmp(error, "MID_TIMEOUT", 11) == 0, "%s", error);
    office_close(&office);
}

Test(tasks_limits, one_that_does_not_listen_has_failed_all_the_same_and_others_go_on)
{
    struct office office = office_open(SETTINGS(QUICK));
    char deaf[TEXT_BYTES];
    char quick[TEXT_BYTES];
    must_add(&office, "/add/deaf?attempts=1&deadline_ms=300", "60000", deaf);
    await_note(&office, "begin", deaf, 1);
    await(&office, deaf, "dead 1/1");
    await_log(&office, "task.overdue id=", 1);
    must_add(&office, "/add/empty", "", quick);
    await(&office, quick, "done 1/");
    office_close(&office);
}

Test(tasks_limits, the_deadline_of_all_is_a_setting)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_TASK_DEADLINE_MS=300"));
    char id[TEXT_BYTES];
    must_add(&office, "/add/sleep?attempts=1", "60000", id);
    await(&office, id, "dead 1/1");
    office_close(&office);
}

/* More than Lua hands to one command (some 7,990). */
enum { MANY = 8200 };

struct count {
    const struct office *office;
    long long done;
};

static bool are_done(void *arg)
{
    struct count *count = arg;
    char *done = redis_text(count->office->site.redis, "HGET mid:q:{default}:counts done");
    count->done = done != NULL ? strtoll(done, NULL, 10) : 0;
    free(done);
    return count->done >= MANY;
}

Test(tasks_limits, a_worker_with_room_for_ten_thousand_takes_thousands_that_wait)
{
    struct office office = office_open(SETTINGS("MIDSTREAM_TASK_CONCURRENCY=10000", "MIDSTREAM_WATCHDOG_MS=0",
                                                "MIDSTREAM_TASK_QUEUE_MAX=20000", "MIDSTREAM_FIBERS_MAX=20000"));
    pid_t worker = work_process(&office);
    process_signal(worker, SIGSTOP);
    OWNED char *path = text_printf("/add-many/empty?count=%d", MANY);
    cr_assert_eq(site_send(&office.site, "POST", path, "", NULL), 202);
    process_signal(worker, SIGCONT);
    struct count count = {.office = &office};
    cr_expect(wait_until(are_done, &count, 4 * PATIENCE_MS), "%lld are done", count.done);
    cr_expect_eq(work_process(&office), worker);
    office_close(&office);
}
