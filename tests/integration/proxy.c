/* A proxy that loses things. See proxy.h. */
#include "proxy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fastcgi.h"

enum { PIECE_BYTES = 64 * 1024, POLL_MS = 20, PAIRS_MAX = 32 };

/* One connection of a worker, and the one that it leads to. -1: none. */
struct pair {
    int worker_fd;
    int redis_fd;
};

struct proxy {
    struct site *site;
    char *real_path; /* where Redis's socket was moved to */
    int listen_fd;
    struct pair pairs[PAIRS_MAX];
    _Atomic enum loss loss; /* of the next `left` commits */
    atomic_int left;
    _Atomic(const char *) reply; /* of the proxy's own to the next command about a session; NULL: none */
    atomic_bool swallows_messages;
    atomic_int swallowed;
    atomic_bool is_closing;
    pthread_t thread;
};

static void hang_up(struct pair *pair)
{
    close(pair->worker_fd);
    close(pair->redis_fd);
    *pair = (struct pair){-1, -1};
}

static void take_connection(struct proxy *proxy)
{
    int fd = accept(proxy->listen_fd, NULL, NULL);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (proxy->pairs[i].worker_fd >= 0)
            continue;
        proxy->pairs[i] = (struct pair){.worker_fd = fd, .redis_fd = fastcgi_connect(proxy->real_path)};
        return;
    }
    close(fd);
}

static void send_all(int fd, const char *data, size_t bytes)
{
    struct buffer view = {.data = (char *)(uintptr_t)data, .length = bytes};
    fastcgi_write(fd, &view);
}

static bool has(const char *piece, size_t bytes, const char *text)
{
    return memmem(piece, bytes, text, strlen(text)) != NULL;
}

/* -------------------- answers of its own -------------------- */

/* The command is replaced by one whose answer is replaced: so the others that are in one write with it (the PING of a
 * suspicion) get theirs, and in their order. */
static const char own_command[] = "*2\r\n$4\r\nECHO\r\n$9\r\nproxy-own\r\n";
static const char own_answer[] = "$9\r\nproxy-own\r\n";

/* Behind the command that begins here; NULL: it is not whole. */
static const char *command_end(const char *at, const char *end)
{
    long words = 0;
    for (long left = 1; left > 0 && at < end; left--) { /* its lines of lengths; they end with \r\n, and so do words */
        const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line == NULL)
            return NULL;
        long number = strtol(at + 1, NULL, 10);
        if (*at == '*')
            left += words = number;
        at = line + 2 + (*at == '$' ? number + 2 : 0);
    }
    return words > 0 && at <= end ? at : NULL;
}

/* Whether there is such a command, which this answers. */
static bool pass_replaced(const struct pair *pair, const char *piece, size_t bytes)
{
    const char *end = piece + bytes;
    for (const char *at = piece, *next; at < end && (next = command_end(at, end)) != NULL; at = next) {
        if (!has(at, (size_t)(next - at), "mid:s:"))
            continue;
        send_all(pair->redis_fd, piece, (size_t)(at - piece));
        send_all(pair->redis_fd, own_command, strlen(own_command));
        send_all(pair->redis_fd, next, (size_t)(end - next));
        return true;
    }
    return false;
}

static void pass_answer(struct proxy *proxy, const struct pair *pair, const char *piece, size_t bytes)
{
    const char *own = memmem(piece, bytes, own_answer, strlen(own_answer));
    const char *reply = proxy->reply;
    if (own == NULL || reply == NULL) {
        send_all(pair->worker_fd, piece, bytes);
        return;
    }
    const char *rest = own + strlen(own_answer);
    send_all(pair->worker_fd, piece, (size_t)(own - piece));
    send_all(pair->worker_fd, reply, strlen(reply));
    send_all(pair->worker_fd, rest, bytes - (size_t)(rest - piece));
    proxy->reply = NULL;
}

/* -------------------- passing on -------------------- */

/* From the worker to Redis; this is where things are lost. */
static void pass_commands(struct proxy *proxy, struct pair *pair)
{
    static char piece[PIECE_BYTES];
    ssize_t got = recv(pair->worker_fd, piece, sizeof(piece), 0);
    if (got <= 0) {
        hang_up(pair);
        return;
    }
    if (proxy->reply != NULL && pass_replaced(pair, piece, (size_t)got))
        return;
    bool is_of_session = has(piece, (size_t)got, "mid:s:") || has(piece, (size_t)got, "mid:d:");
    bool is_commit = has(piece, (size_t)got, "EVALSHA") && is_of_session;
    enum loss loss = is_commit && proxy->left > 0 ? proxy->loss : LOSE_NOTHING;
    if (loss == STOP_REDIS) {
        site_signal_redis(proxy->site, SIGSTOP);
        proxy->left--;
        loss = LOSE_NOTHING;
    }
    if (loss != LOSE_COMMIT)
        send_all(pair->redis_fd, piece, (size_t)got);
    if (loss == LOSE_ANSWER)
        (void)!recv(pair->redis_fd, piece, sizeof(piece), 0); /* when it is there, the commit is done */
    if (loss != LOSE_NOTHING) {
        hang_up(pair);
        proxy->left--;
    }
}

static void pass_answers(struct proxy *proxy, struct pair *pair)
{
    static char piece[PIECE_BYTES];
    ssize_t got = recv(pair->redis_fd, piece, sizeof(piece), 0);
    if (got <= 0)
        hang_up(pair);
    else if (proxy->swallows_messages && has(piece, (size_t)got, "\r\n$7\r\nmessage\r\n"))
        proxy->swallowed++;
    else
        pass_answer(proxy, pair, piece, (size_t)got);
}

static void turn(struct proxy *proxy)
{
    struct pollfd wishes[1 + 2 * PAIRS_MAX] = {{.fd = proxy->listen_fd, .events = POLLIN}};
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        wishes[1 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].worker_fd, .events = POLLIN};
        wishes[2 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].redis_fd, .events = POLLIN};
    }
    if (poll(wishes, 1 + 2 * PAIRS_MAX, POLL_MS) <= 0)
        return;
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (wishes[2 + 2 * i].revents != 0)
            pass_answers(proxy, &proxy->pairs[i]);
        else if (wishes[1 + 2 * i].revents != 0)
            pass_commands(proxy, &proxy->pairs[i]);
    }
    if (wishes[0].revents != 0)
        take_connection(proxy);
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    while (!proxy->is_closing)
        turn(proxy);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].worker_fd >= 0)
            hang_up(&proxy->pairs[i]);
    return NULL;
}

struct proxy *proxy_open(struct site *site)
{
    site_needs_one_redis(site);
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    cr_assert_not_null(proxy);
    proxy->site = site;
    for (size_t i = 0; i < PAIRS_MAX; i++)
        proxy->pairs[i] = (struct pair){-1, -1};
    proxy->real_path = text_printf("%s.real", site->stack->redis_socket);
    cr_assert_eq(rename(site->stack->redis_socket, proxy->real_path), 0, "%s", strerror(errno));
    proxy->listen_fd = fastcgi_listen(site->stack->redis_socket);
    cr_assert_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    redis_int(site->redis, "CLIENT KILL TYPE normal SKIPME yes");
    return proxy;
}

void proxy_lose(struct proxy *proxy, enum loss loss, int times)
{
    proxy->loss = loss;
    proxy->left = times;
}

void proxy_lose_next(struct proxy *proxy, enum loss loss)
{
    proxy_lose(proxy, loss, 1);
}

void proxy_answer_next(struct proxy *proxy, const char *reply)
{
    proxy->reply = reply;
}

void proxy_swallow_messages(struct proxy *proxy)
{
    proxy->swallows_messages = true;
}

int proxy_swallowed(struct proxy *proxy)
{
    return proxy->swallowed;
}

static bool is_done(void *arg)
{
    const struct proxy *proxy = arg;
    return proxy->left == 0 && proxy->reply == NULL;
}

bool proxy_wait_lost(struct proxy *proxy)
{
    return wait_until(is_done, proxy, PATIENCE_MS);
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
