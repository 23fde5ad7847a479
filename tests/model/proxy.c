/*
 * A proxy between workers and Redis. See proxy.h.
 *
 * One thread, around poll(). Bytes of a flow wait in its buffer while it is held; a cut is armed, and hits the next
 * bytes of its connection.
 */
#include "proxy.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/journal.h"
#include "base/clock.h"
#include "base/panic.h"
#include "integration/site.h"
#include "random.h"

enum { PIECE_BYTES = 64 * 1024, POLL_MS = 20, PAIRS_MAX = 64, SPARED_MS = 150 };

/* One direction of a connection. */
struct flow {
    struct buffer held;
    int64_t until_ms;
};

/* A connection of a worker, and the one that it leads to. redis_fd -1: none; worker_fd -1: the worker has gone. */
struct pair {
    int worker_fd;
    int redis_fd;
    pid_t worker;
    int64_t since_ms;
    struct flow commands;
    struct flow answers;
    enum fault armed;     /* hits the next commands */
    enum fault answering; /* hits the next answers */
    uint32_t position;    /* of a cut in the middle */
};

struct proxy {
    char *path;
    char *redis_path;
    int listen_fd;
    struct pair pairs[PAIRS_MAX];
    struct random random;
    uint32_t pause_ms;
    int64_t next_fault_ms;
    int64_t stopped_until_ms;
    atomic_size_t counts[FAULT_COUNT];
    atomic_bool is_calm;
    atomic_bool is_empty; /* nothing was held at the end of a turn that was calm */
    atomic_bool is_closing;
    pthread_t thread;
};

const char *fault_name(enum fault fault)
{
    static const char *const names[FAULT_COUNT] = {
        [FAULT_DELAYED_COMMANDS] = "delayed-commands",
        [FAULT_DELAYED_ANSWERS] = "delayed-answers",
        [FAULT_CUT_BEFORE] = "cut-before",
        [FAULT_CUT_IN_COMMAND] = "cut-in-command",
        [FAULT_CUT_AFTER] = "cut-after",
        [FAULT_CUT_IN_ANSWER] = "cut-in-answer",
        [FAULT_STOP] = "stop",
    };
    return names[fault];
}

/* -------------------- connections -------------------- */

static int open_socket(const char *path, struct sockaddr_un *name)
{
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    ENSURE(strlen(path) < sizeof(name->sun_path));
    strcpy(name->sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0);
    return fd;
}

static int connect_to(const char *path)
{
    struct sockaddr_un name;
    int fd = open_socket(path, &name);
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
        panic("connect %s: %s", path, strerror(errno));
    return fd;
}

/* The workers may be another user's. */
static int listen_at(const char *path)
{
    struct sockaddr_un name;
    int fd = open_socket(path, &name);
    if (bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(fd, PAIRS_MAX) != 0 || chmod(path, 0777) != 0)
        panic("listen at %s: %s", path, strerror(errno));
    return fd;
}

static void hang_up(struct pair *pair)
{
    if (pair->worker_fd >= 0)
        close(pair->worker_fd);
    close(pair->redis_fd);
    buffer_fini(&pair->commands.held);
    buffer_fini(&pair->answers.held);
    *pair = (struct pair){.worker_fd = -1, .redis_fd = -1};
}

static void take_connection(struct proxy *proxy)
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    int fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (proxy->pairs[i].redis_fd >= 0)
            continue;
        proxy->pairs[i] = (struct pair){.worker_fd = fd,
                                        .redis_fd = connect_to(proxy->redis_path),
                                        .worker = peer.pid,
                                        .since_ms = clock_monotonic_ms(),
                                        .armed = FAULT_NONE,
                                        .answering = FAULT_NONE};
        return;
    }
    close(fd);
}

/* What the flow holds, if its time has come. False: the other side has gone. */
static bool pass(struct flow *flow, int fd, int64_t now_ms)
{
    size_t sent = 0;
    if (flow->held.length == 0 || now_ms < flow->until_ms)
        return true;
    while (sent < flow->held.length) {
        ssize_t bytes = send(fd, flow->held.data + sent, flow->held.length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (bytes < 0 && errno != EAGAIN)
            return false;
        if (bytes < 0)
            break;
        sent += (size_t)bytes;
    }
    memmove(flow->held.data, flow->held.data + sent, flow->held.length - sent);
    flow->held.length -= sent;
    return true;
}

static void worker_has_gone(struct pair *pair)
{
    close(pair->worker_fd);
    pair->worker_fd = -1;
    buffer_fini(&pair->answers.held);
}

/* -------------------- faults -------------------- */

static void count(struct proxy *proxy, enum fault fault, pid_t worker)
{
    struct line line;
    proxy->counts[fault]++;
    line_begin(&line);
    line_printf(&line, " ! %s %d", fault_name(fault), (int)worker);
    line_write(&line);
}

/* Stops are rare: they concern everybody. */
static enum fault choose(struct random *random)
{
    static const struct {
        enum fault fault;
        uint32_t weight;
    } weights[] = {
        {FAULT_DELAYED_COMMANDS, 12}, {FAULT_DELAYED_ANSWERS, 12}, {FAULT_CUT_BEFORE, 16}, {FAULT_CUT_IN_COMMAND, 15},
        {FAULT_CUT_AFTER, 30},        {FAULT_CUT_IN_ANSWER, 14},   {FAULT_STOP, 1},
    };
    uint32_t at = random_below(random, 100);
    size_t i = 0;
    while (at >= weights[i].weight)
        at -= weights[i++].weight;
    return weights[i].fault;
}

/* Mostly short; now and then longer than any worker waits. */
static int64_t choose_delay_ms(struct random *random)
{
    uint32_t kind = random_below(random, 100);
    uint32_t number = (uint32_t)random_next(random);
    return kind < 4 ? 1000 + number % 2000 : kind < 40 ? 40 + number % 260 : 1 + number % 40;
}

static struct pair *choose_pair(struct proxy *proxy, uint32_t number)
{
    struct pair *there[PAIRS_MAX];
    uint32_t pairs = 0;
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].worker_fd >= 0)
            there[pairs++] = &proxy->pairs[i];
    return pairs > 0 ? there[number % pairs] : NULL;
}

/* A worker that finds no connection waits longer and longer; so a new one is mostly left alone for a while. */
static bool is_spared(const struct pair *pair, int64_t now_ms, uint32_t number)
{
    return now_ms - pair->since_ms < SPARED_MS && number % 8 != 0;
}

/* Each fault takes the same count of random numbers, whatever it meets. */
static void make_fault(struct proxy *proxy, int64_t now_ms)
{
    enum fault fault = choose(&proxy->random);
    int64_t until_ms = now_ms + choose_delay_ms(&proxy->random);
    struct pair *pair = choose_pair(proxy, (uint32_t)random_next(&proxy->random));
    uint32_t position = (uint32_t)random_next(&proxy->random);
    proxy->next_fault_ms = now_ms + random_between(&proxy->random, proxy->pause_ms / 2, proxy->pause_ms * 3 / 2);
    if (fault == FAULT_STOP)
        proxy->stopped_until_ms = until_ms;
    else if (pair == NULL || is_spared(pair, now_ms, position))
        return;
    else if (fault == FAULT_DELAYED_COMMANDS)
        pair->commands.until_ms = until_ms;
    else if (fault == FAULT_DELAYED_ANSWERS)
        pair->answers.until_ms = until_ms;
    else {
        pair->armed = fault;
        pair->position = position;
        return; /* it is counted when it hits */
    }
    count(proxy, fault, fault == FAULT_STOP ? 0 : pair->worker);
}

/* -------------------- a turn -------------------- */

static void read_commands(struct proxy *proxy, struct pair *pair)
{
    struct buffer *held = &pair->commands.held;
    ssize_t got = recv(pair->worker_fd, buffer_reserve(held, PIECE_BYTES), PIECE_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        worker_has_gone(pair);
        return;
    }
    enum fault fault = pair->armed;
    pair->armed = FAULT_NONE;
    if (fault == FAULT_CUT_IN_COMMAND) {
        held->length += pair->position % (size_t)got;
        count(proxy, fault, pair->worker);
        worker_has_gone(pair);
    } else if (fault == FAULT_CUT_BEFORE) {
        count(proxy, fault, pair->worker);
        hang_up(pair);
    } else {
        held->length += (size_t)got;
        pair->answering = fault != FAULT_NONE ? fault : pair->answering;
    }
}

static void read_answers(struct proxy *proxy, struct pair *pair)
{
    struct buffer *held = &pair->answers.held;
    ssize_t got = recv(pair->redis_fd, buffer_reserve(held, PIECE_BYTES), PIECE_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        hang_up(pair);
        return;
    }
    if (pair->worker_fd < 0)
        return;
    if (pair->answering == FAULT_NONE) {
        held->length += (size_t)got;
        return;
    }
    count(proxy, pair->answering, pair->worker);
    if (pair->answering == FAULT_CUT_IN_ANSWER) {
        held->length += pair->position % (size_t)got;
        pass(&pair->answers, pair->worker_fd, INT64_MAX);
    }
    hang_up(pair);
}

static void serve(struct proxy *proxy, struct pair *pair, const struct pollfd wishes[2], int64_t now_ms)
{
    if (wishes[1].fd >= 0 && wishes[1].revents != 0)
        read_answers(proxy, pair);
    if (pair->worker_fd >= 0 && wishes[0].revents != 0)
        read_commands(proxy, pair);
    if (pair->redis_fd >= 0 && !pass(&pair->commands, pair->redis_fd, now_ms))
        hang_up(pair);
    if (pair->worker_fd >= 0 && !pass(&pair->answers, pair->worker_fd, now_ms))
        worker_has_gone(pair);
    if (pair->redis_fd >= 0 && pair->worker_fd < 0 && pair->commands.held.length == 0)
        hang_up(pair);
}

static void sooner(int64_t *wait_ms, int64_t at_ms, int64_t now_ms)
{
    int64_t left_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    *wait_ms = left_ms < *wait_ms ? left_ms : *wait_ms;
}

static bool holds_something(const struct proxy *proxy)
{
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].commands.held.length + proxy->pairs[i].answers.held.length > 0)
            return true;
    return false;
}

static void calm(struct proxy *proxy)
{
    proxy->stopped_until_ms = 0;
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct pair *pair = &proxy->pairs[i];
        pair->commands.until_ms = pair->answers.until_ms = 0;
        if (pair->redis_fd >= 0)
            pair->armed = pair->answering = FAULT_NONE;
    }
}

static void turn(struct proxy *proxy)
{
    struct pollfd wishes[1 + 2 * PAIRS_MAX] = {{.fd = proxy->listen_fd, .events = POLLIN}};
    int64_t now_ms = clock_monotonic_ms();
    int64_t wait_ms = POLL_MS;
    if (proxy->is_calm)
        calm(proxy);
    else if (proxy->pause_ms > 0 && now_ms >= proxy->next_fault_ms)
        make_fault(proxy, now_ms);
    if (now_ms < proxy->stopped_until_ms) {
        sooner(&wait_ms, proxy->stopped_until_ms, now_ms);
        poll(NULL, 0, (int)wait_ms);
        return;
    }
    if (!proxy->is_calm && proxy->pause_ms > 0)
        sooner(&wait_ms, proxy->next_fault_ms, now_ms);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        const struct pair *pair = &proxy->pairs[i];
        wishes[1 + 2 * i] = (struct pollfd){.fd = pair->worker_fd, .events = POLLIN};
        wishes[2 + 2 * i] = (struct pollfd){.fd = pair->redis_fd, .events = POLLIN};
        if (pair->commands.held.length > 0)
            sooner(&wait_ms, pair->commands.until_ms, now_ms);
        if (pair->answers.held.length > 0)
            sooner(&wait_ms, pair->answers.until_ms, now_ms);
    }
    int ready = poll(wishes, 1 + 2 * PAIRS_MAX, (int)wait_ms);
    now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].redis_fd >= 0)
            serve(proxy, &proxy->pairs[i], &wishes[1 + 2 * i], now_ms);
    if (wishes[0].revents != 0)
        take_connection(proxy);
    if (proxy->is_calm && ready == 0 && !holds_something(proxy))
        proxy->is_empty = true;
}

/* -------------------- open and close -------------------- */

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    while (!proxy->is_closing)
        turn(proxy);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].redis_fd >= 0)
            hang_up(&proxy->pairs[i]);
    return NULL;
}

struct proxy *proxy_open(const struct proxy_options *options)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    ENSURE(proxy != NULL);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        proxy->pairs[i] = (struct pair){.worker_fd = -1, .redis_fd = -1};
    proxy->random = random_of(options->seed, 0);
    proxy->pause_ms = options->pause_ms;
    proxy->path = strdup(options->socket_path);
    proxy->redis_path = text_printf("%s.real", options->socket_path);
    if (rename(proxy->path, proxy->redis_path) != 0)
        panic("rename %s: %s", proxy->path, strerror(errno));
    proxy->listen_fd = listen_at(proxy->path);
    ENSURE(pthread_create(&proxy->thread, NULL, run, proxy) == 0);
    return proxy;
}

const char *proxy_redis_path(const struct proxy *proxy)
{
    return proxy->redis_path;
}

static bool has_emptied(void *arg)
{
    return ((struct proxy *)arg)->is_empty;
}

void proxy_calm(struct proxy *proxy)
{
    proxy->is_empty = false;
    proxy->is_calm = true;
    wait_until(has_emptied, proxy, PATIENCE_MS);
}

size_t proxy_count(const struct proxy *proxy, enum fault fault)
{
    return proxy->counts[fault];
}

void proxy_close(struct proxy *proxy)
{
    proxy->is_closing = true;
    pthread_join(proxy->thread, NULL);
    close(proxy->listen_fd);
    if (rename(proxy->redis_path, proxy->path) != 0)
        panic("rename %s: %s", proxy->redis_path, strerror(errno));
    free(proxy->redis_path);
    free(proxy->path);
    free(proxy);
}
