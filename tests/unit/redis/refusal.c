/* Redis's error replies: their meaning, and how often they are told. */
#include <criterion/criterion.h>
#include <string.h>

#include "redis/refusal.h"

Test(redis_refusal, the_code_at_the_beginning_decides)
{
    static const struct {
        const char *text;
        enum redis_refusal refusal;
    } rows[] = {
        {"LOADING Redis is loading the dataset in memory", REDIS_UNABLE_NOW},
        {"READONLY You can't write against a read only replica.", REDIS_IS_REPLICA},
        {"OOM command not allowed when used memory > 'maxmemory'.", REDIS_UNABLE_NOW},
        {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", REDIS_UNABLE_NOW},
        {"CLUSTERDOWN The cluster is down", REDIS_UNABLE_NOW},
        {"TRYAGAIN Multiple keys request during rehashing of slot", REDIS_UNABLE_NOW},
        {"BUSY Redis is busy running a script.", REDIS_UNABLE_NOW},
        {"MISCONF Redis is configured to save RDB snapshots", REDIS_UNABLE_NOW},
        {"NOREPLICAS Not enough good replicas to write.", REDIS_UNABLE_NOW},
        {"OOM", REDIS_UNABLE_NOW},
        {"NOSCRIPT No matching script. Please use EVAL.", REDIS_SCRIPT_MISSING},
        {"ERR unknown command 'LOADING'", REDIS_MISTAKE},
        {"BUSYGROUP Consumer Group name already exists", REDIS_MISTAKE}, /* not BUSY */
        {"BUSYKEY Target key name already exists.", REDIS_MISTAKE},
        {"oom", REDIS_MISTAKE},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", REDIS_MISTAKE},
        {"NOAUTH Authentication required.", REDIS_MISTAKE},
        {"NOPERM this user has no permissions to access one of the keys used as arguments", REDIS_MISTAKE},
        {"", REDIS_MISTAKE},
        {" OOM", REDIS_MISTAKE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(redis_refusal_of(rows[i].text, strlen(rows[i].text)), rows[i].refusal, "%s", rows[i].text);
}

Test(redis_refusal, only_the_given_length_is_looked_at)
{
    cr_assert_eq(redis_refusal_of("OOMPH", 3), REDIS_UNABLE_NOW);
}

Test(redis_refusal, quoted_arguments_are_left_out)
{
    static const char text[] = "ERR unknown command 'FOO', with args beginning with: 'a visitor's secret' ";
    char shown[REFUSAL_TEXT_SIZE];
    redis_refusal_copy(shown, sizeof(shown), text, strlen(text));
    cr_assert_str_eq(shown, "ERR unknown command 'FOO'");
}

Test(redis_refusal, a_long_text_is_cut)
{
    char shown[8];
    redis_refusal_copy(shown, sizeof(shown), "ERR something", 13);
    cr_assert_str_eq(shown, "ERR som");
}

static void report(struct redis_refusal_log *log, int64_t now_ms, const char *text)
{
    redis_refusal_report(log, "redis:6379", now_ms, text, strlen(text));
}

Test(redis_refusal, a_repeated_text_is_told_every_ten_seconds_and_counted_between)
{
    struct redis_refusal_log log = {0};
    report(&log, 5, "OOM");
    cr_assert_eq(log.logged_ms, 5);
    report(&log, 9000, "OOM");
    report(&log, 10004, "OOM");
    cr_assert_eq(log.logged_ms, 5);
    cr_assert_eq(log.suppressed, 2);
    report(&log, 10005, "OOM");
    cr_assert_eq(log.logged_ms, 10005);
    cr_assert_eq(log.suppressed, 0);
}

Test(redis_refusal, changing_texts_are_told_once_a_second)
{
    struct redis_refusal_log log = {0};
    report(&log, 0, "OOM");
    report(&log, 999, "LOADING");
    cr_assert_str_eq(log.text, "OOM");
    report(&log, 1000, "LOADING");
    cr_assert_str_eq(log.text, "LOADING");
}
