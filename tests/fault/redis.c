/* Redis killed, stopped, paused and emptied under load: what was acknowledged stays, what has ended is not revived. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"
#include "fault.h"
#include "hammer.h"

TestSuite(fault_redis, .timeout = 120);

enum { STREAMS = 20, EVENTS = 30, AWAY_MS = 2000 };

static const struct crowd_options with_session = {.path = "/events?count=30&interval_ms=100",
                                                  .clients = STREAMS,
                                                  .lines_per_piece = 3,
                                                  .pieces = EVENTS,
                                                  .interval_us = 100000};

/* Touches no session, and fails at its end: only its pace is of interest. */
static const struct crowd_options without_session = {
    .path = "/fail?at=600", .clients = STREAMS, .lines_per_piece = 1, .pieces = 599, .interval_us = 100000};

static void expect_nothing_lost(const struct hammer_sum *sum)
{
    cr_expect_gt(sum->acknowledged, 0);
    cr_expect_gt(sum->unavailable, 0, "no request met the fault");
    cr_expect_eq(sum->failed, 0, "%zu failed, the first with %s", sum->failed, sum->first_failure);
    cr_expect_eq(sum->lost, 0, "%zu of %zu acknowledged changes are lost", sum->lost, sum->acknowledged);
    cr_expect_eq(sum->beyond, 0, "%zu changes were made twice", sum->beyond);
}

static void expect_complete(struct crowd *crowd)
{
    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect_eq(tally.complete, STREAMS, "%zu of %d are complete", tally.complete, STREAMS);
    cr_expect_eq(tally.false_complete, 0);
}

Test(fault_redis, killed_and_started_again_it_has_lost_nothing_that_was_acknowledged)
{
    struct site site = site_open_with(&(struct stack_options){
        .workers = 2,
        .environment = SETTINGS("MIDSTREAM_COMMIT_TIMEOUT_MS=15000", "MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=90")});
    struct crowd *crowd = crowd_open(&site, &with_session);
    struct hammer *hammer = hammer_start(&site, 4);
    cr_assert(crowd_wait_pieces(crowd, 5, PATIENCE_MS));
    fault_kill_redis(&site);
    usleep(500000);
    cr_expect_eq(crowd_tally(crowd).open, STREAMS, "a stream gave up");
    fault_start_redis(&site);
    cr_assert(fault_await_sessions(&site));
    cr_assert(crowd_wait_end(crowd, 2 * PATIENCE_MS));
    struct hammer_sum sum = hammer_stop(hammer);
    expect_nothing_lost(&sum);
    expect_complete(crowd);
    cr_expect_eq(fault_count_miscommitted(&site, crowd, STREAMS, EVENTS), 0);
    crowd_close(crowd);
    site_close(&site);
}

/* -------------------- there, and silent -------------------- */

static void stop_it(struct site *site)
{
    process_signal(site->stack->redis, SIGSTOP);
}

static void let_it_go_on(struct site *site)
{
    process_signal(site->stack->redis, SIGCONT);
}

static void pause_clients(struct site *site)
{
    free(redis_text(site->redis, "CLIENT PAUSE %d ALL", AWAY_MS));
}

static void wait_for_its_own_end(struct site *site)
{
    (void)site;
}

static int compare_int64(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return (*a > *b) - (*a < *b);
}

/* How long the middle one of several requests took to be told that Redis is away. */
static int64_t refusal_us(const struct site *site)
{
    enum { TRIES = 7 };
    int64_t took_us[TRIES];
    for (int i = 0; i < TRIES; i++) {
        struct http_response response;
        int status = site_send(site, "GET", "/counter", NULL, &response);
        cr_expect_eq(status, 503, "%d %s", status, response.body.data);
        took_us[i] = response.total_us;
        http_response_fini(&response);
    }
    qsort(took_us, TRIES, sizeof(took_us[0]), compare_int64);
    return took_us[TRIES / 2];
}

static void live_through(void (*begin)(struct site *), void (*end)(struct site *))
{
    struct site site = site_open_with(
        &(struct stack_options){.workers = 2, .environment = SETTINGS("MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=90")});
    site_make_session(&site);
    struct crowd *streams = crowd_open(&site, &with_session);
    struct crowd *others = crowd_open(&site, &without_session);
    cr_assert(crowd_wait_pieces(streams, 3, PATIENCE_MS) && crowd_wait_pieces(others, 3, PATIENCE_MS));
    int64_t began_us = clock_monotonic_us();
    begin(&site);
    int64_t took_us = refusal_us(&site);
    /* 90 ms of patience (redis-head-timeout-ms), and what a busy machine adds to a request. */
    cr_expect_lt(took_us, 150000, "a request was refused after %lld us", (long long)took_us);
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    while (clock_monotonic_us() - began_us < AWAY_MS * 1000)
        usleep(10000);
    int64_t late_us = crowd_lateness_p99_us(others, began_us, clock_monotonic_us() - LATENESS_MAX_US);
    cr_expect(late_us >= 0 && late_us < LATENESS_MAX_US, "streams without a session were late by %lld us",
              (long long)late_us);
    cr_expect_eq(crowd_tally(streams).open, STREAMS, "a stream gave up before its commit-timeout-ms");
    end(&site);

    cr_assert(fault_await_sessions(&site));
    cr_assert(crowd_wait_end(streams, PATIENCE_MS));
    expect_complete(streams);
    cr_expect_eq(fault_count_miscommitted(&site, streams, STREAMS, EVENTS), 0);
    crowd_close(others);
    crowd_close(streams);
    site_close(&site);
}

Test(fault_redis, stopped_for_two_seconds_requests_are_refused_at_once_and_streams_go_on)
{
    live_through(stop_it, let_it_go_on);
}

Test(fault_redis, paused_for_two_seconds_requests_are_refused_at_once_and_streams_go_on)
{
    live_through(pause_clients, wait_for_its_own_end);
}

/* -------------------- empty -------------------- */

static size_t count_told(struct crowd *crowd, const char *text)
{
    size_t told = 0;
    for (size_t i = 0; i < STREAMS; i++)
        told += strstr(crowd_client(crowd, i).body, text) != NULL;
    return told;
}

/* Streams of that kind are told, and cut; no session comes back; the old cookie begins another. */
static void expect_ended_when_emptied(const struct crowd_options *options)
{
    struct site site = site_open_with(&(struct stack_options){
        .workers = 2, .environment = SETTINGS("MIDSTREAM_COMMIT_TIMEOUT_MS=15000", "MIDSTREAM_HEARTBEAT_MS=500")});
    site_make_session(&site);
    OWNED char *old_key = site_key(&site);
    struct crowd *crowd = crowd_open(&site, options);
    cr_assert(crowd_wait_pieces(crowd, 1, PATIENCE_MS));
    /* The file that it starts with is as empty as it was. */
    free(redis_text(site.redis, "FLUSHALL"));
    fault_kill_redis(&site);
    fault_start_redis(&site);

    bool are_over = crowd_wait_end(crowd, PATIENCE_MS);
    struct crowd_tally tally = crowd_tally(crowd);
    cr_expect(are_over, "%zu streams go on without their sessions", tally.open);
    cr_expect_eq(tally.complete, 0, "%zu look complete", tally.complete);
    size_t told = count_told(crowd, "event: session-ended\n");
    cr_expect_eq(told, STREAMS, "%zu of %d were told", told, STREAMS);
    struct redis_texts keys = redis_texts(site.redis, "KEYS mid:s:*");
    cr_expect_eq(keys.count, 0, "%zu sessions came back to life", keys.count);
    redis_texts_fini(&keys);

    cr_assert(fault_await_sessions(&site));
    OWNED char *new_key = site_key(&site);
    cr_expect_str_neq(new_key, old_key, "the old cookie still names a session");
    cr_expect_eq(redis_int(site.redis, "EXISTS %s", old_key), 0);
    cr_expect_eq(stored_number(&site, new_key, "counter"), 1);
    crowd_close(crowd);
    site_close(&site);
}

Test(fault_redis, started_again_empty_it_ends_the_streams_that_write_and_revives_nothing)
{
    expect_ended_when_emptied(&(struct crowd_options){.path = "/events?count=10000&interval_ms=100",
                                                      .clients = STREAMS,
                                                      .lines_per_piece = 3,
                                                      .pieces = 10000,
                                                      .interval_us = 100000});
}

/* The check at every heartbeat has to find them out. */
Test(fault_redis, started_again_empty_it_ends_the_streams_that_wait_and_revives_nothing)
{
    expect_ended_when_emptied(&(struct crowd_options){.path = "/events?count=2&interval_ms=3600000",
                                                      .clients = STREAMS,
                                                      .lines_per_piece = 3,
                                                      .pieces = 2,
                                                      .interval_us = 3600000000});
}
