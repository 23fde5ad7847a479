/*
 * The inside of struct redis_client, shared by the files of this room: the connection's states and what each needs.
 *
 *     PAUSING ----> RESOLVING ----> CONNECTING ----> READY
 *        ^  \______________________^    |              |
 *        |_______________________________|______________|      whatever goes wrong
 *
 * With Sentinels, RESOLVING begins with the question which Redis is the master (sentinel.h).
 *
 * CONNECTING lasts until Redis has answered the whole greeting (greeting.c): AUTH, HELLO, SELECT, SCRIPT LOAD of every
 * script, PING, and then TIME; HELLO and TIME it may refuse. So Redis is READY only when it serves: not while it loads
 * its data, nor with a wrong password, nor as a replica.
 *
 * A READY Redis that answers READONLY has become a replica. It is sent nothing more, and left when it has answered what
 * it was sent; the next connection may find another Redis behind the name.
 *
 * A READY Redis that lets an impatient call wait in vain is suspect until it answers a PING (suspicion.c).
 *
 * One timer serves all states: the end of the pause, the deadline of connecting, the deadline of the oldest command.
 */
#ifndef REDIS_CONNECTION_H
#define REDIS_CONNECTION_H

#include "base/buffer.h"
#include "base/list.h"
#include "redis/address.h"
#include "redis/client.h"
#include "redis/clock.h"
#include "redis/refusal.h"
#include "redis/sentinel.h"
#include "redis/server_info.h"
#include "redis/socket.h"

enum connection_state { CONNECTION_PAUSING, CONNECTION_RESOLVING, CONNECTION_CONNECTING, CONNECTION_READY };

enum { REDIS_MARK_KEY_BYTES = 24 };

struct cluster_node;
struct redis_cluster;
struct redis_durability;
struct redis_subscriber;
struct resolution;

struct redis_client {
    struct redis_options options;        /* read-only; strings are copies, but for credentials */
    struct redis_address address;        /* where Redis is; with Sentinels, the master that was last found */
    struct redis_cluster *cluster;       /* whose front this is: then it has no connection; NULL: of none */
    struct cluster_node *node;           /* of a cluster, which tells it the map; NULL: there is none */
    struct redis_subscriber *subscriber; /* whose connection this is, which carries no commands; NULL: nobody's */
    char mark_key[REDIS_MARK_KEY_BYTES]; /* the key that is written before WAIT (mark.h) */

    /* connection.c */
    enum connection_state state;
    bool is_closing;
    bool is_retired;               /* it does not connect again */
    uint64_t connection;           /* its number, of all that this process has made */
    struct redis_tls_channel *tls; /* NULL: without TLS */
    struct redis_socket socket;
    struct timer timer;
    int64_t timer_due_ms;            /* when it was to fire */
    struct resolution *resolution;   /* the one under way, or NULL; see resolve.h */
    struct redis_sentinel *sentinel; /* NULL: there is none */
    struct redis_script *scripts;
    size_t greeting_left; /* answers of the greeting that are still to come, before TIME is asked */
    struct redis_server_info server;
    bool is_replica; /* it has answered READONLY, or says so in the greeting */
    struct redis_clock clock;
    int64_t clock_asked_ms;          /* when TIME was asked, by this machine's clock */
    unsigned attempts;               /* to connect, since Redis was last ready for a while */
    unsigned failures;               /* attempts that failed since Redis was last ready */
    int64_t began_ms;                /* the outage that is going on, or the start */
    int64_t ready_ms;                /* since when, in READY */
    char failure[REDIS_REASON_SIZE]; /* why the last attempt failed */
    int64_t told_ms;                 /* when a failure was last logged */
    char told[REDIS_REASON_SIZE];    /* its reason */
    struct list waiters;             /* client.c: fibers in redis_client_wait_ready() */

    /* command.c */
    struct list pending; /* struct redis_pending by deadline, the earliest first */
    size_t pending_count;
    bool is_deadline_timer_on;
    int64_t asked_ms; /* since when a question waits that is no command of a fiber's; 0: none does */
    struct buffer request;
    struct redis_refusal_log refusals;
    struct redis_durability *durability; /* NULL: nobody has asked for any */

    /* suspicion.c */
    bool is_suspect;
    bool is_suspicion_told;    /* its beginning was logged, so its end will be */
    int64_t suspect_ms;        /* since when */
    int64_t suspicion_told_ms; /* when one was last logged */

    struct redis_counts *counts;
    struct redis_counts own_counts;
};

/* client.c: state is READY now; wakes those who wait for it. */
void redis_client_became_ready(struct redis_client *client);

/* -------------------- connection.c -------------------- */

/* False with a reason: the Sentinels' addresses cannot be understood. redis_connection_fini() is called all the same.
 */
bool redis_connection_init(struct redis_client *client, char *reason, size_t reason_size);

/* Ends whatever goes on, for good; pending commands are called back. */
void redis_connection_fini(struct redis_client *client);

/* greeting.c: sends it. */
void redis_greeting_send(struct redis_client *client);

/* It has been answered. */
void redis_connection_became_ready(struct redis_client *client);

/* The client's one timer: what it does when it fires depends on the state then. */
void redis_connection_start_timer(struct redis_client *client, int64_t delay_ms);

/* A node that is in its cluster no more stays connected, and does not connect again; and one that is in it again. */
void redis_connection_retire(struct redis_client *client);
void redis_connection_revive(struct redis_client *client);

/* Ends the connection for a reason and arranges for the next. */
void redis_connection_drop(struct redis_client *client, const char *reason);

/* greeting.c: sends SCRIPT LOAD; the answer fills in script->sha1. */
void redis_connection_load_script(struct redis_client *client, struct redis_script *script);

/* -------------------- command.c -------------------- */

/* The timer has fired in READY. */
void redis_command_deadline(struct redis_client *client);

/* A question of the client's own has been sent (the PING of a suspicion, the map of a cluster), behind all commands:
 * its answer, too, has to come in time. It has come, or the connection has ended. */
void redis_command_note_question(struct redis_client *client);
void redis_command_note_answer(struct redis_client *client);

/* An error reply: it is counted and logged. */
void redis_command_note_error(struct redis_client *client, const struct redisReply *reply);

/* Appends the request in client->request to what leaves at the end of the turn. False when the connection is ending. */
bool redis_request_send(struct redis_client *client, redis_answer_fn *fn, void *arg);

/* -------------------- suspicion.c -------------------- */

/* The patience of a call that was sent has ended: impatient calls are refused from now on. */
void redis_suspicion_begin(struct redis_client *client, int64_t waited_ms);

/* The connection is gone: its state says more than a suspicion. */
void redis_suspicion_end(struct redis_client *client);

#endif
