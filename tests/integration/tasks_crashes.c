/* Tasks whose workers crash, hang or stop. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "office.h"

TestSuite(tasks_crashes, .timeout = 120);

/* -------------------- workers that go -------------------- */

Test(tasks_crashes, a_task_that_crashes_its_worker_is_dead_after_its_attempts_and_others_are_not_blamed)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_TASK_LOSSES_MAX=50"));
    char crasher[TEXT_BYTES];
    char others[10][TEXT_BYTES];
    for (int i = 0; i < 10; i++)
        must_add(&office, "/add/sleep?attempts=1", "4000", others[i]);
    await_note(&office, "begin", others[9], 1);
    must_add(&office, "/add/crash?attempts=3", "50", crasher);
    await(&office, crasher, "dead 3/3 MID_FAILED");
    cr_expect_eq(noted(&office, "begin", crasher), 3);
    OWNED char *detail = field(&office, crasher, "detail");
    cr_expect_str_eq(detail, "its worker crashed or hung while it ran");
    for (int i = 0; i < 10; i++) { /* of one attempt only, and still */
        await(&office, others[i], "done 1/1");
        cr_expect_geq(number(&office, others[i], "displaced"), 1);
        cr_expect_eq(number(&office, others[i], "losses"), 0);
    }
    office_close(&office);
}

Test(tasks_crashes, a_task_that_never_lets_go_is_dead_after_its_attempts_and_others_are_done)
{
    struct office office = office_open(
        SETTINGS("MIDSTREAM_TASK_BACKOFF_MS=50", "MIDSTREAM_TASK_LEASE_MS=6000", "MIDSTREAM_WATCHDOG_MS=1000"));
    char spinner[TEXT_BYTES];
    char other[TEXT_BYTES];
    must_add(&office, "/add/sleep?attempts=1", "3000", other);
    await_note(&office, "begin", other, 1);
    must_add(&office, "/add/spin?attempts=2", "", spinner);
    await(&office, spinner, "dead 2/2 MID_FAILED");
    cr_expect_eq(noted(&office, "begin", spinner), 2);
    await(&office, other, "done 1/1");
    office_close(&office);
}

Test(tasks_crashes, a_worker_that_stops_lets_tasks_finish_and_gives_back_those_that_do_not)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_DRAIN_TIMEOUT_MS=3000"));
    char quick[TEXT_BYTES];
    char slow[TEXT_BYTES];
    char deaf[TEXT_BYTES];
    must_add(&office, "/add/sleep?attempts=1", "700", quick);
    must_add(&office, "/add/sleep?attempts=1", "60000", slow);
    must_add(&office, "/add/deaf?attempts=1", "60000", deaf);
    await_note(&office, "begin", deaf, 1);
    process_signal(work_process(&office), SIGTERM);
    await(&office, quick, "done 1/1");
    await_note(&office, "MID_STOPPING", slow, 1);
    await_note(&office, "begin", slow, 2);
    await_note(&office, "begin", deaf, 2);
    cr_expect_eq(noted(&office, "begin", quick), 1);
    await(&office, slow, "running 1/1");
    await(&office, deaf, "running 1/1");
    cr_expect_eq(number(&office, deaf, "losses"), 0);
    office_close(&office);
}

/* Another pool of workers, as in another container. */
static pid_t start_others(const struct office *office, const char *setting)
{
    char *app = app_path();
    const char *redis = office->site.stack->redis_url;
    char *keys = text_printf("%s/keys", office->site.stack->dir);
    char *log = text_printf("TASK_LOG=%s", office->log);
    const char *argv[] = {app,      "work", "--workers",       "1",  "--redis", redis,
                          "--keys", keys,   "--cookie-secure", "no", NULL};
    const char *environment[] = {log, "MIDSTREAM_TASK_LEASE_MS=1500", setting, NULL};
    pid_t others = process_spawn(argv, &(struct process_options){.environment = environment});
    free(log), free(keys), free(app);
    return others;
}

/* The worker believes that it owns the task; Redis knows better. */
Test(tasks_crashes, a_stopped_worker_that_wakes_after_its_lease_has_moved_changes_nothing)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_WATCHDOG_MS=0", "MIDSTREAM_REDIS_TIMEOUT_MS=60000"));
    char id[TEXT_BYTES];
    make_session(&office);
    OWNED char *key = site_key(&office.site);
    must_add(&office, "/add/late?attempts=1", "1000", id);
    await_note(&office, "begin", id, 1);
    pid_t stopped = work_process(&office);
    process_signal(stopped, SIGSTOP);

    pid_t others = start_others(&office, NULL);
    await(&office, id, "done 1/1");
    cr_expect_eq(noted(&office, "begin", id), 2);
    cr_expect_eq(stored_number(&office.site, key, "late"), 1);
    int64_t before = stored_header(&office.site, key).revision;

    process_signal(stopped, SIGCONT);
    await_note(&office, "MID_LOST_LEASE", id, 1);
    cr_expect_eq(stored_header(&office.site, key).revision, before);
    cr_expect_eq(stored_number(&office.site, key, "late"), 1);
    await(&office, id, "done 1/1");
    process_signal(others, SIGTERM);
    cr_expect_eq(process_wait(others, 20000), 0);
    office_close(&office);
}

/* Nobody has claimed the session since; but the claim has ended with the lease. */
Test(tasks_crashes, a_stopped_worker_whose_task_was_given_up_changes_nothing)
{
    struct office office = office_open(
        SETTINGS(QUICK, "MIDSTREAM_WATCHDOG_MS=0", "MIDSTREAM_REDIS_TIMEOUT_MS=60000", "MIDSTREAM_TASK_LOSSES_MAX=0"));
    char id[TEXT_BYTES];
    make_session(&office);
    char *key = site_key(&office.site);
    must_add(&office, "/add/late", "1000", id);
    await_note(&office, "begin", id, 1);
    char *claim = text_printf("%s:task:%s", key, id);
    cr_assert(stored_reaches(&office.site, claim, "generation", 1));
    pid_t stopped = work_process(&office);
    process_signal(stopped, SIGSTOP);
    pid_t others = start_others(&office, "MIDSTREAM_TASK_LOSSES_MAX=0");
    await(&office, id, "dead 0/5 MID_LOST_LEASE");
    process_signal(stopped, SIGCONT);
    await_note(&office, "MID_LOST_LEASE", id, 1);
    cr_expect_eq(stored_number(&office.site, key, "late"), -1);
    await(&office, id, "dead 0/5 MID_LOST_LEASE");
    process_signal(others, SIGTERM);
    cr_expect_eq(process_wait(others, 20000), 0);
    free(claim), free(key);
    office_close(&office);
}
