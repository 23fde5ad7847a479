/*
 * Background tasks while Redis is full, or takes no writes: what is under way is kept and finished, and nothing begins.
 *
 * Redis is made full by a maxmemory below what it uses: every command that may need memory is refused then.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "office.h"

TestSuite(tasks_full, .timeout = 120);

enum { LEASE_MS = 1500 };
static const char lease_setting[] = "MIDSTREAM_TASK_LEASE_MS=1500";

static void set_maxmemory(const struct office *office, const char *bytes)
{
    free(redis_text(office->site.redis, "CONFIG SET maxmemory %s", bytes));
}

static void fill(const struct office *office)
{
    set_maxmemory(office, "1000");
}

static void make_room(const struct office *office)
{
    set_maxmemory(office, "0");
}

static int64_t lease_end(const struct office *office, const char *id)
{
    OWNED char *score = redis_text(office->site.redis, "ZSCORE mid:q:{default}:leases %s", id);
    int64_t end_ms = score != NULL ? strtoll(score, NULL, 10) : -1;
    return end_ms;
}

struct lease {
    const struct office *office;
    const char *id;
    int64_t end_ms;
};

static bool lasts_longer(void *arg)
{
    const struct lease *lease = arg;
    return lease_end(lease->office, lease->id) > lease->end_ms;
}

Test(tasks_full, a_running_task_keeps_its_lease_and_is_done_once)
{
    struct office office = office_open(SETTINGS("MIDSTREAM_TASK_BACKOFF_MS=50", lease_setting));
    char id[TEXT_BYTES];
    char refused[TEXT_BYTES];
    must_add(&office, "/add/sleep", "6000", id);
    await_note(&office, "begin", id, 1);
    fill(&office);
    struct lease lease = {.office = &office, .id = id, .end_ms = lease_end(&office, id) + 2 * LEASE_MS};
    cr_expect(wait_until(lasts_longer, &lease, PATIENCE_MS), "the lease was not renewed");
    cr_expect_eq(add(&office, "/add/sleep", "0", refused), 503);
    await(&office, id, "done 1/5");
    cr_expect_eq(noted(&office, "begin", id), 1);
    cr_expect_eq(number(&office, id, "generation"), 1);
    cr_expect_eq(number(&office, id, "losses"), 0);
    make_room(&office);
    must_add(&office, "/add/sleep", "0", id);
    await(&office, id, "done 1/5");
    office_close(&office);
}

Test(tasks_full, a_running_task_can_fail_be_cancelled_and_be_given_back)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_DRAIN_TIMEOUT_MS=2000"));
    char cancelled[TEXT_BYTES];
    char given_back[TEXT_BYTES];
    must_add(&office, "/add/sleep", "60000", cancelled);
    must_add(&office, "/add/sleep?attempts=1", "60000", given_back);
    await_note(&office, "begin", cancelled, 1);
    await_note(&office, "begin", given_back, 1);
    fill(&office);
    OWNED char *path = text_printf("/task/%s", cancelled);
    cr_expect_eq(site_send(&office.site, "DELETE", path, NULL, NULL), 204);
    await(&office, cancelled, "cancelled 1/5");
    process_signal(work_process(&office), SIGTERM);
    await(&office, given_back, "waiting 0/1");
    make_room(&office);
    await(&office, given_back, "running 1/1");
    office_close(&office);
}

/* They would meet a Redis that takes nothing, and use up their attempts. The lease is long: who has been handed out a
 * task that cannot be started does not leave it to be found when the lease would be over. */
Test(tasks_full, waiting_tasks_begin_when_there_is_room_again_and_once)
{
    enum { COUNT = 5 };
    struct office office = office_open(SETTINGS("MIDSTREAM_TASK_LEASE_MS=600000", "MIDSTREAM_TASK_SILENCE_MS=3000"));
    char ids[COUNT][TEXT_BYTES];
    pid_t worker = work_process(&office);
    for (int i = 0; i < COUNT; i++)
        must_add(&office, "/add/sleep?delay_ms=1000", "0", ids[i]);
    fill(&office);
    for (int i = 0; i < COUNT; i++)
        await(&office, ids[i], "waiting 0/5");
    await_log(&office, "redis.refused", 1);
    usleep(4000 * 1000); /* longer than task-silence-ms: nothing may come of it */
    for (int i = 0; i < COUNT; i++)
        await(&office, ids[i], "waiting 0/5");
    cr_expect_eq(work_process(&office), worker);
    make_room(&office);
    for (int i = 0; i < COUNT; i++) {
        await(&office, ids[i], "done 1/5");
        cr_expect_eq(noted(&office, "begin", ids[i]), 1);
        cr_expect_eq(number(&office, ids[i], "generation"), 1);
    }
    office_close(&office);
}

Test(tasks_full, a_dead_letter_is_not_retried_but_can_be_deleted)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    struct buffer output = {0};
    must_add(&office, "/add/fail?attempts=1", "x", id);
    await(&office, id, "dead 1/1 MID_FAILED");
    fill(&office);
    cr_expect_neq(operate(&office, "retry", id, &output), 0);
    await(&office, id, "dead 1/1 MID_FAILED");
    cr_expect_eq(redis_int(office.site.redis, "ZCARD mid:q:{default}:dead"), 1);
    output.length = 0;
    cr_expect_eq(operate(&office, "delete", id, &output), 0, "%s", output.data);
    await(&office, id, "404");
    buffer_fini(&output);
    office_close(&office);
}

/* As without the replicas that Redis insists on, or a disk that it can write to. */
Test(tasks_full, an_operator_sees_them_where_nothing_can_be_written)
{
    static const char *const looks[][2] = {{"list", "dead"}, {"stats", NULL}};
    struct office office = office_open(SETTINGS(QUICK));
    site_needs_one_redis(&office.site);
    char id[TEXT_BYTES];
    must_add(&office, "/add/fail?attempts=1", "x", id);
    await(&office, id, "dead 1/1 MID_FAILED");
    free(redis_text(office.site.redis, "CONFIG SET min-replicas-to-write 1"));
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        struct buffer output = {0};
        cr_expect_eq(operate(&office, looks[i][0], looks[i][1], &output), 0, "%s: %s", looks[i][0], output.data);
        cr_expect(strstr(output.data, i == 0 ? id : "default") != NULL, "%s", output.data);
        buffer_fini(&output);
    }
    office_close(&office);
}
