/*
 * The admin process's HTTP. See admin_http.h; RFC 9112.
 *
 * A connection is a fiber, has one request and one second. At most 64 are open: more wait in the backlog, so a flood of
 * them costs neither memory nor the workers' descriptors.
 */
#include "master/admin_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"
#include "fiber/loop.h"
#include "http/status.h"
#include "master/admin_pages.h"

enum {
    CONNECTIONS_MAX = 64,
    DEADLINE_MS = 1000,
    ACCEPT_PAUSE_MS = 100, /* when no descriptor is left */
    HEAD_BYTES_MAX = 8 * 1024,
    STACK_BYTES = 64 * 1024,
    SANITIZED_STACK_BYTES = 256 * 1024, /* the sanitizers' frames are larger */
};

struct exchange {
    int fd;
    int64_t deadline_ms;
    char head[HEAD_BYTES_MAX + 1];
    size_t head_bytes;
};

static struct {
    struct watch listener;
    struct timer pause;
    int open_count;
    bool is_accepting;
} admin;

/* -------------------- one connection -------------------- */

/* False when the time of the connection is over. */
MAY_SUSPEND static bool wait_for(const struct exchange *exchange, uint32_t events)
{
    int64_t left_ms = exchange->deadline_ms - loop_now_ms();
    enum wake wake;
    return left_ms > 0 && loop_wait_fd(exchange->fd, events, left_ms, &wake) && wake == WAKE_READY;
}

/* Some bytes; 0: the end, an error, or the end of the time. */
MAY_SUSPEND static size_t receive(const struct exchange *exchange, char *bytes, size_t size)
{
    for (;;) {
        ssize_t got = recv(exchange->fd, bytes, size, MSG_DONTWAIT);
        if (got >= 0)
            return (size_t)got;
        if (errno != EINTR && (errno != EAGAIN || !wait_for(exchange, EPOLLIN)))
            return 0;
    }
}

MAY_SUSPEND static bool send_all(const struct exchange *exchange, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(exchange->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes += sent;
            count -= (size_t)sent;
        } else if (errno != EINTR && (errno != EAGAIN || !wait_for(exchange, EPOLLOUT))) {
            return false;
        }
    }
    return true;
}

/* Reads up to the empty line. False: it did not come in time, or the head is too long. */
MAY_SUSPEND static bool read_head(struct exchange *exchange)
{
    while (exchange->head_bytes < HEAD_BYTES_MAX) {
        size_t got = receive(exchange, exchange->head + exchange->head_bytes, HEAD_BYTES_MAX - exchange->head_bytes);
        if (got == 0)
            return false;
        exchange->head_bytes += got;
        exchange->head[exchange->head_bytes] = '\0';
        if (strstr(exchange->head, "\r\n\r\n") != NULL)
            return true;
    }
    return false;
}

MAY_SUSPEND static void send_answer(struct exchange *exchange, const struct admin_answer *answer)
{
    struct buffer head = {0};
    buffer_printf(&head,
                  "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                  "X-Content-Type-Options: nosniff\r\n",
                  answer->status, status_reason(answer->status), answer->content_type, answer->body.length);
    if (answer->allow != NULL)
        buffer_printf(&head, "Allow: %s\r\n", answer->allow);
    buffer_append_text(&head, "Connection: close\r\n\r\n");
    if (send_all(exchange, head.data, head.length) && send_all(exchange, answer->body.data, answer->body.length))
        shutdown(exchange->fd, SHUT_WR);
    buffer_fini(&head);
}

/* To close with something unread would reset the connection, and the answer might be lost (RFC 9112, 9.6). */
MAY_SUSPEND static void linger(struct exchange *exchange)
{
    while (receive(exchange, exchange->head, HEAD_BYTES_MAX) > 0)
        continue;
}

static void accept_again(void);

MAY_SUSPEND static void serve_connection(void *arg)
{
    struct exchange *exchange = arg;
    struct admin_answer answer = {0};
    admin_answer(read_head(exchange) ? exchange->head : NULL, &answer);
    send_answer(exchange, &answer);
    linger(exchange);
    buffer_fini(&answer.body);
    close(exchange->fd);
    free(exchange);
    admin.open_count--;
    accept_again();
}

/* -------------------- accepting -------------------- */

static void stop_accepting(void)
{
    watch_stop(&admin.listener);
    admin.is_accepting = false;
}

static void on_pause_end(struct timer *timer)
{
    (void)timer;
    accept_again();
}

static void begin_connection(int fd)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange == NULL)
        panic("out of memory for an admin connection");
    exchange->fd = fd;
    exchange->deadline_ms = loop_now_ms() + DEADLINE_MS;
    if (!loop_spawn(serve_connection, exchange)) {
        close(fd);
        free(exchange);
        return;
    }
    admin.open_count++;
}

static void on_connection(struct watch *watch, uint32_t events)
{
    (void)events;
    while (admin.open_count < CONNECTIONS_MAX) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            begin_connection(fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            stop_accepting();
            timer_start(&admin.pause, ACCEPT_PAUSE_MS, on_pause_end);
        }
        return;
    }
    stop_accepting();
}

static void accept_again(void)
{
    if (admin.is_accepting || admin.open_count >= CONNECTIONS_MAX)
        return;
    admin.is_accepting = watch_start(&admin.listener, admin.listener.fd, EPOLLIN, on_connection);
    if (!admin.is_accepting)
        timer_start(&admin.pause, ACCEPT_PAUSE_MS, on_pause_end);
}

void admin_serve(int listen_fd)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    fiber_init(SANITIZED_STACK_BYTES, CONNECTIONS_MAX);
#else
    fiber_init(STACK_BYTES, CONNECTIONS_MAX);
#endif
    loop_init();
    admin.listener.fd = listen_fd;
    accept_again();
    loop_run();
    panic("the admin process's loop has ended");
}
