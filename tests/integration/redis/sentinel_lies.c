/* Sentinels that lie, are silent, have forgotten everything, or are cut off: pretenders, for what no real one says. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "pretender.h"
#include "redis/connection.h" /* why a connection failed, and where it leads */
#include "sentinel_site.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

TestSuite(redis_sentinel_lies, .fini = sentinel_site_end, .timeout = 90);

static void ask_for_another_name(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(sentinel_site.addresses);
    options.master = "theirs";
    struct redis_client *client = redis_client_new(&options);
    cr_expect_not(redis_client_wait_ready(client, 500));
    cr_expect_not_null(strstr(client->failure, "it knows no master of that name"), "%s", client->failure);
    redis_client_free(client);
}

Test(redis_sentinel_lies, a_name_that_sentinels_do_not_know_is_told)
{
    server_start(NULL);
    start_sentinel(0);
    int port = sentinel_site.ports[0];
    snprintf(sentinel_site.addresses, sizeof(sentinel_site.addresses), "127.0.0.1:%d", port);
    run_scenario(ask_for_another_name);
}

static const char *lie; /* of a Sentinel */

static void tell_a_lie(const char *request, char *reply, size_t size)
{
    (void)request;
    snprintf(reply, size, "%s", lie);
}

/* Of two Sentinels the first one lies: the second one is believed. */
static void meet_liars(void *arg)
{
    static const char *const lies[] = {
        "+OK\r\n",
        "*-1\r\n",
        "*0\r\n",
        "!\r\n",
        "-ERR unknown command 'SENTINEL'\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n*0\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n*2\r\n$12\r\nconfig-epoch\r\n$1\r\n0\r\n",
        "",
    };
    (void)arg;
    struct pretender pretender;
    char addresses[64];
    int port = pretender_start_tcp(&pretender, tell_a_lie);
    snprintf(addresses, sizeof(addresses), "127.0.0.1:%d,127.0.0.1:%d", port, sentinel_site.ports[0]);
    struct redis_options options = sentinel_options(addresses);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        lie = lies[i];
        struct redis_client *client = ready_client(&options);
        cr_expect_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK, "%s", lie);
        cr_expect_eq(client->address.port, server.port);
        redis_client_free(client);
    }
    pretender_stop(&pretender);
}

Test(redis_sentinel_lies, one_that_lies_or_is_silent_is_not_believed)
{
    server_start(NULL);
    start_sentinel(0);
    run_scenario(meet_liars);
}

/* -------------------- Sentinels that were made anew -------------------- */

static int said_epoch = 7;

/* The three questions come together; later on, PING. */
static void answer_as_sentinel(const char *request, int port, int epoch, char *reply, size_t size)
{
    if (strstr(request, "SENTINEL") == NULL)
        snprintf(reply, size, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    else
        snprintf(reply, size,
                 "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05d\r\n*2\r\n$12\r\nconfig-epoch\r\n$1\r\n%d\r\n"
                 "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n",
                 port, epoch);
}

static void name_the_server(const char *request, char *reply, size_t size)
{
    answer_as_sentinel(request, server.port, said_epoch, reply, size);
}

static void hear_of_epoch(struct redis_client *client, int epoch)
{
    said_epoch = epoch;
    cr_assert_geq(kill_clients(), 1);
    loop_park(2000);
    cr_expect_not(redis_client_is_ready(client));
    cr_expect_not_null(strstr(client->failure, "has not heard of the last failover"), "%s", client->failure);
}

/* What is older than what was heard before is not believed at first, and then, if nobody says anything else, it is. */
static void hear_an_older_epoch(void *arg)
{
    (void)arg;
    struct pretender pretender;
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", pretender_start_tcp(&pretender, name_the_server));
    struct redis_options options = sentinel_options(address);
    struct redis_client *client = ready_client(&options);
    hear_of_epoch(client, 5);
    cr_expect(redis_client_wait_ready(client, 40000), "%s", client->failure);
    hear_of_epoch(client, 2); /* that half a minute is over does not make the next one believed at once */
    redis_client_free(client);
    pretender_stop(&pretender);
}

Test(redis_sentinel_lies, sentinels_that_were_made_anew_are_believed_after_half_a_minute)
{
    server_start(NULL);
    run_scenario(hear_an_older_epoch);
}

/* -------------------- one that hears of nothing any more -------------------- */

static void name_the_replica(const char *request, char *reply, size_t size)
{
    answer_as_sentinel(request, server.replica_port, said_epoch + 1, reply, size);
}

/* The first one is cut off together with the old master, and answers as ever; nobody tells of the failover. */
static void listen_to_both_sides(void *arg)
{
    (void)arg;
    struct pretender cut_off, other;
    char addresses[64];
    said_epoch = 7;
    int port = pretender_start_tcp(&cut_off, name_the_server);
    snprintf(addresses, sizeof(addresses), "127.0.0.1:%d,127.0.0.1:%d", port,
             pretender_start_tcp(&other, name_the_replica));
    struct redis_options options = sentinel_options(addresses);
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.port);
    await_connects(client, 2);
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);
    redis_client_free(client);
    pretender_stop(&cut_off);
    pretender_stop(&other);
}

Test(redis_sentinel_lies, one_that_is_cut_off_with_the_old_master_is_listened_to_for_ten_seconds)
{
    server_start(NULL);
    server.replica_port = redis_node_port();
    server.replica = redis_node_start(server.directory, server.replica_port, 0); /* it has been promoted */
    run_scenario(listen_to_both_sides);
}
