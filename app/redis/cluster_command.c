/*
 * A command on its way to the node that has its key. See cluster.h.
 *
 * It goes where the map says, and from there where it is sent: a node that has the slot no more answers MOVED, one that
 * is giving it away ASK, and both have carried nothing out. While a slot is on its way, scripts wait for it (TRYAGAIN:
 * see redis_invocation in command.h).
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "redis/cluster.h"
#include "redis/command.h"
#include "redis/command_key.h"

enum {
    HOPS_MAX = 8,     /* nodes that send a command from one to another: somebody's map is wrong */
    HOPS_AT_ONCE = 2, /* after so many, they are given time to agree */
    HOP_PAUSE_MS = 20,
    LATER_PAUSE_MS = 10, /* until a slot that moves is asked for again */
    HOP_LEAST_MS = 50,   /* with less time left nobody is asked again: he would be blamed for it */
    TELL_AGAIN_MS = 1000,
    TELL_MOVING_AGAIN_MS = 60000,
};

static int slot_of(const struct redis_invocation *invocation)
{
    if (invocation->script != NULL)
        return redis_slot_of(invocation->key, strlen(invocation->key));
    const struct redis_argument *key = redis_command_key(invocation->count, invocation->arguments);
    return key != NULL ? redis_slot_of(key->data, key->bytes) : -1;
}

/* Where the redirection leads. */
static struct cluster_node *target_of(struct cluster_node *from, struct redis_redirection *redirection)
{
    if (redirection->to.host[0] == '\0') {
        memcpy(redirection->to.host, from->address.host, sizeof(redirection->to.host));
        redirection->to.is_numeric = from->address.is_numeric;
    }
    return redis_cluster_node_at(from->cluster, &redirection->to);
}

/* Whoever has never been connected is waited for; one that was lost, or cannot be reached, is not. A name may have two
 * addresses, of which one does. */
static bool is_worth_waiting(const struct cluster_node *node)
{
    return node->client->ready_ms == 0 && node->client->failures <= !node->address.is_numeric;
}

/* `sent_to` is where a node has sent it; NULL: where the map says. NULL: it cannot be reached by then. */
MAY_SUSPEND static struct cluster_node *reach(struct redis_cluster *cluster, int slot, struct cluster_node *sent_to,
                                              int64_t end_ms)
{
    for (;;) {
        struct cluster_node *node = sent_to != NULL ? sent_to : redis_cluster_owner(cluster, slot);
        if (node != NULL && node->client->state == CONNECTION_READY)
            return node;
        bool is_forgotten =
            node != NULL && node->retired_ms != 0; /* by a map older than what has sent the command here */
        if (is_forgotten)
            cluster_use(node);
        if (node == NULL || !is_worth_waiting(node)) {
            redis_cluster_refresh(cluster);
            return NULL;
        }
        if (loop_now_ms() >= end_ms || !redis_cluster_wait(cluster, end_ms))
            return NULL;
    }
}

static void tell_loop(struct redis_cluster *cluster, const struct redis_redirection *redirection)
{
    char name[REDIS_NAME_BYTES];
    int64_t now_ms = loop_now_ms();
    if (now_ms - cluster->loop_told_ms < TELL_AGAIN_MS)
        return;
    cluster->loop_told_ms = now_ms;
    log_event(MID_WARN, "redis.cluster-disagrees", "slot=%d last=%s hops=%d", redirection->slot,
              redis_address_name(&redirection->to, name), HOPS_MAX);
}

/* A slot whose move was begun and not ended, as by a reshard that was cut off, stays so until somebody ends it. */
static void tell_moving(struct cluster_node *node, int slot, int64_t waited_ms)
{
    char name[REDIS_NAME_BYTES];
    struct redis_cluster *cluster = node->cluster;
    int64_t now_ms = loop_now_ms();
    if (cluster->moving_told_ms != 0 && now_ms - cluster->moving_told_ms < TELL_MOVING_AGAIN_MS)
        return;
    cluster->moving_told_ms = now_ms;
    log_event(MID_WARN, "redis.slot-moving", "slot=%d address=%s waited_ms=%" PRId64, slot,
              redis_address_name(&node->address, name), waited_ms);
}

/* False: the cluster is gone. */
MAY_SUSPEND static bool pause(struct redis_cluster *cluster, int64_t pause_ms)
{
    int64_t end_ms = loop_now_ms() + pause_ms;
    while (loop_now_ms() < end_ms)
        if (!redis_cluster_wait(cluster, end_ms))
            return false;
    return true;
}

struct journey {
    struct redis_cluster *cluster;
    struct cluster_node *sent_to; /* NULL: the map decides */
    bool is_asking;
    int slot;
    int hops;
    int64_t patience_ms; /* the call's, at the beginning */
    int64_t least_ms;    /* with less time left it ends */
    int64_t begun_ms;
    int64_t end_ms;
};

/* After a redirection. False: it ends here, with MID_UNAVAILABLE. */
MAY_SUSPEND static bool follow(struct journey *journey, struct cluster_node *from,
                               struct redis_redirection *redirection)
{
    struct redis_cluster *cluster = journey->cluster;
    counter_add(&cluster->front->counts->redirections, 1);
    journey->sent_to = NULL;
    journey->is_asking = false;
    switch (redirection->kind) {
    case REDIRECTION_MOVED:
    case REDIRECTION_ASK:
        if (++journey->hops > HOPS_MAX) {
            tell_loop(cluster, redirection);
            return false;
        }
        journey->sent_to = target_of(from, redirection);
        journey->is_asking = redirection->kind == REDIRECTION_ASK;
        if (!journey->is_asking)
            redis_cluster_take_moved(cluster, redirection->slot, journey->sent_to);
        return journey->hops <= HOPS_AT_ONCE || pause(cluster, HOP_PAUSE_MS);
    case REDIRECTION_LATER:
        journey->hops = 0; /* who sent it here has told the truth */
        return pause(cluster, LATER_PAUSE_MS);
    case REDIRECTION_LOST:
        redis_cluster_refresh(cluster);
        return pause(cluster, HOP_PAUSE_MS);
    default: /* nobody serves it; or the connection has ended, and it was not carried out */
        redis_cluster_refresh(cluster);
        return false;
    }
}

/* What the call is while it is at one node. */
static void begin_hop(struct redis_call *call, struct redis_redirection *redirection, const struct journey *journey)
{
    int64_t left_ms = journey->end_ms - loop_now_ms();
    redirection->kind = REDIRECTION_NONE;
    call->redirection = redirection;
    call->is_asking = journey->is_asking;
    if (journey->patience_ms <= 0)
        return;
    call->is_late = 2 * left_ms < journey->patience_ms;
    call->patience_ms = left_ms > 0 ? left_ms : 1;
}

static void end_hops(struct redis_call *call, const struct journey *journey)
{
    call->redirection = NULL;
    call->is_asking = call->is_late = false;
    call->patience_ms = journey->patience_ms;
}

/* One hop. True: it goes on, by the redirection. */
MAY_SUSPEND static bool hop(struct journey *journey, const struct redis_invocation *invocation, struct redis_call *call,
                            enum mid_error *error)
{
    struct redis_redirection redirection;
    struct cluster_node *node = reach(journey->cluster, journey->slot, journey->sent_to, journey->end_ms);
    *error = MID_UNAVAILABLE;
    if (node == NULL)
        return false;
    begin_hop(call, &redirection, journey);
    *error = redis_invocation_run(node->client, invocation, call);
    if (redirection.kind == REDIRECTION_NONE || !follow(journey, node, &redirection))
        return false;
    if (loop_now_ms() + journey->least_ms < journey->end_ms)
        return true;
    if (redirection.kind == REDIRECTION_LATER)
        tell_moving(node, journey->slot, loop_now_ms() - journey->begun_ms);
    return false;
}

static struct journey begin(struct redis_cluster *cluster, const struct redis_invocation *invocation,
                            const struct redis_call *call)
{
    int64_t now_ms = loop_now_ms();
    int64_t timeout_ms = cluster->front->options.timeout_ms;
    bool is_patient = call->patience_ms <= 0 || call->patience_ms > timeout_ms;
    int64_t time_ms = is_patient ? timeout_ms : call->patience_ms;
    return (struct journey){.cluster = cluster,
                            .slot = slot_of(invocation),
                            .patience_ms = call->patience_ms,
                            .least_ms = time_ms < 4 * HOP_LEAST_MS ? time_ms / 4 : HOP_LEAST_MS,
                            .begun_ms = now_ms,
                            .end_ms = now_ms + time_ms};
}

enum mid_error redis_cluster_run(struct redis_cluster *cluster, const struct redis_invocation *invocation,
                                 struct redis_call *call)
{
    struct journey journey = begin(cluster, invocation, call);
    enum mid_error error;
    call->was_sent = false;
    while (hop(&journey, invocation, call, &error))
        continue;
    end_hops(call, &journey);
    return error;
}
