/* One stream: bytes become a response, its body events, and these a list of arrivals. */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"
#include "request.h"

enum { FIRST_DEVIATIONS = 8 };

void stream_init(struct stream *stream, int64_t interval_us)
{
    memset(stream, 0, sizeof(*stream));
    stream->fd = -1;
    stream->interval_us = interval_us;
    response_init(&stream->response);
    events_init(&stream->events);
}

bool stream_is_over(const struct stream *stream)
{
    return stream->state >= STREAM_COMPLETE;
}

void stream_close(struct stream *stream, enum stream_state state)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    stream->state = state;
}

/* One source address has about 28,000 ports towards one server. The port is chosen at connect(), not here. */
static void bind_source(int fd, unsigned source)
{
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + source)};
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        fprintf(stderr, "streams: cannot bind to 127.0.0.%u: %s\n", source, strerror(errno));
}

void stream_open(struct stream *stream, const struct sockaddr_in *server, unsigned source, int64_t now_us)
{
    stream->opened_at_us = now_us;
    stream->state = STREAM_OPENING;
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ENSURE(stream->fd >= 0);
    if (ntohl(server->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
        bind_source(stream->fd, source);
    if (connect(stream->fd, (const struct sockaddr *)server, sizeof(*server)) != 0 && errno != EINPROGRESS)
        stream_close(stream, STREAM_FAILED);
}

void stream_request(struct stream *stream, const char *path, const char *cookie)
{
    if (!request_send(stream->fd, &(struct request){.method = "GET", .path = path, .cookie = cookie}))
        stream_close(stream, STREAM_FAILED);
}

static void keep_deviation(struct stream *stream, int64_t deviation_us)
{
    if (stream->received == stream->deviation_capacity) {
        stream->deviation_capacity =
            stream->deviation_capacity == 0 ? FIRST_DEVIATIONS : stream->deviation_capacity * 2;
        stream->deviation_us =
            realloc(stream->deviation_us, stream->deviation_capacity * sizeof(stream->deviation_us[0]));
        ENSURE(stream->deviation_us != NULL);
    }
    if (deviation_us > INT32_MAX)
        deviation_us = INT32_MAX;
    if (deviation_us < INT32_MIN)
        deviation_us = INT32_MIN;
    stream->deviation_us[stream->received] = (int32_t)deviation_us;
}

/* Which event of the schedule this is: by its id, so that a lost one does not make all later ones look late. */
static int64_t schedule_index(const struct stream *stream, int64_t id)
{
    return id > stream->last_id ? id - stream->first_id : (int64_t)stream->received;
}

static void take_numbered(struct stream *stream, int64_t id)
{
    if (stream->received == 0) {
        stream->first_at_us = stream->read_at_us;
        stream->first_id = stream->last_id = id;
    } else if (id != stream->last_id + 1) {
        stream->misnumbered++;
    }
    int64_t due_us = stream->first_at_us + schedule_index(stream, id) * stream->interval_us;
    keep_deviation(stream, stream->read_at_us - due_us);
    stream->last_id = id;
    stream->received++;
}

static void take_event(const struct event *event, void *arg)
{
    struct stream *stream = arg;
    stream->state = STREAM_OPEN;
    stream->event_at_us = stream->read_at_us;
    if (strcmp(event->name, "end") == 0)
        stream->saw_end = true;
    else if (strcmp(event->name, "session-ended") == 0)
        stream->saw_session_end = true;
    else if (strcmp(event->name, "failed") == 0)
        stream->saw_error = true;
    else if (event->has_id)
        take_numbered(stream, event->id);
}

static void take_body(const char *data, size_t bytes, void *arg)
{
    struct stream *stream = arg;
    if (stream->response.status == 200)
        events_feed(&stream->events, data, bytes, take_event, stream);
}

static void cut(struct stream *stream)
{
    if (stream->saw_session_end)
        stream_close(stream, STREAM_ENDED);
    else
        stream_close(stream, stream->state == STREAM_OPEN ? STREAM_TRUNCATED : STREAM_FAILED);
}

static void take_bytes(struct stream *stream, const char *data, size_t bytes)
{
    static const struct response_reader reader = {.on_body = take_body};
    switch (response_feed(&stream->response, data, bytes, &reader, stream)) {
    case RESPONSE_MORE:
        break;
    case RESPONSE_BROKEN:
        cut(stream);
        break;
    case RESPONSE_COMPLETE:
        if (stream->response.status == 200 && stream->response.is_chunked && stream->saw_end && !stream->saw_error)
            stream_close(stream, STREAM_COMPLETE);
        else
            cut(stream);
        break;
    }
}

void stream_read(struct stream *stream, int64_t now_us)
{
    stream->read_at_us = now_us;
    while (stream->fd >= 0) {
        char data[4096];
        ssize_t got = recv(stream->fd, data, sizeof(data), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            cut(stream);
            return;
        }
        take_bytes(stream, data, (size_t)got);
        if ((size_t)got < sizeof(data))
            return; /* level-triggered: what came meanwhile is reported again */
    }
}

void stream_fini(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    free(stream->deviation_us);
    stream->deviation_us = NULL;
}
