/*
 * What the admin process does: a small HTTP/1.1 server, a request a connection, for whoever measures and probes.
 *
 *     GET /metrics   all metrics, in Prometheus's text format 0.0.4
 *     GET /live      200 while the master lives
 *     GET /ready     200 when there is a worker that responds and has Redis; 503 and what is missing otherwise
 */
#ifndef MASTER_ADMIN_HTTP_H
#define MASTER_ADMIN_HTTP_H

/* Serves the listening, non-blocking socket for as long as this process lives, which has no loop yet. */
_Noreturn void admin_serve(int listen_fd);

#endif
