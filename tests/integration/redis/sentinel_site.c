/* A Redis with Sentinels, and what the tests of them share. See sentinel_site.h. */
#include "sentinel_site.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "support/process.h"
#include "support/redis_node.h"

enum { KNOWN_MS = 15000, DOWN_AFTER_MS = 500 };

struct sentinel_site sentinel_site;

void sentinel_site_end(void)
{
    for (int i = 0; i < SENTINELS; i++)
        if (sentinel_site.pids[i] != 0)
            process_signal(sentinel_site.pids[i], SIGKILL);
    server_fini();
}

void start_sentinel_of(int number, int master_port, const char *more)
{
    sentinel_site.ports[number] = redis_node_port();
    sentinel_site.pids[number] =
        redis_sentinel_start(server.directory, sentinel_site.ports[number], master_port, DOWN_AFTER_MS, more);
}

void start_sentinel(int number)
{
    start_sentinel_of(number, server.port, "");
}

void sentinel_site_start(void)
{
    server_start(NULL);
    server_start_replica();
    cr_assert(wait_until(redis_node_is_in_step, &server.replica_port, KNOWN_MS)); /* INFO is asked every ten seconds */
    for (int i = 0; i < SENTINELS; i++)
        start_sentinel(i);
    for (int i = 0; i < SENTINELS; i++)
        cr_assert(wait_until(redis_sentinel_knows_all, &sentinel_site.ports[i], KNOWN_MS), "Sentinel %d", i);
    snprintf(sentinel_site.addresses, sizeof(sentinel_site.addresses), "127.0.0.1:%d,localhost:%d,127.0.0.1:%d",
             sentinel_site.ports[0], sentinel_site.ports[1], sentinel_site.ports[2]);
}

struct redis_options sentinel_options(const char *addresses)
{
    struct redis_options options = quick_options();
    options.address = addresses;
    options.master = "ours";
    options.tls = NULL;
    return options;
}

void await_connects(struct redis_client *client, uint64_t connects)
{
    int64_t end_ms = loop_now_ms() + READY_MS;
    while (redis_client_counts(client)->connects < connects && loop_now_ms() < end_ms)
        loop_park(1);
    cr_assert_eq(redis_client_counts(client)->connects, connects, "%s", redis_client_failure(client));
}

long long kill_clients(void)
{
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    long long killed = redis_int(probe, "CLIENT KILL TYPE normal SKIPME yes");
    redis_probe_close(probe);
    return killed;
}
