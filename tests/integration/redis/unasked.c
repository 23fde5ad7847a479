/* Answers that nobody asked for end the connection, and not the process (hiredis has an assertion there). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pretender.h"
#include "server.h"

TestSuite(redis_unasked, .fini = server_fini, .timeout = 60);

enum { READY_MS = 10000 };

static const char *more; /* behind the answer to ECHO */

static void say_more(const char *request, char *reply, size_t size)
{
    if (strstr(request, "ECHO") != NULL)
        snprintf(reply, size, "+yes\r\n%s", more);
    else if (strstr(request, "TIME") != NULL)
        snprintf(reply, size, "*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n");
}

/* As many connections as have ended are told by the count. */
static void hear_more(struct redis_client *client, uint64_t ended)
{
    struct answer answer;
    cr_assert(redis_client_wait_ready(client, READY_MS));
    enum mid_error error = ask(client, &answer, NULL, WORDS("ECHO"));
    cr_expect(error == MID_OK && strcmp(answer.text, "yes") == 0, "%s: the answer itself", more);
    for (int turns = 0; turns < 1000 && redis_client_counts(client)->disconnects < ended; turns++)
        loop_park(1);
    cr_expect_eq(redis_client_counts(client)->disconnects, ended, "%s", more);
}

static void hear_all_kinds(void *arg)
{
    static const char *const kinds[] = {"+OK\r\n",
                                        ":1\r\n",
                                        "$1\r\nx\r\n",
                                        "$-1\r\n",
                                        "*0\r\n",
                                        "*1\r\n:1\r\n",
                                        "-ERR max number of clients reached\r\n"};
    (void)arg;
    struct redis_options options = quick_options();
    struct redis_client *client = ready_client(&options);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        more = kinds[i];
        hear_more(client, i + 1);
    }
    redis_client_free(client);
}

Test(redis_unasked, whatever_comes_behind_an_answer_ends_the_connection_and_the_next_one_serves)
{
    struct pretender pretender;
    pretender_start(&pretender, say_more);
    run_scenario(hear_all_kinds);
    pretender_stop(&pretender);
}

/* -------------------- answers that are too large -------------------- */

static void announce_billions(const char *request, char *reply, size_t size)
{
    if (strstr(request, "ECHO") != NULL)
        snprintf(reply, size, "*2147483647\r\n");
}

static void hear_of_billions(void *arg)
{
    (void)arg;
    struct redis_options options = quick_options();
    options.timeout_ms = 10000;
    struct redis_client *client = ready_client(&options);
    int64_t began_ms = loop_now_ms();
    cr_expect_eq(ask(client, NULL, NULL, WORDS("ECHO")), MID_UNAVAILABLE);
    cr_expect_lt(loop_now_ms() - began_ms, 5000);
    redis_client_free(client);
}

Test(redis_unasked, an_array_without_measure_ends_the_connection_and_costs_no_memory)
{
    struct pretender pretender;
    pretender_start(&pretender, announce_billions);
    run_scenario(hear_of_billions);
    pretender_stop(&pretender);
}
