/*
 * Streams: responses that leave piece by piece, in three formats. What handlers call is in midstream.h; this is what
 * the dispatcher and the files of this room share.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "http/request.h"

enum stream_format { STREAM_BYTES, STREAM_EVENTS, STREAM_ROWS };

/* Since the start, for metrics. */
struct stream_counts {
    uint64_t begun;
};

/* In the request's arena. */
struct stream {
    enum stream_format format;
    bool is_broken;       /* a piece went out in part: nothing can follow */
    bool has_rested;      /* its fiber's stack was trimmed */
    int early_checks;     /* one after another, before their heartbeats */
    int64_t checked_ms;   /* when it was last asked whether its session is still there */
    int64_t last_sent_ms; /* the loop's time */
    int64_t retry_ms;     /* of events: what the first piece says; 0: nothing, or it has */
};

struct stream_settings {
    int64_t heartbeat_ms; /* of silence before a heartbeat */
    size_t streams_max;   /* open at a time */
    int64_t reconnect_ms; /* the mean of what clients that are to reconnect are told */
    struct stream_counts *counts;
};

/* Once per process. */
void stream_init(const struct stream_settings *settings);

/* How many streams of this worker are open. */
size_t stream_count(void);

/* Sends the head and begins a stream of this format. Errors as mid_stream_begin(). */
MAY_SUSPEND MID_CHECK enum mid_error stream_begin(struct mid_request *rq, int status, const char *content_type,
                                                  enum stream_format format);

/* Sends a whole piece of the format. Errors as mid_stream_write(). */
MAY_SUSPEND MID_CHECK enum mid_error stream_send(struct mid_request *rq, const void *data, size_t bytes);

/* Sends the end marker of the format and the end of the response. */
MAY_SUSPEND MID_CHECK enum mid_error stream_end(struct mid_request *rq);

/* The request is over; NULL is fine. */
void stream_close(struct stream *stream);

/* -------------------- when the worker goes away -------------------- */

/* Tells the client to come back, as far as the format allows, and ends the response so that it is not taken for a
 * complete one. */
MAY_SUSPEND void stream_reconnect(struct mid_request *rq);

/* When a client that is told, or whose stream ends in another way, is to come back: a half to one and a half of the
 * setting, so that not all do at once. */
int64_t stream_retry_ms(void);

/* -------------------- failure -------------------- */

/* Sends a piece also when the stream must end. Errors as mid_stream_write(). */
MAY_SUSPEND MID_CHECK enum mid_error stream_send_last(struct mid_request *rq, const void *data, size_t bytes);

/* Says what went wrong, as far as the format and the client allow, and cuts the response. */
MAY_SUSPEND void stream_fail(struct mid_request *rq, enum mid_error error);

/* An empty buffer to format a piece in, and its return; the memory is used again for the next piece. */
struct buffer stream_take_buffer(void);
void stream_give_buffer(struct buffer *buffer);

#endif
