/*
 * Redis with Sentinels: one master, one replica and three Sentinels, all real; and pretenders for what none of them
 * says.
 */
#include <criterion/criterion.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "certificates.h"
#include "pretender.h"
#include "redis/connection.h" /* why a connection failed, and where it leads */
#include "redis/tls.h"
#include "server.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

enum { SENTINELS = 3, READY_MS = 20000, KNOWN_MS = 15000, DOWN_AFTER_MS = 500 };

static struct {
    int ports[SENTINELS];
    pid_t pids[SENTINELS];
    char addresses[128];
} site;

static void end_site(void)
{
    for (int i = 0; i < SENTINELS; i++)
        if (site.pids[i] != 0)
            process_signal(site.pids[i], SIGKILL);
    server_fini();
}

TestSuite(redis_sentinel, .fini = end_site, .timeout = 90);

/* -------------------- the site -------------------- */

/* `more` are further lines of its configuration. */
static void start_sentinel_of(int number, int master_port, const char *more)
{
    site.ports[number] = redis_node_port();
    site.pids[number] = redis_sentinel_start(server.directory, site.ports[number], master_port, DOWN_AFTER_MS, more);
}

static void start_sentinel(int number)
{
    start_sentinel_of(number, server.port, "");
}

static void start_site(void)
{
    server_start(NULL);
    server_start_replica();
    cr_assert(wait_until(redis_node_is_in_step, &server.replica_port, KNOWN_MS)); /* INFO is asked every ten seconds */
    for (int i = 0; i < SENTINELS; i++)
        start_sentinel(i);
    for (int i = 0; i < SENTINELS; i++)
        cr_assert(wait_until(redis_sentinel_knows_all, &site.ports[i], KNOWN_MS), "Sentinel %d", i);
    snprintf(site.addresses, sizeof(site.addresses), "127.0.0.1:%d,localhost:%d,127.0.0.1:%d", site.ports[0],
             site.ports[1], site.ports[2]);
}

static struct redis_options sentinel_options(const char *addresses)
{
    struct redis_options options = quick_options();
    options.address = addresses;
    options.master = "ours";
    options.tls = NULL;
    return options;
}

static void await_connection(struct redis_client *client, uint64_t connects)
{
    int64_t end_ms = loop_now_ms() + READY_MS;
    while (redis_client_counts(client)->connects < connects && loop_now_ms() < end_ms)
        loop_park(1);
    cr_assert_eq(redis_client_counts(client)->connects, connects, "%s", redis_client_failure(client));
}

/* -------------------- failovers -------------------- */

static void follow_the_master(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(site.addresses);
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.port);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);

    struct redis_probe *sentinel = redis_probe_open_port(site.ports[2]);
    OWNED char *answer = redis_text(sentinel, "SENTINEL FAILOVER ours");
    cr_assert_str_eq(answer, "OK");
    redis_probe_close(sentinel);
    int64_t began_ms = loop_now_ms();
    await_connection(client, 2);
    fprintf(stderr, "redis_sentinel: SENTINEL FAILOVER: with the new master after %lld ms\n",
            (long long)(loop_now_ms() - began_ms));
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "2")), MID_OK);
    redis_client_free(client);
}

Test(redis_sentinel, an_ordered_failover_is_followed)
{
    start_site();
    run_scenario(follow_the_master);
}

static void survive_the_master(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(site.addresses);
    struct redis_client *client = ready_client(&options);
    server_stop(SIGKILL);
    int64_t began_ms = loop_now_ms();
    await_connection(client, 2);
    fprintf(stderr, "redis_sentinel: kill -9: with the new master after %lld ms\n",
            (long long)(loop_now_ms() - began_ms));
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "2")), MID_OK);
    redis_client_free(client);
}

Test(redis_sentinel, a_killed_master_is_replaced)
{
    start_site();
    run_scenario(survive_the_master);
}

/* A master that does not answer the Sentinels, and would answer us if it went on: it must not be written to. */
static void leave_a_stopped_master(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(site.addresses);
    options.timeout_ms = 60000; /* it is not by its deadline that it is left */
    struct redis_client *client = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    await_connection(client, 2);
    process_signal(server.pid, SIGCONT);
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "2")), MID_OK);
    redis_client_free(client);
}

Test(redis_sentinel, a_master_that_is_none_any_more_is_left_when_the_sentinels_say_so)
{
    start_site();
    run_scenario(leave_a_stopped_master);
}

/* -------------------- Sentinels that are away, or lie -------------------- */

static void lose_sentinels(void *arg)
{
    (void)arg;
    char addresses[128];
    snprintf(addresses, sizeof(addresses), "127.0.0.1:1,127.0.0.1:%d,127.0.0.1:%d", site.ports[0], site.ports[1]);
    struct redis_options options = sentinel_options(addresses);
    struct redis_client *client = ready_client(&options);
    process_signal(site.pids[0], SIGKILL);
    site.pids[0] = 0;
    loop_park(1500);
    cr_expect(redis_client_is_ready(client), "the connection to Redis does not depend on a Sentinel");
    struct redis_probe *sentinel = redis_probe_open_port(site.ports[2]);
    free(redis_text(sentinel, "SENTINEL FAILOVER ours"));
    redis_probe_close(sentinel);
    await_connection(client, 2);
    cr_expect_eq(client->address.port, server.replica_port);
    redis_client_free(client);
}

Test(redis_sentinel, sentinels_may_go)
{
    start_site();
    run_scenario(lose_sentinels);
}

/* The Sentinel that would tell us does not run, and its kernel answers for it. */
static void freeze_the_sentinel(void *arg)
{
    (void)arg;
    char addresses[128];
    snprintf(addresses, sizeof(addresses), "127.0.0.1:%d,127.0.0.1:%d", site.ports[0], site.ports[1]);
    struct redis_options options = sentinel_options(addresses);
    struct redis_client *client = ready_client(&options);
    process_signal(site.pids[0], SIGSTOP);
    loop_park(6000); /* a PING without an answer, and the next Sentinel */
    cr_expect(redis_client_is_ready(client));
    process_signal(server.pid, SIGSTOP); /* two of three find that, and make the other one the master */
    await_connection(client, 2);
    cr_expect_eq(client->address.port, server.replica_port);
    redis_client_free(client);
    process_signal(server.pid, SIGCONT);
}

Test(redis_sentinel, one_that_is_frozen_is_left)
{
    start_site();
    run_scenario(freeze_the_sentinel);
}

static void ask_for_another_name(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(site.addresses);
    options.master = "theirs";
    struct redis_client *client = redis_client_new(&options);
    cr_expect_not(redis_client_wait_ready(client, 500));
    cr_expect_not_null(strstr(client->failure, "it knows no master of that name"), "%s", client->failure);
    redis_client_free(client);
}

Test(redis_sentinel, a_name_that_sentinels_do_not_know_is_told)
{
    server_start(NULL);
    start_sentinel(0);
    int port = site.ports[0];
    snprintf(site.addresses, sizeof(site.addresses), "127.0.0.1:%d", port);
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
    snprintf(addresses, sizeof(addresses), "127.0.0.1:%d,127.0.0.1:%d", port, site.ports[0]);
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

Test(redis_sentinel, one_that_lies_or_is_silent_is_not_believed)
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

static long long kill_clients(void)
{
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    long long killed = redis_int(probe, "CLIENT KILL TYPE normal SKIPME yes");
    redis_probe_close(probe);
    return killed;
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

Test(redis_sentinel, sentinels_that_were_made_anew_are_believed_after_half_a_minute)
{
    server_start(NULL);
    run_scenario(hear_an_older_epoch);
}

/* -------------------- a name with several addresses -------------------- */

/* The last one of those that the name stands for: with one only, the test says nothing. */
static const char *last_address(const char *name)
{
    static char host[64];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    cr_assert_eq(getaddrinfo(name, NULL, &hints, &found), 0);
    const struct addrinfo *last = found;
    while (last->ai_next != NULL)
        last = last->ai_next;
    cr_assert_eq(getnameinfo(last->ai_addr, last->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST), 0);
    freeaddrinfo(found);
    return host;
}

static void ask_at_a_name(void *arg)
{
    (void)arg;
    char address[32];
    snprintf(address, sizeof(address), "localhost:%d", site.ports[0]);
    struct redis_options options = sentinel_options(address);
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.port);
    redis_client_free(client);
}

Test(redis_sentinel, one_is_asked_at_each_address_of_its_name)
{
    char bind[80];
    server_start(NULL);
    snprintf(bind, sizeof(bind), "bind %s\n", last_address("localhost"));
    start_sentinel_of(0, server.port, bind);
    run_scenario(ask_at_a_name);
}

/* -------------------- those that want a password -------------------- */

enum { OTHER_MS = 500 };

static void authenticate(void *arg)
{
    (void)arg;
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", site.ports[0]);
    struct redis_options options = sentinel_options(address);
    struct redis_client *without = redis_client_new(&options);
    cr_expect_not(redis_client_wait_ready(without, OTHER_MS));
    cr_expect_not_null(strstr(without->failure, "NOAUTH"), "%s", without->failure);
    redis_client_free(without);

    options.sentinel_credentials.password = "wrong";
    struct redis_client *wrong = redis_client_new(&options);
    cr_expect_not(redis_client_wait_ready(wrong, OTHER_MS));
    cr_expect_not_null(strstr(wrong->failure, "WRONGPASS"), "%s", wrong->failure);
    redis_client_free(wrong);

    options.sentinel_credentials.password = "a secret of the Sentinels";
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.port);
    redis_client_free(client);

    options.sentinel_credentials = (struct redis_credentials){"asks", "another secret"};
    client = ready_client(&options);
    redis_client_free(client);
}

Test(redis_sentinel, one_that_wants_a_password_is_given_its_own)
{
    server_start(NULL);
    start_sentinel_of(0, server.port,
                      "requirepass \"a secret of the Sentinels\"\n"
                      "user asks on \">another secret\" &* -@all +auth +hello +ping +subscribe +sentinel\n");
    run_scenario(authenticate);
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
    await_connection(client, 2);
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);
    redis_client_free(client);
    pretender_stop(&cut_off);
    pretender_stop(&other);
}

Test(redis_sentinel, one_that_is_cut_off_with_the_old_master_is_listened_to_for_ten_seconds)
{
    server_start(NULL);
    server.replica_port = redis_node_port();
    server.replica = redis_node_start(server.directory, server.replica_port, 0); /* it has been promoted */
    run_scenario(listen_to_both_sides);
}

/* -------------------- TLS -------------------- */

static void start_sentinel_with_tls(void)
{
    char more[640];
    snprintf(more, sizeof(more),
             "port 0\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\ntls-auth-clients no\n"
             "tls-replication yes\n",
             certificate_path("server.pem"), certificate_path("server.key"), certificate_path("ca.pem"));
    start_sentinel_of(0, server.tls_port, more);
}

static void speak_tls_with_both(void *arg)
{
    (void)arg;
    char address[32];
    snprintf(address, sizeof(address), "localhost:%d", site.ports[0]);
    struct redis_options options = sentinel_options(address);
    options.tls = server_tls();
    options.timeout_ms = 3000;
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.tls_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);

    cr_assert_geq(kill_clients(), 1);
    await_connection(client, 2);
    cr_expect(redis_tls_is_resumed(client->tls), "it is the same master as before");
    redis_client_free(client);
}

Test(redis_sentinel, tls_is_spoken_with_sentinels_and_master)
{
    server_start_with_tls(false, NULL);
    start_sentinel_with_tls();
    run_scenario(speak_tls_with_both);
}
