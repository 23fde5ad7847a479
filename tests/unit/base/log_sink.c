/* Where log lines go: nothing waits for a reader. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_sink.h"

enum { LINES = 5000 };

static int write_lines(int count)
{
    char line[64];
    for (int i = 0; i < count; i++) {
        int length = snprintf(line, sizeof(line), "line %d, and some more to fill what there is\n", i);
        log_sink_write(line, (size_t)length);
    }
    return count;
}

/* Reads what is there; counts whole lines, which have to be in order. */
static int read_lines(int fd)
{
    static char text[1024 * 1024];
    size_t length = 0;
    ssize_t got;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    do {
        got = read(fd, text + length, sizeof(text) - 1 - length);
        length += got > 0 ? (size_t)got : 0;
        log_sink_flush();
    } while (got > 0);
    text[length] = '\0';
    int count = 0;
    int last = -1;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), count++) {
        int number;
        cr_assert_eq(sscanf(line, "line %d, and some more to fill what there is", &number), 1, "\"%s\"", line);
        cr_assert_gt(number, last);
        last = number;
    }
    return count;
}

static void expect_no_line_waits(int ends[2])
{
    uint64_t counted = 0;
    log_sink_count_into(&counted);
    log_sink_use(ends[1], false);
    int written = write_lines(LINES);
    uint64_t dropped = log_sink_take_dropped();
    cr_expect_gt(dropped, 0);
    cr_expect_eq(counted, dropped);
    cr_expect_not(log_sink_flush());
    cr_expect_eq((uint64_t)read_lines(ends[0]) + dropped, (uint64_t)written);
    cr_expect(log_sink_flush());
    cr_expect_eq(log_sink_take_dropped(), 0);
    write_lines(1);
    cr_expect_eq(read_lines(ends[0]), 1, "it goes on when somebody reads");
}

Test(log_sink, a_pipe_that_nobody_reads_takes_what_it_can)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    expect_no_line_waits(ends);
    cr_expect_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the description is shared with others");
}

Test(log_sink, so_does_a_socket)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    expect_no_line_waits(ends);
    cr_expect_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the description is shared with others");
}

/* Another user's: it may not be opened again. */
Test(log_sink, so_does_a_pipe_of_somebody_else)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(fchmod(ends[1], 0), 0);
    if (geteuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
    expect_no_line_waits(ends);
    cr_expect_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the description is shared with others");
}

Test(log_sink, what_waits_at_a_fork_is_written_once)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    log_sink_use(ends[1], false);
    write_lines(LINES);
    cr_assert_not(log_sink_flush());
    log_sink_after_fork();
    cr_expect(log_sink_flush());
    cr_expect_eq(log_sink_take_dropped(), 0);
}

Test(log_sink, a_full_disk_drops_the_line_and_the_next_one_may_fit)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_assert_geq(full, 0);
    log_sink_use(full, true);
    write_lines(3);
    cr_expect_eq(log_sink_take_dropped(), 3);
    cr_expect(log_sink_flush());
}
