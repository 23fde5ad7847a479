/* What an operator reads in the log about a Redis Cluster. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster_site.h"
#include "support/process.h"
#include "support/text.h"

TestSuite(redis_cluster_log, .fini = cluster_site_end, .timeout = 90);

/* -------------------- the log -------------------- */

static char *log_path;

static void start(void)
{
    cluster_site_start(0);
    log_path = text_printf("%s/log", server.directory);
    log_init(LOG_TEXT, MID_INFO);
    cr_assert(log_open(log_path));
}

static char *read_log(void)
{
    size_t bytes;
    return file_read(log_path, &bytes);
}

/* Waits until it has the text. */
MAY_SUSPEND static bool await_text(const char *text)
{
    for (int64_t end_ms = loop_now_ms() + FAILOVER_MS; loop_now_ms() < end_ms; loop_park(20)) {
        OWNED char *log = read_log();
        if (strstr(log, text) != NULL)
            return true;
    }
    return false;
}

/* Waits until it has a line that begins so behind the time, and returns that. */
MAY_SUSPEND static char *await_line(const char *beginning)
{
    bool has_come = await_text(beginning);
    OWNED char *log = read_log();
    cr_assert(has_come, "no \"%s\" in:\n%s", beginning, log);
    const char *line = strstr(log, beginning);
    return text_printf("%.*s", (int)strcspn(line, "\n"), line);
}

static int64_t number_in(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    cr_assert_not_null(at, "%s", line);
    return strtoll(at + strlen(name), NULL, 10);
}

/* -------------------- slots -------------------- */

static void lose_one_and_have_it_again(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    OWNED char *whole = await_line("info redis.cluster masters=3 ");
    cr_expect_eq(number_in(whole, " unserved_slots="), 0);
    redis_cluster_kill(&cluster_site, 1);
    OWNED char *partial = await_line("warn redis.cluster masters=3 ");
    cr_expect_gt(number_in(partial, " unserved_slots="), 5000, "%s", partial);
    cr_expect_geq(number_in(partial, " for_ms="), 1000);
    cr_expect_str_empty(redis_client_failure(client), "others serve");
    redis_cluster_restart(&cluster_site, 1);
    char key[KEY_BYTES];
    await_owner(client, slot_of(key_at(1, key)), 1);
    OWNED char *all = read_log();
    const char *since = strstr(all, partial);
    const char *again = strstr(since, "info redis.cluster masters=3 ");
    cr_assert_not_null(again, "%s", all);
    cr_expect_eq(number_in(again, " unserved_slots="), 0);
    cr_expect_gt(number_in(again, " for_ms="), 1000);
    cr_expect_eq(text_count(since, "redis.cluster masters"), 2, "%s", all);
    redis_client_free(client);
}

Test(redis_cluster_log, slots_that_are_not_served_are_told_and_that_they_are_again)
{
    start();
    run_scenario(lose_one_and_have_it_again);
}

static void change_masters(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    OWNED char *before = await_line("info redis.cluster masters=3 ");
    order(4, "CLUSTER FAILOVER");
    char key[KEY_BYTES];
    int64_t end_ms = loop_now_ms() + FAILOVER_MS;
    while (place_of(client, slot_of(key_at(1, key))) != 4 && loop_now_ms() < end_ms) {
        (void)ask(client, NULL, NULL, WORDS("GET", key));
        loop_park(20);
    }
    await_owner(client, slot_of(key), 4);
    OWNED char *all = read_log();
    const char *after = strstr(strstr(all, before) + strlen(before), "info redis.cluster masters=3 ");
    cr_assert_not_null(after, "%s", all);
    cr_expect_gt(number_in(after, " epoch="), number_in(before, " epoch="), "%s", all);
    cr_expect_eq(number_in(after, " unserved_slots="), 0);
    redis_client_free(client);
}

Test(redis_cluster_log, another_master_is_told)
{
    start();
    run_scenario(change_masters);
}

/* It was begun to be moved, and is not ended: as by a redis-cli --cluster reshard that was cut off. */
static void leave_between(void *arg)
{
    (void)arg;
    struct redis_options options = cluster_options();
    struct redis_client *client = ready_client(&options);
    char here[KEY_BYTES], there[KEY_BYTES + 1];
    snprintf(there, sizeof(there), "%s+", key_at(0, here));
    cr_assert_eq(ask(client, NULL, NULL, WORDS("MSET", here, "1", there, "2")), MID_OK);
    slot_begin(slot_of(here), 0, 1);
    slot_move_key(there, 0, 1);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(ask(client, NULL, NULL, WORDS("MSET", here, "3", there, "4")), MID_UNAVAILABLE);
    OWNED char *line = await_line("warn redis.slot-moving ");
    cr_expect_eq(number_in(line, " slot="), slot_of(here));
    cr_expect_gt(number_in(line, " waited_ms="), options.timeout_ms / 2);
    OWNED char *all = read_log();
    cr_expect_eq(text_count(all, "redis.slot-moving"), 1, "%s", all);
    redis_client_free(client);
}

Test(redis_cluster_log, a_slot_that_stays_between_two_nodes_is_told)
{
    start();
    run_scenario(leave_between);
}

/* -------------------- what a user may not -------------------- */

/* The one node that is configured is a replica, which is left for being one. */
static struct redis_options options_with_a_replica(void)
{
    static char seed[32];
    struct redis_options options = cluster_options();
    snprintf(seed, sizeof(seed), "127.0.0.1:%d", cluster_site.ports[4]);
    options.address = seed;
    return options;
}

/* That it is a replica is not what matters. */
static void ask_in_vain(void *arg)
{
    (void)arg;
    struct redis_options options = options_with_a_replica();
    options.credentials.username = "few";
    options.credentials.password = "pw";
    struct redis_client *client = redis_client_new(&options);
    cr_expect_not(redis_client_wait_ready(client, 1000));
    OWNED char *says = text_printf("127.0.0.1:%d: NOPERM", cluster_site.ports[4]);
    cr_expect_eq(strncmp(redis_client_failure(client), says, strlen(says)), 0, "%s", redis_client_failure(client));
    OWNED char *refused = text_printf("warn redis.refused address=127.0.0.1:%d reason=\"NOPERM", cluster_site.ports[4]);
    OWNED char *line = await_line(refused);
    cr_expect_not_null(strstr(line, "cluster|slots"), "%s", line);
    loop_park(3000);
    OWNED char *all = read_log();
    cr_expect_eq(text_count(all, refused), 1, "once in ten seconds: %s", all);
    for (int i = 0; i < cluster_site.count; i++)
        order(i, "ACL SETUSER few +cluster|info +cluster|slots");
    cr_expect(redis_client_wait_ready(client, READY_MS), "%s", redis_client_failure(client));
    redis_client_free(client);
}

Test(redis_cluster_log, a_user_who_may_not_ask_for_the_map_is_told)
{
    start();
    for (int i = 0; i < cluster_site.count; i++)
        order(i, "ACL SETUSER few on >pw ~* +@all -cluster");
    run_scenario(ask_in_vain);
}

/* -------------------- nodes that are left -------------------- */

static void begin_with_a_replica(void *arg)
{
    (void)arg;
    struct redis_options options = options_with_a_replica();
    options.durability = MID_DURABLE_REPLICA; /* so there is a second connection */
    options.replicas = 1;
    struct redis_client *client = ready_client(&options);
    OWNED char *whole = await_line("info redis.cluster masters=3 ");
    OWNED char *all = read_log();
    cr_expect_eq(text_count(all, "warn redis.unreachable"), 0, "a replica among the addresses is no trouble: %s", all);
    redis_client_free(client);
}

Test(redis_cluster_log, a_replica_among_the_addresses_is_no_warning)
{
    start();
    run_scenario(begin_with_a_replica);
}
