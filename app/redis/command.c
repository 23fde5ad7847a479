/*
 * Commands, their answers and their deadlines. See client.h and command.h.
 *
 * Redis answers in order, so one timer on the oldest command is enough, and it is set only when it is not running: a
 * busy client touches it once per deadline, not once per command.
 */
#include "redis/command.h"

#include <stdlib.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/panic.h"
#include "redis/cluster.h"
#include "redis/durability.h"
#include "redis/resp.h"

enum {
    REQUEST_KEPT_BYTES = 64 * 1024, /* a bigger request buffer is given back after use */
    HELD_UP_MS = 10,                /* a timer that is later than this was held up by the process itself */
};

/* -------------------- sending -------------------- */

bool redis_request_send(struct redis_client *client, redis_answer_fn *fn, void *arg)
{
    struct buffer *request = &client->request;
    bool is_sent = redis_socket_send(&client->socket, request, fn, arg);
    if (request->capacity > REQUEST_KEPT_BYTES)
        buffer_fini(request);
    return is_sent;
}

static void ignore(void *arg, const struct redisReply *reply)
{
    (void)arg;
    (void)reply;
}

/* Right before the command that it is for. */
static void send_asking(struct redis_client *client)
{
    resp_begin(&client->request, 1);
    resp_add_text(&client->request, "ASKING");
    redis_request_send(client, ignore, NULL);
}

enum mid_error redis_command_admit(struct redis_client *client, struct redis_call *call)
{
    call->was_sent = false;
    call->connection = 0;
    if (client->state != CONNECTION_READY)
        return MID_UNAVAILABLE;
    MID_TRY(redis_durability_admit(client, call));
    if (client->state != CONNECTION_READY || client->is_replica)
        return MID_UNAVAILABLE;
    if (client->is_suspect && call->patience_ms > 0)
        return MID_UNAVAILABLE;
    if (client->pending_count >= client->options.pending_limit)
        return MID_OVERLOADED;
    if (call->is_asking)
        send_asking(client);
    return MID_OK;
}

/* All commands are given the same time, so their deadlines come in order; only a command that is sent a second time
 * keeps an earlier one. */
static void insert_by_deadline(struct redis_client *client, struct redis_pending *pending)
{
    struct list *place = &client->pending;
    while (place->previous != &client->pending &&
           LIST_ELEMENT(place->previous, struct redis_pending, link)->deadline_ms > pending->deadline_ms)
        place = place->previous;
    list_append(place, &pending->link); /* before `place` */
    client->pending_count++;
}

/* -------------------- records -------------------- */

enum { RECORDS_KEPT = 256 };

/* Of this worker's clients, to be used again. */
static struct list spare_records = {&spare_records, &spare_records};
static size_t spare_count;

static struct redis_pending *take_record(void)
{
    struct list *link = list_take_first(&spare_records);
    if (link != NULL) {
        spare_count--;
        return LIST_ELEMENT(link, struct redis_pending, link);
    }
    struct redis_pending *record = malloc(sizeof(*record));
    if (record == NULL)
        panic("out of memory for a Redis command");
    return record;
}

static void give_record(struct redis_pending *record)
{
    if (spare_count >= RECORDS_KEPT) {
        free(record);
        return;
    }
    list_prepend(&spare_records, &record->link);
    spare_count++;
}

/* -------------------- answers -------------------- */

void redis_command_note_error(struct redis_client *client, const redisReply *reply)
{
    char name[REDIS_NAME_BYTES];
    counter_add(&client->counts->errors, 1);
    redis_refusal_report(&client->refusals, redis_client_name(client, name), loop_now_ms(), reply->str, reply->len);
}

static enum mid_error take_error(struct redis_client *client, struct redis_call *call, const redisReply *reply)
{
    enum redis_refusal refusal = redis_refusal_of(reply->str, reply->len);
    if (call->redirection != NULL && redis_redirection_read(call->redirection, reply->str, reply->len)) {
        bool is_refusal = !redis_redirection_leads(call->redirection);
        if (is_refusal && call->on_refusal != NULL)
            call->on_refusal(reply->str, reply->len, call->arg);
        call->was_sent = false;
        return MID_UNAVAILABLE;
    }
    redis_command_note_error(client, reply);
    client->is_replica = client->is_replica || refusal == REDIS_IS_REPLICA;
    if (call->on_refusal != NULL)
        call->on_refusal(reply->str, reply->len, call->arg);
    call->was_sent = refusal == REDIS_MISTAKE; /* a script may have failed halfway; the others changed nothing */
    return refusal == REDIS_MISTAKE ? MID_FAILED : MID_UNAVAILABLE;
}

static enum mid_error take_answer(struct redis_pending *pending, const redisReply *reply)
{
    struct redis_call *call = pending->call;
    if (reply == NULL)
        return MID_UNAVAILABLE;
    if (reply->type == REDIS_REPLY_ERROR)
        return take_error(pending->client, call, reply);
    call->connection = pending->client->connection;
    return call->on_reply != NULL ? call->on_reply(reply, call->arg) : MID_OK;
}

/* It answers what it was sent, so that the fate of each command is known; then the connection ends. */
static void leave_replica(struct redis_client *client)
{
    if (client->is_replica && client->pending_count == 0)
        redis_connection_drop(client, "Redis has become a replica");
}

void redis_command_note_replica(struct redis_client *client)
{
    client->is_replica = true;
    leave_replica(client);
}

static void settle(struct redis_pending *pending, const redisReply *reply)
{
    struct redis_client *client = pending->client;
    if (reply != NULL)
        histogram_record(&client->counts->latency, clock_monotonic_us() - pending->begun_us);
    if (pending->call == NULL) {
        give_record(pending);
        return;
    }
    pending->result = take_answer(pending, reply);
    pending->is_answered = true;
    loop_wake(pending->fiber);
}

static void on_answer(void *arg, const redisReply *reply)
{
    struct redis_pending *pending = arg;
    struct redis_client *client = pending->client;
    list_remove(&pending->link);
    client->pending_count--;

    bool is_script_missing = reply != NULL && reply->type == REDIS_REPLY_ERROR && pending->call != NULL &&
                             pending->run != NULL && redis_refusal_of(reply->str, reply->len) == REDIS_SCRIPT_MISSING;
    if (is_script_missing && redis_script_heal(pending))
        return;
    settle(pending, reply);
    leave_replica(client);
}

bool redis_command_resend(struct redis_pending *pending)
{
    struct redis_client *client = pending->client;
    if (!redis_request_send(client, on_answer, pending))
        return false;
    insert_by_deadline(client, pending);
    return true;
}

/* For how long a timer came too late: then this process itself was held up, and had perhaps not even sent the command.
 * That time is not charged to Redis. */
static int64_t time_held_up_ms(int64_t due_ms, int64_t most_ms)
{
    int64_t late_ms = loop_now_ms() - due_ms;
    if (late_ms < HELD_UP_MS)
        return 0;
    return late_ms < most_ms ? late_ms : most_ms;
}

/* Suspends until the answer (true), or until then. */
MAY_SUSPEND static bool is_answered_by(struct redis_pending *pending, int64_t end_ms)
{
    while (!pending->is_answered && loop_now_ms() < end_ms) /* somebody else's wake does not end the command */
        loop_park(end_ms - loop_now_ms());
    return pending->is_answered;
}

/* The record is no longer the caller's. The client is there: it would have answered before it went. */
static enum mid_error give_up(struct redis_pending *pending, int64_t patience_ms)
{
    bool is_late = pending->call->is_late;
    pending->call = NULL;
    pending->run = NULL;
    if (!is_late)
        redis_suspicion_begin(pending->client, patience_ms);
    return MID_UNAVAILABLE;
}

/* Suspends until the answer, or the end of the caller's patience. */
MAY_SUSPEND static enum mid_error await_answer(struct redis_pending *pending, int64_t patience_ms)
{
    if (patience_ms > 0) {
        int64_t end_ms = loop_now_ms() + patience_ms;
        if (!is_answered_by(pending, end_ms) &&
            !is_answered_by(pending, loop_now_ms() + time_held_up_ms(end_ms, patience_ms)))
            return give_up(pending, patience_ms);
    }
    while (!pending->is_answered)
        loop_park(-1);
    enum mid_error result = pending->result;
    give_record(pending); /* the client may be gone by now */
    return result;
}

static void start_deadline(struct redis_client *client, int64_t left_ms)
{
    client->is_deadline_timer_on = true;
    redis_connection_start_timer(client, left_ms);
}

enum mid_error redis_command_await(struct redis_client *client, struct redis_call *call,
                                   const struct redis_invocation *run)
{
    int64_t begun_ms = loop_now_ms();
    struct redis_pending *pending = take_record();
    *pending = (struct redis_pending){
        .client = client,
        .fiber = fiber_current(),
        .call = call,
        .run = run,
        .deadline_ms = begun_ms + client->options.timeout_ms,
        .begun_us = clock_monotonic_us(),
    };
    list_init(&pending->link);
    ENSURE(pending->fiber != NULL);
    if (!redis_request_send(client, on_answer, pending)) {
        give_record(pending);
        return MID_UNAVAILABLE;
    }
    insert_by_deadline(client, pending);
    counter_add(&client->counts->commands, 1);
    call->was_sent = true;
    if (!client->is_deadline_timer_on)
        start_deadline(client, client->options.timeout_ms);
    enum mid_error error = await_answer(pending, call->patience_ms);
    if (error == MID_OK)
        error = redis_durability_await(client, call->durability, call->connection);
    fiber_current()->store_ms += loop_now_ms() - begun_ms;
    return error;
}

enum mid_error redis_invocation_run(struct redis_client *client, const struct redis_invocation *invocation,
                                    struct redis_call *call)
{
    MID_TRY(redis_command_admit(client, call));
    if (invocation->script != NULL) {
        redis_script_format(client, invocation);
        return redis_command_await(client, call, invocation);
    }
    resp_begin(&client->request, invocation->count);
    for (size_t i = 0; i < invocation->count; i++)
        resp_add(&client->request, invocation->arguments[i].data, invocation->arguments[i].bytes);
    return redis_command_await(client, call, NULL);
}

/* Where it belongs. */
MAY_SUSPEND static enum mid_error run(struct redis_client *client, const struct redis_invocation *invocation,
                                      struct redis_call *call)
{
    return client->cluster != NULL ? redis_cluster_run(client->cluster, invocation, call)
                                   : redis_invocation_run(client, invocation, call);
}

enum mid_error redis_command(struct redis_client *client, size_t count, const struct redis_argument arguments[],
                             struct redis_call *call)
{
    const struct redis_invocation invocation = {.count = count, .arguments = arguments};
    return run(client, &invocation, call);
}

enum mid_error redis_script_run(struct redis_client *client, struct redis_script *script, const char *key, size_t count,
                                const struct redis_argument arguments[], struct redis_call *call)
{
    const struct redis_invocation invocation = {.script = script, .key = key, .count = count, .arguments = arguments};
    return run(client, &invocation, call);
}

enum mid_error redis_client_confirm(struct redis_client *client, const char *key, enum mid_durability durability,
                                    int64_t patience_ms, uint64_t connection)
{
    struct redis_call call = {.durability = durability, .patience_ms = patience_ms};
    if (!redis_durability_is_needed(durability))
        return MID_OK;
    client = redis_client_of(client, key);
    if (client->cluster != NULL) /* nobody has the key */
        return MID_UNAVAILABLE;
    MID_TRY(redis_command_admit(client, &call));
    return redis_durability_await(client, durability, connection);
}

/* -------------------- deadlines -------------------- */

/* Of the oldest command; without any, of a question of the client's own, which was sent behind them. */
static int64_t deadline_of(const struct redis_client *client)
{
    if (list_is_empty(&client->pending))
        return client->asked_ms + client->options.timeout_ms;
    return LIST_ELEMENT(client->pending.next, struct redis_pending, link)->deadline_ms;
}

void redis_command_note_question(struct redis_client *client)
{
    if (client->asked_ms == 0)
        client->asked_ms = loop_now_ms();
    if (client->state == CONNECTION_READY && !client->is_deadline_timer_on)
        start_deadline(client, client->options.timeout_ms);
}

void redis_command_note_answer(struct redis_client *client)
{
    client->asked_ms = 0;
}

void redis_command_deadline(struct redis_client *client)
{
    client->is_deadline_timer_on = false;
    if (list_is_empty(&client->pending) && client->asked_ms == 0)
        return;

    int64_t left_ms = deadline_of(client) - loop_now_ms();
    if (left_ms <= 0)
        left_ms = time_held_up_ms(client->timer_due_ms, client->options.timeout_ms);
    if (left_ms > 0) {
        start_deadline(client, left_ms);
        return;
    }
    counter_add(&client->counts->timeouts, 1);
    redis_connection_drop(client, "no answer in time");
}
