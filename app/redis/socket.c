/* One connection to one Redis server. See socket.h. */
#include "redis/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/counter.h"
#include "base/panic.h"
#include "redis/connect.h"

enum {
    READ_EVENTS = EPOLLIN | EPOLLRDHUP,
    READ_BYTES = 16 * 1024,
    OUTPUT_KEPT_BYTES = 64 * 1024, /* a bigger one is given back when it was sent */
};

static bool is_open(const struct redis_socket *socket)
{
    return socket->watch.fd >= 0;
}

/* -------------------- the end -------------------- */

/* The output may hold the password. */
static void drop_output(struct redis_socket *socket)
{
    if (socket->output.data != NULL)
        explicit_bzero(socket->output.data, socket->output.length);
    buffer_fini(&socket->output);
    socket->sent = 0;
}

/* What belongs to the connection goes before anybody is called, who may look whether there is one. */
static void end_now(struct redis_socket *socket)
{
    watch_stop(&socket->watch);
    list_remove(&socket->flush.link);
    close(socket->watch.fd);
    socket->watch.fd = -1;
    redisReaderFree(socket->reader);
    socket->reader = NULL;
    drop_output(socket);

    struct waiting_answer waiting;
    while (answer_queue_take(&socket->queue, &waiting))
        waiting.fn(waiting.arg, NULL);
    answer_queue_fini(&socket->queue);
    socket->is_closing = false;
    socket->on_gone(socket->owner, socket->reason);
}

void redis_socket_close(struct redis_socket *socket, const char *reason)
{
    if (!is_open(socket) || socket->is_closing)
        return;
    snprintf(socket->reason, sizeof(socket->reason), "%s", reason);
    socket->is_closing = true;
    if (!socket->is_answering)
        end_now(socket);
}

/* -------------------- sending -------------------- */

static void set_watched(struct redis_socket *socket, uint32_t events)
{
    if (socket->watched == events)
        return;
    socket->watched = events;
    ENSURE(watch_change(&socket->watch, events));
}

/* All was sent. */
static void reset_output(struct redis_socket *socket)
{
    if (socket->is_first || socket->output.capacity > OUTPUT_KEPT_BYTES)
        drop_output(socket);
    socket->is_first = false;
    socket->output.length = socket->sent = 0;
    set_watched(socket, READ_EVENTS);
}

static void write_output(struct redis_socket *socket)
{
    struct buffer *output = &socket->output;
    counter_add(socket->writes, 1);
    ssize_t bytes = send(socket->watch.fd, output->data + socket->sent, output->length - socket->sent, MSG_NOSIGNAL);
    if (bytes < 0 && errno != EAGAIN && errno != EINTR) {
        redis_socket_close(socket, strerror(errno));
        return;
    }
    if (bytes > 0)
        socket->sent += (size_t)bytes;
    if (socket->sent == output->length)
        reset_output(socket);
    else
        set_watched(socket, READ_EVENTS | EPOLLOUT);
}

static bool has_output(const struct redis_socket *socket)
{
    return socket->sent < socket->output.length;
}

static void on_flush(void *arg)
{
    struct redis_socket *socket = arg;
    bool is_watched = (socket->watched & (uint32_t)EPOLLOUT) != 0;
    if (is_open(socket) && !is_watched && has_output(socket))
        write_output(socket);
}

/* The output grows without leaving a copy of the password behind. */
static void grow_output(struct redis_socket *socket, size_t bytes)
{
    size_t unsent = socket->output.length - socket->sent;
    struct buffer larger = {0};
    buffer_reserve(&larger, 2 * (unsent + bytes));
    if (unsent > 0)
        buffer_append(&larger, socket->output.data + socket->sent, unsent);
    drop_output(socket);
    socket->output = larger;
}

bool redis_socket_send(struct redis_socket *socket, const struct buffer *request, redis_answer_fn *fn, void *arg)
{
    if (!is_open(socket) || socket->is_closing)
        return false;
    answer_queue_append(&socket->queue, fn, arg);
    if (socket->is_first && socket->output.capacity - socket->output.length < request->length)
        grow_output(socket, request->length);
    buffer_append(&socket->output, request->data, request->length);
    loop_request_flush(&socket->flush);
    return true;
}

/* -------------------- answers -------------------- */

/* An error that comes unasked is a sentence: why Redis takes no client. */
static void refuse_unasked(struct redis_socket *socket, const redisReply *reply)
{
    redis_socket_close(socket, reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                : "Redis sent an answer that nobody had asked for");
}

static void take_answer(struct redis_socket *socket, const redisReply *reply)
{
    struct waiting_answer waiting;
    if (answer_queue_take(&socket->queue, &waiting))
        waiting.fn(waiting.arg, reply);
    else
        refuse_unasked(socket, reply);
}

/* Hands out the answers that are complete. */
static void take_answers(struct redis_socket *socket)
{
    void *reply = NULL;
    socket->is_answering = true;
    while (!socket->is_closing) {
        if (redisReaderGetReply(socket->reader, &reply) != REDIS_OK)
            redis_socket_close(socket, socket->reader->errstr);
        if (reply == NULL)
            break;
        take_answer(socket, reply);
        freeReplyObject(reply);
        reply = NULL;
    }
    socket->is_answering = false;
    if (socket->is_closing)
        end_now(socket);
}

/* Level-triggered: what does not fit is told again. */
static void read_answers(struct redis_socket *socket)
{
    char bytes[READ_BYTES];
    ssize_t count = recv(socket->watch.fd, bytes, sizeof(bytes), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0)
        redis_socket_close(socket, count == 0 ? "Redis closed the connection" : strerror(errno));
    else if (redisReaderFeed(socket->reader, bytes, (size_t)count) != REDIS_OK)
        redis_socket_close(socket, socket->reader->errstr);
    else
        take_answers(socket);
}

/* -------------------- what the loop reports -------------------- */

/* False: it failed, and the connection has ended. */
static bool finish_connecting(struct redis_socket *socket)
{
    int error = 0;
    socklen_t size = sizeof(error);
    socket->is_connecting = false;
    ENSURE(getsockopt(socket->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error == 0)
        return true;
    redis_socket_close(socket, strerror(error));
    return false;
}

static void on_event(struct watch *watch, uint32_t events)
{
    struct redis_socket *socket = LIST_ELEMENT(watch, struct redis_socket, watch);
    if (!is_open(socket) || (socket->is_connecting && !finish_connecting(socket)))
        return;
    if (events & ~(uint32_t)EPOLLOUT)
        read_answers(socket);
    if (is_open(socket) && (events & EPOLLOUT)) {
        if (has_output(socket))
            write_output(socket);
        else
            set_watched(socket, READ_EVENTS);
    }
}

/* -------------------- life -------------------- */

void redis_socket_init(struct redis_socket *socket, redis_gone_fn *on_gone, void *owner, uint64_t *writes)
{
    *socket = (struct redis_socket){.watch = {.fd = -1}, .on_gone = on_gone, .owner = owner, .writes = writes};
    flush_init(&socket->flush, on_flush, socket);
}

bool redis_socket_open(struct redis_socket *socket, const struct redis_address *address, char *reason,
                       size_t reason_size)
{
    ENSURE(!is_open(socket));
    int fd = redis_connect(address, reason, reason_size);
    if (fd < 0)
        return false;
    if (!watch_start(&socket->watch, fd, READ_EVENTS | EPOLLOUT, on_event)) {
        snprintf(reason, reason_size, "cannot watch the connection: %s", strerror(errno));
        close(fd);
        socket->watch.fd = -1;
        return false;
    }
    socket->watched = READ_EVENTS | EPOLLOUT;
    socket->reader = redisReaderCreate();
    if (socket->reader == NULL)
        panic("out of memory for a connection to Redis");
    socket->is_connecting = socket->is_first = true;
    return true;
}
