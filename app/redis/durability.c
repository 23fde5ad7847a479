/* Durability: rounds of a mark and WAIT or WAITAOF. See durability.h. */
#include "redis/durability.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/log.h"
#include "base/panic.h"
#include "redis/connection.h"
#include "redis/identity.h"
#include "redis/reply.h"
#include "redis/resp.h"

enum { ON_DISK, IN_REPLICAS, KINDS };

enum {
    PROBE_MS = 100, /* between rounds that nobody waits for, until one succeeds */
    LATE_MS = 1000, /* that Redis may be later than it was told to be */
    TELL_AGAIN_MS = 60000,
};

/* The key that is written, and for how long it stays. It is a script because only that can write when the memory of
 * Redis is full, which a logout can. */
static const char mark_script[] = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'EX', 60)";
static const char mark_key[] = "mid:mark";

struct waiter {
    struct list link;
    struct fiber *fiber;
    uint64_t connects; /* of the connection of the commands, on which it was answered */
    bool is_over;
    enum mid_error result;
};

struct kind {
    struct list waiting;
    bool is_proven; /* a round has succeeded */
    bool is_short;  /* the last one has failed */
    int64_t short_ms;
    int64_t told_ms;
    char told[REDIS_REASON_SIZE];
};

enum round_state {
    ROUND_NONE,
    ROUND_IDENTIFYING, /* before it: INFO was asked */
    ROUND_ASKING,
};

struct redis_durability {
    struct redis_client *commands; /* the client that has this */
    struct redis_client *own;      /* on whose connection rounds are */
    struct kind kinds[KINDS];
    struct redis_identity commands_lead_to;
    struct redis_identity own_leads_to;

    enum round_state state;
    size_t turn; /* the kind of the round, or of the last one */
    struct list round;
    bool is_marked;
    char refusal[REFUSAL_TEXT_SIZE]; /* "": none in this round */
    struct flush flush;
    struct timer timer;
    bool is_closing;
};

static void begin_round(struct redis_durability *durability);
static void on_time(struct timer *timer);

static struct kind *kind_of(struct redis_durability *durability, enum mid_durability asked)
{
    return &durability->kinds[asked == MID_DURABLE_DISK ? ON_DISK : IN_REPLICAS];
}

static const char *name_of(const struct redis_durability *durability, const struct kind *kind)
{
    return kind == &durability->kinds[ON_DISK] ? "disk" : "replica";
}

/* -------------------- the end of a round -------------------- */

static void settle(struct list *waiters, enum mid_error result)
{
    for (struct list *link; (link = list_take_first(waiters)) != NULL;) {
        struct waiter *waiter = LIST_ELEMENT(link, struct waiter, link);
        waiter->result = result;
        waiter->is_over = true;
        loop_wake(waiter->fiber);
    }
}

static void tell_shortage(struct redis_durability *durability, struct kind *kind, const char *reason)
{
    int64_t now_ms = loop_now_ms();
    if (!kind->is_short)
        kind->short_ms = now_ms;
    bool is_told = kind->is_short && now_ms - kind->told_ms < TELL_AGAIN_MS && strcmp(kind->told, reason) == 0;
    kind->is_short = true;
    if (is_told)
        return;
    kind->told_ms = now_ms;
    snprintf(kind->told, sizeof(kind->told), "%s", reason);
    log_event(MID_WARN, "redis.not-durable", "durability=%s reason=\"%s\" for_ms=%" PRId64, name_of(durability, kind),
              reason, now_ms - kind->short_ms);
}

static void tell_end(struct redis_durability *durability, struct kind *kind)
{
    kind->is_proven = true;
    if (!kind->is_short)
        return;
    kind->is_short = false;
    log_event(MID_INFO, "redis.durable", "durability=%s after_ms=%" PRId64, name_of(durability, kind),
              loop_now_ms() - kind->short_ms);
}

static bool is_short_of_any(const struct redis_durability *durability)
{
    return durability->kinds[ON_DISK].is_short || durability->kinds[IN_REPLICAS].is_short;
}

/* Those who came meanwhile are told as well: the next round would keep them waiting as long, in vain. */
static void fail_round(struct redis_durability *durability, const char *reason)
{
    struct kind *kind = &durability->kinds[durability->turn];
    struct redis_counts *counts = durability->commands->counts;
    durability->state = ROUND_NONE;
    settle(&durability->round, MID_UNAVAILABLE);
    settle(&kind->waiting, MID_UNAVAILABLE);
    if (durability->is_closing || durability->commands->is_closing)
        return;
    counter_add(&counts->durability_failures, 1);
    counter_set(&counts->is_not_durable, 1);
    tell_shortage(durability, kind, reason);
    timer_start(&durability->timer, PROBE_MS, on_time);
}

static void end_round(struct redis_durability *durability)
{
    durability->state = ROUND_NONE;
    tell_end(durability, &durability->kinds[durability->turn]);
    counter_set(&durability->commands->counts->is_not_durable, is_short_of_any(durability));
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
    if (reply != NULL)
        redis_identity_take(identity, client, reply);
    if (durability->state != ROUND_IDENTIFYING)
        return; /* it was given up meanwhile */
    if (reply == NULL) {
        fail_round(durability, "the connection was lost");
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
        fail_round(durability, "the connection was lost");
}

/* -------------------- a round -------------------- */

static void note_refusal(struct redis_durability *durability, const redisReply *reply)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
        return;
    counter_add(&durability->commands->counts->errors, 1);
    redis_refusal_copy(durability->refusal, sizeof(durability->refusal), reply->str, reply->len);
}

static void on_mark(void *arg, const redisReply *reply)
{
    struct redis_durability *durability = arg;
    durability->is_marked = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    note_refusal(durability, reply);
}

/* Of WAITAOF: how many disks of its own, and of replicas; of WAIT: how many replicas. */
static int64_t count_acknowledged(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY ? reply_integer(reply_element(reply, 0)) : reply_integer(reply);
}

static int64_t wanted(const struct redis_durability *durability)
{
    return durability->turn == ON_DISK ? 1 : durability->commands->options.replicas;
}

static void on_acknowledged(void *arg, const redisReply *reply)
{
    struct redis_durability *durability = arg;
    char reason[REDIS_REASON_SIZE];
    timer_stop(&durability->timer);
    note_refusal(durability, reply);
    int64_t count = reply != NULL ? count_acknowledged(reply) : 0;
    if (durability->is_marked && durability->refusal[0] == '\0' && count >= wanted(durability)) {
        end_round(durability);
        return;
    }
    if (durability->refusal[0] != '\0')
        snprintf(reason, sizeof(reason), "%.*s", (int)sizeof(reason) - 1, durability->refusal);
    else if (reply == NULL)
        snprintf(reason, sizeof(reason), "the connection was lost");
    else if (durability->turn == ON_DISK)
        snprintf(reason, sizeof(reason), "not on the disk in time");
    else
        snprintf(reason, sizeof(reason), "in %" PRId64 " replicas in time, of %" PRId64 " that are wanted", count,
                 wanted(durability));
    fail_round(durability, reason);
}

static bool send_mark(struct redis_durability *durability)
{
    struct redis_client *own = durability->own;
    resp_begin(&own->request, 4);
    resp_add_text(&own->request, "EVAL");
    resp_add_text(&own->request, mark_script);
    resp_add_text(&own->request, "1");
    resp_add_text(&own->request, mark_key);
    return redis_request_send(own, on_mark, durability);
}

/* WAITAOF numlocal numreplicas timeout; WAIT numreplicas timeout. */
static bool send_wait(struct redis_durability *durability)
{
    struct redis_client *own = durability->own;
    char count[24], timeout[24];
    snprintf(count, sizeof(count), "%" PRId64, wanted(durability));
    snprintf(timeout, sizeof(timeout), "%" PRId64, durability->commands->options.timeout_ms);
    resp_begin(&own->request, durability->turn == ON_DISK ? 4 : 3);
    resp_add_text(&own->request, durability->turn == ON_DISK ? "WAITAOF" : "WAIT");
    resp_add_text(&own->request, count);
    if (durability->turn == ON_DISK)
        resp_add_text(&own->request, "0");
    resp_add_text(&own->request, timeout);
    return redis_request_send(own, on_acknowledged, durability);
}

/* Those who were answered on the connection that there is now; the others will not know. */
static void take_waiters(struct redis_durability *durability)
{
    struct kind *kind = &durability->kinds[durability->turn];
    struct list late;
    list_init(&late);
    for (struct list *link; (link = list_take_first(&kind->waiting)) != NULL;) {
        struct waiter *waiter = LIST_ELEMENT(link, struct waiter, link);
        bool is_of_this = waiter->connects == durability->commands_lead_to.connects;
        list_append(is_of_this ? &durability->round : &late, link);
    }
    settle(&late, MID_UNAVAILABLE);
}

static void ask(struct redis_durability *durability)
{
    take_waiters(durability);
    durability->state = ROUND_ASKING;
    durability->is_marked = false;
    durability->refusal[0] = '\0';
    counter_add(&durability->commands->counts->durability_rounds, 1);
    timer_start(&durability->timer, durability->commands->options.timeout_ms + LATE_MS, on_time);
    if (!send_mark(durability) || !send_wait(durability))
        redis_connection_drop(durability->own, "it is ending"); /* answers whoever waits */
}

/* In turns; one that nobody waits for is tried when it is short, or was never tried. */
static bool choose_kind(struct redis_durability *durability)
{
    for (size_t i = 1; i <= KINDS; i++) {
        size_t turn = (durability->turn + i) % KINDS;
        if (!list_is_empty(&durability->kinds[turn].waiting)) {
            durability->turn = turn;
            return true;
        }
    }
    for (size_t i = 1; i <= KINDS; i++) {
        size_t turn = (durability->turn + i) % KINDS;
        struct kind *kind = &durability->kinds[turn];
        enum mid_durability configured = durability->commands->options.durability;
        bool is_configured = redis_durability_is_needed(configured) && kind == kind_of(durability, configured);
        if (kind->is_short || (is_configured && !kind->is_proven)) {
            durability->turn = turn;
            return true;
        }
    }
    return false;
}

static void begin_round(struct redis_durability *durability)
{
    if (!choose_kind(durability))
        return;
    struct redis_client *commands = durability->commands;
    struct redis_client *own = durability->own;
    if (!redis_client_is_ready(commands) || !redis_client_is_ready(own)) {
        settle(&durability->kinds[durability->turn].waiting, MID_UNAVAILABLE);
        timer_start(&durability->timer, PROBE_MS, on_time);
    } else if (!redis_identity_is_known(&durability->commands_lead_to, commands)) {
        ask_identity(durability, commands, on_info_of_commands);
    } else if (!redis_identity_is_known(&durability->own_leads_to, own)) {
        ask_identity(durability, own, on_own_info);
    } else if (durability->own_leads_to.run_id[0] == '\0') {
        fail_round(durability, "INFO server does not say which Redis this is");
        durability->own_leads_to = durability->commands_lead_to = (struct redis_identity){0}; /* to be asked again */
    } else if (!redis_identity_is_same(&durability->commands_lead_to, &durability->own_leads_to)) {
        fail_round(durability, "its connection leads to another Redis");
        redis_connection_drop(own, "it leads to another Redis than the one for commands");
    } else {
        ask(durability);
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
        fail_round(durability, "no answer in time");
        break;
    case ROUND_ASKING:
        redis_connection_drop(durability->own, "no answer to WAIT in time");
        break;
    }
}

/* -------------------- for calls -------------------- */

enum mid_error redis_durability_admit(struct redis_client *client, const struct redis_call *call)
{
    if (!redis_durability_is_needed(call->durability))
        return MID_OK;
    redis_durability_begin(client);
    struct redis_durability *durability = client->durability;
    if (call->patience_ms > 0 && kind_of(durability, call->durability)->is_short)
        return MID_UNAVAILABLE;
    int64_t patience_ms = call->patience_ms > 0 ? call->patience_ms : client->options.timeout_ms;
    return redis_client_wait_ready(durability->own, patience_ms) ? MID_OK : MID_UNAVAILABLE;
}

enum mid_error redis_durability_await(struct redis_client *client, const struct redis_call *call)
{
    if (!redis_durability_is_needed(call->durability))
        return MID_OK;
    struct redis_durability *durability = client->durability;
    struct waiter waiter = {.fiber = fiber_current(), .connects = client->counts->connects};
    list_append(&kind_of(durability, call->durability)->waiting, &waiter.link);
    loop_request_flush(&durability->flush);
    while (!waiter.is_over)
        loop_park(-1);
    return waiter.result;
}

/* -------------------- life -------------------- */

void redis_durability_begin(struct redis_client *client)
{
    if (client->durability != NULL)
        return;
    struct redis_durability *durability = calloc(1, sizeof(*durability));
    if (durability == NULL)
        panic("out of memory for the durability of Redis");
    struct redis_options options = client->options;
    options.counts = NULL;
    options.durability = MID_DURABLE_DEFAULT;
    durability->commands = client;
    durability->own = redis_client_new(&options);
    ENSURE(durability->own != NULL); /* the same address was understood before */
    for (size_t i = 0; i < KINDS; i++)
        list_init(&durability->kinds[i].waiting);
    list_init(&durability->round);
    flush_init(&durability->flush, on_flush, durability);
    client->durability = durability;
    if (redis_durability_is_needed(client->options.durability))
        timer_start(&durability->timer, PROBE_MS, on_time);
}

void redis_durability_free(struct redis_durability *durability)
{
    if (durability == NULL)
        return;
    durability->is_closing = true;
    redis_client_free(durability->own);
    for (size_t i = 0; i < KINDS; i++)
        settle(&durability->kinds[i].waiting, MID_UNAVAILABLE);
    settle(&durability->round, MID_UNAVAILABLE);
    list_remove(&durability->flush.link);
    timer_fini(&durability->timer);
    free(durability);
}
