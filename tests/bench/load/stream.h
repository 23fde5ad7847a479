/*
 * One stream of the load client: a connection, the response on it, and when its events came.
 *
 *     WAITING -> OPENING (connecting, or no event yet) -> OPEN -> one of the ends
 *
 * COMPLETE   the event "end", then the end of the chunked coding, and as many events as were asked for
 * TRUNCATED  the connection ended before that, or an event "failed" said that it will
 * ENDED      the event "session-ended" said that the session has
 * FAILED     no stream at all: not connected, another status than 200, or not HTTP
 * HELD       still open when we closed it, as we were asked to
 */
#ifndef LOAD_STREAM_H
#define LOAD_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "response.h"

enum stream_state {
    STREAM_WAITING,
    STREAM_OPENING,
    STREAM_OPEN,
    STREAM_COMPLETE,
    STREAM_TRUNCATED,
    STREAM_ENDED,
    STREAM_FAILED,
    STREAM_HELD,
    STREAM_STATES,
};

struct stream {
    enum stream_state state;
    int fd; /* -1 while there is none */
    struct response response;
    struct events events;
    int64_t interval_us;
    int64_t read_at_us;   /* when the bytes at hand were read */
    int64_t opened_at_us; /* connect() */
    int64_t event_at_us;  /* the arrival of the last event, of any kind */
    int64_t first_at_us;  /* the arrival of the first numbered event */
    int64_t first_id;
    int64_t last_id;
    unsigned received;    /* numbered events */
    unsigned misnumbered; /* of these, how many did not have the id of their predecessor plus one */
    bool saw_end;
    bool saw_error;
    bool saw_session_end;
    int32_t *deviation_us; /* see lateness.h; heap, the stream's own */
    unsigned deviation_capacity;
};

void stream_init(struct stream *stream, int64_t interval_us);

/*
 * Connects, from the loopback address 127.0.0.`source` when the server is on loopback. A stream that cannot is FAILED
 * at once.
 */
void stream_open(struct stream *stream, const struct sockaddr_in *server, unsigned source, int64_t now_us);

/* The connection is there: sends the request. `cookie` may be NULL. */
void stream_request(struct stream *stream, const char *path, const char *cookie);

/* Reads what there is. Afterwards the stream may be at one of its ends, and then has no descriptor any more. */
void stream_read(struct stream *stream, int64_t now_us);

/* Closes the connection and makes `state` the stream's end. */
void stream_close(struct stream *stream, enum stream_state state);

bool stream_is_over(const struct stream *stream);

void stream_fini(struct stream *stream);

#endif
