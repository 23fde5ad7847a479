/* Redis with Sentinels, all real: failovers, Sentinels that go, names, passwords, TLS. What none of them should say is
 * in sentinel_lies.c. */
#include <criterion/criterion.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "certificates.h"
#include "redis/connection.h" /* why a connection failed, and where it leads */
#include "redis/tls.h"
#include "sentinel_site.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_node.h"

TestSuite(redis_sentinel, .fini = sentinel_site_end, .timeout = 90);

/* -------------------- failovers -------------------- */

static void follow_the_master(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(sentinel_site.addresses);
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.port);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);

    struct redis_probe *sentinel = redis_probe_open_port(sentinel_site.ports[2]);
    OWNED char *answer = redis_text(sentinel, "SENTINEL FAILOVER ours");
    cr_assert_str_eq(answer, "OK");
    redis_probe_close(sentinel);
    int64_t began_ms = loop_now_ms();
    await_connects(client, 2);
    fprintf(stderr, "redis_sentinel: SENTINEL FAILOVER: with the new master after %lld ms\n",
            (long long)(loop_now_ms() - began_ms));
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "2")), MID_OK);
    redis_client_free(client);
}

Test(redis_sentinel, an_ordered_failover_is_followed)
{
    sentinel_site_start();
    run_scenario(follow_the_master);
}

static void survive_the_master(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(sentinel_site.addresses);
    struct redis_client *client = ready_client(&options);
    server_stop(SIGKILL);
    int64_t began_ms = loop_now_ms();
    await_connects(client, 2);
    fprintf(stderr, "redis_sentinel: kill -9: with the new master after %lld ms\n",
            (long long)(loop_now_ms() - began_ms));
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "2")), MID_OK);
    redis_client_free(client);
}

Test(redis_sentinel, a_killed_master_is_replaced)
{
    sentinel_site_start();
    run_scenario(survive_the_master);
}

/* A master that does not answer the Sentinels, and would answer us if it went on: it must not be written to. */
static void leave_a_stopped_master(void *arg)
{
    (void)arg;
    struct redis_options options = sentinel_options(sentinel_site.addresses);
    options.timeout_ms = 60000; /* it is not by its deadline that it is left */
    struct redis_client *client = ready_client(&options);
    process_signal(server.pid, SIGSTOP);
    await_connects(client, 2);
    process_signal(server.pid, SIGCONT);
    cr_expect_eq(client->address.port, server.replica_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "2")), MID_OK);
    redis_client_free(client);
}

Test(redis_sentinel, a_master_that_is_none_any_more_is_left_when_the_sentinels_say_so)
{
    sentinel_site_start();
    run_scenario(leave_a_stopped_master);
}

/* -------------------- Sentinels that are away -------------------- */

static void lose_sentinels(void *arg)
{
    (void)arg;
    char addresses[128];
    snprintf(addresses, sizeof(addresses), "127.0.0.1:1,127.0.0.1:%d,127.0.0.1:%d", sentinel_site.ports[0],
             sentinel_site.ports[1]);
    struct redis_options options = sentinel_options(addresses);
    struct redis_client *client = ready_client(&options);
    process_signal(sentinel_site.pids[0], SIGKILL);
    sentinel_site.pids[0] = 0;
    loop_park(1500);
    cr_expect(redis_client_is_ready(client), "the connection to Redis does not depend on a Sentinel");
    struct redis_probe *sentinel = redis_probe_open_port(sentinel_site.ports[2]);
    free(redis_text(sentinel, "SENTINEL FAILOVER ours"));
    redis_probe_close(sentinel);
    await_connects(client, 2);
    cr_expect_eq(client->address.port, server.replica_port);
    redis_client_free(client);
}

Test(redis_sentinel, sentinels_may_go)
{
    sentinel_site_start();
    run_scenario(lose_sentinels);
}

/* The Sentinel that would tell us does not run, and its kernel answers for it. */
static void freeze_the_sentinel(void *arg)
{
    (void)arg;
    char addresses[128];
    snprintf(addresses, sizeof(addresses), "127.0.0.1:%d,127.0.0.1:%d", sentinel_site.ports[0], sentinel_site.ports[1]);
    struct redis_options options = sentinel_options(addresses);
    struct redis_client *client = ready_client(&options);
    process_signal(sentinel_site.pids[0], SIGSTOP);
    loop_park(6000); /* a PING without an answer, and the next Sentinel */
    cr_expect(redis_client_is_ready(client));
    process_signal(server.pid, SIGSTOP); /* two of three find that, and make the other one the master */
    await_connects(client, 2);
    cr_expect_eq(client->address.port, server.replica_port);
    redis_client_free(client);
    process_signal(server.pid, SIGCONT);
}

Test(redis_sentinel, one_that_is_frozen_is_left)
{
    sentinel_site_start();
    run_scenario(freeze_the_sentinel);
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
    snprintf(address, sizeof(address), "localhost:%d", sentinel_site.ports[0]);
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
    snprintf(address, sizeof(address), "127.0.0.1:%d", sentinel_site.ports[0]);
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
    snprintf(address, sizeof(address), "localhost:%d", sentinel_site.ports[0]);
    struct redis_options options = sentinel_options(address);
    options.tls = server_tls();
    options.timeout_ms = 3000;
    struct redis_client *client = ready_client(&options);
    cr_expect_eq(client->address.port, server.tls_port);
    cr_expect_eq(ask(client, NULL, NULL, WORDS("SET", "a", "1")), MID_OK);

    cr_assert_geq(kill_clients(), 1);
    await_connects(client, 2);
    cr_expect(redis_tls_is_resumed(client->tls), "it is the same master as before");
    redis_client_free(client);
}

Test(redis_sentinel, tls_is_spoken_with_sentinels_and_master)
{
    server_start_with_tls(false, NULL);
    start_sentinel_with_tls();
    run_scenario(speak_tls_with_both);
}
