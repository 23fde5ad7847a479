/*
 * Listening sockets. See listener.h.
 *
 * When descriptors run out, accepting pauses instead of spinning: the connection stays in the backlog, and existing
 * ones go on, and the web server is asked to close those that it keeps for later requests.
 */
#include "fcgi/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "fcgi/connection.h"

enum { LISTENERS_MAX = 8, PAUSE_MS = 100, WAITING_MAX = 4096 };

struct listener {
    struct watch watch;
    struct timer pause;
    bool is_shared;
};

static struct listener listeners[LISTENERS_MAX];
static int listener_count;

static void on_connection(struct watch *watch, uint32_t events);

static void on_pause_end(struct timer *timer)
{
    struct listener *listener = LIST_ELEMENT(timer, struct listener, pause);
    watch_start(&listener->watch, listener->watch.fd, EPOLLIN, on_connection);
}

static void pause_listener(struct listener *listener)
{
    log_event(MID_WARN, "listener.pause", "reason=\"%s\"", strerror(errno));
    counter_add(&connection_counts()->accept_pauses, 1);
    connections_release_idle();
    watch_stop(&listener->watch); /* this watch only: its memory stays */
    timer_start(&listener->pause, PAUSE_MS, on_pause_end);
}

static void on_connection(struct watch *watch, uint32_t events)
{
    (void)events;
    struct listener *listener = LIST_ELEMENT(watch, struct listener, watch);
    do {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_listener(listener);
            return;
        }
        connection_open(fd);
    } while (!listener->is_shared);
}

bool listener_start(int fd, bool is_shared)
{
    if (listener_count == LISTENERS_MAX) {
        errno = ENOSPC;
        return false;
    }
    struct listener *listener = &listeners[listener_count];
    listener->is_shared = is_shared;
    if (!watch_start(&listener->watch, fd, EPOLLIN, on_connection))
        return false;
    listener_count++;
    return true;
}

static void accept_waiting(const struct listener *listener)
{
    int fd;
    for (int i = 0; i < WAITING_MAX; i++)
        if ((fd = accept4(listener->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
            connection_open(fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return;
}

void listeners_stop(void)
{
    for (int i = 0; i < listener_count; i++) {
        watch_stop(&listeners[i].watch);
        timer_fini(&listeners[i].pause);
        accept_waiting(&listeners[i]);
    }
    listener_count = 0;
}
