/*
 * HTTP from a test, on libcurl: whole exchanges in one call, and streams that are read while the test does other
 * things.
 *
 * A transport error is a result (curl_code), never the end of the test: truncation is one of the things to be tested.
 * Times are from the start of the request.
 */
#ifndef SUPPORT_HTTP_H
#define SUPPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "support/cookie_jar.h"

struct http_request {
    const char *method; /* NULL: GET */
    const char *url;
    struct cookie_jar *visitor;  /* a visitor's cookies, streams' included; NULL: a visitor of one request */
    const char *const *headers;  /* "Name: value", NULL at the end; or NULL */
    const char *body;            /* NULL: none. Must outlive a stream. */
    size_t body_bytes;           /* 0: the length of the text */
    bool has_http2;              /* HTTP/2 with prior knowledge */
    int timeout_ms;              /* for the whole exchange; 0: 30 s */
    int64_t receive_bytes_per_s; /* a slow reader; 0: no limit */
    const char *unix_socket;     /* the path of the server's socket, whatever the URL's host is; or NULL */
};

struct http_response {
    int curl_code;      /* CURLE_OK (0); CURLE_PARTIAL_FILE (18), CURLE_HTTP2_STREAM (92)... for a cut response */
    const char *error;  /* libcurl's sentence for it */
    int status;         /* 0: there was none */
    int http_version;   /* 11 or 20 */
    struct buffer head; /* of the last response, with a NUL behind */
    struct buffer body; /* with a NUL behind, which `length` does not count */
    int64_t first_byte_us;
    int64_t total_us;
};

/* Sends the request and reads the whole response, which the caller gives back with http_response_fini(). */
void http_send(const struct http_request *request, struct http_response *response);
void http_response_fini(struct http_response *response);

/* The value of the response field (its `index`th occurrence, from 0) as a new text for the caller to free; or NULL. */
char *http_response_header(const struct http_response *response, const char *name, size_t index);

/* -------------------- streams -------------------- */

/* A response that is read on a thread of its own. */
struct http_stream;

/* What arrived in one piece, in terms of the body. */
struct http_piece {
    size_t offset;
    size_t bytes;
    int64_t at_us;
};

/* Called on the stream's thread for each piece; `data` is its bytes. */
typedef void http_on_piece(const struct http_piece *piece, const char *data, void *arg);

/* Starts the request, copying what it needs of it except the body. `on_piece` may be NULL. */
struct http_stream *http_stream_open(const struct http_request *request, http_on_piece *on_piece, void *arg);

/* Waits until the head is there and returns its status; 0: the stream or the time ended first. */
int http_stream_wait_head(struct http_stream *stream, int timeout_ms);

/* Waits until the body contains the text; false: the stream or the time ended first. */
bool http_stream_wait_text(struct http_stream *stream, const char *text, int timeout_ms);

/* Waits until the body has that many bytes; false as above. */
bool http_stream_wait_bytes(struct http_stream *stream, size_t bytes, int timeout_ms);

/* Waits for the end, cut or complete; false: the time ended first. */
bool http_stream_wait_end(struct http_stream *stream, int timeout_ms);

/* The number of pieces so far, and a copy of one of them. */
size_t http_stream_piece_count(struct http_stream *stream);
struct http_piece http_stream_piece(struct http_stream *stream, size_t index);

/* A copy of the body so far, for the caller to free. */
char *http_stream_body(struct http_stream *stream);

/*
 * Leaves, if the stream is still running: the connection is closed when this returns. Moves the response as far as it
 * came to `response` (NULL: dropped) and frees the stream. After leaving, its curl_code is CURLE_ABORTED_BY_CALLBACK.
 */
void http_stream_close(struct http_stream *stream, struct http_response *response);

#endif
