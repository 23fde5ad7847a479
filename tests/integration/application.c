/* The application as a whole: what each worker does before its first request and after its last one. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master.h"
#include "site.h"
#include "stage.h"

TestSuite(application, .timeout = 90);

static const char *const fast_flags[] = {"--workers", "1", "--redis-timeout-ms", "200", "--drain-timeout-ms",
                                         "60000",     NULL};

Test(application, each_worker_starts_before_its_first_request)
{
    struct site site = site_open_app(NULL);
    OWNED char *context = site_get(&site, "/context");
    OWNED char *starts = redis_text(site.redis, "GET app:starts");
    cr_expect_str_eq(context, "1");
    cr_expect_str_eq(starts, "1");
    site_close(&site);
}

static size_t count_in(const char *path, const char *line)
{
    OWNED char *text = file_read(path, NULL);
    size_t count = text_count(text, line);
    return count;
}

/* How many processes have stopped, which had this number of starts. */
static size_t stops_in(const char *path, int starts)
{
    OWNED char *line = text_printf(" %d\n", starts);
    size_t count = count_in(path, line);
    return count;
}

Test(application, each_worker_stops_once_after_its_last_request)
{
    char notes[] = "/tmp/midstream-notes-XXXXXX";
    close(mkstemp(notes));
    OWNED char *setting = text_printf("NOTES=%s", notes);
    struct master master =
        master_open(&(struct master_options){.is_app = true, .flags = fast_flags, .environment = SETTINGS(setting)});
    pid_t worker;
    master_workers(&master, &worker, 1);
    cr_expect_eq(stops_in(notes, 1), 0);
    kill(master.pid, SIGHUP);
    cr_expect(master_wait_log(&master, "worker.exit", 1));
    cr_expect_eq(stops_in(notes, 1), 1);
    OWNED char *said = file_read(notes, NULL);
    cr_expect_eq(atoi(said), worker);
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect_eq(stops_in(notes, 1), 2);
    master_close(&master);
    unlink(notes);
}

Test(application, a_start_that_fails_is_logged_and_tried_again_after_pauses)
{
    struct master master = master_open(&(struct master_options){
        .is_app = true, .fails = true, .flags = fast_flags, .environment = SETTINGS("START=fail")});
    cr_expect(master_wait_log(&master, "error=MID_UNAVAILABLE detail=\"the database is not there\"", 3));
    OWNED char *log = master_log(&master);
    cr_expect(strstr(log, "worker.start ") == NULL, "%s", log); /* it never serves */
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    master_close(&master);
}

/* Each of the two may be there without the other. */
Test(application, who_has_no_start_is_stopped_all_the_same)
{
    char notes[] = "/tmp/midstream-notes-XXXXXX";
    close(mkstemp(notes));
    OWNED char *setting = text_printf("NOTES=%s", notes);
    struct master master = master_open(
        &(struct master_options){.is_app = true, .flags = fast_flags, .environment = SETTINGS(setting, "START=none")});
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect_eq(stops_in(notes, 0), 1);
    master_close(&master);
    unlink(notes);
}

/* -------------------- the end comes while it starts -------------------- */

/* A start that waits is interrupted; one that has something to do after that has its time. */
static void expect_given_up(const char *notes)
{
    cr_expect_eq(count_in(notes, "begun\n"), 1);
    cr_expect_eq(count_in(notes, "given up: MID_STOPPING\n"), 1);
    cr_expect_eq(stops_in(notes, 1), 0, "it never started");
}

Test(application, a_start_that_takes_long_does_not_hold_up_the_end)
{
    char notes[] = "/tmp/midstream-notes-XXXXXX";
    close(mkstemp(notes));
    OWNED char *setting = text_printf("NOTES=%s", notes);
    struct master master = master_open(&(struct master_options){
        .is_app = true, .fails = true, .flags = fast_flags, .environment = SETTINGS(setting, "START=slow")});
    cr_expect(master_wait_log(&master, "app.start", 1));
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect(master_wait_log(&master, "error=MID_STOPPING", 1));
    OWNED char *log = master_log(&master);
    cr_expect(strstr(log, " error worker.start-failed") == NULL, "%s", log); /* nothing is wrong */
    expect_given_up(notes);
    master_close(&master);
    unlink(notes);
}

static bool has_begun(void *notes)
{
    return count_in(notes, "begun\n") > 0;
}

Test(application, a_start_that_takes_long_is_not_cut_in_a_process_for_tasks)
{
    char notes[] = "/tmp/midstream-notes-XXXXXX";
    close(mkstemp(notes));
    OWNED char *setting = text_printf("NOTES=%s", notes);
    struct stage stage = stage_open(NULL);
    setenv("START", "slow", 1); /* of the other pool alone */
    pid_t pool = stage_start_task_workers(&stage, setting);
    unsetenv("START");
    cr_assert(wait_until(has_begun, notes, PATIENCE_MS));
    process_signal(pool, SIGTERM);
    cr_expect_eq(process_wait(pool, PATIENCE_MS), 0);
    expect_given_up(notes);
    stage_close(&stage);
    unlink(notes);
}

/* While it is waited for Redis, nothing of the application has begun. */
Test(application, what_has_to_stop_before_its_start_does_not_start)
{
    static const char *const flags[] = {"--workers", "1", "--redis-timeout-ms", "60000", NULL};
    struct master master = master_open(
        &(struct master_options){.is_app = true, .fails = true, .flags = flags, .environment = SETTINGS("X=1")});
    cr_expect(master_wait_log(&master, "redis.unreachable", 1));
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    OWNED char *log = master_log(&master);
    cr_expect(strstr(log, "app.start") == NULL, "%s", log);
    master_close(&master);
}
