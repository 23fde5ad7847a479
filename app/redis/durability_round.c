/* The rounds of a durability. See durability.h; the mark of a round is in mark.c. */
#include "redis/durability_round.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/cluster.h"
#include "redis/command.h"
#include "redis/durability.h"
#include "redis/resp.h"

enum {
    PROBE_MS = 100,      /* between rounds that nobody waits for, until one succeeds */
    PROBE_WAIT_MS = 200, /* and how long such a round waits, which holds up those of the other kind */
    MISTAKE_MS = 5000,   /* instead, when Redis says that it cannot do this at all */
    LATE_MS = 1000,      /* that Redis may be later than it was told to be */
    LOOK_AGAIN_MS = 20,  /* while the connection for rounds is made anew */
    GRACE_MS = 1000,     /* for that */
    IDLE_MS = 1000,      /* instead, of a node that has no slots: it may get some */
    MARKS_MAX = 5,       /* that a round is given to find a slot which stays */
};

static void ask(struct redis_durability *durability);
static void begin_round(struct redis_durability *durability);
static void on_time(struct timer *timer);

struct durability_kind *durability_kind(struct redis_durability *durability, enum mid_durability asked)
{
    return &durability->kinds[asked == MID_DURABLE_DISK ? ON_DISK : IN_REPLICAS];
}

/* -------------------- the end of a round -------------------- */

/* Returns how many there were. */
static uint64_t settle(struct list *waiters, enum mid_error result)
{
    uint64_t count = 0;
    for (struct list *link; (link = list_take_first(waiters)) != NULL;) {
        struct durability_waiter *waiter = LIST_ELEMENT(link, struct durability_waiter, link);
        waiter->result = result;
        waiter->is_over = true;
        loop_wake(waiter->fiber);
        count++;
    }
    return count;
}

/* In the metric, which counts every Redis once. */
static void count_shortage(struct redis_durability *durability, bool is_short)
{
    if (durability->is_counted != is_short)
        counter_add(&durability->commands->counts->is_not_durable, is_short ? 1 : (uint64_t)-1);
    durability->is_counted = is_short;
}

static bool is_short_of_any(const struct redis_durability *durability)
{
    return durability->kinds[ON_DISK].shortage.is_on || durability->kinds[IN_REPLICAS].shortage.is_on;
}

/* Those who came meanwhile are told as well: the next round would keep them waiting as long, in vain. */
static void fail_round(struct redis_durability *durability, const char *reason, int64_t pause_ms)
{
    struct durability_kind *kind = &durability->kinds[durability->turn];
    struct redis_counts *counts = durability->commands->counts;
    durability->state = ROUND_NONE;
    durability->marks = 0;
    uint64_t count = settle(&durability->round, MID_UNAVAILABLE) + settle(&kind->waiting, MID_UNAVAILABLE);
    if (durability->is_closing || durability->commands->is_closing)
        return;
    counter_add(&counts->durability_failures, count);
    count_shortage(durability, true);
    redis_shortage_begin(&kind->shortage, reason);
    kind->is_proven = false;
    timer_start(&durability->timer, pause_ms, on_time);
}

/* Once: the connection was cut, and the Redis that it led to may be well. */
static void repeat_round(struct redis_durability *durability)
{
    struct durability_kind *kind = &durability->kinds[durability->turn];
    durability->state = ROUND_NONE;
    durability->losses++;
    for (struct list *link; (link = list_take_first(&durability->round)) != NULL;)
        list_append(&kind->waiting, link);
    timer_start(&durability->timer, LOOK_AGAIN_MS, on_time);
}

static void end_round(struct redis_durability *durability)
{
    durability->state = ROUND_NONE;
    durability->losses = durability->marks = 0;
    redis_shortage_end(&durability->kinds[durability->turn].shortage);
    count_shortage(durability, is_short_of_any(durability));
    settle(&durability->round, MID_OK);
    timer_stop(&durability->timer);
    if (is_short_of_any(durability))
        timer_start(&durability->timer, PROBE_MS, on_time);
    loop_request_flush(&durability->flush);
}

/* -------------------- which process -------------------- */

static void on_info(struct redis_durability *durability, struct redis_identity *identity,
                    const struct redis_client *client, const redisReply *reply)
{
    if (reply != NULL) {
        redis_identity_take(identity, client, reply);
        durability->kinds[ON_DISK].is_proven = durability->kinds[IN_REPLICAS].is_proven = false;
    }
    if (durability->state != ROUND_IDENTIFYING)
        return; /* it was given up meanwhile */
    if (reply == NULL) {
        fail_round(durability, "the connection was lost", PROBE_MS);
        return;
    }
    durability->state = ROUND_NONE;
    begin_round(durability);
}

static void on_info_of_commands(void *arg, const redisReply *reply)
{
    struct redis_durability *durability = arg;
    on_info(durability, &durability->commands_lead_to, durability->commands, reply);
}

static void on_own_info(void *arg, const redisReply *reply)
{
    struct redis_durability *durability = arg;
    on_info(durability, &durability->own_leads_to, durability->own, reply);
}

static void ask_identity(struct redis_durability *durability, struct redis_client *client, redis_answer_fn *fn)
{
    durability->state = ROUND_IDENTIFYING;
    timer_start(&durability->timer, durability->commands->options.timeout_ms + LATE_MS, on_time);
    resp_begin(&client->request, 2);
    resp_add_text(&client->request, "INFO");
    resp_add_text(&client->request, "server");
    if (!redis_request_send(client, fn, durability))
        fail_round(durability, "the connection was lost", PROBE_MS);
}

/* -------------------- a round -------------------- */

/* Nothing that changes something would be sent on either connection any more, and be told so: see connection.h. */
static void leave_replica(struct redis_durability *durability)
{
    redis_connection_drop(durability->own, "Redis has become a replica");
    redis_command_note_replica(durability->commands);
}

static void on_mark(void *arg, enum redis_mark_verdict verdict, const char *reason)
{
    struct redis_durability *durability = arg;
    struct durability_kind *kind = &durability->kinds[durability->turn];
    bool was_cut = verdict == MARK_LOST && !durability->is_given_up;
    if (durability->state != ROUND_ASKING)
        return; /* it was given up */
    if (verdict == MARK_DURABLE && kind->is_proven) {
        end_round(durability);
    } else if (verdict == MARK_DURABLE) {
        kind->is_proven = true;
        ask(durability);
    } else if (verdict == MARK_ELSEWHERE && durability->marks++ < MARKS_MAX &&
               redis_cluster_change_mark(durability->commands)) {
        ask(durability);
    } else if (was_cut && durability->losses == 0) {
        repeat_round(durability);
    } else {
        fail_round(durability, durability->is_given_up ? "no answer in time" : reason,
                   verdict == MARK_MISTAKEN ? MISTAKE_MS : PROBE_MS);
    }
    if (verdict == MARK_DEMOTED)
        leave_replica(durability);
}

/* Those who were answered on the connection that there is now; the others will not know. */
static void take_waiters(struct redis_durability *durability)
{
    struct durability_kind *kind = &durability->kinds[durability->turn];
    struct list late;
    list_init(&late);
    for (struct list *link; (link = list_take_first(&kind->waiting)) != NULL;) {
        struct durability_waiter *waiter = LIST_ELEMENT(link, struct durability_waiter, link);
        bool is_of_this = waiter->connection == durability->commands_lead_to.connection;
        list_append(is_of_this ? &durability->round : &late, link);
    }
    settle(&late, MID_UNAVAILABLE);
}

/* Whoever waits for an answer is called when the connection ends. */
static void give_up(struct redis_durability *durability)
{
    durability->is_given_up = true;
    redis_connection_drop(durability->own, "no answer to WAIT in time");
    if (durability->state == ROUND_ASKING)
        fail_round(durability, "the connection is ending", PROBE_MS);
}

/*
 * The first round on a connection, and after a failure, is asked twice before it counts: as long as nothing was ever
 * replicated, a replica that is still copying is counted by WAIT (Redis 7.0: its offset is 0, and so is the mark's).
 */
static void ask(struct redis_durability *durability)
{
    take_waiters(durability);
    bool is_probe = list_is_empty(&durability->round);
    int64_t timeout_ms = durability->commands->options.timeout_ms;
    if (is_probe && timeout_ms > PROBE_WAIT_MS)
        timeout_ms = PROBE_WAIT_MS;
    durability->state = ROUND_ASKING;
    durability->is_given_up = false;
    durability->mark = (struct redis_mark){
        .key = durability->commands->mark_key,
        .durability = durability->turn == ON_DISK ? MID_DURABLE_DISK : MID_DURABLE_REPLICA,
        .wanted = durability->commands->options.replicas,
        .fn = on_mark,
        .arg = durability,
    };
    counter_add(&durability->commands->counts->durability_rounds, 1);
    timer_start(&durability->timer, timeout_ms + LATE_MS, on_time);
    if (!redis_mark_send(&durability->mark, durability->own, timeout_ms))
        give_up(durability);
}

/* Though nobody waits: when it is short, or the one that is configured was never tried. */
static bool is_to_be_tried(struct redis_durability *durability, const struct durability_kind *kind)
{
    enum mid_durability configured = durability->commands->options.durability;
    const struct cluster_node *node = durability->commands->node;
    if (node != NULL && node->slot_count == 0)
        return false; /* there is nothing that could be lost, and no key to try it with */
    bool is_configured = redis_durability_is_needed(configured) && kind == durability_kind(durability, configured);
    return kind->shortage.is_on || (is_configured && !kind->is_proven);
}

/* In turns, those that somebody waits for before the others. */
static bool choose_kind(struct redis_durability *durability)
{
    for (size_t i = 1; i <= 2 * KINDS; i++) {
        size_t turn = (durability->turn + i) % KINDS;
        const struct durability_kind *kind = &durability->kinds[turn];
        bool is_chosen = i <= KINDS ? !list_is_empty(&kind->waiting) : is_to_be_tried(durability, kind);
        if (!is_chosen)
            continue;
        durability->turn = turn;
        return true;
    }
    return false;
}

/* It was cut, or there was none yet: that costs no more than making it. */
static void await_own(struct redis_durability *durability)
{
    char reason[REDIS_REASON_SIZE + 32];
    int64_t now_ms = loop_now_ms();
    if (durability->away_ms == 0)
        durability->away_ms = now_ms;
    if (now_ms - durability->away_ms < GRACE_MS) {
        timer_start(&durability->timer, LOOK_AGAIN_MS, on_time);
        return;
    }
    snprintf(reason, sizeof(reason), "no connection to ask on: %s", redis_client_failure(durability->own));
    fail_round(durability, reason, PROBE_MS);
}

static void identify_or_ask(struct redis_durability *durability)
{
    struct redis_client *commands = durability->commands;
    struct redis_client *own = durability->own;
    const struct redis_identity *a = &durability->commands_lead_to;
    const struct redis_identity *b = &durability->own_leads_to;
    if (!redis_identity_is_known(a, commands)) {
        ask_identity(durability, commands, on_info_of_commands);
    } else if (!redis_identity_is_known(b, own)) {
        ask_identity(durability, own, on_own_info);
    } else if (a->run_id[0] == '\0' || b->run_id[0] == '\0') {
        durability->own_leads_to = durability->commands_lead_to = (struct redis_identity){0}; /* to be asked again */
        fail_round(durability, "INFO server does not say which Redis this is", PROBE_MS);
    } else if (!redis_identity_is_same(a, b)) {
        fail_round(durability, "its connection leads to another Redis", PROBE_MS);
        redis_connection_drop(own, "it leads to another Redis than the one for commands");
    } else {
        ask(durability);
    }
}

static void begin_round(struct redis_durability *durability)
{
    if (!choose_kind(durability)) {
        if (is_short_of_any(durability)) /* of a node without slots, which it may get again */
            timer_start(&durability->timer, IDLE_MS, on_time);
        return;
    }
    if (!redis_client_is_ready(durability->commands)) {
        settle(&durability->kinds[durability->turn].waiting, MID_UNAVAILABLE);
        timer_start(&durability->timer, PROBE_MS, on_time);
    } else if (!redis_client_is_ready(durability->own)) {
        await_own(durability);
    } else {
        durability->away_ms = 0;
        identify_or_ask(durability);
    }
}

static void on_flush(void *arg)
{
    struct redis_durability *durability = arg;
    bool has_waiters = !list_is_empty(&durability->kinds[0].waiting) || !list_is_empty(&durability->kinds[1].waiting);
    if (durability->state == ROUND_NONE && has_waiters)
        begin_round(durability);
}

static void on_time(struct timer *timer)
{
    struct redis_durability *durability = LIST_ELEMENT(timer, struct redis_durability, timer);
    switch (durability->state) {
    case ROUND_NONE:
        begin_round(durability);
        break;
    case ROUND_IDENTIFYING:
        fail_round(durability, "no answer in time", PROBE_MS);
        break;
    case ROUND_ASKING:
        give_up(durability);
        break;
    }
}

/* -------------------- life -------------------- */

static void probe_soon(struct redis_durability *durability)
{
    timer_start(&durability->timer, PROBE_MS, on_time);
}

void durability_rounds_begin(struct redis_durability *durability)
{
    flush_init(&durability->flush, on_flush, durability);
    if (redis_durability_is_needed(durability->commands->options.durability))
        probe_soon(durability);
}

void durability_rounds_forget(struct redis_durability *durability)
{
    for (size_t i = 0; i < KINDS; i++)
        durability->kinds[i].shortage.is_on = durability->kinds[i].is_proven = false;
    count_shortage(durability, false);
    if (durability->state == ROUND_NONE)
        probe_soon(durability);
}

void durability_rounds_end(struct redis_durability *durability)
{
    count_shortage(durability, false);
    redis_client_free(durability->own);
    for (size_t i = 0; i < KINDS; i++)
        settle(&durability->kinds[i].waiting, MID_UNAVAILABLE);
    settle(&durability->round, MID_UNAVAILABLE);
    list_remove(&durability->flush.link);
    timer_fini(&durability->timer);
}
