/*
 * Watched descriptors: an epoll set of our own, itself one readable descriptor of libuv's loop. See loop.h.
 *
 * libuv's own uv_poll_t is level-triggered, so that waiting for different events costs an epoll_ctl() each time. In
 * this set a connection is added once, for all edges; and unread bytes may stay in a socket (fcgi/connection.c needs
 * that) without waking the loop again and again.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/panic.h"
#include "fiber/loop.h"
#include "fiber/watch.h"

enum { EVENTS_PER_TURN = 256 };

static int epoll_fd = -1;
static uv_poll_t epoll_handle;

static void on_set_readable(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    static struct epoll_event ready[EVENTS_PER_TURN]; /* one loop a process; too big for nothing */
    int count = epoll_wait(epoll_fd, ready, EVENTS_PER_TURN, 0);
    for (int i = 0; i < count; i++) {
        struct watch *watch = ready[i].data.ptr;
        watch->on_event(watch, ready[i].events);
    }
}

void watch_set_open(uv_loop_t *uv)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ENSURE(epoll_fd >= 0);
    ENSURE(uv_poll_init(uv, &epoll_handle, epoll_fd) == 0);
    ENSURE(uv_poll_start(&epoll_handle, UV_READABLE, on_set_readable) == 0);
}

void watch_set_close(void)
{
    close(epoll_fd);
    epoll_fd = -1;
}

bool watch_start(struct watch *watch, int fd, uint32_t events, watch_fn *on_event)
{
    watch->fd = fd;
    watch->on_event = on_event;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool watch_change(struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0;
}

void watch_stop(struct watch *watch)
{
    struct epoll_event unused = {0};
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, &unused);
}

/* -------------------- waiting on a fiber -------------------- */

static void on_waited_event(struct watch *watch, uint32_t events)
{
    (void)events;
    struct fd_wait *wait = (struct fd_wait *)(void *)watch; /* its first member */
    wait->has_event = true;
    loop_wake(wait->fiber);
}

bool fd_wait_start(struct fd_wait *wait, int fd, uint32_t events)
{
    wait->fiber = fiber_current();
    wait->has_event = false;
    return watch_start(&wait->watch, fd, events | EPOLLONESHOT, on_waited_event);
}

void fd_wait_stop(struct fd_wait *wait)
{
    watch_stop(&wait->watch);
}

bool loop_wait_fd(int fd, uint32_t events, int64_t timeout_ms, enum wake *wake)
{
    struct fd_wait wait;
    if (!fd_wait_start(&wait, fd, events))
        return false;
    loop_park(timeout_ms);
    fd_wait_stop(&wait);
    *wake = wait.has_event ? WAKE_READY : WAKE_TIMEOUT;
    return true;
}
