/*
 * A Redis Cluster that a test starts itself: servers at ports of 127.0.0.1, in a directory of its own. They end with
 * the test's process.
 *
 * Every node is started with a nodes.conf that names all of them, so that they need not meet. Redis takes writes two
 * seconds after the start of a master at the earliest (CLUSTER_WRITABLE_DELAY).
 */
#ifndef SUPPORT_REDIS_CLUSTER_H
#define SUPPORT_REDIS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CLUSTER_NODES_MAX = 12 };

struct redis_cluster_options {
    const char *directory; /* exists, and is the caller's */
    int masters;           /* the slots are shared out among them evenly */
    int replicas;          /* of each master */
    int node_timeout_ms;   /* cluster-node-timeout; 0: one that a busy machine does not reach */
    bool has_tls;          /* they speak TLS with each other and at tls_ports, as `more` says; and at ports without */
    const char *more;      /* further lines of the configuration of each node; NULL: none */
};

struct redis_cluster_nodes {
    int count;
    int masters; /* the first so many */
    int ports[CLUSTER_NODES_MAX];
    int bus_ports[CLUSTER_NODES_MAX];
    int tls_ports[CLUSTER_NODES_MAX]; /* 0: without */
    pid_t pids[CLUSTER_NODES_MAX];
    char directory[128];
    char more[1024];
    int node_timeout_ms;
    char url[256]; /* as the setting redis takes it */
};

/* Returns when the cluster takes writes, and the replicas have what their masters have. */
void redis_cluster_start(struct redis_cluster_nodes *nodes, const struct redis_cluster_options *options);

/* Ends a node at once, and returns when it has. */
void redis_cluster_kill(struct redis_cluster_nodes *nodes, int index);

/* Starts a node again, which has ended. */
void redis_cluster_restart(struct redis_cluster_nodes *nodes, int index);

/* Starts another one at the addresses of a node that has ended: empty, with an identifier of its own, and alone. */
void redis_cluster_replace(struct redis_cluster_nodes *nodes, int index);

/* Whether the node at `index` says so in CLUSTER NODES; for wait_until(). */
struct redis_cluster_wish {
    const struct redis_cluster_nodes *nodes;
    int index;
    const char *words;
};
bool redis_cluster_says(void *wish);

void redis_cluster_stop(struct redis_cluster_nodes *nodes);

/* The place of the node that is the master of the slot now, as the node at `asked` says; -1: nobody. */
int redis_cluster_master_of(const struct redis_cluster_nodes *nodes, int asked, int slot);

/* The identifier of a node, as CLUSTER commands want it. */
const char *redis_cluster_id(int index, char id[static 41]);

#endif
