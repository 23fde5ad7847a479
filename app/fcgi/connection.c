/* A connection from the web server. See connection.h. */
#include "fcgi/connection.h"

#include <errno.h>
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
#include "fcgi/answer.h"

enum {
    DISCARD_BYTES = 16 * 1024,
    TAKEN_WAIT_MS = 500,
    TAKEN_LOOK_MS = 10,
    UNREAD_BYTES_MAX = 4 * 1024,      /* that an idle connection may leave in the kernel */
    FORGOTTEN_MS = 1000,              /* how long a peer may take to close after the goodbye */
    BODY_RATE_MIN = 1024,             /* bytes of body a second, for which there is time beyond the deadline */
    LINGER_MS = 5000,                 /* how long, and how much of a body that nobody wants, is read away... */
    LINGER_BYTES = 256 * 1024 * 1024, /* ...so that the response is not lost in a reset */
    AHEAD_BYTES = 16 * 1024,
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

static char discarded[DISCARD_BYTES]; /* never looked at */

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

/* Takes out of the socket what connection_read() has handed on. */
static void read_away(struct connection *connection)
{
    while (connection->unread_bytes > 0 && !connection->is_gone) {
        size_t step = connection->unread_bytes < sizeof(discarded) ? connection->unread_bytes : sizeof(discarded);
        ssize_t got = recv(connection->watch.fd, discarded, step, MSG_DONTWAIT);
        if (got > 0)
            connection->unread_bytes -= (size_t)got;
        else if (got == 0 || errno != EINTR)
            connection->is_gone = true;
    }
}

static void connection_close(struct connection *connection)
{
    watch_stop(&connection->watch);
    if (!connection->is_cut) { /* or the kernel would tell the peer of a reset */
        read_away(connection);
        (void)!recv(connection->watch.fd, discarded, sizeof(discarded), MSG_DONTWAIT); /* padding of the last record */
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
MAY_SUSPEND static bool wait_for_event(struct connection *connection, int64_t timeout_ms);

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
        ssize_t got = recv(connection->watch.fd, discarded, sizeof(discarded), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (got < 0)
            wait_for_event(connection, end_ms - loop_now_ms());
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

/* Lets the next look begin behind what was handed on. */
static void look_again(struct connection *connection)
{
    const int offset = (int)connection->unread_bytes;
    if (connection->peeks_onward)
        setsockopt(connection->watch.fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
}

/* Nobody reads while a complete request is answered; but the web server may give it up (ABORT_REQUEST, 5.4). */
static bool was_given_up(struct connection *connection)
{
    static uint8_t ahead[AHEAD_BYTES];
    ssize_t got = recv(connection->watch.fd, ahead, sizeof(ahead), MSG_PEEK | MSG_DONTWAIT);
    look_again(connection);
    size_t known = connection->peeks_onward ? 0 : connection->unread_bytes;
    return got > (ssize_t)known && record_filter_finds_abort(&connection->filter, ahead + known, (size_t)got - known);
}

static void on_event(struct watch *watch, uint32_t events)
{
    struct connection *connection = LIST_ELEMENT(watch, struct connection, watch);
    if (events & EPOLLIN)
        connection->has_news = true;
    if ((events & EPOLLIN) != 0 && connection->has_fiber && connection->filter.phase == FILTER_END &&
        was_given_up(connection))
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

void connection_open(int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        panic("out of memory for a connection");
    list_init(&connection->wait_link);
    if (!watch_start(&connection->watch, fd, READ_EVENTS, on_event)) {
        log_event(MID_ERROR, "connection.unwatched", "reason=%s", strerror(errno));
        close(fd);
        free(connection);
        return;
    }
    const int from_the_start = 0;
    connection->peeks_onward = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &from_the_start, sizeof(from_the_start)) == 0;
    list_append(&connections.all, &connection->link);
    connections.count++;
    counter_add(&counts->accepted, 1);
    remember_fd(connection, fd);
}

/* -------------------- reading -------------------- */

/* What was read stays in the socket as long as that is cheap, and the next look begins behind it. */
void connection_settle(struct connection *connection)
{
    if (!connection->peeks_onward || connection->unread_bytes > UNREAD_BYTES_MAX)
        read_away(connection);
}

/* False when the time is over. */
MAY_SUSPEND static bool wait_for_event(struct connection *connection, int64_t timeout_ms)
{
    connection->waiter = fiber_current();
    enum wake wake = loop_park(timeout_ms);
    connection->waiter = NULL;
    return wake == WAKE_READY;
}

void connection_wait(struct connection *connection, int64_t timeout_ms)
{
    wait_for_event(connection, timeout_ms);
}

static void broken(struct connection *connection, uint64_t *count, const char *event, const char *reason)
{
    counter_add(count, 1);
    log_event(MID_WARN, event, "reason=\"%s\"", reason);
    connection->is_gone = true;
}

/* The request is answered without a handler; what is left of it is not read any more. */
MAY_SUSPEND static void refuse_request(struct connection *connection, const char *status, const char *sentence)
{
    if (answer_status(connection, status, sentence) != MID_OK)
        connection->is_gone = true;
    connection->is_ending = true;
}

MAY_SUSPEND static void refuse_params(struct connection *connection)
{
    char sentence[128];
    counter_add(&counts->malformed, 1);
    log_event(MID_WARN, "connection.params-too-large", "params_max_bytes=%zu setting=params-max-bytes",
              connections.settings.params_max);
    snprintf(sentence, sizeof(sentence), "the fields of the request may have %zu bytes",
             connections.settings.params_max);
    refuse_request(connection, "431 Request Header Fields Too Large", sentence);
}

MAY_SUSPEND static void answer_other(struct connection *connection, enum record_filter_verdict verdict)
{
    enum mid_error error = verdict == RECORDS_VALUES    ? answer_values(connection, connections.settings.requests_max)
                           : verdict == RECORDS_UNKNOWN ? answer_unknown_type(connection)
                           : verdict == RECORDS_UNKNOWN_ROLE ? answer_refused(connection, ANSWER_UNKNOWN_ROLE)
                                                             : answer_refused(connection, ANSWER_CANT_MPX_CONN);
    if (error != MID_OK)
        connection->is_gone = true;
    else if (verdict == RECORDS_UNKNOWN_ROLE && connection->filter.refused_closes)
        connection->is_ending = true;
}

/* Passes bytes through the filter to `out`, in front of them, and does what it says. Returns how many libfcgi gets. */
MAY_SUSPEND static size_t filter_bytes(struct connection *connection, const uint8_t *bytes, size_t length, uint8_t *out)
{
    size_t at = 0;
    size_t given = 0;
    enum record_filter_verdict verdict = RECORDS_PASS;
    while (at < length && verdict != RECORDS_END && !connection->is_gone && !connection->is_ending) {
        size_t consumed;
        size_t passed;
        verdict = record_filter_feed(&connection->filter, bytes + at, length - at, out + given, &consumed, &passed);
        at += consumed;
        given += passed;
        if (verdict == RECORDS_MALFORMED)
            broken(connection, &counts->malformed, "connection.malformed", connection->filter.reason);
        else if (verdict == RECORDS_ABORT)
            connection->is_gone = true;
        else if (verdict == RECORDS_TOO_LARGE)
            refuse_params(connection);
        else if (verdict != RECORDS_PASS && verdict != RECORDS_END)
            answer_other(connection, verdict);
    }
    connection->unread_bytes += at;
    counter_add(&counts->received_bytes, at);
    if (at < length) { /* padding, or another request, which has to wait for our END_REQUEST; or this one is given up */
        connection->has_news = true;
        if (verdict == RECORDS_END && record_filter_finds_abort(&connection->filter, bytes + at, length - at))
            connection->is_gone = true;
        look_again(connection);
    }
    if (connection->filter.phase != FILTER_PARAMS && connection->deadline_ms >= 0)
        connection->deadline_ms += (int64_t)given * 1000 / BODY_RATE_MIN;
    return connection->is_gone || connection->is_ending ? 0 : given;
}

/* How long to wait for the next bytes. */
static int64_t patience_ms(const struct connection *connection)
{
    int64_t read_ms = connections.settings.read_timeout_ms;
    if (connection->deadline_ms < 0)
        return read_ms;
    int64_t left_ms = connection->deadline_ms - loop_now_ms();
    return left_ms < read_ms ? (left_ms > 0 ? left_ms : 0) : read_ms;
}

/* A body that does not come is its reader's business; a head has none. */
MAY_SUSPEND static void time_out(struct connection *connection)
{
    counter_add(&counts->read_timeouts, 1);
    log_event(MID_WARN, "connection.read-timeout", "reason=\"the request was not complete in time\"");
    connection->has_timed_out = true;
    if (connection->filter.phase == FILTER_BEGIN)
        connection->is_gone = true;
    else if (connection->filter.phase == FILTER_PARAMS)
        refuse_request(connection, "408 Request Timeout", "the request did not arrive in time");
    else
        connection->is_ending = true;
}

size_t connection_read(struct connection *connection, void *buffer, size_t size)
{
    ENSURE(size > RECORD_FILTER_HELD_MAX);
    uint8_t *bytes = (uint8_t *)buffer + RECORD_FILTER_HELD_MAX;
    connection_settle(connection);
    while (!connection->is_ending && !connection->is_gone) {
        ssize_t got = recv(connection->watch.fd, bytes, size - RECORD_FILTER_HELD_MAX, MSG_PEEK | MSG_DONTWAIT);
        if (got > 0) {
            size_t given = filter_bytes(connection, bytes, (size_t)got, buffer);
            if (given > 0)
                return given;
            connection_settle(connection);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            connection->is_gone = true;
        } else if (errno == EAGAIN) {
            if (record_filter_is_fresh(&connection->filter))
                return 0;          /* the news were of bytes that the last request has read */
            read_away(connection); /* over TCP a few unread bytes can hold up the whole window */
            if (!connection->is_gone && !wait_for_event(connection, patience_ms(connection)))
                time_out(connection);
        }
    }
    return 0;
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
        has_room = wait_for_event(connection, connections.settings.stall_timeout_ms);
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
