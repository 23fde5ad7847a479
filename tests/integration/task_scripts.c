/*
 * The steps of a queue in Redis against a model of it: after each, the figures that the queue tells of itself are those
 * that a count of all records by force comes to, and no task is in a place that is not its state's.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis/server.h"
#include "integration/random.h"
#include "task/queue.h"
#include "support/owned.h"

TestSuite(task_scripts, .fini = server_fini, .timeout = 120);

enum {
    TASKS = 12,
    STEPS = 1500,
    DEAD_MOST = 20, /* the queue's most, which none of the plays reaches; another test does */
    LEASE_MS = 60 * 1000,
    KEEP_MS = 60 * 1000,
    LONG_MS = 600 * 1000,
};

static const char queue[] = "default";
static const char queue_at[] = "mid:q:{default}";

static void id_of(unsigned number, char id[static MID_TASK_ID_BYTES])
{
    snprintf(id, MID_TASK_ID_BYTES, "%s.%032x", queue, number);
}

static void begin_queue(struct redis_client *client, int64_t tasks_max, int64_t dead_keep_ms)
{
    queue_init(&(struct queue_settings){.redis = client,
                                        .tasks_max = tasks_max,
                                        .lease_ms = LEASE_MS,
                                        .keep_ms = KEEP_MS,
                                        .dead_keep_ms = dead_keep_ms,
                                        .losses_max = 3});
}

/* A client that knows the queue's scripts, with an empty queue. */
MAY_SUSPEND static struct redis_client *open_queue(int64_t tasks_max, int64_t dead_keep_ms)
{
    struct redis_options options = worker_options(); /* and they need no more than that user may */
    struct queue_sweep sweep;
    options.timeout_ms = 10000;
    struct redis_client *client = redis_client_new(&options);
    begin_queue(client, tasks_max, dead_keep_ms);
    cr_assert(redis_client_wait_ready(client, 10000));
    cr_assert_eq(queue_sweep(queue, &sweep), MID_OK); /* makes the group */
    return client;
}

/* -------------------- by force -------------------- */

struct count {
    long long waiting;
    long long delayed;
    long long running;
    long long dead;
};

static void count_state(struct count *count, const char *state)
{
    count->waiting += strcmp(state, "waiting") == 0;
    count->delayed += strcmp(state, "delayed") == 0;
    count->running += strcmp(state, "running") == 0;
    count->dead += strcmp(state, "dead") == 0;
}

static struct count count_by_force(struct redis_probe *probe)
{
    struct count count = {0};
    struct redis_texts keys = redis_texts(probe, "KEYS mid:q:{default}:task:*");
    for (size_t i = 0; i < keys.count; i++) {
        OWNED char *state = redis_text(probe, "HGET %s state", keys.items[i]);
        cr_assert_not_null(state, "%s has no state", keys.items[i]);
        count_state(&count, state);
    }
    redis_texts_fini(&keys);
    return count;
}

MAY_SUSPEND static void expect_true_figures(struct redis_probe *probe, const char *after)
{
    struct queue_stats stats;
    cr_assert_eq(queue_stats(queue, &stats), MID_OK);
    struct count count = count_by_force(probe);
    cr_assert(
        stats.waiting == count.waiting && stats.delayed == count.delayed && stats.running == count.running &&
            stats.dead_letters == count.dead,
        "after %s the queue tells %lld waiting, %lld delayed, %lld running, %lld dead; there are %lld, %lld, %lld, "
        "%lld",
        after, (long long)stats.waiting, (long long)stats.delayed, (long long)stats.running,
        (long long)stats.dead_letters, count.waiting, count.delayed, count.running, count.dead);
}

/* -------------------- what can be done -------------------- */

struct owned {
    char id[MID_TASK_ID_BYTES];
    int64_t generation;
};

struct play {
    struct redis_client *client;
    struct redis_probe *probe;
    struct owned owned[TASKS * 4];
    size_t owned_count;
    unsigned next_id;
};

static void on_start(const struct queue_start *start, void *arg)
{
    struct play *play = arg;
    cr_assert(play->owned_count < TASKS * 4);
    struct owned *owned = &play->owned[play->owned_count++];
    snprintf(owned->id, sizeof(owned->id), "%s", start->id);
    owned->generation = start->generation;
}

MAY_SUSPEND static const char *add(struct play *play)
{
    char id[MID_TASK_ID_BYTES];
    id_of(play->next_id++, id);
    struct queue_task task = {.id = id,
                              .name = "work",
                              .payload = "p",
                              .payload_bytes = 1,
                              .delay_ms = random_below(3) == 0 ? LONG_MS : 0,
                              .attempts = 1 + (int)random_below(3),
                              .dedup_key = "",
                              .rid = "",
                              .request_id = "r"};
    enum mid_error error = queue_add(&task, id);
    cr_assert(error == MID_OK || error == MID_OVERLOADED);
    return "add";
}

MAY_SUSPEND static const char *start(struct play *play)
{
    struct queue_delivery deliveries[3];
    size_t count = 0;
    if (play->owned_count + 3 > TASKS)
        return "nothing";
    cr_assert_eq(queue_read(play->client, queue, 3, 1, deliveries, &count), MID_OK);
    if (count > 0)
        cr_assert_eq(queue_start(queue, "worker", count, deliveries, on_start, play), MID_OK);
    return "start";
}

static struct owned take_owned(struct play *play)
{
    size_t index = random_below(play->owned_count);
    struct owned owned = play->owned[index];
    play->owned[index] = play->owned[--play->owned_count];
    return owned;
}

static long long lease_of(struct play *play, const char *id)
{
    OWNED char *score = redis_text(play->probe, "ZSCORE %s %s", "mid:q:{default}:leases", id);
    long long until = score != NULL ? strtoll(score, NULL, 10) : -1;
    return until;
}

/* One ending of an attempt, by its owner. */
MAY_SUSPEND static const char *end(struct play *play)
{
    if (play->owned_count == 0)
        return "nothing";
    struct owned owned = take_owned(play);
    struct queue_lease lease = {owned.id, owned.generation};
    enum mid_error error = MID_OK;
    const char *what = NULL;
    switch (random_below(7)) {
    case 0:
        what = "done";
        error = queue_done(lease, "", "r");
        break;
    case 1:
        what = "fail, with another attempt";
        error = queue_fail(lease, "MID_FAILED", "d", LONG_MS);
        break;
    case 2:
        what = "fail, without hope";
        error = queue_fail(lease, "MID_FAILED", "d", QUEUE_BURY);
        break;
    case 3:
        what = "fail as cancelled";
        error = queue_fail(lease, "MID_CANCELLED", "d", QUEUE_CANCEL);
        break;
    case 4:
        what = "yield";
        error = queue_yield(lease);
        break;
    default:
        what = "recover";
        error = queue_recover(lease, (enum queue_blame)random_below(3), "d", LONG_MS);
        break;
    }
    cr_assert_eq(error, MID_OK, "%s by the owner", what);
    cr_assert_eq(lease_of(play, owned.id), -1, "a lease is left after %s", what);
    return what;
}

/* Somebody who is not the owner says something, and it changes nothing. */
MAY_SUSPEND static const char *pretend(struct play *play)
{
    if (play->owned_count == 0)
        return "nothing";
    const struct owned *owned = &play->owned[random_below(play->owned_count)];
    struct queue_lease lease = {owned->id, owned->generation + (random_chance(50) ? 1 : -1)};
    struct queue_beat beat = {.lease = lease, .progress = "9/9"};
    long long before = lease_of(play, owned->id);
    usleep(2000); /* a lease that was renewed ends later */
    cr_assert_eq(queue_heartbeat(queue, 1, &beat), MID_OK);
    cr_expect_eq(beat.verdict, LEASE_LOST);
    cr_expect_eq(queue_done(lease, "", ""), MID_LOST_LEASE);
    cr_expect_eq(queue_fail(lease, "MID_FAILED", "d", 0), MID_LOST_LEASE);
    cr_expect_eq(queue_yield(lease), MID_LOST_LEASE);
    cr_expect_eq(lease_of(play, owned->id), before, "who is not the owner has renewed the lease");
    return "what others say";
}

MAY_SUSPEND static const char *renew(struct play *play)
{
    if (play->owned_count == 0)
        return "nothing";
    const struct owned *owned = &play->owned[random_below(play->owned_count)];
    struct queue_beat beat = {.lease = {owned->id, owned->generation}, .progress = ""};
    long long before = lease_of(play, owned->id);
    usleep(2000);
    cr_assert_eq(queue_heartbeat(queue, 1, &beat), MID_OK);
    cr_expect(beat.verdict == LEASE_HELD || beat.verdict == LEASE_HELD_AND_CANCELLED);
    cr_expect_gt(lease_of(play, owned->id), before, "the owner has not renewed the lease");
    return "heartbeat";
}

/* Of any task, in whatever state. */
MAY_SUSPEND static const char *operate(struct play *play)
{
    char id[MID_TASK_ID_BYTES];
    char state[QUEUE_STATE_BYTES];
    if (play->next_id == 0)
        return "nothing";
    id_of((unsigned)random_below(play->next_id), id);
    switch (random_below(3)) {
    case 0:
        (void)!queue_cancel(id, state);
        return "cancel";
    case 1:
        (void)!queue_retry(id, state);
        return "retry";
    default:
        (void)!queue_delete(id, state);
        return "delete";
    }
}

MAY_SUSPEND static const char *sweep(struct play *play)
{
    struct queue_sweep swept;
    (void)play;
    cr_assert_eq(queue_sweep(queue, &swept), MID_OK);
    return "sweep";
}

static void play_at_random(void *arg)
{
    static const char *(*const steps[])(struct play * play) = {add, add,     start, start,   end,
                                                               end, pretend, renew, operate, sweep};
    (void)arg;
    struct play play = {.client = open_queue(DEAD_MOST * TASKS, LONG_MS),
                        .probe = redis_probe_open(server.socket_path)};
    random_begin("task_scripts");
    for (int i = 0; i < STEPS; i++) {
        const char *after = steps[random_below(sizeof(steps) / sizeof(steps[0]))](&play);
        expect_true_figures(play.probe, after);
    }
    redis_probe_close(play.probe);
    redis_client_free(play.client);
}

Test(task_scripts, figures_are_those_of_a_count_by_force_and_only_owners_change_anything)
{
    server_start_with_users(NULL);
    run_scenario(play_at_random);
}

/* -------------------- dead letters -------------------- */

MAY_SUSPEND static void bury_one(struct play *play)
{
    char id[MID_TASK_ID_BYTES];
    struct queue_delivery delivery;
    size_t count = 0;
    id_of(play->next_id++, id);
    struct queue_task task = {.id = id,
                              .name = "work",
                              .payload = "p",
                              .payload_bytes = 1,
                              .attempts = 1,
                              .dedup_key = "",
                              .rid = "",
                              .request_id = "r"};
    cr_assert_eq(queue_add(&task, id), MID_OK);
    cr_assert_eq(queue_read(play->client, queue, 1, 1, &delivery, &count), MID_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(queue_start(queue, "worker", 1, &delivery, on_start, play), MID_OK);
    struct owned owned = play->owned[--play->owned_count];
    cr_assert_eq(queue_fail((struct queue_lease){owned.id, owned.generation}, "MID_FAILED", "d", QUEUE_BURY), MID_OK);
}

static void bury_too_many(void *arg)
{
    enum { MOST = 3, BURIED = 8 };
    struct queue_stats stats;
    (void)arg;
    struct play play = {.client = open_queue(MOST, LONG_MS), .probe = redis_probe_open(server.socket_path)};
    for (int i = 0; i < BURIED; i++)
        bury_one(&play);
    cr_assert_eq(queue_stats(queue, &stats), MID_OK);
    cr_expect_eq(stats.dead, BURIED);
    cr_expect_eq(stats.dead_letters, MOST);
    cr_expect_eq(stats.trimmed, BURIED - MOST, "%lld", (long long)stats.trimmed);
    expect_true_figures(play.probe, "too many dead letters");
    redis_probe_close(play.probe);
    redis_client_free(play.client);
}

Test(task_scripts, dead_letters_that_had_to_go_for_newer_ones_are_counted)
{
    server_start_with_users(NULL);
    run_scenario(bury_too_many);
}

static void bury_and_wait(void *arg)
{
    enum { DEAD_KEEP_MS = 200 };
    struct queue_sweep swept;
    (void)arg;
    struct play play = {.client = open_queue(DEAD_MOST, DEAD_KEEP_MS), .probe = redis_probe_open(server.socket_path)};
    for (int i = 0; i < 3; i++)
        bury_one(&play);
    expect_true_figures(play.probe, "three deaths");
    loop_park(DEAD_KEEP_MS + 100);
    expect_true_figures(play.probe, "the time that they are kept");
    cr_assert_eq(queue_sweep(queue, &swept), MID_OK);
    cr_expect_eq(redis_int(play.probe, "ZCARD %s:dead", queue_at), 0, "their names are kept for ever");
    redis_probe_close(play.probe);
    redis_client_free(play.client);
}

Test(task_scripts, dead_letters_whose_time_is_over_are_not_counted_and_forgotten)
{
    server_start_with_users(NULL);
    run_scenario(bury_and_wait);
}
