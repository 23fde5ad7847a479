/* Commands of the application's own, over the connection that all fibers share: answers, refusals, and Redis away. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(redis_command, .timeout = 90);

struct row {
    const char *command; /* an argument per line */
    int status;
    const char *says;
};

static void expect(const struct site *site, const struct row *row)
{
    struct http_response response;
    OWNED char *url = stack_url(site->stack, "/redis");
    http_send(&(struct http_request){.method = "POST",
                                     .url = url,
                                     .headers = SETTINGS("Accept: application/json", "Content-Type: text/plain"),
                                     .body = row->command},
              &response);
    cr_expect_eq(response.status, row->status, "%s: %d %s", row->command, response.status, response.body.data);
    if (row->status == 200)
        cr_expect_str_eq(response.body.data, row->says, "%s: %s", row->command, response.body.data);
    else
        cr_expect(strstr(response.body.data, row->says) != NULL, "%s: %s", row->command, response.body.data);
    http_response_fini(&response);
}

static void expect_all(const struct site *site, size_t count, const struct row rows[])
{
    for (size_t i = 0; i < count; i++)
        expect(site, &rows[i]);
}

Test(redis_command, answers_of_every_type_are_handed_over)
{
    static const struct row rows[] = {
        {"SET\napp:{t}a\nvalue", 200, "2:OK"},
        {"GET\napp:{t}a", 200, "5:value"},
        {"GET\napp:{t}none", 200, "nil"},
        {"INCRBY\napp:{t}n\n-7", 200, "-7"},
        {"MGET\napp:{t}a\napp:{t}none\napp:{t}n", 200, "[5:value nil 2:-7]"},
        {"EVAL\nreturn {1,{'x',{}},redis.error_reply('ODD one')}\n0", 200, "[1 [1:x []] error ODD one]"},
    };
    struct site site = site_open_app(NULL);
    expect_all(&site, sizeof(rows) / sizeof(rows[0]), rows);
    OWNED char *same = site_get(&site, "/redis-bytes");
    cr_expect_str_eq(same, "the same");
    site_close(&site);
}

Test(redis_command, what_redis_refuses_is_an_error_with_its_sentence)
{
    static const struct row rows[] = {
        {"SET\napp:a\nvalue", 200, "2:OK"},
        {"LPUSH\napp:a\nx", 500, "WRONGTYPE Operation against a key"},
        {"NOSUCHCOMMAND", 500, "ERR unknown command"},
        {"", 400, "MID_BAD_REQUEST"},
    };
    struct site site = site_open_app(NULL);
    expect_all(&site, sizeof(rows) / sizeof(rows[0]), rows);
    site_close(&site);
}

Test(redis_command, what_would_hold_up_or_change_the_connection_is_refused)
{
    static const struct row rows[] = {
        {"BLPOP\napp:list\n0", 403, "BLPOP"},
        {"blpop\napp:list\n0", 403, "blpop"},
        {"SUBSCRIBE\napp:channel", 403, "MID_FORBIDDEN"},
        {"MONITOR", 403, "MID_FORBIDDEN"},
        {"MULTI", 403, "MID_FORBIDDEN"},
        {"SELECT\n1", 403, "MID_FORBIDDEN"},
        {"Script\ndebug\nYES", 403, "MID_FORBIDDEN"},
        {"SCRIPT\nEXISTS\nx", 200, "[0]"},
        {"REPLICAOF\nlocalhost\n1", 403, "MID_FORBIDDEN"},
        {"XREAD\nCOUNT\n1\nblock\n0\nSTREAMS\napp:s\n$", 403, "MID_FORBIDDEN"},
        {"XREADGROUP\nGROUP\nstreams\nme\nBLOCK\n0\nSTREAMS\napp:s\n>", 403, "MID_FORBIDDEN"},
        {"XREAD\nCOUNT\n1\nSTREAMS\nblock\n0", 200, "nil"}, /* a stream of that name */
        {"PING", 200, "4:PONG"},
    };
    struct site site = site_open_app(NULL);
    expect_all(&site, sizeof(rows) / sizeof(rows[0]), rows);
    site_close(&site);
}

Test(redis_command, a_redis_that_does_not_answer_is_unavailable)
{
    static const struct row away = {"PING", 503, "MID_UNAVAILABLE"};
    struct site site = site_open_app(NULL);
    site_signal_redis(&site, SIGSTOP);
    expect(&site, &away);
    site_signal_redis(&site, SIGCONT);
    site_close(&site);
}
