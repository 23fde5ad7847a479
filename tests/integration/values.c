/* How long what was read of a session stays where it is, and that a stream of hours does not gather it all. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "stage.h"

TestSuite(values, .timeout = 120);

#define LONGER "a-value-that-is-much-longer-than-the-one-that-was-there-before"

static void make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:text:some,set:long:" LONGER ",set:number:9,commit", NULL), 200);
}

/* An application that reads what was freed ends its worker here (ASan), so each row is a request. */
static void expect_unchanged(const struct stage *stage, size_t count, const char *const rows[])
{
    for (size_t i = 0; i < count; i++) {
        struct http_response response;
        make_session(stage);
        cr_expect_eq(stage_act(stage, rows[i], &response), 200, "%s: %d", rows[i], response.status);
        cr_expect_str_eq(response.body.data, "unchanged", "%s: %s", rows[i], response.body.data);
        http_response_fini(&response);
    }
}

Test(values, a_value_that_was_read_stays_when_its_field_is_changed)
{
    static const char *const rows[] = {
        "keep:text,set:text:" LONGER ",kept",
        "keep:long,set:long:x,kept",
        "keep:long,append:long:x,kept",
        "keep:number,increment:number,kept",
        "keep:text,delete:text,kept",
        "keep:text,delete:text,set:text:" LONGER ",kept",
        "keep:text,set:text:other,set:text:" LONGER ",set:text:x,kept",
        "increment:number,keep:number,increment:number,kept", /* what is recorded, too */
    };
    struct stage stage = stage_open(NULL);
    expect_unchanged(&stage, sizeof(rows) / sizeof(rows[0]), rows);
    stage_close(&stage);
}

Test(values, a_value_that_was_read_stays_through_the_next_commit_or_refresh)
{
    static const char *const rows[] = {
        "keep:text,refresh,kept",
        "keep:text,set:text:" LONGER ",commit,kept",
        "keep:long,set:long:x,commit,kept",
        "keep:number,increment:number,commit,kept",
        "keep:text,delete:text,commit,kept",
        "keep:text,take:text,kept",
        "keep:text,compare-and-set:text:some:" LONGER ",kept",
        "set-if-absent:absent:there,keep:absent,refresh,kept",
        "set:text:new,keep:text,commit,kept",
        "keep:text,renew:grace,kept",
        /* a commit that fails is one, too */
        "keep:text,set:text:" LONGER ",increment:long,commit,kept",
    };
    struct stage stage = stage_open(NULL);
    expect_unchanged(&stage, sizeof(rows) / sizeof(rows[0]), rows);
    stage_close(&stage);
}

Test(values, a_user_that_was_read_stays_when_another_one_logs_in)
{
    static const char *const rows[] = {"renew:alan,keep-user,renew:grace,kept", "renew:alan,keep-user,refresh,kept"};
    struct stage stage = stage_open(NULL);
    expect_unchanged(&stage, sizeof(rows) / sizeof(rows[0]), rows);
    stage_close(&stage);
}

Test(values, a_stream_that_reads_and_commits_many_thousand_times_stays_bounded)
{
    enum { GROWN_KIB_MAX = 8 * 1024 }; /* of 80 MiB that it reads */
    struct stage stage = stage_open(SETTINGS("ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=64"));
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,rounds:500,gate:measure,rounds:10000,gate:again");
    stage_await_gate(&stage, "h", "measure");
    int64_t before_kib = resident_kib(site_worker(&stage.site));
    stage_open_gate(&stage, "h", "measure");
    EXPECT_NOTE(&stage, "h.5", "rounds:10000 MID_OK");
    stage_await_gate(&stage, "h", "again");
    int64_t grown_kib = resident_kib(site_worker(&stage.site)) - before_kib;
    cr_expect_lt(grown_kib, GROWN_KIB_MAX, "the worker grew by %lld KiB", (long long)grown_kib);
    http_stream_close(stream, NULL);
    stage_close(&stage);
}
