/*
 * One command on its way: the record between redis_command(), on the fiber, and Redis's answer, on the loop.
 *
 * An answer always comes: a connection that ends answers whoever waits with NULL, and a deadline ends the
 * connection. A fiber whose patience ends earlier leaves the record behind, which then belongs to the answer alone.
 * Records are used again, so a command costs no allocation of ours.
 */
#ifndef REDIS_COMMAND_H
#define REDIS_COMMAND_H

#include "redis/connection.h"

/*
 * What is to be sent: a command, or a script with its key.
 *
 * To a node of a cluster a script is sent with a second key, of the same slot, which never exists. Scripts make other
 * keys from their first one, and while a slot is on its way to another node some of those are here and some there. With
 * a key that is nowhere, Redis carries out no script in such a slot (TRYAGAIN), rather than half of it.
 */
struct redis_invocation {
    struct redis_script *script; /* NULL: a command */
    const char *key;             /* of the script, NUL-terminated */
    size_t count;
    const struct redis_argument *arguments; /* behind the key, or the whole command */
};

/* Sends it on this connection, of which it is known that it has the key, and suspends until the answer. */
MAY_SUSPEND MID_CHECK enum mid_error
redis_invocation_run(struct redis_client *client, const struct redis_invocation *invocation, struct redis_call *call);

struct redis_pending {
    struct list link; /* in client->pending */
    struct redis_client *client;
    struct fiber *fiber;
    struct redis_call *call;            /* NULL: nobody waits any more */
    const struct redis_invocation *run; /* what to send as EVAL on NOSCRIPT; NULL: a plain command, or sent already */
    int64_t deadline_ms;
    int64_t begun_us;
    enum mid_error result;
    bool is_answered;
};

/* May the call be sent now? MID_OK, MID_UNAVAILABLE or MID_OVERLOADED. */
MAY_SUSPEND enum mid_error redis_command_admit(struct redis_client *client, struct redis_call *call);

/* Sends the request in client->request and suspends until its answer. `run` as in struct redis_pending. */
MAY_SUSPEND enum mid_error redis_command_await(struct redis_client *client, struct redis_call *call,
                                               const struct redis_invocation *run);

/* Sends the request in client->request as the next step of a command that was answered. False when it cannot leave. */
bool redis_command_resend(struct redis_pending *pending);

/* Redis has been found to be a replica: it is left when it has answered what it was sent. */
void redis_command_note_replica(struct redis_client *client);

/* script.c: the script's command into client->request. */
void redis_script_format(struct redis_client *client, const struct redis_invocation *run);

/* script.c: on NOSCRIPT. True when the command is under way again as EVAL. */
bool redis_script_heal(struct redis_pending *pending);

/* Gives the script its text; see redis_client_add_script(). */
void redis_script_compose(struct redis_script *script, enum redis_script_kind kind, const char *const parts[]);

#endif
