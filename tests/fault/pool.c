/* The pool reloaded and drained while it is busy. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "crowd.h"
#include "fault.h"
#include "hammer.h"

TestSuite(fault_pool, .timeout = 180);

/* -------------------- reload -------------------- */

struct ready_wish {
    const struct site *site;
    size_t times;
};

static bool was_ready(void *arg)
{
    const struct ready_wish *wish = arg;
    OWNED char *log = site_log(wish->site);
    size_t times = text_count(log, "master.ready");
    return times >= wish->times;
}

struct endings {
    size_t complete;
    size_t told; /* where to go on, by the documented event */
    size_t cut;
    size_t wrong;
};

/* How each stream has ended; an event stream that goes on elsewhere ends whole, with "reconnect" and no "end". */
static struct endings look_at_endings(struct crowd *crowd, size_t clients)
{
    struct endings endings = {0};
    for (size_t i = 0; i < clients; i++) {
        struct crowd_client client = crowd_client(crowd, i);
        bool has_end = text_ends(client.body, "event: end\ndata: {}\n\n");
        bool is_told = strstr(client.body, "\nevent: reconnect\ndata: {\"retry_ms\":") != NULL;
        if (client.end == CROWD_CUT)
            endings.cut++;
        else if (client.end == CROWD_COMPLETE && has_end && !is_told)
            endings.complete++;
        else if (client.end == CROWD_COMPLETE && is_told && !has_end)
            endings.told++;
        else
            endings.wrong++;
    }
    return endings;
}

Test(fault_pool, reloads_under_load_fail_no_request_and_streams_end_complete_or_are_told_to_come_back)
{
    enum { SHORT = 10, LONG = 10 };
    const size_t reloads = fault_scale(10, 50);
    struct site site = site_open_with(
        &(struct stack_options){.workers = 2, .environment = SETTINGS("MIDSTREAM_RELOAD_TIMEOUT_MS=6000")});
    struct crowd *brief = crowd_open(&site, &(struct crowd_options){.path = "/events?count=8&interval_ms=250",
                                                                    .clients = SHORT,
                                                                    .lines_per_piece = 3,
                                                                    .pieces = 8,
                                                                    .interval_us = 250000});
    struct crowd *lasting = crowd_open(&site, &(struct crowd_options){.path = "/events?count=10000&interval_ms=250",
                                                                      .clients = LONG,
                                                                      .lines_per_piece = 3,
                                                                      .pieces = 10000,
                                                                      .interval_us = 250000});
    struct hammer *hammer = hammer_start(&site, 4);
    cr_assert(crowd_wait_pieces(brief, 1, PATIENCE_MS) && crowd_wait_pieces(lasting, 1, PATIENCE_MS));
    for (size_t i = 0; i < reloads; i++) {
        process_signal(site.stack->master, SIGHUP);
        cr_assert(wait_until(was_ready, &(struct ready_wish){&site, i + 2}, PATIENCE_MS), "reload %zu does not end", i);
    }
    cr_assert(crowd_wait_end(brief, PATIENCE_MS) && crowd_wait_end(lasting, PATIENCE_MS));
    struct hammer_sum sum = hammer_stop(hammer);
    cr_expect_gt(sum.requests, reloads);
    cr_expect_eq(sum.acknowledged, sum.requests, "%zu of %zu requests failed, the first with %s", sum.failed,
                 sum.requests, sum.first_failure);
    cr_expect(sum.lost == 0 && sum.beyond == 0, "%zu changes lost, %zu made twice", sum.lost, sum.beyond);

    /* A stream of 2 s is over before half of the reload timeout, when the first are told. */
    struct endings endings = look_at_endings(brief, SHORT);
    cr_expect_eq(endings.complete, SHORT, "complete %zu, told %zu, cut %zu", endings.complete, endings.told,
                 endings.cut);
    endings = look_at_endings(lasting, LONG);
    cr_expect_eq(endings.told, LONG, "told %zu, complete %zu, cut %zu, else %zu", endings.told, endings.complete,
                 endings.cut, endings.wrong);
    crowd_close(lasting);
    crowd_close(brief);
    site_close(&site);
}

/* -------------------- drain -------------------- */

Test(fault_pool, a_busy_pool_drains_within_its_time_and_what_has_no_end_marker_is_cut)
{
    enum { CLIENTS = 25, DRAIN_MS = 4000 };
    /* The master becomes this process's child when its parent, the script, has ended: that shows its exit code. */
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    struct site site = site_open_with(
        &(struct stack_options){.workers = 2, .environment = SETTINGS("MIDSTREAM_DRAIN_TIMEOUT_MS=4000")});
    struct crowd_options options = {.path = "/events?count=6&interval_ms=250",
                                    .clients = CLIENTS,
                                    .lines_per_piece = 3,
                                    .pieces = 6,
                                    .interval_us = 250000};
    struct crowd *brief = crowd_open(&site, &options);
    options = (struct crowd_options){.path = "/events?count=10000&interval_ms=250",
                                     .clients = CLIENTS,
                                     .lines_per_piece = 3,
                                     .pieces = 10000,
                                     .interval_us = 250000};
    struct crowd *events = crowd_open(&site, &options);
    options.path = "/stream?count=10000&interval_ms=250";
    options.lines_per_piece = 1;
    struct crowd *text = crowd_open(&site, &options);
    options.path = "/rows?count=10000&interval_ms=250";
    struct crowd *rows = crowd_open(&site, &options);
    cr_assert(crowd_wait_pieces(brief, 1, PATIENCE_MS) && crowd_wait_pieces(events, 1, PATIENCE_MS) &&
              crowd_wait_pieces(text, 1, PATIENCE_MS) && crowd_wait_pieces(rows, 1, PATIENCE_MS));

    int64_t began_ms = clock_monotonic_ms();
    process_signal(site.stack->master, SIGTERM);
    int code = process_wait(site.stack->master, PATIENCE_MS);
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    cr_expect_eq(code, 0, "exit code %d", code);
    cr_expect_lt(took_ms, DRAIN_MS + 1000, "it took %lld ms", (long long)took_ms);
    cr_assert(crowd_wait_end(brief, PATIENCE_MS) && crowd_wait_end(events, PATIENCE_MS) &&
              crowd_wait_end(text, PATIENCE_MS) && crowd_wait_end(rows, PATIENCE_MS));

    struct endings endings = look_at_endings(brief, CLIENTS);
    cr_expect_eq(endings.complete, CLIENTS, "complete %zu, told %zu, cut %zu", endings.complete, endings.told,
                 endings.cut);
    endings = look_at_endings(events, CLIENTS);
    cr_expect_eq(endings.told, CLIENTS, "told %zu, complete %zu, cut %zu, else %zu", endings.told, endings.complete,
                 endings.cut, endings.wrong);
    cr_expect_eq(crowd_tally(text).cut, CLIENTS, "%zu are cut", crowd_tally(text).cut);
    cr_expect_eq(crowd_tally(rows).cut, CLIENTS, "%zu are cut", crowd_tally(rows).cut);
    size_t rows_told = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        rows_told += strstr(crowd_client(rows, i).body, "{\"reconnect\":true,") != NULL;
    cr_expect_eq(rows_told, CLIENTS, "%zu of the row streams were told", rows_told);
    crowd_close(rows);
    crowd_close(text);
    crowd_close(events);
    crowd_close(brief);
    site_close(&site);
}
