/*
 * A Redis Cluster of three masters and three replicas, all real, and what the tests of it share.
 */
#ifndef INTEGRATION_REDIS_CLUSTER_SITE_H
#define INTEGRATION_REDIS_CLUSTER_SITE_H

#include "server.h"
#include "support/redis_cluster.h"

enum { READY_MS = 10000, FAILOVER_MS = 20000, KEY_BYTES = 32 };

extern struct redis_cluster_nodes cluster_site; /* a test is a process of its own */

/* `node_timeout_ms` as in struct redis_cluster_options. */
void cluster_site_start(int node_timeout_ms);
void cluster_site_end(void);

/* Of a client of it. */
struct redis_options cluster_options(void);

/* The slot of a key, and the place in the site of the node that the client sends it to. */
int slot_of(const char *key);
int place_of(const struct redis_client *client, int slot);

/* A key of the slots that the node has which was started as the master of this number. Returns `key`. */
const char *key_at(int master, char key[static KEY_BYTES]);

/* A command to the node itself, which has to be answered with OK. */
MID_FORMAT(2, 3) void order(int node, const char *format, ...);

/* A slot begins to move from one node to the other, a key of it does, and it has moved. */
void slot_begin(int slot, int from, int to);
void slot_move_key(const char *key, int from, int to);
void slot_end(int slot, int from, int to);

/* How each node sees the cluster, and its log. To standard output: the log of the test may have taken the other one. */
void cluster_site_print(void);

/* Suspends until the client sends the slot there, and serves all; FAILOVER_MS at most, then the test fails. */
MAY_SUSPEND void await_owner(struct redis_client *client, int slot, int place);

long long redirections(const struct redis_client *client);

/* Fibers that write while something happens, until `is_over`; each counts itself among the writers. */
extern struct cluster_load {
    struct redis_client *client;
    bool is_over;
    int sent, failed;
    int failed_elsewhere; /* of keys that the failover does not concern */
    int64_t first_failure_ms, last_failure_ms;
    int writers;
} cluster_load;

/* Ends them, and tells what they met. */
MAY_SUSPEND void cluster_load_end(const char *what);

#endif
