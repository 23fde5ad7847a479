/* A connection from the web server. See connection.h. */
#include "fcgi/connection.h"

#include <errno.h>
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "fcgi/reading.h"

enum {
    TAKEN_WAIT_MS = 500,
    TAKEN_LOOK_MS = 10,
    FORGOTTEN_MS = 1000,              /* how long a peer may take to close after the goodbye */
    LINGER_MS = 5000,                 /* how long, and how much of a body that nobody wants, is read away... */
    LINGER_BYTES = 256 * 1024 * 1024, /* ...so that the response is not lost in a reset */
};

/* Room for writing is asked for only while a write waits for it: otherwise every read of the peer would wake the loop.
 */
static const uint32_t READ_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;
static const uint32_t WRITE_EVENTS = EPOLLRDHUP | EPOLLET | EPOLLOUT; /* what stays unread would wake it at once */

static struct {
    struct connection_settings settings;
    struct list all;
    struct list fiberless; /* have a request, but no fiber could be had */
    struct list finished;  /* idle and gone */
    struct flush close_finished;
    struct connection **by_fd;
    size_t by_fd_size;
    size_t count;
    size_t busy_count;
    bool is_draining;
} connections;

static struct connection_counts own_counts;
static struct connection_counts *counts = &own_counts;

/* -------------------- open and close -------------------- */

static void remember_fd(struct connection *connection, int fd)
{
    size_t index = (size_t)fd;
    if (index >= connections.by_fd_size) {
        size_t size = connections.by_fd_size > 0 ? connections.by_fd_size : 64;
        while (size <= index)
            size *= 2;
        struct connection **by_fd = realloc(connections.by_fd, size * sizeof(struct connection *));
        if (by_fd == NULL)
            panic("out of memory for %zu connections", size);
        connections.by_fd = by_fd;
        connections.by_fd_size = size;
    }
    connections.by_fd[index] = connection;
}

struct connection *connection_of(int fd)
{
    ENSURE(fd >= 0 && (size_t)fd < connections.by_fd_size);
    return connections.by_fd[fd];
}

static void connection_close(struct connection *connection)
{
    watch_stop(&connection->watch);
    if (!connection->is_cut) { /* or the kernel would tell the peer of a reset */
        reading_take_away(connection);
        reading_discard(connection); /* padding of the last record */
    }
    close(connection->watch.fd);
    list_remove(&connection->link);
    list_remove(&connection->wait_link);
    connections.count--;
    free(connection);
}

/* Closing waits for the end of the turn: events of the same turn may still name the connection. */
static void close_later(struct connection *connection)
{
    list_remove(&connection->wait_link);
    list_append(&connections.finished, &connection->wait_link);
    loop_request_flush(&connections.close_finished);
}

static void close_finished(void *arg)
{
    (void)arg;
    struct list *link;
    while ((link = list_take_first(&connections.finished)) != NULL)
        connection_close(LIST_ELEMENT(link, struct connection, wait_link));
}

void connections_init(const struct connection_settings *settings)
{
    connections.settings = *settings;
    if (settings->counts != NULL)
        counts = settings->counts;
    list_init(&connections.all);
    list_init(&connections.fiberless);
    list_init(&connections.finished);
    flush_init(&connections.close_finished, close_finished, NULL);
}

const struct connection_settings *connection_settings(void)
{
    return &connections.settings;
}

struct connection_counts *connection_counts(void)
{
    return counts;
}

size_t connection_count(void)
{
    return connections.count;
}

size_t connection_busy_count(void)
{
    return connections.busy_count;
}

/* -------------------- goodbye -------------------- */

static const uint8_t goodbye[RECORD_HEADER_BYTES] = {1, RECORD_STDERR, 0,
                                                     1}; /* of request 1, nginx's only one; empty */

const void *connection_take_goodbye(struct connection *connection)
{
    if (!connections.is_draining || connection->is_ending || connection->is_last)
        return NULL;
    connection->goodbye_ms = loop_now_ms();
    return goodbye;
}

static void say_goodbye(struct connection *connection)
{
    connection->goodbye_ms = loop_now_ms();
    (void)!send(connection->watch.fd, goodbye, sizeof(goodbye), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool is_idle(const struct connection *connection)
{
    return !connection->has_fiber && list_is_empty(&connection->wait_link);
}

void connections_drain(void)
{
    connections.is_draining = true;
    for (struct list *link = connections.all.next; link != &connections.all; link = link->next) {
        struct connection *connection = LIST_ELEMENT(link, struct connection, link);
        if (is_idle(connection))
            say_goodbye(connection);
    }
}

void connections_release_idle(void)
{
    for (struct list *link = connections.all.next; link != &connections.all; link = link->next) {
        struct connection *connection = LIST_ELEMENT(link, struct connection, link);
        if (is_idle(connection) && connection->goodbye_ms == 0)
            say_goodbye(connection);
    }
}

void connections_close_forgotten(void)
{
    for (struct list *link = connections.all.next; link != &connections.all; link = link->next) {
        struct connection *connection = LIST_ELEMENT(link, struct connection, link);
        if (is_idle(connection) && loop_now_ms() - connection->goodbye_ms >= FORGOTTEN_MS)
            close_later(connection);
    }
}

/* -------------------- with and without a fiber -------------------- */

static void connection_main(void *arg);

static void begin_serving(struct connection *connection)
{
    list_remove(&connection->wait_link);
    if (!loop_spawn(connection_main, connection)) {
        list_append(&connections.fiberless, &connection->wait_link);
        return;
    }
    connection->has_fiber = true;
    connections.busy_count++;
}

/*
 * The response has left before the request was read: for instance, the body is too large. A close with bytes unread
 * would be a reset, in which the web server may lose the response, so they are read away for a while first.
 */
MAY_SUSPEND static void linger(void *arg)
{
    struct connection *connection = arg;
    int64_t end_ms = loop_now_ms() + LINGER_MS;
    size_t left = LINGER_BYTES;
    shutdown(connection->watch.fd, SHUT_WR);
    while (left > 0 && loop_now_ms() < end_ms) {
        ssize_t got = reading_discard(connection);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (got < 0)
            connection_wait(connection, end_ms - loop_now_ms());
        else
            left -= (size_t)got < left ? (size_t)got : left;
    }
    connection->unread_bytes = 0;
    connection->has_fiber = false;
    connections.busy_count--;
    close_later(connection);
}

/* The fiber's work for this connection is done: idle, closed, or on with the next request on another fiber. */
static void become_idle(struct connection *connection)
{
    bool is_over = connection->is_gone || connection->is_ending || connection->is_last;
    bool has_to_linger =
        is_over && !connection->is_gone && !connection->is_cut && connection->filter.phase != FILTER_END;
    if (has_to_linger && loop_spawn(linger, connection))
        return;
    connection->has_fiber = false;
    connections.busy_count--;
    if (is_over)
        close_later(connection);
    else if (connection->has_news)
        begin_serving(connection);
    else if (connections.is_draining && connection->goodbye_ms == 0)
        say_goodbye(connection);

    if (!list_is_empty(&connections.fiberless))
        begin_serving(LIST_ELEMENT(connections.fiberless.next, struct connection, wait_link));
}

/* The life of a serving fiber: requests, one after another, as long as there are any. */
static void connection_main(void *arg)
{
    struct connection *connection = arg;
    do {
        connection->has_news = false;
        connection->goodbye_ms = 0;
        connection->deadline_ms = loop_now_ms() + connections.settings.request_timeout_ms;
        record_filter_begin(&connection->filter, connections.settings.params_max);
        if (!connections.settings.serve(connection))
            return;
    } while (connection->has_news && !connection->is_gone && !connection->is_ending && !connection->is_last);
    become_idle(connection);
}

void connection_hand_back(struct connection *connection)
{
    become_idle(connection);
}

static void on_event(struct watch *watch, uint32_t events)
{
    struct connection *connection = LIST_ELEMENT(watch, struct connection, watch);
    if (events & EPOLLIN)
        connection->has_news = true;
    if ((events & EPOLLIN) != 0 && connection->has_fiber && connection->filter.phase == FILTER_END &&
        reading_finds_abort(connection))
        connection->is_gone = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        connection->is_gone = true;

    if (connection->has_fiber) {
        if (connection->waiter != NULL)
            loop_wake(connection->waiter);
    } else if (connection->is_gone) {
        close_later(connection);
    } else if (connection->has_news && list_is_empty(&connection->wait_link)) {
        begin_serving(connection);
    }
}

/* One allocation. */
struct whole {
    struct connection connection; /* first: its address is what is freed */
    FCGX_Request libfcgi;
};

void connection_open(int fd)
{
    struct whole *whole = calloc(1, sizeof(*whole));
    if (whole == NULL)
        panic("out of memory for a connection");
    struct connection *connection = &whole->connection;
    connection->libfcgi = &whole->libfcgi;
    list_init(&connection->wait_link);
    if (!watch_start(&connection->watch, fd, READ_EVENTS, on_event)) {
        log_event(MID_ERROR, "connection.unwatched", "reason=%s", strerror(errno));
        close(fd);
        free(whole);
        return;
    }
    const int from_the_start = 0;
    connection->peeks_onward = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &from_the_start, sizeof(from_the_start)) == 0;
    list_append(&connections.all, &connection->link);
    connections.count++;
    counter_add(&counts->accepted, 1);
    remember_fd(connection, fd);
}

/* -------------------- waiting -------------------- */

bool connection_wait(struct connection *connection, int64_t timeout_ms)
{
    connection->waiter = fiber_current();
    enum wake wake = loop_park(timeout_ms);
    connection->waiter = NULL;
    return wake == WAKE_READY;
}

/* -------------------- sending -------------------- */

/* Takes `bytes` off the front of the vector; returns how many of its parts are done. */
static int advance(struct iovec *parts, int count, size_t bytes)
{
    int done = 0;
    while (done < count && bytes >= parts[done].iov_len)
        bytes -= parts[done++].iov_len;
    if (done < count) {
        parts[done].iov_base = (char *)parts[done].iov_base + bytes;
        parts[done].iov_len -= bytes;
    }
    return done;
}

/* What the peer has not taken yet; 0 when the kernel does not tell. */
static int untaken_bytes(const struct connection *connection)
{
    int bytes = 0;
    return ioctl(connection->watch.fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* False when the peer takes nothing for the stall timeout. There is room only when it has taken much, which can last.
 */
MAY_SUSPEND static bool wait_for_room(struct connection *connection)
{
    int before;
    int after = untaken_bytes(connection);
    bool has_room;
    watch_change(&connection->watch, WRITE_EVENTS); /* tells at once if there is room by now */
    do {
        before = after;
        has_room = connection_wait(connection, connections.settings.stall_timeout_ms);
        after = has_room ? 0 : untaken_bytes(connection);
    } while (!has_room && after < before);
    watch_change(&connection->watch, READ_EVENTS);
    return has_room;
}

enum mid_error connection_send(struct connection *connection, struct iovec *parts, int count)
{
    while (count > 0) {
        if (connection->is_gone)
            return MID_GONE;
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(connection->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            counter_add(&counts->sent_bytes, (uint64_t)sent);
            int done = advance(parts, count, (size_t)sent);
            parts += done;
            count -= done;
        } else if (errno == EAGAIN) {
            if (!wait_for_room(connection))
                return MID_STALLED;
        } else if (errno != EINTR) {
            connection->is_gone = true;
        }
    }
    return MID_OK;
}

void connection_await_taken(struct connection *connection)
{
    int64_t end_ms = loop_now_ms() + TAKEN_WAIT_MS;
    do {
        loop_park(TAKEN_LOOK_MS);
    } while (!connection->is_gone && loop_now_ms() < end_ms && untaken_bytes(connection) > 0);
    loop_park(TAKEN_LOOK_MS);
}

void connection_abort(struct connection *connection)
{
    static const char no_record[RECORD_HEADER_BYTES] = {0}; /* its version 0 cannot be taken for an end */
    connection->is_cut = true; /* closed with bytes unread: a reset, which says so also in the middle of a record */
    if (connection->unread_bytes == 0 && !connection->is_gone)
        (void)!send(connection->watch.fd, no_record, sizeof(no_record), MSG_NOSIGNAL | MSG_DONTWAIT);
    connection->is_ending = true;
}
