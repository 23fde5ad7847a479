/*
 * TLS to Redis: whom we believe, what is said of those whom we do not, sessions, and files that change.
 *
 * That commands work as they do without is what the other suites show, which are run a second time with REDIS_TLS=1.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificates.h"
#include "redis/connection.h" /* why a connection failed */
#include "redis/tls.h"
#include "server.h"
#include "support/owned.h"

TestSuite(redis_tls, .fini = server_fini, .timeout = 60);

enum { READY_MS = 10000 };

static struct redis_options options_to(const char *host, struct redis_tls *tls)
{
    static char address[64];
    struct redis_options options = quick_options();
    snprintf(address, sizeof(address), "%s:%d", host, server.tls_port);
    options.address = address;
    options.tls = tls;
    options.timeout_ms = 3000;
    return options;
}

static struct redis_tls *new_tls(struct redis_tls_options options)
{
    char reason[256] = "";
    struct redis_tls *tls = redis_tls_new(&options, reason, sizeof(reason));
    cr_assert_not_null(tls, "%s", reason);
    return tls;
}

/* -------------------- whom we believe -------------------- */

static void ask_under_each_name(void *arg)
{
    (void)arg;
    static const char *const hosts[] = {"127.0.0.1", "[::1]", "localhost"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct redis_options options = options_to(hosts[i], server_tls());
        struct redis_client *client = ready_client(&options);
        cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
        cr_expect_str_eq(redis_tls_version(client->tls), "TLSv1.3");
        redis_client_free(client);
    }
}

Test(redis_tls, the_name_and_the_addresses_of_the_certificate_are_believed)
{
    server_start_with_tls(false, NULL);
    run_scenario(ask_under_each_name);
}

static void speak_the_older_version(void *arg)
{
    (void)arg;
    struct redis_options options = options_to("localhost", server_tls());
    struct redis_client *client = ready_client(&options);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    cr_expect_str_eq(redis_tls_version(client->tls), "TLSv1.2");
    redis_client_free(client);
}

Test(redis_tls, version_1_2_is_spoken_where_the_server_has_no_other)
{
    server_start_with_tls(false, WORDS("--tls-protocols", "TLSv1.2"));
    run_scenario(speak_the_older_version);
}

/* -------------------- whom we do not -------------------- */

MAY_SUSPEND static void await_failure(const struct redis_client *client)
{
    for (int turns = 0; client->failure[0] == '\0'; turns++) {
        cr_assert(turns < READY_MS && !redis_client_is_ready(client));
        loop_park(1);
    }
}

static void expect_failure(const char *host, struct redis_tls_options tls_options, const char *expected)
{
    struct redis_tls *tls = new_tls(tls_options);
    struct redis_options options = options_to(host, tls);
    struct redis_client *client = redis_client_new(&options);
    await_failure(client);
    cr_expect_not_null(strstr(client->failure, expected), "\"%s\" is in \"%s\"", expected, client->failure);
    redis_client_free(client);
    redis_tls_free(tls);
}

static void meet_strangers(void *arg)
{
    (void)arg;
    const char *ca = certificate_path("ca.pem");
    certificate_make("other-ca", NULL, NULL, CERTIFICATE_LIFE_S);
    const char *other = certificate_path("other-ca.pem");
    expect_failure("localhost", (struct redis_tls_options){.ca = other},
                   "self-signed certificate in certificate chain (setting redis-tls-ca)"); /* Redis sends all of it */
    expect_failure("localhost", (struct redis_tls_options){0}, "(setting redis-tls-ca)");
    expect_failure("localhost", (struct redis_tls_options){.ca = ca, .name = "redis.example"},
                   "not valid: hostname mismatch; expected redis.example (setting redis-tls-name)");
    expect_failure("127.0.0.1", (struct redis_tls_options){.ca = ca, .name = "127.0.0.2"},
                   "not valid: IP address mismatch; expected 127.0.0.2 (setting redis-tls-name)");
}

Test(redis_tls, a_certificate_of_somebody_else_is_refused_with_the_cause)
{
    server_start_with_tls(false, NULL);
    run_scenario(meet_strangers);
}

static void meet_an_expired_one(void *arg)
{
    (void)arg;
    expect_failure("localhost", (struct redis_tls_options){.ca = certificate_path("ca.pem")},
                   "not valid: certificate has expired");
}

Test(redis_tls, an_expired_certificate_is_refused)
{
    server_make_certificates();
    certificate_make("server", "ca", "DNS:localhost", -60);
    server_start_with_tls(false, NULL);
    run_scenario(meet_an_expired_one);
}

static void believe_anybody(void *arg)
{
    (void)arg;
    struct redis_tls *tls = new_tls((struct redis_tls_options){.is_unverified = true});
    struct redis_options options = options_to("127.0.0.1", tls);
    struct redis_client *client = ready_client(&options);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    redis_client_free(client);
    redis_tls_free(tls);
}

Test(redis_tls, without_verification_any_certificate_will_do)
{
    server_make_certificates();
    certificate_make("server", "ca", "DNS:elsewhere", -60);
    server_start_with_tls(false, NULL);
    run_scenario(believe_anybody);
}

/* -------------------- who we are -------------------- */

static void show_a_certificate(void *arg)
{
    (void)arg;
    const char *ca = certificate_path("ca.pem");
    certificate_make("client", "ca", NULL, CERTIFICATE_LIFE_S);
    expect_failure("localhost", (struct redis_tls_options){.ca = ca}, "TLS: tlsv13 alert certificate required");
    struct redis_tls *tls = new_tls((struct redis_tls_options){
        .ca = ca, .certificate = certificate_path("client.pem"), .key = certificate_path("client.key")});
    struct redis_options options = options_to("localhost", tls);
    struct redis_client *client = ready_client(&options);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    redis_client_free(client);
    redis_tls_free(tls);
}

Test(redis_tls, a_redis_that_wants_a_certificate_gets_ours)
{
    server_start_with_tls(true, NULL);
    run_scenario(show_a_certificate);
}

/* -------------------- one side with TLS, the other without -------------------- */

static void expect_failure_at(const struct redis_options *options, const char *expected)
{
    struct redis_client *client = redis_client_new(options);
    await_failure(client);
    cr_expect_not_null(strstr(client->failure, expected), "\"%s\" is in \"%s\"", expected, client->failure);
    redis_client_free(client);
}

static void talk_past_each_other(void *arg)
{
    (void)arg;
    char address[32];
    struct redis_options without = options_to("127.0.0.1", NULL);
    expect_failure_at(&without, "before an answer (does Redis expect TLS?)");

    struct redis_options with = options_to("127.0.0.1", server_tls());
    snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
    with.address = address;
    with.timeout_ms = 300;
    expect_failure_at(&with, "TLS");
}

Test(redis_tls, a_port_with_tls_and_one_without_are_told_apart)
{
    server_start_with_tls(false, NULL);
    run_scenario(talk_past_each_other);
}

static void wait_for_a_handshake(void *arg)
{
    (void)arg;
    struct redis_options options = options_to("127.0.0.1", server_tls());
    options.timeout_ms = 100;
    expect_failure_at(&options, "no answer to the TLS handshake in time");
}

Test(redis_tls, a_server_that_does_not_answer_the_handshake_is_left_at_the_deadline)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(fd, (struct sockaddr *)&any, size) == 0 && listen(fd, 8) == 0 &&
              getsockname(fd, (struct sockaddr *)&any, &size) == 0);
    server_make_directory();
    server.tls_port = ntohs(any.sin_port);
    run_scenario(wait_for_a_handshake);
    close(fd);
}

/* -------------------- sessions -------------------- */

static void lose_connection(struct redis_client *client, struct redis_probe *probe)
{
    uint64_t connects = redis_client_counts(client)->connects;
    cr_assert_geq(redis_int(probe, "CLIENT KILL TYPE normal SKIPME yes"), 1);
    while (redis_client_counts(client)->connects == connects)
        loop_park(1);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
}

static void come_back(void *arg)
{
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = options_to("localhost", server_tls());
    struct redis_client *client = ready_client(&options);
    cr_expect_not(redis_tls_is_resumed(client->tls));
    for (int i = 0; i < 3; i++) {
        lose_connection(client, probe);
        cr_expect(redis_tls_is_resumed(client->tls), "time %d", i);
    }
    redis_probe_close(probe);
    redis_client_free(client);
}

Test(redis_tls, the_session_of_the_last_connection_is_resumed)
{
    server_start_with_tls(false, NULL);
    run_scenario(come_back);
}

Test(redis_tls, the_session_of_the_last_connection_is_resumed_with_version_1_2)
{
    server_start_with_tls(false, WORDS("--tls-protocols", "TLSv1.2"));
    run_scenario(come_back);
}

/* -------------------- files that change -------------------- */

/* Redis takes a certificate and its key together only in one command. */
static void renew_all(struct redis_probe *probe)
{
    server_make_certificates();
    OWNED char *answer =
        redis_text(probe, "CONFIG SET tls-cert-file %s tls-key-file %s tls-ca-cert-file %s",
                   certificate_path("server.pem"), certificate_path("server.key"), certificate_path("ca.pem"));
    cr_assert_str_eq(answer, "OK");
}

static void outlive_renewals(void *arg)
{
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = options_to("localhost", server_tls());
    struct redis_client *client = ready_client(&options);
    for (int i = 0; i < 3; i++) {
        renew_all(probe);
        cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK); /* the connection stays */
        lose_connection(client, probe);
        cr_expect_not(redis_tls_is_resumed(client->tls), "a session outlives the authority that it was verified by");
        lose_connection(client, probe);
        cr_expect(redis_tls_is_resumed(client->tls));
    }
    redis_probe_close(probe);
    redis_client_free(client);
}

Test(redis_tls, renewed_certificates_and_authorities_are_read_at_the_next_connection)
{
    server_start_with_tls(false, NULL);
    run_scenario(outlive_renewals);
}

static void keep_the_good_ones(void *arg)
{
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_options options = options_to("localhost", server_tls());
    struct redis_client *client = ready_client(&options);
    FILE *file = fopen(certificate_path("ca.pem"), "we");
    cr_assert(file != NULL && fputs("-----BEGIN CERTIFICATE-----\nMII", file) >= 0 && fclose(file) == 0);
    lose_connection(client, probe);
    redis_probe_close(probe);
    redis_client_free(client);
}

Test(redis_tls, half_a_file_does_not_replace_what_was_read_before)
{
    server_start_with_tls(false, NULL);
    run_scenario(keep_the_good_ones);
}

/* A pair that others may read is refused until its mode is right, and then it is used: nothing else has changed. */
static void mend_the_mode(void *arg)
{
    (void)arg;
    certificate_make("client", "ca", NULL, CERTIFICATE_LIFE_S);
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    struct redis_tls *tls = new_tls((struct redis_tls_options){
        .certificate = certificate_path("client.pem"), .key = certificate_path("client.key"), .is_unverified = true});
    struct redis_options options = options_to("localhost", tls);
    struct redis_client *client = ready_client(&options);
    certificate_make("client", "ca", NULL, CERTIFICATE_LIFE_S);
    cr_assert_eq(chmod(certificate_path("client.key"), 0644), 0);
    lose_connection(client, probe);
    cr_expect(redis_tls_is_resumed(client->tls), "the old pair serves");
    cr_assert_eq(chmod(certificate_path("client.key"), 0600), 0);
    lose_connection(client, probe);
    cr_expect_not(redis_tls_is_resumed(client->tls), "the new pair is used");
    redis_probe_close(probe);
    redis_client_free(client);
    redis_tls_free(tls);
}

Test(redis_tls, files_that_could_not_be_used_are_tried_again)
{
    server_start_with_tls(false, NULL);
    run_scenario(mend_the_mode);
}

/* -------------------- files that are none -------------------- */

Test(redis_tls, a_file_that_cannot_be_used_is_named_with_its_setting)
{
    server_make_certificates();
    certificate_make("client", "ca", NULL, CERTIFICATE_LIFE_S);
    certificate_make("other", "ca", NULL, CERTIFICATE_LIFE_S);
    const char *none = certificate_path("none"), *pem = certificate_path("client.pem"),
               *key = certificate_path("client.key"), *other = certificate_path("other.key");
    const struct {
        struct redis_tls_options options;
        const char *setting;
        const char *expected;
    } rows[] = {
        {{.ca = none}, "redis-tls-ca", "No such file or directory"},
        {{.ca = key}, "redis-tls-ca", "certificates"},
        {{.certificate = none, .key = key}, "redis-tls-certificate", "No such file or directory"},
        {{.certificate = key, .key = key}, "redis-tls-certificate", "a certificate"},
        {{.certificate = pem, .key = none}, "redis-tls-key", "No such file or directory"},
        {{.certificate = pem, .key = other}, "redis-tls-key", "key values mismatch"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[512] = "";
        cr_expect_null(redis_tls_new(&rows[i].options, reason, sizeof(reason)), "%zu", i);
        cr_expect_not_null(strstr(reason, rows[i].setting), "%s", reason);
        cr_expect_not_null(strstr(reason, rows[i].expected), "%s", reason);
    }
    char reason[512] = "";
    cr_assert_eq(chmod(key, 0644), 0);
    cr_expect_null(redis_tls_new(&(struct redis_tls_options){.certificate = pem, .key = key}, reason, sizeof(reason)));
    cr_expect_not_null(strstr(reason, "mode 0644"), "%s", reason);
}
