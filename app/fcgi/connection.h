/*
 * A connection from the web server: its socket, and the fiber that serves it while there is a request.
 *
 * An idle connection holds no fiber. Reading goes through the record filter. What was read last stays unread in the
 * socket until the request has ended: when the process dies in the middle of a response, the kernel then resets the
 * connection, and nginx tells its client that the response is cut instead of taking the end of file for its end
 * (docs/adr/0003-crash-visibility.md).
 */
#ifndef FCGI_CONNECTION_H
#define FCGI_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/counter.h"
#include "base/list.h"
#include "fcgi/record_filter.h"
#include "fiber/loop.h"
#include "midstream.h"

struct connection;

/* Since the start, for metrics. */
struct connection_counts {
    uint64_t accepted;
    uint64_t accept_pauses;  /* no descriptor was left */
    uint64_t received_bytes; /* FastCGI's records included */
    uint64_t sent_bytes;
    uint64_t malformed;     /* ended because of what the web server sent... */
    uint64_t read_timeouts; /* ...or did not send */
};

/* What all connections of a worker share. Set before the first listener starts. */
struct connection_settings {
    /* On a fiber: answers one request. False when it has handed the connection back. */
    bool (*serve)(struct connection *connection);
    size_t params_max;
    size_t requests_max;              /* that FCGI_GET_VALUES is told */
    int64_t request_timeout_ms;       /* from a request's first byte: see connection.deadline_ms */
    int64_t read_timeout_ms;          /* of a request's next bytes */
    int64_t stall_timeout_ms;         /* of a client that takes nothing */
    struct connection_counts *counts; /* NULL: the room's own */
};

struct connection {
    struct watch watch;
    struct list link;             /* among all connections of the worker */
    struct list wait_link;        /* among those that wait for a fiber, or to be closed */
    struct FCGX_Request *libfcgi; /* of the request that is being served */
    struct fiber *waiter;         /* waits for events on the socket */
    struct record_filter filter;
    size_t unread_bytes; /* handed on, but still in the socket */
    bool has_fiber;
    bool has_news;       /* bytes have come since the request began */
    bool is_gone;        /* the peer has closed or reset, or what it sends makes no sense */
    bool peeks_onward;   /* the kernel remembers how far we have looked: reading away can wait */
    bool is_ending;      /* to be closed when the request ends: nothing more is read */
    bool is_last;        /* to be closed when the request ends, by FCGI_KEEP_CONN (5.1) */
    bool has_timed_out;  /* what belongs to the request did not come in time */
    int64_t deadline_ms; /* until when the request has to be read, on the loop's clock; -1: no limit */
    bool is_cut;         /* ended in the middle of a response */
    int64_t goodbye_ms;  /* when it was said; 0: not since the last request began */
};

void connections_init(const struct connection_settings *settings);

/* Takes the descriptor, a connected non-blocking socket; closes it when it cannot be watched. */
void connection_open(int fd);

/* The connection of a descriptor, which has to be one. */
struct connection *connection_of(int fd);

/*
 * The next bytes of the request for libfcgi, as many as there are up to `size`, which is more than
 * RECORD_FILTER_HELD_MAX. May suspend. 0: nothing will follow, because the peer has left or broke the protocol
 * (is_gone), did not send in time (has_timed_out), got its answer already (is_ending), or because there is no request
 * yet.
 */
MAY_SUSPEND size_t connection_read(struct connection *connection, void *buffer, size_t size);

/*
 * The request is over: reads away what connection_read() left in the socket, or leaves that to a later request of the
 * connection, so that most requests cost one read.
 */
void connection_read_away(struct connection *connection);

/*
 * Sends all of it, changing the vector on the way. May suspend while the peer takes nothing. MID_GONE: the peer has
 * left. MID_STALLED: it took nothing for the stall timeout.
 */
MAY_SUSPEND MID_CHECK enum mid_error connection_send(struct connection *connection, struct iovec *parts, int count);

/*
 * Ends the connection in the middle of a response, so that the web server sees that it is not complete. What was sent
 * just before may be lost with it, unless connection_await_taken() was called in between.
 */
void connection_abort(struct connection *connection);

/*
 * Suspends until the peer has read all that was sent, and a moment longer, so that it has handed it on; half a second
 * at most. nginx drops what it reads together with the end of a connection.
 */
MAY_SUSPEND void connection_await_taken(struct connection *connection);

/* Suspends until something happens on the socket, or the time is over (-1: none), or somebody else wakes the fiber.
 * False when the time is over. */
MAY_SUSPEND bool connection_wait(struct connection *connection, int64_t timeout_ms);

/*
 * From the serving fiber, when the response is over and work remains that the next request must not wait for: the
 * connection goes on without this fiber, which must not touch it any more.
 */
void connection_hand_back(struct connection *connection);

/* As they were given to connections_init(). */
const struct connection_settings *connection_settings(void);

/* Where the room counts. */
struct connection_counts *connection_counts(void);

/* No descriptor is left: asks the web server to close the connections that it keeps for later requests. */
void connections_release_idle(void);

/* How many are open, and how many of these have a fiber. */
size_t connection_count(void);
size_t connection_busy_count(void);

/*
 * The worker is going away: connections are to be closed, but not by us. nginx may just be writing a request to an idle
 * one, which would fail. Instead they get a record too many, the goodbye: nginx closes an idle connection that says
 * something, and does not use one again on which something follows END_REQUEST; a request that has crossed the goodbye
 * is served, because the record, an empty STDERR, means nothing to it (docs/adr/0008-drain.md).
 */
void connections_drain(void);

/* The goodbye to put behind END_REQUEST, when the connection has to end with this request; NULL when it goes on. */
const void *connection_take_goodbye(struct connection *connection);

/* While draining, from time to time: closes connections whose peer did not do so within a second of the goodbye. */
void connections_close_forgotten(void);

#endif
