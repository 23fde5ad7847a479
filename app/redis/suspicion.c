/*
 * Suspicion: Redis is connected, and does not answer. See connection.h.
 *
 * The first call whose patience ends pays for the knowledge; those that come after it and are as impatient are refused
 * at once, until the answer to a PING comes. That goes behind what is pending: a Redis that is slow rather than silent
 * is trusted again when it has worked off what it had, and not at its first answer. The PING is no command of a
 * fiber's, so no limit keeps it back; redis_command_deadline() sees to it that it is answered.
 *
 * Where patience is short, this may come many times a second: that is counted, and told once a second at most.
 */
#include <inttypes.h>

#include "base/log.h"
#include "redis/connection.h"
#include "redis/resp.h"

enum { TELL_AGAIN_MS = 1000 };

static void set_suspect(struct redis_client *client, bool is_suspect)
{
    if (client->is_suspect == is_suspect)
        return;
    client->is_suspect = is_suspect;
    counter_add(&client->counts->is_suspect, is_suspect ? 1 : (uint64_t)-1);
}

static void on_pong(void *arg, const struct redisReply *reply)
{
    struct redis_client *client = arg;
    char name[REDIS_NAME_BYTES];
    redis_command_note_answer(client);
    if (reply == NULL || !client->is_suspect)
        return;
    set_suspect(client, false); /* whatever it says */
    if (client->is_suspicion_told)
        log_event(MID_INFO, "redis.trusted", "address=%s after_ms=%" PRId64, redis_client_name(client, name),
                  loop_now_ms() - client->suspect_ms);
}

/* When it cannot leave, the connection is ending, and the suspicion with it. */
static void probe(struct redis_client *client)
{
    resp_begin(&client->request, 1);
    resp_add_text(&client->request, "PING");
    if (redis_request_send(client, on_pong, client))
        redis_command_note_question(client);
}

void redis_suspicion_begin(struct redis_client *client, int64_t waited_ms)
{
    if (client->is_suspect || client->state != CONNECTION_READY)
        return;
    char name[REDIS_NAME_BYTES];
    int64_t now_ms = loop_now_ms();
    set_suspect(client, true);
    counter_add(&client->counts->suspicions, 1);
    client->suspect_ms = now_ms;
    client->is_suspicion_told = now_ms - client->suspicion_told_ms >= TELL_AGAIN_MS;
    if (client->is_suspicion_told) {
        client->suspicion_told_ms = now_ms;
        log_event(MID_WARN, "redis.suspect", "address=%s waited_ms=%" PRId64 " pending=%zu",
                  redis_client_name(client, name), waited_ms, client->pending_count);
    }
    probe(client);
}

void redis_suspicion_end(struct redis_client *client)
{
    set_suspect(client, false);
}
