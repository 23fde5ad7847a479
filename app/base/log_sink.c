/* Where log lines go. See log_sink.h. */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"

enum { FD_MIN = 64 };

enum sink_kind {
    SINK_UNKNOWN,     /* not looked at yet */
    SINK_FILE,        /* whose writes wait for nobody */
    SINK_NONBLOCKING, /* a description of our own */
    SINK_SOCKET,
    SINK_SPLICED, /* a pipe of somebody else's */
    SINK_POLLED,  /* what else there is */
};

static struct {
    int fd;
    bool is_own;
    enum sink_kind kind;
    int relay[2]; /* of SINK_SPLICED */
    char waiting[LOG_SINK_BYTES];
    size_t waiting_from;
    size_t waiting_to;
    uint64_t dropped;
    uint64_t *counted;
} sink = {.fd = STDERR_FILENO, .relay = {-1, -1}};

/* -------------------- what it is -------------------- */

/* A second description of the same pipe or terminal, on which O_NONBLOCK is our own business. */
static int open_again(int fd)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static enum sink_kind kind_of_pipe(void)
{
    if (sink.relay[0] < 0 && pipe2(sink.relay, O_CLOEXEC | O_NONBLOCK) != 0)
        return SINK_POLLED;
    return SINK_SPLICED;
}

static enum sink_kind look_at(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || S_ISREG(status.st_mode))
        return SINK_FILE;
    if (S_ISSOCK(status.st_mode))
        return SINK_SOCKET;
    int again = open_again(fd);
    if (again < 0)
        return S_ISFIFO(status.st_mode) ? kind_of_pipe() : SINK_POLLED;
    if (sink.is_own)
        close(fd);
    sink.fd = again;
    sink.is_own = true;
    return SINK_NONBLOCKING;
}

void log_sink_use(int fd, bool is_own)
{
    if (sink.is_own && sink.fd != fd)
        close(sink.fd);
    /* Under a number that no handler takes for standard error, and closes. */
    int copy = is_own ? fd : fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
    sink.fd = copy >= 0 ? copy : fd;
    sink.is_own = copy >= 0;
    sink.kind = look_at(sink.fd);
}

/* -------------------- writing -------------------- */

static bool has_room(void)
{
    struct pollfd wish = {.fd = sink.fd, .events = POLLOUT};
    return poll(&wish, 1, 0) == 1 && (wish.revents & POLLOUT) != 0;
}

/* Through a pipe of our own; what the other one does not take is taken back. */
static ssize_t splice_through(const char *bytes, size_t length)
{
    char taken_back[LOG_LINE_BYTES];
    if (write(sink.relay[1], bytes, length) != (ssize_t)length)
        return -1;
    ssize_t sent = splice(sink.relay[0], NULL, sink.fd, NULL, length, SPLICE_F_NONBLOCK);
    int error = errno;
    if (sent < (ssize_t)length && read(sink.relay[0], taken_back, sizeof(taken_back)) < 0)
        error = EIO;
    errno = error;
    return sent;
}

/* Writes what can be written at once. -1 with errno; EAGAIN: nothing. */
static ssize_t write_some(const char *bytes, size_t length)
{
    switch (sink.kind) {
    case SINK_SOCKET:
        return send(sink.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    case SINK_SPLICED:
        return splice_through(bytes, length < LOG_LINE_BYTES ? length : LOG_LINE_BYTES);
    case SINK_POLLED:
        if (!has_room()) {
            errno = EAGAIN;
            return -1;
        }
        return write(sink.fd, bytes, length);
    default:
        return write(sink.fd, bytes, length);
    }
}

static void drop(uint64_t lines)
{
    sink.dropped += lines;
    if (sink.counted != NULL)
        counter_add(sink.counted, lines);
}

/* What cannot be written because of an error, a full disk for instance, is dropped; the next line may fare better. */
static void drop_waiting(void)
{
    uint64_t lines = 0;
    for (size_t i = sink.waiting_from; i < sink.waiting_to; i++)
        lines += sink.waiting[i] == '\n';
    sink.waiting_from = sink.waiting_to = 0;
    drop(lines);
}

/* The end of the first line that waits: lines leave one by one, each in one piece. */
static size_t first_line_bytes(void)
{
    const char *from = sink.waiting + sink.waiting_from;
    const char *end = memchr(from, '\n', sink.waiting_to - sink.waiting_from);
    return end != NULL ? (size_t)(end + 1 - from) : sink.waiting_to - sink.waiting_from;
}

bool log_sink_flush(void)
{
    while (sink.waiting_from < sink.waiting_to) {
        ssize_t sent = write_some(sink.waiting + sink.waiting_from, first_line_bytes());
        if (sent >= 0) {
            sink.waiting_from += (size_t)sent;
        } else if (errno == EAGAIN) {
            return false;
        } else if (errno != EINTR) {
            drop_waiting();
        }
    }
    sink.waiting_from = sink.waiting_to = 0;
    return true;
}

static void keep(const char *bytes, size_t length)
{
    if (sink.waiting_to + length > sizeof(sink.waiting)) {
        memmove(sink.waiting, sink.waiting + sink.waiting_from, sink.waiting_to - sink.waiting_from);
        sink.waiting_to -= sink.waiting_from;
        sink.waiting_from = 0;
    }
    if (sink.waiting_to + length > sizeof(sink.waiting)) {
        drop(1);
        return;
    }
    memcpy(sink.waiting + sink.waiting_to, bytes, length);
    sink.waiting_to += length;
}

void log_sink_write(const char *line, size_t bytes)
{
    ssize_t sent;
    if (sink.kind == SINK_UNKNOWN)
        log_sink_use(sink.fd, sink.is_own);
    if (!log_sink_flush()) {
        keep(line, bytes);
        return;
    }
    do {
        sent = write_some(line, bytes);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN)
        drop(1);
    else if (sent < (ssize_t)bytes)
        keep(line + (sent > 0 ? sent : 0), bytes - (size_t)(sent > 0 ? sent : 0));
}

void log_sink_drain(int timeout_ms)
{
    int64_t end_ms = clock_monotonic_ms() + timeout_ms;
    while (!log_sink_flush()) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        struct pollfd wish = {.fd = sink.fd, .events = POLLOUT};
        if (left_ms <= 0 || poll(&wish, 1, (int)left_ms) == 0)
            return;
    }
}

void log_sink_after_fork(void)
{
    sink.waiting_from = sink.waiting_to = 0;
    sink.dropped = 0;
    sink.counted = NULL;
    if (sink.kind != SINK_SPLICED)
        return;
    close(sink.relay[0]); /* the parent's lines go through it */
    close(sink.relay[1]);
    sink.relay[0] = sink.relay[1] = -1;
    sink.kind = kind_of_pipe();
}

uint64_t log_sink_take_dropped(void)
{
    uint64_t dropped = sink.dropped;
    sink.dropped = 0;
    return dropped;
}

void log_sink_count_into(uint64_t *dropped)
{
    sink.counted = dropped;
}

void log_sink_write_from_signal(const char *text, size_t bytes)
{
    if (sink.kind == SINK_FILE || has_room())
        (void)!write_some(text, bytes);
}
