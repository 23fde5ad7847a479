/*
 * Redis Cluster: a connection to each master, and which of them has which slots.
 *
 *     cluster.c          which node has which slots, and whether they are served
 *     cluster_nodes.c    the nodes, and their connections
 *     cluster_watch.c    asking the nodes for the map
 *     cluster_map.c      the map as a node tells it
 *     cluster_command.c  a command on its way to the node that has its key
 *     redirection.c      what a node answers that has it no more
 *
 * Every node is a struct redis_client of its own, which knows nothing of the others; the client that the rest of the
 * program has is the cluster's front, and has no connection itself. The connection asks for the map in its greeting,
 * hence also a replica that was named as a seed tells it before it is left. Later one node after another is asked for
 * it: every ten seconds; while slots are not served or a redirection was met, after 50 ms, and 100 and 250 ms when that
 * brings nothing new.
 *
 * Nodes may disagree, as Sentinels may: a map counts only if its epoch is not older than that of the last one, and it
 * names one of the same nodes, which another cluster's at an address of ours would not; or if nothing else was said for
 * half a minute. The epoch grows with every failover. A node may have heard of it before it has heard of the new
 * master: what is wrong in its map is put right by MOVED.
 *
 * A node that is in the map no more is retired: it answers what it was sent, and is freed when no call can hold it.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */
#ifndef REDIS_CLUSTER_H
#define REDIS_CLUSTER_H

#include "redis/connection.h"
#include "redis/redirection.h"
#include "redis/slot.h"

enum {
    REDIS_SEEDS_MAX = 8,
    CLUSTER_SOONEST_MS = 50, /* between two questions for the map, after a change */
};

struct cluster_map;
struct redis_invocation;

struct cluster_node {
    struct list link; /* in cluster->nodes, or in cluster->retired */
    struct redis_cluster *cluster;
    struct redis_address address;
    struct redis_client *client; /* NULL: nobody has needed it yet */
    size_t slot_count;
    int64_t retired_ms; /* since when the map does not name it; 0: it does, or is not known yet */
    int64_t epoch;      /* that it has told with its last map */
    bool is_down;       /* it has said that the cluster is, and takes no commands */
    unsigned mark;      /* the number in its client's mark_key */
};

/* What the log says of it. */
struct cluster_told {
    int64_t told_ms; /* 0: nothing yet */
    bool is_whole;
};

struct redis_cluster {
    struct redis_client *front;
    struct redis_address seeds[REDIS_SEEDS_MAX];
    size_t seed_count;
    struct list nodes;                        /* that the map names, or that may be in it */
    struct list retired;                      /* that it names no more, the oldest first */
    struct cluster_node *owners[REDIS_SLOTS]; /* NULL: nobody has the slot */
    size_t replicas;
    uint64_t *ids; /* of the nodes in the map */
    size_t id_count;
    bool has_map;
    bool is_asking;         /* for a map, since asked_ms */
    int64_t epoch;          /* of the map */
    int64_t mapped_ms;      /* when the last one was taken */
    int64_t asked_ms;       /* when one was last asked for */
    size_t questions;       /* for it, whose number decides who is asked */
    bool has_news;          /* an owner, or whether a node serves, has changed */
    int64_t pause_ms;       /* between two questions: longer when the last one has brought nothing new */
    int64_t seeds_ms;       /* when the configured addresses were last used */
    size_t seeds_used;      /* of a lazy one, which tries them one by one */
    int64_t alone_ms;       /* since when no node is connected; 0: one is */
    int64_t loop_told_ms;   /* cluster_command.c: when that was last logged */
    int64_t moving_told_ms; /* the same */
    struct timer timer;
    struct flush flush;  /* frees what is retired: a fiber of this turn may still look at it */
    struct list waiters; /* fibers that wait for any change */
    struct cluster_told told;
    bool has_other_masters; /* since then */
    int64_t partial_ms;     /* since when slots are not served; 0: all are */
    char failure[REDIS_REASON_SIZE];
};

/* Of a client's addresses. NULL with a sentence: they cannot be understood. */
struct redis_cluster *redis_cluster_new(struct redis_client *front, char *reason, size_t reason_size);
void redis_cluster_free(struct redis_cluster *cluster);

/* -------------------- cluster_nodes.c -------------------- */

/* The first one, or the one behind `node`; NULL: there is none. Not those that are retired. */
struct cluster_node *cluster_next(const struct redis_cluster *cluster, const struct cluster_node *node);
/* NOLINTBEGIN(bugprone-macro-parentheses): it declares `node` */
#define CLUSTER_EACH(cluster, node)                                                                                    \
    for (struct cluster_node *node = cluster_next(cluster, NULL); (node) != NULL; (node) = cluster_next(cluster, node))
/* NOLINTEND(bugprone-macro-parentheses) */

bool cluster_node_is_ready(const struct cluster_node *node);

/* What redis_cluster_failure() says from now on. */
void cluster_note_failure(const struct cluster_node *node, const char *reason);

/* It is connected, and has not said that the cluster takes no commands. */
bool cluster_node_serves(const struct cluster_node *node);

/* One that is connected; NULL: none is. */
struct cluster_node *cluster_find_ready(const struct redis_cluster *cluster);

/* The node at the address, which may have no connection; one that was retired is so no more. */
struct cluster_node *cluster_find_or_make(struct redis_cluster *cluster, const struct redis_address *address);

/* A connection to it, from the next turn of the loop on. */
void cluster_use(struct cluster_node *node);
void cluster_use_seeds(struct redis_cluster *cluster);

/* It answers what it was sent, and connects to nobody again. */
void cluster_retire(struct cluster_node *node);

/* Those that no call can hold any more: a call has ended by its deadline. */
void cluster_free_retired(struct redis_cluster *cluster);
void cluster_free_nodes(struct redis_cluster *cluster);

/* -------------------- between cluster.c and cluster_watch.c -------------------- */

/* All slots are served; of a lazy one, somebody can be asked. */
bool cluster_is_well(const struct redis_cluster *cluster);

/* A node has become ready or is lost, or has told something: is the front ready? */
void cluster_judge(struct redis_cluster *cluster);

/* Logs what is new about it: when slots have not been served for a while, once a minute as long as that goes on, when
 * all are served again, and when a node has become a master or is none any more. */
void cluster_tell(struct redis_cluster *cluster);

/* Whoever waits looks again, and who asks for the map may do so soon. */
void cluster_note_news(struct redis_cluster *cluster);

/* The nodes that it names are used, others retired. The map's list of ids goes to the cluster. */
void cluster_apply(struct redis_cluster *cluster, struct cluster_map *map);

void cluster_watch_begin(struct redis_cluster *cluster);
void cluster_watch_end(struct redis_cluster *cluster);

/* -------------------- for nodes -------------------- */

/* greeting.c: asks for the map on this connection. */
void redis_cluster_ask(struct cluster_node *node);

/* durability.c: its mark's slot has gone, or is going. False: there is no other slot. The map is asked for. */
bool redis_cluster_change_mark(const struct redis_client *client);

/* connection.c: it became ready, was lost, or has failed to connect. */
void redis_cluster_note_change(struct cluster_node *node);

/* -------------------- for the front -------------------- */

/* The node that has the slot; NULL: none is known. For -1, one that is connected. It stays for as long as a call may
 * take. */
struct cluster_node *redis_cluster_owner(struct redis_cluster *cluster, int slot);

/* The node at this address, which need not be in the map, and is connected to. */
struct cluster_node *redis_cluster_node_at(struct redis_cluster *cluster, const struct redis_address *address);

/* A node has said that another one has the slot. */
void redis_cluster_take_moved(struct redis_cluster *cluster, int slot, struct cluster_node *to);

/* The map seems to be old. */
void redis_cluster_refresh(struct redis_cluster *cluster);

/* Suspends until something has changed, or until then. False: the cluster is gone. */
MAY_SUSPEND bool redis_cluster_wait(struct redis_cluster *cluster, int64_t end_ms);

/* Suspends until the slot's node is connected (true), or until then. */
MAY_SUSPEND bool redis_cluster_wait_slot(struct redis_cluster *cluster, int slot, int64_t end_ms);

/* Why it does not work; "": it is not known. */
const char *redis_cluster_failure(const struct redis_cluster *cluster);

/* Those with slots, from 0; NULL: there are not so many. */
struct redis_client *redis_cluster_master(struct redis_cluster *cluster, size_t number);

/* Commands that have no answer yet, of all nodes. */
size_t redis_cluster_pending(const struct redis_cluster *cluster);

/* cluster_command.c: as redis_command(), on the node that has the key. */
MAY_SUSPEND enum mid_error redis_cluster_run(struct redis_cluster *cluster, const struct redis_invocation *invocation,
                                             struct redis_call *call);

#endif
