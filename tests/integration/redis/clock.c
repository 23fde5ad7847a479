/* Redis's clock as the client tells it: with the real Redis, with one that refuses TIME, and with one that is ahead. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pretender.h"
#include "server.h"

TestSuite(redis_client_clock, .fini = server_fini, .timeout = 60);

enum { HOUR_MS = 3600 * 1000, SLACK_MS = 1000 };

static void expect_ahead_by(const struct redis_client *client, int64_t ms)
{
    int64_t ahead_ms = redis_client_unix_ms(client) - clock_unix_ms();
    cr_expect(llabs(ahead_ms - ms) < SLACK_MS, "it is ahead by %lld ms, and not by %lld", (long long)ahead_ms,
              (long long)ms);
}

static void compare_clocks(void *arg)
{
    (void)arg;
    struct answer answer;
    struct redis_options options = quick_options();
    struct redis_client *client = redis_client_new(&options);
    expect_ahead_by(client, 0); /* there is no connection yet */
    cr_assert(redis_client_wait_ready(client, 10000));
    expect_ahead_by(client, 0);
    cr_assert_eq(ask(client, &answer, NULL, WORDS("EVAL", "return redis.call('TIME')[1]", "0")), MID_OK);
    cr_expect_lt(llabs(strtoll(answer.text, NULL, 10) * 1000 - redis_client_unix_ms(client)), 1000 + SLACK_MS);
    redis_client_free(client);
}

Test(redis_client_clock, it_is_the_clock_of_a_redis_on_this_machine)
{
    server_start(NULL);
    run_scenario(compare_clocks);
}

static void be_refused_the_time(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    options.credentials.username = "app";
    options.credentials.password = "secret";
    struct redis_client *client = ready_client(&options);
    expect_ahead_by(client, 0);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("TIME")), MID_FAILED); /* it is indeed refused */
    cr_assert_eq(ask(client, NULL, NULL, WORDS("GET", "mid:x")), MID_OK);
    cr_assert_eq(redis_client_counts(client)->connects, 1);
    cr_assert_eq(redis_client_counts(client)->disconnects, 0);
    cr_assert_eq(redis_client_counts(client)->errors, 2);
    redis_client_free(client);
}

Test(redis_client_clock, a_redis_that_refuses_time_is_ready_all_the_same)
{
    server_start(NULL);
    struct redis_probe *probe = redis_probe_open(server.socket_path);
    free(redis_text(probe, "ACL SETUSER app on %s ~mid:* +@all -time", ">secret"));
    redis_probe_close(probe);
    run_scenario(be_refused_the_time);
}

/* -------------------- a clock that is ahead -------------------- */

static void be_ahead(const char *request, char *reply, size_t size)
{
    char seconds[32];
    if (strstr(request, "TIME") == NULL)
        return;
    int digits = snprintf(seconds, sizeof(seconds), "%lld", (long long)(clock_unix_ms() + HOUR_MS) / 1000);
    snprintf(reply, size, "*2\r\n$%d\r\n%s\r\n$6\r\n500000\r\n", digits, seconds);
}

static void ask_the_pretender(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    struct redis_client *client = ready_client(&options);
    expect_ahead_by(client, HOUR_MS);
    cr_assert_eq(ask(client, NULL, NULL, WORDS("PING")), MID_OK);
    redis_client_free(client);
}

Test(redis_client_clock, a_redis_that_is_an_hour_ahead_is_followed)
{
    struct pretender pretender;
    pretender_start(&pretender, be_ahead);
    run_scenario(ask_the_pretender);
    pretender_stop(&pretender);
}
