/* Streams of a Redis of the test's own. See log.h. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "integration/redis/cluster_site.h"
#include "log.h"

struct log_site log_site;
const struct journal_terms terms = {.patience_ms = 0};

static void make_keys(void)
{
    static const char rid[] = "0123456789abcdef0123456789abcdef";
    journal_key(log_site.keys[0], rid, NULL, "x", 1);
    journal_key(log_site.keys[1], rid, NULL, "y", 1);
    journal_key(log_site.keys[2], NULL, "grace", "x", 1);
    journal_key(log_site.keys[3], NULL, "", "x", 1);
    for (int i = 0; i < STREAMS; i++)
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(log_site.keys[i], log_site.keys[j]);
}

/* The scripts have to be there before the loop turns, so this client is not one of ready_client(). */
MAY_SUSPEND static void open_client(struct redis_options *options)
{
    options->timeout_ms = 10000;
    log_site.client = redis_client_new(options);
    journal_init(&(struct journal_settings){.redis = log_site.client, .lifetime_ms = LIFETIME_MS});
    cr_assert(redis_client_wait_ready(log_site.client, options->timeout_ms));
}

static void (*plays)(void);

static void play_alone(void *arg)
{
    struct redis_options options = worker_options();
    struct redis_options all = quick_options();
    (void)arg;
    open_client(&options);
    log_site.all = ready_client(&all);
    plays();
    redis_client_free(log_site.all);
    redis_client_free(log_site.client);
}

static void play_on_cluster(void *arg)
{
    struct redis_options options = cluster_options();
    (void)arg;
    open_client(&options);
    plays();
    redis_client_free(log_site.client);
}

void log_play(void (*play)(void))
{
    plays = play;
    make_keys();
    server_start_with_users(NULL);
    run_scenario(play_alone);
}

void log_play_on_cluster(void (*play)(void))
{
    plays = play;
    make_keys();
    cluster_site_start(0);
    run_scenario(play_on_cluster);
}

void log_end(void)
{
    cluster_site_end(); /* and what was started alone */
}

long long ask_number(struct redis_client *client, const char *const words[])
{
    struct answer answer;
    bool was_sent;
    cr_assert_eq(ask(client, &answer, &was_sent, words), MID_OK);
    return atoll(answer.text);
}
