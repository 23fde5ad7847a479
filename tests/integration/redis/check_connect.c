/* `midstream check --connect`: what it says of a Redis, and when it exits with 1. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "redis/inspection.h"
#include "server.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis_cluster.h"
#include "support/text.h"

TestSuite(check_connect, .fini = server_fini, .timeout = 60);

enum { PATIENCE_MS = 20000 };

static const char *program(void)
{
    const char *path = getenv("MIDSTREAM");
    return path != NULL ? path : "build/asan/midstream";
}

static char *make_keys(void)
{
    char *path = text_printf("%s/keys", server.directory);
    if (access(path, F_OK) == 0)
        return path;
    struct buffer output = {0};
    cr_assert_eq(
        process_run((const char *const[]){program(), "keygen", "--keys", path, NULL}, NULL, &output, PATIENCE_MS), 0);
    buffer_fini(&output);
    return path;
}

/* `redis` is an address; `more` are settings of the environment. The output is the caller's. */
static char *check_connect(const char *redis, const char *const more[], int expected_code)
{
    OWNED char *keys = make_keys();
    OWNED char *address = text_printf("MIDSTREAM_REDIS=%s", redis);
    const char *environment[8] = {address, "MIDSTREAM_REDIS_TIMEOUT_MS=1000"};
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        environment[i + 2] = more[i];
    struct buffer output = {0};
    int code = process_run((const char *const[]){program(), "check", "--connect", "--keys", keys, NULL}, environment,
                           &output, PATIENCE_MS);
    buffer_append(&output, "", 1);
    cr_expect_eq(code, expected_code, "exit code %d: %s", code, output.data);
    return output.data;
}

static void expect_all(const char *output, const char *const texts[])
{
    for (size_t i = 0; texts[i] != NULL; i++)
        cr_expect_not_null(strstr(output, texts[i]), "\"%s\" is in: %s", texts[i], output);
}

Test(check_connect, a_redis_that_suits_has_no_warning)
{
    server_start(WORDS("--appendonly", "yes", "--maxmemory", "256mb"));
    OWNED char *output = check_connect(server.address, NULL, 0);
    expect_all(output, WORDS("settings: ok\n", ", standalone, master; database 0\n", "tls: no\n",
                             " of 256 MiB; maxmemory-policy noeviction\n", "append-only file: yes\n",
                             "rights of the user default: all that are needed\n"));
    cr_expect_null(strstr(output, "warning"), "%s", output);
}

/* The replica says so up to a second before its master does. */
static bool has_replica(void *arg)
{
    (void)arg;
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    OWNED char *info = redis_text(probe, "INFO replication");
    redis_probe_close(probe);
    bool is_online = strstr(info, ",state=online,") != NULL;
    return is_online;
}

Test(check_connect, a_redis_that_cannot_confirm_what_commit_durability_says_cannot_be_used)
{
    server_start(NULL);
    OWNED char *disk = check_connect(server.address, WORDS("MIDSTREAM_COMMIT_DURABILITY=disk"), 1);
    cr_expect_not_null(strstr(disk, "warning: with commit-durability=disk and no append-only file"), "%s", disk);
    const char *const replica[] = {"MIDSTREAM_COMMIT_DURABILITY=replica", NULL};
    OWNED char *none = check_connect(server.address, replica, 1);
    expect_all(none, WORDS("wait for 1 of 0 connected replicas\n", "warning: fewer replicas are connected"));
    server_start_replica();
    cr_assert(wait_until(has_replica, NULL, PATIENCE_MS));
    OWNED char *one = check_connect(server.address, replica, 0);
    expect_all(one, WORDS("wait for 1 of 1 connected replicas\n"));
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    cr_expect_eq(redis_int(probe, "DBSIZE"), 0, "it changes nothing");
    redis_probe_close(probe);
}

Test(check_connect, what_should_be_otherwise_is_a_warning)
{
    server_start(WORDS("--maxmemory-policy", "allkeys-lru"));
    OWNED char *output = check_connect(server.address, NULL, 0);
    expect_all(output, WORDS("warning: with this maxmemory-policy", "warning: Redis has no maxmemory",
                             "warning: without an append-only file"));
}

Test(check_connect, the_users_of_compose_may_all_that_is_needed_and_others_are_told_what_they_may_not)
{
    server_start_with_users(NULL);
    OWNED char *worker = check_connect("unix://midstream:only%20for%20tests@/none", NULL, 1);
    cr_expect_not_null(strstr(worker, "cannot use Redis at unix:/none: "), "%s", worker);

    OWNED char *url = text_printf("unix://midstream:only%%20for%%20tests@%s", server.socket_path);
    OWNED char *all = check_connect(url, NULL, 0);
    expect_all(all, WORDS("rights of the user midstream: all that are needed\n"));
    cr_expect_null(strstr(all, "only for tests"), "%s", all);

    struct redis_probe *probe = redis_probe_open(server.socket_path);
    free(redis_text(probe, "ACL SETUSER few on %s ~mid:* -@all +eval +evalsha +script|load +ping +hset", ">pw"));
    free(redis_text(probe, "ACL SETUSER else on %s ~other:* +@all", ">pw"));
    redis_probe_close(probe);
    OWNED char *few_url = text_printf("redis://few:pw@127.0.0.1:%d", server.port);
    OWNED char *few = check_connect(few_url, NULL, 1);
    expect_all(few, WORDS("unknown; the user may not run INFO", "few: missing: info time ",
                          " xgroup|create publish subscribe unsubscribe\n"));
    cr_expect_null(strstr(few, "hset"), "%s", few);
    OWNED char *else_url = text_printf("redis://else:pw@127.0.0.1:%d", server.port);
    OWNED char *elsewhere = check_connect(else_url, NULL, 1);
    expect_all(elsewhere, WORDS("cannot use Redis at 127.0.0.1:", "NOPERM"));
}

Test(check_connect, what_cannot_be_used_is_said_with_the_reason)
{
    server_start(WORDS("--requirepass", "right"));
    OWNED char *none = check_connect(server.address, NULL, 1);
    expect_all(none, WORDS("cannot use Redis at unix:", "NOAUTH"));
    OWNED char *url = text_printf("redis://:wrong@127.0.0.1:%d", server.port);
    OWNED char *wrong = check_connect(url, NULL, 1);
    expect_all(wrong, WORDS("WRONGPASS"));

    struct redis_probe *probe = redis_probe_open(server.socket_path);
    free(redis_text(probe, "AUTH right"));
    free(redis_text(probe, "CONFIG SET requirepass %s", ""));
    free(redis_text(probe, "REPLICAOF 127.0.0.1 1"));
    redis_probe_close(probe);
    OWNED char *replica = check_connect(server.address, NULL, 1);
    expect_all(replica, WORDS("this Redis is a replica"));
}

Test(check_connect, tls_is_told_with_its_version)
{
    server_start_with_tls(false, NULL);
    OWNED char *url = text_printf("rediss://localhost:%d", server.tls_port);
    OWNED char *ca = text_printf("MIDSTREAM_REDIS_TLS_CA=%s", certificate_path("ca.pem"));
    OWNED char *verified = check_connect(url, (const char *const[]){ca, NULL}, 0);
    expect_all(verified, WORDS("tls: TLSv1.3, certificate verified\n"));
    OWNED char *trusting = check_connect(url, (const char *const[]){"MIDSTREAM_REDIS_TLS_VERIFY=no", NULL}, 0);
    expect_all(trusting, WORDS("NOT VERIFIED"));
    OWNED char *strange = check_connect(url, NULL, 1);
    expect_all(strange, WORDS("TLS: the certificate of Redis is not valid", "redis-tls-ca"));
}

/* -------------------- a cluster -------------------- */

static struct redis_cluster_nodes nodes;

static void end_cluster(void)
{
    redis_cluster_stop(&nodes);
    server_fini();
}

/* CLUSTER SLOTS names a replica once it has been sent something, and the node that is asked has heard of it: so this is
 * true sometimes, and then always. */
static bool has_all_replicas(void *arg)
{
    (void)arg;
    OWNED char *output = check_connect(nodes.url, NULL, 0);
    bool has_all = strstr(output, "slots, 3 replicas\n") != NULL;
    return has_all;
}

static void write_everywhere(void)
{
    struct redis_probe *probe = redis_probe_open_cluster(nodes.ports, nodes.count);
    for (int i = 0; i < 100; i++)
        free(redis_text(probe, "SET key:%d 1", i));
    redis_probe_close(probe);
}

Test(check_connect, of_a_cluster_each_master_is_shown, .fini = end_cluster)
{
    server_make_directory();
    redis_cluster_start(&nodes,
                        &(struct redis_cluster_options){.directory = server.directory, .masters = 3, .replicas = 1});
    write_everywhere();
    cr_assert(wait_until(has_all_replicas, NULL, PATIENCE_MS));
    OWNED char *output = check_connect(nodes.url, NULL, 0);
    expect_all(output, WORDS("cluster: 3 masters with 16384 of 16384 slots, "));
    for (int i = 0; i < 3; i++) {
        OWNED char *line = text_printf("redis: 127.0.0.1:%d is ", nodes.ports[i]);
        cr_expect_not_null(strstr(output, line), "%s", output);
    }
    cr_expect_eq(text_count(output, "rights of the user default: all that are needed\n"), 3, "%s", output);
    OWNED char *slot = text_printf("CLUSTER DELSLOTS %d", 7);
    for (int i = 0; i < 3; i++) {
        struct redis_probe *probe = redis_probe_open_port(nodes.ports[i]);
        free(redis_text(probe, slot));
        redis_probe_close(probe);
    }
    OWNED char *less = check_connect(nodes.url, NULL, 1);
    expect_all(less, WORDS("warning: slots without a master"));
    redis_cluster_kill(&nodes, 2);
    OWNED char *refused = text_printf("cannot use Redis at 127.0.0.1:%d: Connection refused", nodes.ports[2]);
    OWNED char *fewer = check_connect(nodes.url, NULL, 1);
    expect_all(fewer, WORDS(refused));
    OWNED char *address = text_printf("127.0.0.1:%d", nodes.ports[0]);
    OWNED char *alone = check_connect(address, NULL, 1);
    expect_all(alone, WORDS("whose URL begins with redis+cluster://"));
}

/* -------------------- the list -------------------- */

/* "+name" of the first selector of the user midstream. */
static bool users_file_has(const char *line, const char *name)
{
    OWNED char *word = text_printf(" +%s ", name);
    const char *found = strstr(line, word);
    return found != NULL && found < strchr(line, '(');
}

Test(check_connect, the_commands_that_are_needed_are_those_of_the_users_file)
{
    size_t bytes;
    OWNED char *file = file_read("compose/users.acl", &bytes);
    char *line = strstr(file, "\nuser midstream ");
    cr_assert_not_null(line);
    size_t count = 0;
    for (; redis_needed_commands[count] != NULL; count++) {
        OWNED char *name =
            text_printf("%.*s", (int)strcspn(redis_needed_commands[count], " "), redis_needed_commands[count]);
        cr_expect(users_file_has(line, name), "%s", name);
    }
    cr_expect(users_file_has(line, "wait") && users_file_has(line, "waitaof")); /* commit-durability */
    cr_expect(users_file_has(line, "cluster|info") && users_file_has(line, "cluster|slots") &&
              users_file_has(line, "asking"));
    count += 5;
    *strchr(line, '(') = '\0';
    cr_expect_eq(text_count(line, " +"), (int)count, "%d are in the file", (int)text_count(line, " +"));
}
