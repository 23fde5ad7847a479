/*
 * The Redis client of a worker: one connection, shared by all its fibers.
 *
 * Commands that fibers issue during one turn of the loop leave in one write. Connecting, authentication, script
 * loading, reconnection with jittered backoff, deadlines, suspicion and Redis's clock are this room's; a fiber sees an
 * answer or an error.
 *
 * The process has to ignore SIGPIPE: OpenSSL writes to a connection that may just have been closed.
 */
#ifndef REDIS_CLIENT_H
#define REDIS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "fiber/loop.h"
#include "midstream.h"
#include "redis/address.h"
#include "redis/auth.h"

struct redis_client;
struct redis_tls;
struct redisReply;

/* Since the start, for metrics. */
struct redis_counts {
    uint64_t commands;
    uint64_t writes;   /* turns in which commands left */
    uint64_t connects; /* connections that became ready: the first, and every reconnection */
    uint64_t disconnects;
    uint64_t connections; /* that are ready at this moment: one, or one to each master of a cluster */
    uint64_t timeouts;
    uint64_t errors;     /* error replies */
    uint64_t suspicions; /* times that it became suspect */
    uint64_t is_suspect; /* at this moment: how many connections are */
    uint64_t durability_rounds;
    uint64_t durability_failures; /* calls of which it is not known */
    uint64_t is_not_durable;      /* at this moment: of how many Redis the last round has failed */
    uint64_t redirections;        /* of a cluster: commands that a node has sent elsewhere, or told to wait */
    uint64_t unserved_slots;      /* of a cluster, at this moment: without a node, or without a connection to it */
    struct histogram latency;     /* of answered commands, from the fiber's call to the answer */
};

enum redis_topology {
    REDIS_STANDALONE,   /* or found by Sentinels */
    REDIS_CLUSTER,      /* the address lists some of its nodes */
    REDIS_CLUSTER_NODE, /* one of them, alone: redis/cluster.h */
};

struct redis_options {
    const char *address; /* "unix:/path", "host:port" or "[ipv6]:port"; of several hosts, with commas between */
    enum redis_topology topology;
    bool is_lazy;       /* of a cluster: only nodes that are needed are connected to */
    const char *master; /* its name with the Sentinels; NULL: there are none, and the address is Redis's */
    struct redis_credentials credentials;
    struct redis_credentials sentinel_credentials; /* for the Sentinels */
    int database;
    struct redis_tls *tls; /* NULL: without TLS; the caller's, and outlives the client */
    int64_t timeout_ms;    /* of a command, and of connecting */
    int64_t backoff_ms;    /* first pause before reconnecting; doubles, with jitter, up to backoff_max_ms */
    int64_t backoff_max_ms;
    size_t pending_limit;           /* commands in flight; above it MID_OVERLOADED */
    enum mid_durability durability; /* that calls will ask for; others may be asked for all the same */
    int64_t replicas;               /* how many MID_DURABLE_REPLICA means */
    struct redis_counts *counts;    /* NULL: the client's own */
    const char *use;                /* what the log says that it is for, a constant; NULL: commands */
};

/* A server-side script. Registered once at start; loaded at every connect; an emptied script cache heals by itself. */
struct redis_script {
    const char *name; /* for the log */
    char *body;       /* the client's, like what follows */
    char sha1[41];    /* filled in when Redis has loaded it */
    struct redis_script *next;
};

/* Begins to connect. Options are copied, but for credentials. NULL with the reason logged when the address cannot be
 * understood. */
struct redis_client *redis_client_new(const struct redis_options *options);

/* Pending commands report MID_UNAVAILABLE; fibers with calls that ask for durability have to be over. */
void redis_client_free(struct redis_client *client); /* NULL is fine; not from on_reply */

/*
 * What becomes of a script when Redis's memory is full (maxmemory), or takes no writes. What frees or finishes
 * something runs all the same, with Redis's flag `allow-oom`. Any other is refused at its first write that may need
 * memory; so nothing else may be written before, or Redis would let it through. What writes nothing at all runs also on
 * a Redis that takes no writes at the moment (MISCONF, NOREPLICAS), with the flag `no-writes`.
 */
enum redis_script_kind { REFUSED_WHEN_FULL, RUNS_WHEN_FULL, ONLY_READS };

/*
 * Registers a script, whose text is `parts` one after another, up to a NULL, which are copied. Its memory is the
 * caller's, and outlives the client; it may have been registered with an earlier one. Before the first turn of the
 * loop.
 */
void redis_client_add_script(struct redis_client *client, struct redis_script *script, enum redis_script_kind kind,
                             const char *const parts[]);

/* How many commands have no answer yet. */
size_t redis_client_pending(const struct redis_client *client);

/* Connected, authenticated and scripts loaded; of a cluster, to one of its nodes at least. */
bool redis_client_is_ready(const struct redis_client *client);

/*
 * The one that commands about this key, NUL-terminated, go to at the moment: the client itself, or, of a cluster, a
 * node of it, which stays for a turn of the loop. Where no node is known, the client itself, which is not connected.
 */
struct redis_client *redis_client_of(struct redis_client *client, const char *key);

/* All that have data: the client itself as number 0, or the masters of the cluster, in an order that stays as long as
 * they are the same. It stays for as long as a call may take. NULL: there are not so many. */
struct redis_client *redis_client_node(struct redis_client *client, size_t number);

/*
 * Ready, but a call's patience has ended without an answer, and no PING was answered since. Then calls that have a
 * patience_ms are refused at once, and those without are sent, and wait, as ever.
 */
bool redis_client_is_suspect(const struct redis_client *client);

/*
 * Now, in milliseconds since 1970, by Redis's clock as far as it is known; by this machine's before the first
 * connection, where Redis does not tell it, and without a client. Every node of a cluster has its own.
 */
int64_t redis_client_unix_ms(const struct redis_client *client);

/* Of a cluster: there is no connection to the node that has this key, it has said that the cluster is down, or there is
 * no such node. Others may be well. */
bool redis_client_is_away(struct redis_client *client, const char *key);

/* Suspends until ready, at most `timeout_ms`. False when the time is over, or by the function behind it. */
MAY_SUSPEND bool redis_client_wait_ready(struct redis_client *client, int64_t timeout_ms);

/* The same of what commands about this key go to. */
MAY_SUSPEND bool redis_client_wait_key(struct redis_client *client, const char *key, int64_t timeout_ms);

/* Whoever waits for it now does so no longer. */
void redis_client_release_waiters(struct redis_client *client);

/*
 * Takes what is needed out of a reply, which is gone when it returns: copies into memory that `arg` names. Runs on the
 * loop's stack, may not suspend. Error replies do not come here, nor does anything after the deadline.
 */
typedef enum mid_error redis_reply_fn(const struct redisReply *reply, void *arg);

/* One argument: bytes, binary-safe. */
struct redis_argument {
    const void *data;
    size_t bytes;
};
#define REDIS_TEXT(text) ((struct redis_argument){(text), strlen(text)})

/*
 * Sends a command and suspends until its answer; in a cluster, to the node that has its first key, or to any. The
 * arguments have to live until then; `on_reply` may be NULL. Not for
 * SUBSCRIBE, MONITOR and other commands that change what a connection is, nor for those that block (BLPOP): all fibers
 * share the connection.
 * MID_UNAVAILABLE: not connected, no answer by the deadline or the end of the call's patience, suspect (then a call
 * with patience is not sent), or Redis answered that it cannot serve now (LOADING, READONLY, OOM, MASTERDOWN,
 * CLUSTERDOWN, TRYAGAIN, BUSY, MISCONF, NOREPLICAS; nothing was carried out then): `was_sent` tells whether the command
 * may have been carried out. MID_OVERLOADED: too many commands in flight. MID_FAILED: any other error reply (a bug or a
 * wrong set-up; logged). Otherwise, what `on_reply` returned.
 */
struct redis_call {
    redis_reply_fn *on_reply;
    void *arg;
    /* Hears what an error reply says, under the same terms; NULL: nobody does. */
    void (*on_refusal)(const char *text, size_t bytes, void *arg);
    /* Give up waiting after so long, though the answer may still come, and do not even try while Redis is suspect; 0:
     * the client's timeout, or, of a cluster whose nodes change meanwhile, up to twice that. */
    int64_t patience_ms;
    /* Not MID_OK before what was answered is as durable. MID_UNAVAILABLE, with was_sent: it was carried out, and may be
     * lost. DEFAULT and MEMORY: the answer is enough; on_reply may set that when nothing was changed. */
    enum mid_durability durability;
    bool was_sent;       /* out: the command may have been carried out, though its answer did not come */
    uint64_t connection; /* out: the number of the one on which it was answered; 0: it was not */

    /* cluster_command.c */
    struct redis_redirection *redirection; /* what a node says instead of an answer; NULL: that is an error */
    bool is_asking;                        /* it follows ASK */
    bool is_late;                          /* most of its patience went elsewhere: its end says nothing of this node */
};
MAY_SUSPEND MID_CHECK enum mid_error redis_command(struct redis_client *client, size_t count,
                                                   const struct redis_argument arguments[], struct redis_call *call);

/*
 * The same for a script: EVALSHA with one key, or EVAL when Redis has lost it. `count` arguments follow the key.
 */
MAY_SUSPEND MID_CHECK enum mid_error redis_script_run(struct redis_client *client, struct redis_script *script,
                                                      const char *key, size_t count,
                                                      const struct redis_argument arguments[], struct redis_call *call);

/* The number of the connection that there is, or was last; other clients' have others. 0: there was none. */
uint64_t redis_client_connection(const struct redis_client *client);

/*
 * Waits until everything that was answered about the key on that connection before is as durable, as with
 * call->durability: MID_OK, or MID_UNAVAILABLE, also when there is another connection by now. `patience_ms` as in
 * struct redis_call.
 */
MAY_SUSPEND MID_CHECK enum mid_error redis_client_confirm(struct redis_client *client, const char *key,
                                                          enum mid_durability durability, int64_t patience_ms,
                                                          uint64_t connection);

/* Why the last attempt to connect failed; "": none has. */
const char *redis_client_failure(const struct redis_client *client);

/* Where it is, as the log names it: with Sentinels the master that was last found; of a cluster, its nodes as they were
 * configured. In `name`, or the client's own. */
const char *redis_client_name(const struct redis_client *client, char name[static REDIS_NAME_BYTES]);

/* Where the client counts. */
const struct redis_counts *redis_client_counts(const struct redis_client *client);

#endif
