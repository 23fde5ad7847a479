/* Clients that vanish, stall, half-close and dribble, many at a time: the others' streams are on time, memory bounded.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"
#include "fault.h"

TestSuite(fault_clients, .timeout = 120);

enum {
    OF_EACH_KIND = 50,
    GOOD = 50,
    PIECES = 15,
    SMALL_BUFFER_BYTES = 4096, /* of a client's kernel, so that what is held for it is held by the site */
    GROWTH_MAX_KIB = 20 * 1024,
};

/* Their pauses begin when a piece is stored, so that each piece is a little later than the one before. */
static const struct crowd_options good_streams = {.path = "/increments?times=15&interval_ms=400",
                                                  .clients = GOOD,
                                                  .lines_per_piece = 1,
                                                  .pieces = PIECES,
                                                  .interval_us = 400000};

/* With the tests' own application, for its endless stream. ASan keeps what was freed; here, no more than a little. */
static struct site open_site(void)
{
    const char *program = getenv("INTEGRATION_APP");
    return site_open_with(&(struct stack_options){
        .workers = 1,
        .midstream = program != NULL ? program : "build/asan/tests/integration-app",
        .environment = SETTINGS("ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=64"),
    });
}

static int connect_client(const struct site *site)
{
    const int bytes = SMALL_BUFFER_BYTES;
    struct sockaddr_in name = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)strtol(strrchr(site->stack->url, ':') + 1, NULL, 10)),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0, "connect: %s", strerror(errno));
    return fd;
}

static const char flood[] = "GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n";

static int begin_flood(const struct site *site)
{
    int fd = connect_client(site);
    cr_assert_eq(send(fd, flood, strlen(flood), MSG_NOSIGNAL), (ssize_t)strlen(flood));
    return fd;
}

static void await_first_byte(int fd)
{
    char byte;
    cr_assert_eq(recv(fd, &byte, 1, MSG_PEEK), 1, "no response: %s", strerror(errno));
}

/* -------------------- all kinds together -------------------- */

static void vanish(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    await_first_byte(fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd); /* a reset */
}

static void half_close(int fd)
{
    await_first_byte(fd);
    shutdown(fd, SHUT_WR);
}

struct bad_clients {
    int stalled[OF_EACH_KIND];
    int half_closed[OF_EACH_KIND];
    int dribbling[OF_EACH_KIND];
    size_t dribbled;
};

static void open_bad_clients(const struct site *site, struct bad_clients *bad)
{
    for (int i = 0; i < OF_EACH_KIND; i++) {
        vanish(begin_flood(site));
        bad->stalled[i] = begin_flood(site);
        bad->half_closed[i] = begin_flood(site);
        half_close(bad->half_closed[i]);
        bad->dribbling[i] = connect_client(site);
    }
}

static void dribble(struct bad_clients *bad)
{
    for (int i = 0; i < OF_EACH_KIND; i++)
        cr_expect_eq(send(bad->dribbling[i], flood + bad->dribbled, 1, MSG_NOSIGNAL), 1);
    bad->dribbled++;
}

static void close_bad_clients(const struct bad_clients *bad)
{
    for (int i = 0; i < OF_EACH_KIND; i++) {
        close(bad->stalled[i]);
        close(bad->half_closed[i]);
        close(bad->dribbling[i]);
    }
}

static int64_t more(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The most memory that the worker had until all the crowd's streams were over, while `step` is called each second. */
static int64_t watch_memory(pid_t worker, struct crowd *crowd, void (*step)(struct bad_clients *),
                            struct bad_clients *bad)
{
    int64_t most_kib = 0;
    int64_t end_ms = clock_monotonic_ms() + 2 * PATIENCE_MS;
    int64_t step_ms = clock_monotonic_ms();
    while (!crowd_wait_end(crowd, 20)) {
        most_kib = more(most_kib, resident_kib(worker));
        cr_assert_lt(clock_monotonic_ms(), end_ms, "the good streams do not end");
        if (clock_monotonic_ms() < step_ms)
            continue;
        step(bad);
        step_ms += 1000;
    }
    return most_kib;
}

static void expect_unharmed(struct crowd *crowd, int64_t from_us)
{
    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect_eq(tally.complete, GOOD, "%zu of %d are complete", tally.complete, GOOD);
    cr_expect_eq(tally.false_complete, 0);
    int64_t late_us = crowd_lateness_p99_us(crowd, from_us, INT64_MAX);
    cr_expect(late_us >= 0 && late_us < LATENESS_MAX_US, "the good streams were late by %lld us", (long long)late_us);
}

Test(fault_clients, who_vanishes_stalls_half_closes_or_dribbles_makes_nobody_else_late)
{
    struct bad_clients bad = {0};
    struct site site = open_site();
    pid_t worker = site_worker(&site);
    struct crowd *good = crowd_open(&site, &good_streams);
    cr_assert(crowd_wait_pieces(good, 3, PATIENCE_MS));
    int64_t before_kib = resident_kib(worker);
    int64_t from_us = clock_monotonic_us();
    open_bad_clients(&site, &bad);
    int64_t grown_kib = watch_memory(worker, good, dribble, &bad) - before_kib;
    expect_unharmed(good, from_us);
    cr_expect_gt(bad.dribbled, 1);
    cr_expect_lt(grown_kib, GROWTH_MAX_KIB, "the worker grew by %lld KiB", (long long)grown_kib);
    cr_expect_eq(site_worker(&site), worker);
    close_bad_clients(&bad);
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    crowd_close(good);
    site_close(&site);
}

/* -------------------- slow readers -------------------- */

enum { READERS_MAX = 1000, SIP_BYTES = 512, KIB_PER_READER = 256 };

static struct {
    size_t count;
    int fds[READERS_MAX];
    size_t sipped;
} readers;

static void sip(struct bad_clients *unused)
{
    (void)unused;
    char bytes[SIP_BYTES];
    for (size_t i = 0; i < readers.count; i++) {
        ssize_t got = recv(readers.fds[i], bytes, sizeof(bytes), MSG_DONTWAIT);
        readers.sipped += got > 0 ? (size_t)got : 0;
    }
}

Test(fault_clients, slow_readers_of_a_fast_stream_cost_a_bounded_amount_of_memory_each)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct site site = open_site();
    pid_t worker = site_worker(&site);
    struct crowd *good = crowd_open(&site, &good_streams);
    cr_assert(crowd_wait_pieces(good, 3, PATIENCE_MS));
    int64_t before_kib = resident_kib(worker);
    readers.count = fault_scale(100, READERS_MAX);
    for (size_t i = 0; i < readers.count; i++)
        readers.fds[i] = begin_flood(&site);
    int64_t grown_kib = watch_memory(worker, good, sip, NULL) - before_kib;
    /* A fiber's stack and what libfcgi holds, both several times their size under ASan (gcc 14: 180 KiB a reader); a
     * stream that collected what its reader does not take would have grown by megabytes each. */
    int64_t most_kib = KIB_PER_READER * (int64_t)readers.count + 4 * 1024;
    cr_expect_lt(grown_kib, most_kib, "the worker grew by %lld KiB", (long long)grown_kib);
    cr_expect_gt(readers.sipped, readers.count * SIP_BYTES, "nobody reads");
    cr_expect_eq(crowd_tally(good).complete, GOOD);
    cr_expect_eq(crowd_tally(good).false_complete, 0);
    for (size_t i = 0; i < readers.count; i++)
        close(readers.fds[i]);
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    crowd_close(good);
    site_close(&site);
}
