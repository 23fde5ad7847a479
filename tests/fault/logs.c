/* A log that cannot be written: requests go on, and so does the log when there is room again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
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
    OWNED char *text = file_read(arg, NULL);
    bool has = text != NULL && strstr(text, "error=MID_NOT_FOUND") != NULL;
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
    OWNED char *log = text_printf("%s/log", disk);
    OWNED char *filler = text_printf("%s/filler", disk);
    OWNED char *setting = text_printf("MIDSTREAM_LOG_FILE=%s", log);
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
}

/* -------------------- a reader that stalls -------------------- */

enum { FILLING_REQUESTS = 2000 };

static char *read_admin(const struct site *site, const char *path, int *status)
{
    struct http_response response;
    OWNED char *url = text_printf("http://localhost%s", path);
    http_send(&(struct http_request){.url = url, .unix_socket = site->stack->admin_socket}, &response);
    char *text = strdup(response.body.data);
    *status = response.status;
    http_response_fini(&response);
    return text;
}

static long long lines_dropped(const struct site *site)
{
    int status;
    long long count = -1;
    OWNED char *metrics = read_admin(site, "/metrics", &status);
    const char *line = strstr(metrics, "\nmidstream_log_lines_dropped_total ");
    cr_assert(line != NULL && sscanf(line, "\nmidstream_log_lines_dropped_total %lld", &count) == 1);
    return count;
}

struct dropping {
    const struct site *site;
    long long before;
};

static bool has_dropped(void *arg)
{
    const struct dropping *dropping = arg;
    return lines_dropped(dropping->site) > dropping->before;
}

/* Until a line is dropped that was not before. */
static void fill_log(const struct site *site)
{
    struct dropping dropping = {site, lines_dropped(site)};
    for (int i = 0; i < FILLING_REQUESTS; i++)
        cr_assert_eq(site_send(site, "GET", "/nowhere", NULL, NULL), 404);
    cr_assert(wait_until(has_dropped, &dropping, PATIENCE_MS), "no line was dropped");
}

static bool is_ready(void *arg)
{
    int status;
    free(read_admin(arg, "/ready", &status));
    return status == 200;
}

struct reader {
    const struct site *site;
    int fd;
    struct buffer text;
};

static bool tells_of_dropped(void *arg)
{
    struct reader *reader = arg;
    ssize_t got;
    while ((got = read(reader->fd, buffer_reserve(&reader->text, 4096), 4096)) > 0)
        reader->text.length += (size_t)got;
    return memmem(reader->text.data, reader->text.length, " warn log.dropped lines=", 24) != NULL;
}

Test(fault_logs, a_reader_that_stalls_holds_neither_requests_nor_the_watchdog_up)
{
    char directory[] = "/tmp/midstream-fifo-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chmod(directory, 0755), 0);
    OWNED char *fifo = text_printf("%s/log", directory);
    OWNED char *setting = text_printf("MIDSTREAM_LOG_FILE=%s", fifo);
    cr_assert(mkfifo(fifo, 0666) == 0 && chmod(fifo, 0666) == 0);
    struct reader reader = {.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    cr_assert_geq(reader.fd, 0);
    struct site site = site_open(SETTINGS(setting, "MIDSTREAM_LOG_LEVEL=debug", "MIDSTREAM_WATCHDOG_MS=1000"));

    fill_log(&site);
    cr_assert(wait_until(is_ready, &site, PATIENCE_MS));

    pid_t worker = site_worker(&site);
    process_signal(worker, SIGSTOP); /* as one that hangs */
    site_wait_new_worker(&site, worker);
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
    worker = site_worker(&site);
    process_signal(worker, SIGKILL);
    site_wait_new_worker(&site, worker);
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
    cr_assert(wait_until(is_ready, &site, PATIENCE_MS));

    fill_log(&site); /* what the killed ones have dropped, nobody can tell */
    reader.site = &site;
    cr_expect(wait_until(tells_of_dropped, &reader, PATIENCE_MS), "nobody tells of the lines that were dropped");
    buffer_fini(&reader.text);
    site_close(&site);
    close(reader.fd);
    unlink(fifo);
    rmdir(directory);
}

static bool is_not_ready(void *arg)
{
    int status;
    OWNED char *text = read_admin(arg, "/ready", &status);
    bool is_so = status == 503 && strstr(text, "a master that responds") != NULL;
    return is_so;
}

Test(fault_logs, a_master_that_hangs_is_not_ready)
{
    struct site site = site_open(NULL);
    process_signal(site.stack->master, SIGSTOP);
    cr_expect(wait_until(is_not_ready, &site, PATIENCE_MS));
    process_signal(site.stack->master, SIGCONT);
    cr_expect(wait_until(is_ready, &site, PATIENCE_MS));
    site_close(&site);
}
