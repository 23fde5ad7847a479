/* A proxy that loses things. See proxy.h. */
#include "proxy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fastcgi.h"

enum { PIECE_BYTES = 64 * 1024, POLL_MS = 20 };

struct proxy {
    struct site *site;
    char *real_path; /* where Redis's socket was moved to */
    int listen_fd;
    int worker_fd; /* -1: none; there is one worker, and so one connection */
    int redis_fd;
    _Atomic enum loss loss;
    atomic_bool is_closing;
    pthread_t thread;
};

static void hang_up(struct proxy *proxy)
{
    if (proxy->worker_fd >= 0) {
        close(proxy->worker_fd);
        close(proxy->redis_fd);
    }
    proxy->worker_fd = -1;
    proxy->redis_fd = -1;
}

static void take_connection(struct proxy *proxy)
{
    hang_up(proxy); /* the worker has given the old one up */
    proxy->worker_fd = accept(proxy->listen_fd, NULL, NULL);
    proxy->redis_fd = fastcgi_connect(proxy->real_path);
}

static void send_all(int fd, const char *data, size_t bytes)
{
    struct buffer view = {.data = (char *)(uintptr_t)data, .length = bytes};
    fastcgi_write(fd, &view);
}

/* From the worker to Redis; this is where things are lost. */
static void pass_commands(struct proxy *proxy)
{
    static char piece[PIECE_BYTES];
    ssize_t got = recv(proxy->worker_fd, piece, sizeof(piece), 0);
    enum loss loss = got > 0 && memmem(piece, (size_t)got, "EVALSHA", 7) != NULL ? proxy->loss : LOSE_NOTHING;
    if (got <= 0) {
        hang_up(proxy);
        return;
    }
    if (loss != LOSE_COMMIT)
        send_all(proxy->redis_fd, piece, (size_t)got);
    if (loss == LOSE_ANSWER)
        (void)!recv(proxy->redis_fd, piece, sizeof(piece), 0); /* when it is there, the commit is done */
    if (loss != LOSE_NOTHING) {
        hang_up(proxy);
        proxy->loss = LOSE_NOTHING;
    }
}

static void pass_answers(struct proxy *proxy)
{
    static char piece[PIECE_BYTES];
    ssize_t got = recv(proxy->redis_fd, piece, sizeof(piece), 0);
    if (got > 0)
        send_all(proxy->worker_fd, piece, (size_t)got);
    else
        hang_up(proxy);
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    while (!proxy->is_closing) {
        struct pollfd wishes[] = {
            {.fd = proxy->listen_fd, .events = POLLIN},
            {.fd = proxy->worker_fd, .events = POLLIN},
            {.fd = proxy->redis_fd, .events = POLLIN},
        };
        if (poll(wishes, 3, POLL_MS) <= 0)
            continue;
        if (wishes[2].revents != 0)
            pass_answers(proxy);
        else if (wishes[1].revents != 0)
            pass_commands(proxy);
        else if (wishes[0].revents != 0)
            take_connection(proxy);
    }
    hang_up(proxy);
    return NULL;
}

struct proxy *proxy_open(struct site *site)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    cr_assert_not_null(proxy);
    proxy->site = site;
    proxy->worker_fd = -1;
    proxy->redis_fd = -1;
    proxy->real_path = text_printf("%s.real", site->stack->redis_socket);
    cr_assert_eq(rename(site->stack->redis_socket, proxy->real_path), 0, "%s", strerror(errno));
    proxy->listen_fd = fastcgi_listen(site->stack->redis_socket);
    cr_assert_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    redis_int(site->redis, "CLIENT KILL TYPE normal SKIPME yes");
    return proxy;
}

void proxy_lose_next(struct proxy *proxy, enum loss loss)
{
    proxy->loss = loss;
}

static bool is_lost(void *arg)
{
    return ((struct proxy *)arg)->loss == LOSE_NOTHING;
}

bool proxy_wait_lost(struct proxy *proxy)
{
    return wait_until(is_lost, proxy, PATIENCE_MS);
}

void proxy_close(struct proxy *proxy)
{
    proxy->is_closing = true;
    pthread_join(proxy->thread, NULL);
    close(proxy->listen_fd);
    cr_assert_eq(rename(proxy->real_path, proxy->site->stack->redis_socket), 0);
    free(proxy->real_path);
    free(proxy);
}
