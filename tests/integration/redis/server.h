/*
 * A Redis of the test's own, in a new directory, and a scenario that runs on a fiber beside it.
 *
 * The server listens on a unix socket and on a free port of 127.0.0.1 and ::1; it ends with the test, however that
 * ends.
 */
#ifndef INTEGRATION_REDIS_SERVER_H
#define INTEGRATION_REDIS_SERVER_H

#include <sys/types.h>

#include "fiber/loop.h"
#include "redis/client.h"
#include "support/redis.h"

struct server {
    char directory[64];
    char socket_path[96];
    char address[104]; /* "unix:" and the path */
    int port;
    int tls_port;
    char tls_address[32]; /* by TLS, at 127.0.0.1 */
    pid_t pid;
    int replica_port;
    pid_t replica; /* 0: there is none */
};
extern struct server server; /* a test is a process of its own */

/* Chooses where it will be. Part of starting it. */
void server_make_directory(void);

/* Starts it with more arguments (at most eight, NULL at the end; or NULL), and waits until it accepts connections. */
void server_start(const char *const more[]);

/*
 * The same, and it speaks TLS at server.tls_port too: with the certificate server.pem, for localhost and its addresses,
 * of the authority ca.pem (certificates.h). It wants a certificate of ca.pem from its clients if `wants_certificates`.
 */
void server_start_with_tls(bool wants_certificates, const char *const more[]);
void server_make_certificates(void); /* before, or anew */
struct redis_tls *server_tls(void);  /* what trusts ca.pem; lives as long as the test */

/* Where quick_options() would connect, if by TCP. */
int server_port(void);

/* The whole program is run a second time with REDIS_TLS=1: quick_options() and server_start() are with TLS then. */
bool server_is_by_tls(void);

/* A replica of it, at server.replica_port of 127.0.0.1. It may not have begun to copy yet. Ends with the server. */
void server_start_replica(void);

void server_stop(int signal_number); /* and waits for its end */
void server_fini(void);              /* stops it if it runs, and removes the directory */

/*
 * The same, with the users of compose/users.acl: who asks as worker_options() say may do no more than workers there.
 * Only the user default may do everything.
 */
void server_start_with_users(const char *const more[]);
struct redis_options worker_options(void);

/* Short times, so that outages are short; the address is the unix socket, or that of TLS. */
struct redis_options quick_options(void);

/* Runs the scenario on a fiber of a new loop, until it returns and all its fibers have ended. */
void run_scenario(fiber_fn *scenario);

/* For scenarios: a client that is ready. */
MAY_SUSPEND struct redis_client *ready_client(const struct redis_options *options);

/* A command of up to eight words, NULL at the end. A string, status or integer of the answer is copied to `answer`. */
struct answer {
    char text[256];
};
MAY_SUSPEND enum mid_error ask(struct redis_client *client, struct answer *answer, bool *was_sent,
                               const char *const words[]);
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
