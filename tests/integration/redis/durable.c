/* What the tests of durability share. See durable.h. */
#include "durable.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

struct redis_client *durable_client;
int durable_done;

void durable_start(void)
{
    server_start(NULL);
    server_start_replica();
    cr_assert(wait_until(redis_node_is_in_step, &server.replica_port, DURABLE_READY_MS));
}

struct redis_options durable_options(enum mid_durability durability)
{
    struct redis_options options = quick_options();
    options.durability = durability;
    options.replicas = 1;
    options.timeout_ms = 1500; /* below DURABLE_PATIENCE_MS; a disk or a replica may take long beside other tests */
    return options;
}

enum mid_error durable_increment(enum mid_durability durability, int64_t patience_ms, bool *was_sent)
{
    struct redis_call call = {.durability = durability, .patience_ms = patience_ms, .was_sent = true};
    const struct redis_argument words[] = {{"INCR", 4}, {"mid:count", 9}};
    enum mid_error error = redis_command(durable_client, 2, words, &call);
    *was_sent = call.was_sent;
    return error;
}

long long durable_count(struct redis_probe *probe)
{
    OWNED char *text = redis_text(probe, "GET mid:count");
    return text != NULL ? atoll(text) : 0;
}

static void expect_increment(enum mid_error expected)
{
    bool was_sent;
    cr_expect_eq(durable_increment(MID_DURABLE_REPLICA, 0, &was_sent), expected);
    cr_expect(was_sent);
    durable_done++;
}

void durable_increment_confirmed(void *arg)
{
    (void)arg;
    expect_increment(MID_OK);
}

void durable_increment_in_doubt(void *arg)
{
    (void)arg;
    expect_increment(MID_UNAVAILABLE);
}
