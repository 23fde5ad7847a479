/* The application as a whole: what each worker does before its first request and after its last one. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master.h"
#include "site.h"

TestSuite(application, .timeout = 90);

static const char *const fast_flags[] = {"--workers", "1", "--redis-timeout-ms", "200", "--drain-timeout-ms",
                                         "60000",     NULL};

Test(application, each_worker_starts_before_its_first_request)
{
    struct site site = site_open_app(NULL);
    char *context = site_get(&site, "/context");
    char *starts = redis_text(site.redis, "GET app:starts");
    cr_expect_str_eq(context, "1");
    cr_expect_str_eq(starts, "1");
    free(starts);
    free(context);
    site_close(&site);
}

/* The number of lines of the file. */
static size_t stops_in(const char *path)
{
    char *text = file_read(path, NULL);
    size_t count = text_count(text, " 1\n"); /* each of them had one start */
    free(text);
    return count;
}

Test(application, each_worker_stops_once_after_its_last_request)
{
    char stops[] = "/tmp/midstream-stops-XXXXXX";
    close(mkstemp(stops));
    char *setting = text_printf("STOPS=%s", stops);
    struct master master =
        master_open(&(struct master_options){.is_app = true, .flags = fast_flags, .environment = SETTINGS(setting)});
    pid_t worker;
    master_workers(&master, &worker, 1);
    cr_expect_eq(stops_in(stops), 0);
    kill(master.pid, SIGHUP);
    cr_expect(master_wait_log(&master, "worker.exit", 1));
    cr_expect_eq(stops_in(stops), 1);
    char *said = file_read(stops, NULL);
    cr_expect_eq(atoi(said), worker);
    free(said);
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect_eq(stops_in(stops), 2);
    master_close(&master);
    unlink(stops);
    free(setting);
}

Test(application, a_start_that_fails_is_logged_and_tried_again_after_pauses)
{
    struct master master = master_open(&(struct master_options){
        .is_app = true, .fails = true, .flags = fast_flags, .environment = SETTINGS("START=fail")});
    cr_expect(master_wait_log(&master, "error=MID_UNAVAILABLE detail=\"the database is not there\"", 3));
    char *log = master_log(&master);
    cr_expect(strstr(log, "worker.start ") == NULL, "%s", log); /* it never serves */
    free(log);
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    master_close(&master);
}

/* What waits in on_start gives up when the worker has to stop. */
Test(application, a_start_that_takes_long_does_not_hold_up_the_end)
{
    struct master master = master_open(&(struct master_options){
        .is_app = true, .fails = true, .flags = fast_flags, .environment = SETTINGS("START=slow")});
    cr_expect(master_wait_log(&master, "app.start", 1));
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect(master_wait_log(&master, "error=MID_STOPPING", 1));
    master_close(&master);
}
