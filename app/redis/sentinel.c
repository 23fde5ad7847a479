/* Which Redis is the master. See sentinel.h; what Sentinels say is read in sentinel_answer.c. */
#include "redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/panic.h"
#include "redis/resolve.h"
#include "redis/resp.h"
#include "redis/sentinel_answer.h"
#include "redis/socket.h"
#include "redis/tls.h"

enum {
    QUESTION_MS = 1000,    /* at most, for one Sentinel: there are others */
    WATCH_AGAIN_MS = 1000, /* after the connection that hears of changes was lost */
    PING_MS = 2000,        /* on that connection */
    WATCH_MS = 10000,      /* one Sentinel: it may be on the wrong side of a partition */
    DOUBT_MS = 30000,
    TELL_AGAIN_MS = 60000,
};

enum sentinel_state {
    SENTINEL_IDLE,     /* the timer, if it runs, is when the next one is asked */
    SENTINEL_ASKING,   /* it is the deadline of the question */
    SENTINEL_WATCHING, /* the question was answered; it is the next PING, or the deadline of the last one */
};

struct redis_sentinel {
    struct redis_sentinel_listener listener;
    struct redis_address addresses[REDIS_SENTINELS_MAX];
    size_t count;
    size_t questions; /* that were asked: the number decides who is asked, and at which of its addresses */
    char master[REDIS_MASTER_NAME_BYTES];
    struct redis_credentials credentials;
    int64_t timeout_ms;

    struct redis_tls_channel *tls; /* NULL: without */
    struct redis_socket socket;
    struct buffer request;
    struct resolution *resolution;
    struct timer timer;
    uint64_t writes;
    enum sentinel_state state;
    int64_t watched_ms; /* since when, in WATCHING */
    bool has_answered;  /* since the last PING */
    bool is_wanted;     /* by redis_sentinel_find() */
    bool is_closing;    /* by ourselves */

    struct redis_address named; /* in the answer that is still incomplete */
    int64_t epoch;              /* the newest that was seen; -1: none */
    struct redis_address current;
    struct redis_address left; /* the last one that was switched from; it may become the master again in a new epoch */
    int64_t left_epoch;
    int64_t doubted_ms; /* since when no answer was believed; 0: the last one was */
    int64_t told_ms;    /* when a Sentinel that is away was last logged; 0: never */
};

static const struct redis_address *asked(const struct redis_sentinel *sentinel)
{
    return &sentinel->addresses[(sentinel->questions - 1) % sentinel->count];
}

/* -------------------- the end of a question -------------------- */

static void on_time(struct timer *timer);

static void close_connection(struct redis_sentinel *sentinel)
{
    resolution_abandon(sentinel->resolution);
    sentinel->resolution = NULL;
    sentinel->is_closing = true;
    redis_socket_close(&sentinel->socket, "closing");
    sentinel->is_closing = false;
}

static void tell(struct redis_sentinel *sentinel, const char *reason)
{
    int64_t now_ms = loop_now_ms();
    if (sentinel->told_ms != 0 && now_ms - sentinel->told_ms < TELL_AGAIN_MS)
        return;
    sentinel->told_ms = now_ms;
    log_event(MID_WARN, "redis.sentinel", "address=%s:%d master=%s reason=\"%s\"", asked(sentinel)->host,
              asked(sentinel)->port, sentinel->master, reason);
}

/* Whoever waits is told; otherwise the next Sentinel is asked in a while. */
static void fail(struct redis_sentinel *sentinel, const char *reason)
{
    char sentence[REDIS_REASON_SIZE];
    bool was_wanted = sentinel->is_wanted;
    sentinel->state = SENTINEL_IDLE;
    sentinel->is_wanted = false;
    if (!was_wanted) {
        tell(sentinel, reason);
        timer_start(&sentinel->timer, WATCH_AGAIN_MS, on_time);
        return;
    }
    timer_stop(&sentinel->timer);
    snprintf(sentence, sizeof(sentence), "Sentinel %.60s:%d: %s", asked(sentinel)->host, asked(sentinel)->port, reason);
    sentinel->listener.failed(sentinel->listener.owner, sentence);
}

static void on_gone(void *owner, const char *reason)
{
    struct redis_sentinel *sentinel = owner;
    if (!sentinel->is_closing)
        fail(sentinel, reason);
}

/* -------------------- answers -------------------- */

static void note_master(struct redis_sentinel *sentinel, const struct redis_address *master)
{
    bool is_other = !redis_address_is_same(&sentinel->current, master);
    sentinel->current = *master;
    sentinel->state = SENTINEL_WATCHING;
    sentinel->watched_ms = loop_now_ms();
    sentinel->has_answered = true;
    timer_start(&sentinel->timer, PING_MS, on_time);
    if (sentinel->is_wanted) {
        sentinel->is_wanted = false;
        sentinel->listener.found(sentinel->listener.owner, master);
    } else if (is_other) {
        sentinel->listener.switched(sentinel->listener.owner, "Sentinel names another master");
    }
}

/* To AUTH and SUBSCRIBE. */
static void on_accepted(void *arg, const struct redisReply *reply)
{
    struct redis_sentinel *sentinel = arg;
    char reason[REDIS_REASON_SIZE];
    if (reply != NULL && !sentinel_accepts(reply, reason, sizeof(reason)))
        redis_socket_close(&sentinel->socket, reason);
}

static void on_address(void *arg, const struct redisReply *reply)
{
    struct redis_sentinel *sentinel = arg;
    char reason[REDIS_REASON_SIZE];
    if (reply != NULL && !sentinel_address_read(reply, &sentinel->named, reason, sizeof(reason)))
        redis_socket_close(&sentinel->socket, reason);
}

/* Sentinels that were made anew begin at 0 again: what is said for DOUBT_MS is believed, and what was heard forgotten.
 */
static bool is_outdated(struct redis_sentinel *sentinel, int64_t epoch)
{
    bool is_left = redis_address_is_same(&sentinel->named, &sentinel->left) && epoch <= sentinel->left_epoch;
    bool is_doubtful = epoch < sentinel->epoch || is_left;
    int64_t now_ms = loop_now_ms();
    if (is_doubtful && sentinel->doubted_ms == 0)
        sentinel->doubted_ms = now_ms;
    if (is_doubtful && now_ms - sentinel->doubted_ms < DOUBT_MS)
        return true;
    sentinel->doubted_ms = 0;
    if (is_doubtful)
        sentinel->left = (struct redis_address){0};
    return false;
}

static void on_epoch(void *arg, const struct redisReply *reply)
{
    struct redis_sentinel *sentinel = arg;
    int64_t epoch;
    char reason[REDIS_REASON_SIZE];
    if (reply == NULL)
        return;
    if (!sentinel_epoch_read(reply, &epoch, reason, sizeof(reason))) {
        redis_socket_close(&sentinel->socket, reason);
        return;
    }
    if (is_outdated(sentinel, epoch)) {
        redis_socket_close(&sentinel->socket, "it has not heard of the last failover");
        return;
    }
    sentinel->epoch = epoch;
    note_master(sentinel, &sentinel->named);
}

/* Sentinels hear of it one after the other: those who have not yet are not believed. */
static void on_message(void *owner, const struct redisReply *reply)
{
    struct redis_sentinel *sentinel = owner;
    struct redis_address old;
    sentinel->has_answered = sentinel->has_answered || sentinel_pong_read(reply);
    if (!sentinel_switch_read(reply, sentinel->master, &old) || !redis_address_is_same(&old, &sentinel->current))
        return;
    sentinel->left = old;
    sentinel->left_epoch = sentinel->epoch;
    sentinel->listener.switched(sentinel->listener.owner, "Sentinel has made another Redis the master");
}

/* -------------------- a question -------------------- */

static void send_words(struct redis_sentinel *sentinel, redis_answer_fn *fn, const char *const words[])
{
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    resp_begin(&sentinel->request, count);
    for (size_t i = 0; i < count; i++)
        resp_add_text(&sentinel->request, words[i]);
    redis_socket_send(&sentinel->socket, &sentinel->request, fn, sentinel);
}

static void open_connection(struct redis_sentinel *sentinel, const struct redis_address *address)
{
    char reason[REDIS_REASON_SIZE];
    if (sentinel->tls != NULL)
        redis_tls_channel_expect(sentinel->tls, asked(sentinel)->host);
    if (!redis_socket_open(&sentinel->socket, address, reason, sizeof(reason))) {
        fail(sentinel, reason);
        return;
    }
    redis_auth_send(&sentinel->socket, &sentinel->request, &sentinel->credentials, on_accepted, sentinel);
    send_words(sentinel, on_address,
               (const char *const[]){"SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel->master, NULL});
    send_words(sentinel, on_epoch, (const char *const[]){"SENTINEL", "MASTER", sentinel->master, NULL});
    send_words(sentinel, on_accepted, (const char *const[]){"SUBSCRIBE", "+switch-master", NULL});
}

static void on_resolved(void *arg, const char *host, const char *reason)
{
    struct redis_sentinel *sentinel = arg;
    struct redis_address numeric = *asked(sentinel);
    sentinel->resolution = NULL;
    if (host == NULL) {
        fail(sentinel, reason);
        return;
    }
    snprintf(numeric.host, sizeof(numeric.host), "%s", host);
    open_connection(sentinel, &numeric);
}

static void ask_next(struct redis_sentinel *sentinel)
{
    size_t round = sentinel->questions++ / sentinel->count;
    sentinel->state = SENTINEL_ASKING;
    timer_start(&sentinel->timer, sentinel->timeout_ms, on_time);
    if (asked(sentinel)->is_numeric) {
        open_connection(sentinel, asked(sentinel));
        return;
    }
    sentinel->resolution = resolution_new(asked(sentinel), (unsigned)round, on_resolved, sentinel);
    if (sentinel->resolution == NULL)
        fail(sentinel, "cannot resolve the host: no thread");
}

/* The kernel answers for a Sentinel that is frozen, so it is asked itself. */
static void ping(struct redis_sentinel *sentinel)
{
    sentinel->has_answered = false;
    send_words(sentinel, NULL, (const char *const[]){"PING", NULL});
    timer_start(&sentinel->timer, PING_MS, on_time);
}

static bool is_late(const struct redis_sentinel *sentinel)
{
    return sentinel->state == SENTINEL_ASKING || (sentinel->state == SENTINEL_WATCHING && !sentinel->has_answered);
}

static void on_time(struct timer *timer)
{
    struct redis_sentinel *sentinel = LIST_ELEMENT(timer, struct redis_sentinel, timer);
    bool is_watched_on = sentinel->state == SENTINEL_WATCHING && loop_now_ms() - sentinel->watched_ms < WATCH_MS;
    if (is_late(sentinel)) {
        close_connection(sentinel);
        fail(sentinel, "no answer in time");
    } else if (is_watched_on) {
        ping(sentinel);
    } else {
        close_connection(sentinel);
        ask_next(sentinel);
    }
}

/* From a timer: a socket that was closed may not be opened in the same turn. */
void redis_sentinel_find(struct redis_sentinel *sentinel)
{
    sentinel->is_wanted = true;
    sentinel->state = SENTINEL_IDLE;
    timer_start(&sentinel->timer, 0, on_time);
}

/* -------------------- life -------------------- */

struct redis_sentinel *redis_sentinel_new(const struct redis_sentinel_options *options,
                                          const struct redis_sentinel_listener *listener, char *reason,
                                          size_t reason_size)
{
    struct redis_sentinel *sentinel = calloc(1, sizeof(*sentinel));
    if (sentinel == NULL)
        panic("out of memory for Sentinel");
    sentinel->count =
        redis_address_parse_list(options->addresses, sentinel->addresses, REDIS_SENTINELS_MAX, reason, reason_size);
    if (sentinel->count == 0) {
        free(sentinel);
        return NULL;
    }
    ENSURE(strlen(options->master) < sizeof(sentinel->master));
    strcpy(sentinel->master, options->master);
    sentinel->listener = *listener;
    sentinel->credentials = options->credentials;
    sentinel->timeout_ms = options->timeout_ms < QUESTION_MS ? options->timeout_ms : QUESTION_MS;
    sentinel->epoch = -1;
    if (options->tls != NULL)
        sentinel->tls = redis_tls_channel_new(options->tls, sentinel->addresses[0].host);
    redis_socket_init(&sentinel->socket, sentinel->tls, on_gone, sentinel, &sentinel->writes);
    sentinel->socket.on_unasked = on_message;
    return sentinel;
}

void redis_sentinel_free(struct redis_sentinel *sentinel)
{
    if (sentinel == NULL)
        return;
    close_connection(sentinel);
    timer_fini(&sentinel->timer);
    redis_tls_channel_free(sentinel->tls);
    buffer_fini(&sentinel->request);
    free(sentinel);
}
