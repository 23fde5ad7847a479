/*
 * One FastCGI request: libfcgi reads it, and its response leaves as records of our own.
 *
 * libfcgi holds 19 KiB for a request, far too much for a response that waits for hours. Its part ends when the response
 * begins: fcgi_request_release() gives its buffers back, and what follows are STDOUT records and END_REQUEST, each
 * response or piece of a stream in one system call.
 */
#ifndef FCGI_REQUEST_H
#define FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "fcgi/connection.h"
#include "midstream.h"

struct fcgi_request {
    struct connection *connection;
    bool has_buffers; /* libfcgi's, which are in use: connection->libfcgi */
};

/* The most parts that fcgi_request_send() takes. */
enum { FCGI_PARTS_MAX = 4 };

/* Once per process. */
void fcgi_init(void);

/* Reads the parameters of the connection's next request. May suspend. False: there is none, and nothing to release. */
MAY_SUSPEND bool fcgi_request_accept(struct fcgi_request *request, struct connection *connection);

/* "NAME=value" strings, ended by NULL. They live until fcgi_request_release(). */
char **fcgi_request_params(const struct fcgi_request *request);

/* Body bytes, as many as have come, up to `size`; waits for the first. 0 at its end, at the end of the connection
 * (connection->is_gone then), and when nothing came in time (has_timed_out). May suspend. Before
 * fcgi_request_release(). */
MAY_SUSPEND size_t fcgi_request_read(struct fcgi_request *request, void *buffer, size_t size);

/* Gives libfcgi's memory back, the parameters included. Idempotent. */
void fcgi_request_release(struct fcgi_request *request);

/*
 * Sends the parts as STDOUT; with `is_last`, END_REQUEST behind them. One system call where the peer takes it all. May
 * suspend; errors as connection_send().
 */
MAY_SUSPEND MID_CHECK enum mid_error fcgi_request_send(struct fcgi_request *request, const struct iovec parts[],
                                                       int count, bool is_last);

#endif
