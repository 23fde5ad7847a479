/* Masters of Redis that are killed under load. See failover.h. */
#include "failover.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"
#include "hammer.h"

enum { STREAMS = 20, EVENTS = 60, VISITORS = 4, LEAVERS = 20 };

/* -------------------- visitors who leave -------------------- */

struct leaver {
    struct cookie_jar *visitor;
    char *key;
    bool has_left; /* that was answered */
};

static void enter(struct site *site, struct leaver *leaver)
{
    struct site own = *site;
    leaver->visitor = own.visitor = cookie_jar_new();
    site_make_session(&own);
    leaver->key = site_key(&own);
}

/* Asks until it is answered: with 503 while it cannot be confirmed. */
static void leave(const struct site *site, struct leaver *leaver)
{
    struct site own = *site;
    own.visitor = leaver->visitor;
    for (int64_t end_ms = clock_monotonic_ms() + FAILOVER_MS; !leaver->has_left && clock_monotonic_ms() < end_ms;) {
        int status = site_send(&own, "POST", "/logout", NULL, NULL);
        leaver->has_left = status == 200 || status == 204 || status == 303;
        cr_expect(leaver->has_left || status == 503, "%d", status);
        usleep(20000);
    }
}

struct exodus {
    const struct site *site;
    struct leaver *leavers;
    size_t count;
    pthread_t thread;
};

static void *leave_one_by_one(void *arg)
{
    const struct exodus *exodus = arg;
    for (size_t i = 0; i < exodus->count; i++)
        leave(exodus->site, &exodus->leavers[i]);
    return NULL;
}

static size_t count_revived(const struct site *site, const struct leaver leavers[])
{
    size_t revived = 0;
    for (size_t i = 0; i < LEAVERS; i++)
        revived += !leavers[i].has_left || redis_int(site->redis, "EXISTS %s", leavers[i].key) != 0;
    return revived;
}

static void free_leavers(struct leaver leavers[])
{
    for (size_t i = 0; i < LEAVERS; i++) {
        cookie_jar_free(leavers[i].visitor);
        free(leavers[i].key);
    }
}

/* -------------------- the test -------------------- */

void failover_test(const struct failover *failover)
{
    static const struct crowd_options streams = {.path = "/events?count=60&interval_ms=100",
                                                 .clients = STREAMS,
                                                 .lines_per_piece = 3,
                                                 .pieces = EVENTS,
                                                 .interval_us = 100000};
    struct leaver leavers[LEAVERS] = {0};
    size_t left = 0;
    OWNED char *redis = text_printf("MIDSTREAM_REDIS=%s", failover->url);
    struct site site = site_open_with(&(struct stack_options){
        .workers = 2,
        .environment = SETTINGS(redis, "MIDSTREAM_COMMIT_DURABILITY=replica", "MIDSTREAM_COMMIT_TIMEOUT_MS=60000")});
    failover->look(&site);
    cr_assert(fault_await_sessions(&site));
    for (size_t i = 0; i < LEAVERS; i++)
        enter(&site, &leavers[i]);
    struct hammer *hammer = hammer_start(&site, VISITORS);
    for (size_t i = 0; i < fault_scale(1, 5); i++) {
        struct crowd *crowd = crowd_open(&site, &streams);
        cr_assert(crowd_wait_pieces(crowd, 5, PATIENCE_MS));
        struct exodus exodus = {.site = &site, .leavers = &leavers[left], .count = LEAVERS / fault_scale(1, 5)};
        cr_assert_eq(pthread_create(&exodus.thread, NULL, leave_one_by_one, &exodus), 0);
        usleep((useconds_t)(20000 * exodus.count / 2));        /* some have left, and some are about to */
        failover->fail_over(hammer_key(hammer, i % VISITORS)); /* so somebody meets it */
        pthread_join(exodus.thread, NULL);
        left += exodus.count;
        failover->look(&site);
        cr_assert(fault_await_sessions(&site));
        cr_assert(crowd_wait_end(crowd, 4 * PATIENCE_MS));
        struct crowd_tally tally = crowd_tally(crowd);
        cr_expect_eq(tally.complete, STREAMS, "%zu of %d are complete", tally.complete, STREAMS);
        cr_expect_eq(tally.false_complete, 0);
        cr_expect_eq(fault_count_miscommitted(&site, crowd, STREAMS, EVENTS), 0);
        crowd_close(crowd);
    }
    struct hammer_sum sum = hammer_stop(hammer);
    fprintf(stderr, "fault_failover: %zu acknowledged, %zu unavailable, %zu lost\n", sum.acknowledged, sum.unavailable,
            sum.lost);
    cr_expect_gt(sum.acknowledged, 0);
    cr_expect_gt(sum.unavailable, 0, "no request met the fault");
    cr_expect_eq(sum.failed, 0, "%zu failed, the first with %s", sum.failed, sum.first_failure);
    cr_expect_eq(sum.lost, 0, "%zu of %zu acknowledged changes are lost", sum.lost, sum.acknowledged);
    cr_expect_eq(sum.beyond, 0, "%zu changes were made twice", sum.beyond);
    cr_expect_eq(count_revived(&site, leavers), 0, "a logout was undone");
    free_leavers(leavers);
    site_close(&site);
}
