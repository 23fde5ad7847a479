/* Streams of a Redis of the test's own. See log.h. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "log.h"

struct redis_client *open_log(void)
{
    struct redis_options options = worker_options();
    options.timeout_ms = 10000;
    struct redis_client *client = redis_client_new(&options);
    durable_init(&(struct durable_settings){.redis = client, .lifetime_ms = LIFETIME_MS});
    cr_assert(redis_client_wait_ready(client, 10000));
    return client;
}

long long ask_number(struct redis_client *client, const char *const words[])
{
    struct answer answer;
    bool was_sent;
    cr_assert_eq(ask(client, &answer, &was_sent, words), MID_OK);
    return atoll(answer.text);
}

void make_keys(char keys[static STREAMS][DURABLE_KEY_BYTES])
{
    static const char rid[] = "0123456789abcdef0123456789abcdef";
    durable_key(keys[0], rid, NULL, "x", 1);
    durable_key(keys[1], rid, NULL, "y", 1);
    durable_key(keys[2], NULL, "grace", "x", 1);
    durable_key(keys[3], NULL, "", "x", 1);
    for (int i = 0; i < STREAMS; i++)
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(keys[i], keys[j]);
}
