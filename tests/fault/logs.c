/* A log that cannot be written: requests go on, and so does the log when there is room again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "crowd.h"
#include "fault.h"

TestSuite(fault_logs, .timeout = 60);

enum { STREAMS = 10, EVENTS = 20, REQUESTS = 50 };

/* Requests that are logged, in between requests that succeed; and streams meanwhile. */
static void expect_service(const struct site *site)
{
    struct crowd *crowd = crowd_open(site, &(struct crowd_options){.path = "/events?count=20&interval_ms=50",
                                                                   .clients = STREAMS,
                                                                   .lines_per_piece = 3,
                                                                   .pieces = EVENTS,
                                                                   .interval_us = 50000});
    pid_t worker = site_worker(site);
    for (int i = 0; i < REQUESTS; i++) {
        cr_expect_eq(site_send(site, "GET", "/counter", NULL, NULL), 200);
        cr_expect_eq(site_send(site, "GET", "/nowhere", NULL, NULL), 404); /* a line at level debug */
    }
    cr_assert(crowd_wait_end(crowd, PATIENCE_MS));
    cr_expect_eq(crowd_tally(crowd).complete, STREAMS);
    cr_expect_eq(crowd_tally(crowd).false_complete, 0);
    cr_expect_eq(site_worker(site), worker, "the worker died of it");
    crowd_close(crowd);
}

Test(fault_logs, a_log_that_takes_no_line_holds_no_request_up)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_LOG_FILE=/dev/full", "MIDSTREAM_LOG_LEVEL=debug"));
    expect_service(&site);
    site_close(&site);
}

/* -------------------- a disk that fills up -------------------- */

/* In a mount namespace of the test's own, so that the mount ends with the test, however that ends. */
static bool mount_small_disk(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=0777") == 0;
}

static void fill(const char *path)
{
    char zeros[1024] = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    cr_assert_eq(errno, ENOSPC);
    close(fd);
}

static bool has_line(void *arg)
{
    char *text = file_read(arg, NULL);
    bool has = text != NULL && strstr(text, "error=MID_NOT_FOUND") != NULL;
    free(text);
    return has;
}

Test(fault_logs, a_full_disk_holds_no_request_up_and_the_log_goes_on_when_there_is_room)
{
    char disk[] = "/tmp/midstream-disk-XXXXXX";
    cr_assert_not_null(mkdtemp(disk));
    if (!mount_small_disk(disk)) {
        rmdir(disk);
        cr_skip_test("a small disk cannot be mounted here: %s", strerror(errno));
    }
    char *log = text_printf("%s/log", disk);
    char *filler = text_printf("%s/filler", disk);
    char *setting = text_printf("MIDSTREAM_LOG_FILE=%s", log);
    struct site site = site_open(SETTINGS(setting, "MIDSTREAM_LOG_LEVEL=debug"));
    fill(filler);
    cr_assert_eq(truncate(log, 0), 0);
    fill(filler);
    expect_service(&site);
    cr_expect_not(has_line(log), "the disk is not full");

    cr_assert_eq(unlink(filler), 0);
    cr_expect_eq(site_send(&site, "GET", "/nowhere", NULL, NULL), 404);
    cr_expect(wait_until(has_line, log, PATIENCE_MS), "no line came when there was room again");
    site_close(&site);
    umount2(disk, MNT_DETACH);
    rmdir(disk);
    free(setting);
    free(filler);
    free(log);
}
