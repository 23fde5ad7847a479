/*
 * Redis servers and Sentinels that a test starts itself, at ports of 127.0.0.1 and in a directory of its own. They end
 * with the test's process.
 */
#ifndef SUPPORT_REDIS_NODE_H
#define SUPPORT_REDIS_NODE_H

#include <stdbool.h>
#include <sys/types.h>

/* A port that nobody uses, and nobody but a server will get while this process lives. */
int redis_node_port(void);

/* Starts a Redis that keeps nothing on disk; a replica of the one at `master_port`, unless that is 0. Its log is
 * node-PORT.log. It may not accept connections yet. */
pid_t redis_node_start(const char *directory, int port, int master_port);

/* Whether the server at the port answers the command with a text that has all of these words in it. */
bool redis_node_says(int port, const char *command, const char *const words[]);

/* Whether the replica at *(int *)port has what its master has; for wait_until(). */
bool redis_node_is_in_step(void *port);

/* Starts a Sentinel that watches the master "ours", which is down when two of them have not heard of it for so long.
 * `more` are further lines of its configuration; with "tls-" in them, it speaks TLS at the port. */
pid_t redis_sentinel_start(const char *directory, int port, int master_port, int down_after_ms, const char *more);

/* Whether the Sentinel at *(int *)port knows two other Sentinels, and a replica that it would promote; for
 * wait_until(). */
bool redis_sentinel_knows_all(void *port);

/* The port of the master, as the Sentinel says; 0: it says nothing. */
int redis_sentinel_master(int port);

#endif
