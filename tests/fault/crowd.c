/* Many clients of one path. See crowd.h. The thread and the test share everything, under the crowd's mutex. */
#include "crowd.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/panic.h"

enum { EVENTS_AT_A_TIME = 128, READ_BYTES = 16 * 1024, LAST_OF_A_HUNDRED = 99 };

/* Where a reader of chunks stands (RFC 9112, 7.1). */
enum chunk_part { PART_HEAD, PART_SIZE, PART_DATA, PART_DATA_END, PART_LAST };

struct client {
    int fd;
    enum crowd_end end;
    enum chunk_part part;
    size_t chunk_left;
    struct buffer line; /* the head, or a chunk's size, as far as it came */
    struct buffer head;
    struct buffer body;
    size_t lines;
    size_t pieces;
    int64_t *arrived_us; /* of each piece */
    int64_t ended_us;
};

struct crowd {
    struct crowd_options options;
    struct client *clients;
    int epoll;
    int stop;
    pthread_t thread;
    pthread_mutex_t mutex;
};

/* -------------------- what a client reads -------------------- */

static void count_piece(struct crowd *crowd, struct client *client, int64_t now_us)
{
    if (++client->lines % crowd->options.lines_per_piece == 0 && client->pieces < crowd->options.pieces)
        client->arrived_us[client->pieces++] = now_us;
}

static void take_data(struct crowd *crowd, struct client *client, const char *data, size_t bytes, int64_t now_us)
{
    buffer_append(&client->body, data, bytes);
    for (size_t i = 0; i < bytes; i++)
        if (data[i] == '\n')
            count_piece(crowd, client, now_us);
}

static bool line_is_whole(struct client *client, char c, const char *end)
{
    buffer_append(&client->line, &c, 1);
    size_t length = strlen(end);
    return client->line.length >= length && memcmp(client->line.data + client->line.length - length, end, length) == 0;
}

static void take_line_byte(struct client *client, char c)
{
    if (!line_is_whole(client, c, client->part == PART_HEAD ? "\r\n\r\n" : "\r\n"))
        return;
    buffer_append(&client->line, "", 1);
    switch (client->part) {
    case PART_HEAD:
        buffer_append(&client->head, client->line.data, client->line.length);
        client->part = PART_SIZE;
        break;
    case PART_SIZE:
        client->chunk_left = strtoul(client->line.data, NULL, 16);
        client->part = client->chunk_left > 0 ? PART_DATA : PART_LAST;
        break;
    case PART_DATA_END:
        client->part = PART_SIZE;
        break;
    case PART_LAST:
        client->end = CROWD_COMPLETE;
        break;
    case PART_DATA:
        break;
    }
    client->line.length = 0;
}

static void take_bytes(struct crowd *crowd, struct client *client, const char *bytes, size_t length, int64_t now_us)
{
    for (size_t at = 0; at < length && client->end == CROWD_OPEN;) {
        if (client->part != PART_DATA) {
            take_line_byte(client, bytes[at++]);
            continue;
        }
        size_t step = length - at < client->chunk_left ? length - at : client->chunk_left;
        take_data(crowd, client, bytes + at, step, now_us);
        at += step;
        client->chunk_left -= step;
        client->part = client->chunk_left > 0 ? PART_DATA : PART_DATA_END;
    }
}

static void end_client(struct client *client, enum crowd_end end)
{
    close(client->fd);
    client->fd = -1;
    client->end = end;
    client->ended_us = clock_monotonic_us();
}

static void read_client(struct crowd *crowd, struct client *client)
{
    char bytes[READ_BYTES];
    ssize_t got = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        take_bytes(crowd, client, bytes, (size_t)got, clock_monotonic_us());
    if (got <= 0)
        end_client(client, CROWD_CUT);
    else if (client->end == CROWD_COMPLETE)
        end_client(client, CROWD_COMPLETE);
}

static void *read_all(void *arg)
{
    struct crowd *crowd = arg;
    struct epoll_event events[EVENTS_AT_A_TIME];
    for (;;) {
        int count = epoll_wait(crowd->epoll, events, EVENTS_AT_A_TIME, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                return NULL;
            pthread_mutex_lock(&crowd->mutex);
            read_client(crowd, events[i].data.ptr);
            pthread_mutex_unlock(&crowd->mutex);
        }
    }
}

/* -------------------- open and close -------------------- */

static void watch(struct crowd *crowd, int fd, struct client *client)
{
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, fd, &wish) != 0)
        panic("epoll_ctl: %s", strerror(errno));
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct crowd *crowd_open(const struct site *site, const struct crowd_options *options)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    ENSURE(crowd != NULL);
    raise_descriptor_limit();
    crowd->options = *options;
    crowd->clients = calloc(options->clients, sizeof(*crowd->clients));
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->stop = eventfd(0, EFD_CLOEXEC);
    ENSURE(crowd->clients != NULL && crowd->epoll >= 0 && crowd->stop >= 0);
    pthread_mutex_init(&crowd->mutex, NULL);
    watch(crowd, crowd->stop, NULL);
    ENSURE(pthread_create(&crowd->thread, NULL, read_all, crowd) == 0);

    OWNED char *request = text_printf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", options->path);
    for (size_t i = 0; i < options->clients; i++) {
        struct client *client = &crowd->clients[i];
        pthread_mutex_lock(&crowd->mutex);
        client->arrived_us = calloc(options->pieces + 1, sizeof(*client->arrived_us));
        ENSURE(client->arrived_us != NULL);
        client->fd = raw_request(site, request);
        watch(crowd, client->fd, client);
        pthread_mutex_unlock(&crowd->mutex);
    }
    return crowd;
}

void crowd_close(struct crowd *crowd)
{
    if (crowd == NULL)
        return;
    const uint64_t one = 1;
    ENSURE(write(crowd->stop, &one, sizeof(one)) == sizeof(one));
    pthread_join(crowd->thread, NULL);
    for (size_t i = 0; i < crowd->options.clients; i++) {
        struct client *client = &crowd->clients[i];
        if (client->fd >= 0)
            close(client->fd);
        buffer_fini(&client->line);
        buffer_fini(&client->head);
        buffer_fini(&client->body);
        free(client->arrived_us);
    }
    close(crowd->stop);
    close(crowd->epoll);
    pthread_mutex_destroy(&crowd->mutex);
    free(crowd->clients);
    free(crowd);
}

/* -------------------- looking -------------------- */

struct wish {
    struct crowd *crowd;
    size_t pieces;
};

static bool all_have(void *arg)
{
    const struct wish *wish = arg;
    bool all = true;
    pthread_mutex_lock(&wish->crowd->mutex);
    for (size_t i = 0; i < wish->crowd->options.clients && all; i++)
        all = wish->crowd->clients[i].end != CROWD_OPEN || wish->crowd->clients[i].pieces >= wish->pieces;
    pthread_mutex_unlock(&wish->crowd->mutex);
    return all;
}

bool crowd_wait_pieces(struct crowd *crowd, size_t pieces, int timeout_ms)
{
    return wait_until(all_have, &(struct wish){crowd, pieces}, timeout_ms);
}

bool crowd_wait_end(struct crowd *crowd, int timeout_ms)
{
    return wait_until(all_have, &(struct wish){crowd, SIZE_MAX}, timeout_ms);
}

static int status_of(const struct client *client)
{
    return client->head.length > 12 ? atoi(client->head.data + strlen("HTTP/1.1 ")) : 0;
}

struct crowd_tally crowd_tally(struct crowd *crowd)
{
    struct crowd_tally tally = {0};
    pthread_mutex_lock(&crowd->mutex);
    for (size_t i = 0; i < crowd->options.clients; i++) {
        const struct client *client = &crowd->clients[i];
        tally.open += client->end == CROWD_OPEN;
        tally.complete += client->end == CROWD_COMPLETE;
        tally.cut += client->end == CROWD_CUT;
        tally.false_complete += client->end == CROWD_COMPLETE && client->pieces < crowd->options.pieces;
        tally.not_ok += client->head.length > 0 && status_of(client) != 200;
    }
    pthread_mutex_unlock(&crowd->mutex);
    return tally;
}

struct crowd_client crowd_client(struct crowd *crowd, size_t index)
{
    ENSURE(index < crowd->options.clients);
    pthread_mutex_lock(&crowd->mutex);
    struct client *client = &crowd->clients[index];
    *(char *)buffer_reserve(&client->body, 1) = '\0';
    struct crowd_client copy = {client->end, status_of(client), client->pieces, client->body.data};
    pthread_mutex_unlock(&crowd->mutex);
    return copy;
}

char *crowd_cookie(struct crowd *crowd, size_t index)
{
    ENSURE(index < crowd->options.clients);
    pthread_mutex_lock(&crowd->mutex);
    const struct client *client = &crowd->clients[index];
    const char *name = client->head.length > 0 ? strstr(client->head.data, "Set-Cookie: mid=") : NULL;
    const char *value = name != NULL ? name + strlen("Set-Cookie: mid=") : NULL;
    char *copy = value != NULL ? strndup(value, strcspn(value, ";\r")) : NULL;
    pthread_mutex_unlock(&crowd->mutex);
    return copy;
}

/* -------------------- lateness -------------------- */

/* When the client's first piece was due. */
static int64_t origin_us(const struct crowd *crowd, const struct client *client)
{
    int64_t origin = INT64_MAX;
    for (size_t i = 0; i < client->pieces; i++) {
        int64_t first_us = client->arrived_us[i] - (int64_t)i * crowd->options.interval_us;
        origin = first_us < origin ? first_us : origin;
    }
    return origin;
}

static void add_lateness(const struct crowd *crowd, const struct client *client, int64_t from_us, int64_t to_us,
                         struct buffer *lateness)
{
    if (client->end == CROWD_CUT || client->pieces == 0)
        return;
    int64_t origin = origin_us(crowd, client);
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < crowd->options.pieces; i++) {
        int64_t due_us = origin + (int64_t)i * crowd->options.interval_us;
        int64_t late_us = (i < client->pieces ? client->arrived_us[i] : now_us) - due_us;
        if (due_us >= from_us && due_us < to_us && due_us < now_us)
            buffer_append(lateness, &late_us, sizeof(late_us));
    }
}

static int compare_int64(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return (*a > *b) - (*a < *b);
}

int64_t crowd_lateness_p99_us(struct crowd *crowd, int64_t from_us, int64_t to_us)
{
    struct buffer lateness = {0};
    pthread_mutex_lock(&crowd->mutex);
    for (size_t i = 0; i < crowd->options.clients; i++)
        add_lateness(crowd, &crowd->clients[i], from_us, to_us, &lateness);
    pthread_mutex_unlock(&crowd->mutex);
    size_t count = lateness.length / sizeof(int64_t);
    int64_t p99 = -1;
    if (count > 0) {
        qsort(lateness.data, count, sizeof(int64_t), compare_int64);
        memcpy(&p99, lateness.data + (count - 1) * LAST_OF_A_HUNDRED / 100 * sizeof(p99), sizeof(p99));
    }
    buffer_fini(&lateness);
    return p99;
}
