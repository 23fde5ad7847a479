/*
 * Suspicion: Redis is connected, and does not answer. See connection.h.
 *
 * The first call whose patience ends pays for the knowledge; those that come after it and are as impatient are refused
 * at once, until an answer comes. A PING goes behind what is pending, so that one is sure to come without anybody's
 * waiting for it. It is no command of a fiber's, so no limit keeps it back, and it needs no deadline: the command that
 * was given up is still pending, with its own, which ends the connection and the suspicion with it.
 *
 * Where Redis is slow rather than silent, patience may end and answers may come many times a second: that is counted,
 * and told once a second at most.
 */
#include <inttypes.h>

#include "base/log.h"
#include "redis/connection.h"
#include "redis/resp.h"

enum { TELL_AGAIN_MS = 1000 };

static void on_pong(redisAsyncContext *context, void *answer, void *data)
{
    (void)context;
    struct redis_client *client = data;
    client->is_probed = false;
    if (answer != NULL) /* whatever it says */
        redis_suspicion_answered(client);
}

static void probe(struct redis_client *client)
{
    if (client->is_probed) /* an earlier one, overtaken by the answer to something before it */
        return;
    resp_begin(&client->request, 1);
    resp_add_text(&client->request, "PING");
    client->is_probed = redis_request_send(client, on_pong, client);
}

static void set_suspect(struct redis_client *client, bool is_suspect)
{
    client->is_suspect = is_suspect;
    counter_set(&client->counts->is_suspect, is_suspect);
}

void redis_suspicion_begin(struct redis_client *client, int64_t waited_ms)
{
    if (client->is_suspect || client->state != CONNECTION_READY)
        return;
    int64_t now_ms = loop_now_ms();
    set_suspect(client, true);
    counter_add(&client->counts->suspicions, 1);
    client->suspect_ms = now_ms;
    client->is_suspicion_told = now_ms - client->suspicion_told_ms >= TELL_AGAIN_MS;
    if (client->is_suspicion_told) {
        client->suspicion_told_ms = now_ms;
        log_event(MID_WARN, "redis.suspect", "address=%s waited_ms=%" PRId64 " pending=%zu", client->options.address,
                  waited_ms, client->pending_count);
    }
    probe(client);
}

void redis_suspicion_answered(struct redis_client *client)
{
    if (!client->is_suspect)
        return;
    set_suspect(client, false);
    if (client->is_suspicion_told)
        log_event(MID_INFO, "redis.trusted", "address=%s after_ms=%" PRId64, client->options.address,
                  loop_now_ms() - client->suspect_ms);
}

void redis_suspicion_end(struct redis_client *client)
{
    set_suspect(client, false);
    client->is_probed = false;
}
