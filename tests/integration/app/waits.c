/* Waiting for descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app.h"

enum { LONG_MS = 60000 };

/* "ready" when the descriptor was, and what a pipe into which nobody writes says after 50 ms. */
enum mid_error wait_route(struct mid_request *rq)
{
    int quiet[2];
    int ready[2];
    if (pipe2(quiet, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0 || write(ready[1], "x", 1) != 1)
        return mid_fail(rq, MID_FAILED, "no pipe: %s", strerror(errno));
    enum mid_error of_ready = mid_wait(rq, ready[0], POLLIN, LONG_MS);
    enum mid_error of_writable = mid_wait(rq, ready[1], POLLOUT, LONG_MS);
    enum mid_error of_quiet = mid_wait(rq, quiet[0], POLLIN, 50);
    enum mid_error of_closed = mid_wait(rq, 1 << 20, POLLIN, 50);
    for (int i = 0; i < 2; i++) {
        close(quiet[i]);
        close(ready[i]);
    }
    return mid_respond_text(rq, 200,
                            mid_printf(rq, "%s %s %s %s\n", mid_error_name(of_ready), mid_error_name(of_writable),
                                       mid_error_name(of_quiet), mid_error_name(of_closed)));
}

/* In an event stream of a session: waits for a timer's descriptor, and tells after how long it was woken. */
enum mid_error timer_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t ms;
    MID_TRY(mid_query_int(rq, "ms", 1, LONG_MS, 100, &ms));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_events_begin(rq));
    int64_t begun_ms = mid_unix_ms();
    struct itimerspec time = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0 || timerfd_settime(fd, 0, &time, NULL) != 0)
        return mid_fail(rq, MID_FAILED, "no timer: %s", strerror(errno));
    enum mid_error error = mid_wait(rq, fd, POLLIN, LONG_MS);
    close(fd);
    MID_TRY(error);
    return mid_event_printf(rq, &(struct mid_event){0}, "%lld", (long long)(mid_unix_ms() - begun_ms));
}
