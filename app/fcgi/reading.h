/*
 * Reading a request from its connection: what libfcgi gets, what stays in the socket until the request has ended, and
 * what becomes of a request that does not arrive. Between connection.c and reading.c; connection_read() and
 * connection_read_away() are in connection.h.
 */
#ifndef FCGI_READING_H
#define FCGI_READING_H

#include <sys/types.h>

#include "fcgi/connection.h"

/* Takes out of the socket what connection_read() has handed on. */
void reading_take_away(struct connection *connection);

/* Takes some bytes out of the socket that nobody has looked at. As recv(2), without waiting. */
ssize_t reading_discard(struct connection *connection);

/* Whether the web server has given up the request (ABORT_REQUEST, 5.4), which is complete and is being answered. */
bool reading_finds_abort(struct connection *connection);

#endif
