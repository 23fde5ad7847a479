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
#include "redis/tls.h"

enum {
    READ_EVENTS = EPOLLIN | EPOLLRDHUP,
    READ_BYTES = 16 * 1024,
    ELEMENTS_MAX = 1 << 20,        /* of an array in an answer */
    OUTPUT_KEPT_BYTES = 64 * 1024, /* a bigger one is given back when it was sent */
};

static redisReplyObjectFunctions usual; /* hiredis's own */

static bool is_closed(const struct redis_socket *socket)
{
    return socket->state == REDIS_SOCKET_CLOSED;
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
    if (socket->tls != NULL)
        redis_tls_end(socket->tls);
    close(socket->watch.fd);
    socket->state = REDIS_SOCKET_CLOSED;
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
    if (is_closed(socket) || socket->is_closing)
        return;
    snprintf(socket->reason, sizeof(socket->reason), "%s", reason);
    socket->is_closing = true;
    if (!socket->is_answering)
        end_now(socket);
}

/* -------------------- bytes, in clear or by TLS -------------------- */

static void set_watched(struct redis_socket *socket, uint32_t events)
{
    if (socket->watched == events)
        return;
    socket->watched = events;
    ENSURE(watch_change(&socket->watch, events));
}

/* Of a call that moved `count` bytes if it is DONE. 0: none now; -1: the connection has ended. */
static ssize_t take_tls_result(struct redis_socket *socket, enum redis_tls_result result, size_t count)
{
    switch (result) {
    case REDIS_TLS_DONE:
        return (ssize_t)count;
    case REDIS_TLS_WANTS_READ:
        return 0;
    case REDIS_TLS_WANTS_WRITE:
        set_watched(socket, READ_EVENTS | EPOLLOUT);
        return 0;
    case REDIS_TLS_CLOSED:
        redis_socket_close(socket, "Redis closed the connection");
        return -1;
    case REDIS_TLS_FAILED:
        break;
    }
    redis_socket_close(socket, redis_tls_reason(socket->tls));
    return -1;
}

/* Without TLS; a server that expects it ends the connection without a word. */
static void lose(struct redis_socket *socket, const char *what)
{
    char reason[REDIS_REASON_SIZE];
    snprintf(reason, sizeof(reason), socket->has_received ? "%s" : "%s before an answer (does Redis expect TLS?)",
             what);
    redis_socket_close(socket, reason);
}

static ssize_t take_result(struct redis_socket *socket, ssize_t count)
{
    if (count >= 0)
        return count;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    lose(socket, strerror(errno));
    return -1;
}

/* How many bytes came; 0: none now; -1: the connection has ended. */
static ssize_t receive(struct redis_socket *socket, char *bytes, size_t size)
{
    if (socket->tls != NULL) {
        size_t count = 0;
        enum redis_tls_result result = redis_tls_read(socket->tls, bytes, size, &count);
        return take_tls_result(socket, result, count);
    }
    ssize_t received = recv(socket->watch.fd, bytes, size, 0);
    if (received != 0)
        return take_result(socket, received);
    lose(socket, "Redis closed the connection");
    return -1;
}

/* How many left; else as above. */
static ssize_t transmit(struct redis_socket *socket, const char *bytes, size_t size)
{
    if (socket->tls != NULL) {
        size_t count = 0;
        enum redis_tls_result result = redis_tls_write(socket->tls, bytes, size, &count);
        return take_tls_result(socket, result, count);
    }
    return take_result(socket, send(socket->watch.fd, bytes, size, MSG_NOSIGNAL));
}

/* -------------------- sending -------------------- */

/* All was sent. */
static void reset_output(struct redis_socket *socket)
{
    if (socket->is_first || socket->output.capacity > OUTPUT_KEPT_BYTES)
        drop_output(socket);
    socket->is_first = false;
    socket->output.length = socket->sent = 0;
    set_watched(socket, READ_EVENTS);
}

static bool has_output(const struct redis_socket *socket)
{
    return socket->sent < socket->output.length;
}

/* In one write, or one for each record of TLS. */
static void write_output(struct redis_socket *socket)
{
    struct buffer *output = &socket->output;
    ssize_t bytes;
    counter_add(socket->writes, 1);
    do {
        bytes = transmit(socket, output->data + socket->sent, output->length - socket->sent);
        socket->sent += bytes > 0 ? (size_t)bytes : 0;
    } while (bytes > 0 && has_output(socket) && socket->tls != NULL);
    if (bytes < 0)
        return;
    if (has_output(socket))
        set_watched(socket, READ_EVENTS | EPOLLOUT);
    else
        reset_output(socket);
}

static void on_flush(void *arg)
{
    struct redis_socket *socket = arg;
    bool is_full = (socket->watched & (uint32_t)EPOLLOUT) != 0;
    if (socket->state == REDIS_SOCKET_OPEN && !is_full && has_output(socket))
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
    if (is_closed(socket) || socket->is_closing)
        return false;
    if (fn != NULL)
        answer_queue_append(&socket->queue, fn, arg);
    if (socket->is_first && socket->output.capacity - socket->output.length < request->length)
        grow_output(socket, request->length);
    buffer_append(&socket->output, request->data, request->length);
    loop_request_flush(&socket->flush);
    return true;
}

/* -------------------- answers -------------------- */

/* An error that comes unasked is a sentence: why Redis takes no client. */
static void take_unasked(struct redis_socket *socket, const redisReply *reply)
{
    if (socket->on_unasked != NULL)
        socket->on_unasked(socket->owner, reply);
    else
        redis_socket_close(socket, reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                    : "Redis sent an answer that nobody had asked for");
}

static void take_answer(struct redis_socket *socket, const redisReply *reply)
{
    struct waiting_answer waiting;
    if (answer_queue_take(&socket->queue, &waiting))
        waiting.fn(waiting.arg, reply);
    else
        take_unasked(socket, reply);
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

/* One read, and what is in it: the rest is reported again, or it is OpenSSL that has it. */
static void read_answers(struct redis_socket *socket)
{
    char bytes[READ_BYTES];
    ssize_t count;
    do {
        count = receive(socket, bytes, sizeof(bytes));
        if (count <= 0)
            return;
        socket->has_received = true;
        if (redisReaderFeed(socket->reader, bytes, (size_t)count) == REDIS_OK)
            take_answers(socket);
        else
            redis_socket_close(socket, socket->reader->errstr);
    } while (!is_closed(socket) && socket->tls != NULL && redis_tls_has_more(socket->tls));
}

/* -------------------- what the loop reports -------------------- */

static void finish_connecting(struct redis_socket *socket)
{
    int error = 0;
    socklen_t size = sizeof(error);
    ENSURE(getsockopt(socket->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error != 0) {
        redis_socket_close(socket, strerror(error));
        return;
    }
    socket->state = socket->tls != NULL ? REDIS_SOCKET_HANDSHAKE : REDIS_SOCKET_OPEN;
    if (socket->tls != NULL)
        redis_tls_begin(socket->tls, socket->watch.fd);
}

static void shake_hands(struct redis_socket *socket)
{
    set_watched(socket, READ_EVENTS);
    if (take_tls_result(socket, redis_tls_handshake(socket->tls), 1) > 0)
        socket->state = REDIS_SOCKET_OPEN;
}

/* TLS may have to read in order to write, and the other way round. */
static void on_event(struct watch *watch, uint32_t events)
{
    struct redis_socket *socket = LIST_ELEMENT(watch, struct redis_socket, watch);
    bool is_first_event = socket->state == REDIS_SOCKET_CONNECTING || socket->state == REDIS_SOCKET_HANDSHAKE;
    if (socket->state == REDIS_SOCKET_CONNECTING)
        finish_connecting(socket);
    if (socket->state == REDIS_SOCKET_HANDSHAKE)
        shake_hands(socket);
    if (socket->state != REDIS_SOCKET_OPEN)
        return;
    set_watched(socket, READ_EVENTS | (has_output(socket) ? (uint32_t)EPOLLOUT : 0u));
    if ((events & ~(uint32_t)EPOLLOUT) || socket->tls != NULL)
        read_answers(socket);
    if (!is_closed(socket) && has_output(socket) && ((events & EPOLLOUT) || is_first_event || socket->tls != NULL))
        write_output(socket);
}

/* -------------------- life -------------------- */

void redis_socket_init(struct redis_socket *socket, struct redis_tls_channel *tls, redis_gone_fn *on_gone, void *owner,
                       uint64_t *writes)
{
    *socket = (struct redis_socket){.tls = tls, .on_gone = on_gone, .owner = owner, .writes = writes};
    flush_init(&socket->flush, on_flush, socket);
}

/* hiredis 0.14 asks for as much memory as an answer announces, and 1.x does so up to a limit of its own. */
#if HIREDIS_MAJOR >= 1
static void *make_array(const redisReadTask *task, size_t count)
#else
static void *make_array(const redisReadTask *task, int count)
#endif
{
    return count <= ELEMENTS_MAX ? usual.createArray(task, count) : NULL;
}

static redisReader *new_reader(void)
{
    static redisReplyObjectFunctions functions;
    redisReader *reader = redisReaderCreate();
    if (reader == NULL)
        panic("out of memory for a connection to Redis");
    if (functions.createArray == NULL) {
        usual = functions = *reader->fn;
        functions.createArray = make_array;
    }
    reader->fn = &functions;
    return reader;
}

bool redis_socket_open(struct redis_socket *socket, const struct redis_address *address, char *reason,
                       size_t reason_size)
{
    ENSURE(is_closed(socket));
    int fd = redis_connect(address, reason, reason_size);
    if (fd < 0)
        return false;
    if (!watch_start(&socket->watch, fd, READ_EVENTS | EPOLLOUT, on_event)) {
        snprintf(reason, reason_size, "cannot watch the connection: %s", strerror(errno));
        close(fd);
        return false;
    }
    socket->watched = READ_EVENTS | EPOLLOUT;
    socket->reader = new_reader();
    socket->state = REDIS_SOCKET_CONNECTING;
    socket->is_first = true;
    socket->has_received = false;
    return true;
}
