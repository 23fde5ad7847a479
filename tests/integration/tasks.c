/*
 * Background tasks: each promise of docs/tasks.md, with the real workers, nginx and Redis. What happens when everything
 * is killed at random is in tests/fault/tasks.c.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "office.h"

TestSuite(tasks, .timeout = 120);

/* -------------------- what is accepted, and what becomes of it -------------------- */

Test(tasks, a_task_is_done_by_another_process_and_can_be_looked_up)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    must_add(&office, "/add/sleep", "10", id);
    await(&office, id, "done 1/5");
    OWNED char *log = file_read(office.log, NULL);
    OWNED char *line = text_printf("begin %s 1 %d ", id, (int)work_process(&office));
    cr_expect_not_null(strstr(log, line), "%s is not in %s", line, log);
    char *payload = field(&office, id, "payload");
    cr_expect_null(payload); /* nobody needs it any more */
    cr_expect_gt(redis_int(office.site.redis, "PTTL mid:q:{default}:task:%s", id), 0);
    cr_expect_eq(redis_int(office.site.redis, "XLEN mid:q:{default}:stream"), 0);
    office_close(&office);
}

Test(tasks, a_task_can_ask_redis_for_the_applications_own_data)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    must_add(&office, "/add/keep", "x", id);
    await(&office, id, "done 1/5");
    OWNED char *kept = redis_text(office.site.redis, "GET app:kept");
    cr_expect_str_eq(kept, id);
    office_close(&office);
}

Test(tasks, a_delayed_task_is_never_early)
{
    struct office office = office_open(SETTINGS(QUICK));
    char ids[20][TEXT_BYTES];
    for (int i = 0; i < 20; i++)
        must_add(&office, "/add/sleep?delay_ms=700", "0", ids[i]);
    await(&office, ids[0], "delayed 0/5");
    for (int i = 0; i < 20; i++) {
        await(&office, ids[i], "done 1/5");
        cr_expect_geq(number(&office, ids[i], "started"), number(&office, ids[i], "created") + 700);
    }
    office_close(&office);
}

Test(tasks, a_failing_task_has_its_attempts_and_becomes_a_dead_letter_that_can_be_retried)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    struct buffer output = {0};
    must_add(&office, "/add/fail?attempts=3", "x", id);
    await(&office, id, "dead 3/3 MID_FAILED");
    cr_expect_eq(noted(&office, "begin", id), 3);

    cr_expect_eq(operate(&office, "list", "dead", &output), 0);
    cr_expect_not_null(strstr(output.data, id), "%s", output.data);
    output.length = 0;
    cr_expect_eq(operate(&office, "show", id, &output), 0);
    cr_expect_not_null(strstr(output.data, "detail: it was asked to\n"), "%s", output.data);
    output.length = 0;
    cr_assert_eq(operate(&office, "retry", id, &output), 0, "%s", output.data);
    await_note(&office, "begin", id, 6);
    await(&office, id, "dead 3/3 MID_FAILED");
    cr_expect_eq(noted(&office, "begin", id), 6);
    cr_expect_eq(operate(&office, "delete", id, &output), 0);
    await(&office, id, "404");
    cr_expect_eq(redis_int(office.site.redis, "ZCARD mid:q:{default}:dead"), 0);
    buffer_fini(&output);
    office_close(&office);
}

Test(tasks, a_task_that_nobody_knows_is_a_dead_letter_at_once)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    must_add(&office, "/add/unheard-of", "x", id);
    await(&office, id, "dead 1/5 MID_UNPROCESSABLE");
    OWNED char *detail = field(&office, id, "detail");
    cr_expect_str_eq(detail, "no worker has a handler for the task \"unheard-of\"");
    office_close(&office);
}

Test(tasks, what_cannot_be_a_task_is_refused)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    OWNED char *big = calloc(1, 64 * 1024 + 2);
    memset(big, 'x', 64 * 1024);
    must_add(&office, "/add/empty", big, id);
    big[64 * 1024] = 'x';
    cr_expect_eq(add(&office, "/add/empty", big, id), 413);
    cr_expect_eq(add(&office, "/add/no%20name", "x", id), 422);
    cr_expect_eq(add(&office, "/add/empty?queue=Not+One", "x", id), 422);
    cr_expect_eq(add(&office, "/add/empty?id=default.123", "x", id), 400);
    cr_expect_eq(site_send(&office.site, "GET", "/task/nonsense", NULL, NULL), 400);
    cr_expect_eq(site_send(&office.site, "DELETE", "/task/default.0123456789ABCDEF0123456789ABCDEF", NULL, NULL), 400);
    cr_expect_eq(site_send(&office.site, "GET", "/task/default.0123456789abcdef0123456789abcdef", NULL, NULL), 404);
    office_close(&office);
}

Test(tasks, a_full_queue_says_so)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_TASK_QUEUE_MAX=3"));
    char ids[4][TEXT_BYTES];
    for (int i = 0; i < 3; i++)
        must_add(&office, "/add/sleep?delay_ms=60000", "0", ids[i]);
    cr_expect_eq(add(&office, "/add/sleep", "0", ids[3]), 503);
    OWNED char *path = text_printf("/task/%s", ids[0]);
    cr_expect_eq(site_send(&office.site, "DELETE", path, NULL, NULL), 204);
    must_add(&office, "/add/sleep", "0", ids[3]);
    await(&office, ids[3], "done");
    office_close(&office);
}

Test(tasks, an_enqueue_that_is_repeated_with_its_id_adds_one_task)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    OWNED char *new_id = site_get(&office.site, "/new-id");
    OWNED char *path = text_printf("/add/sleep?id=%s", new_id);
    for (int i = 0; i < 3; i++) {
        must_add(&office, path, "0", id);
        cr_expect_str_eq(id, new_id);
        await(&office, id, "done 1/5"); /* also after it has ended */
    }
    cr_expect_eq(noted(&office, "begin", id), 1);
    office_close(&office);
}

Test(tasks, a_live_task_with_the_same_key_is_not_added_twice)
{
    struct office office = office_open(SETTINGS(QUICK));
    char first[TEXT_BYTES];
    char second[TEXT_BYTES];
    must_add(&office, "/add/sleep?dedup=k&delay_ms=300", "0", first);
    must_add(&office, "/add/sleep?dedup=k", "0", second);
    cr_expect_str_eq(first, second);
    await(&office, first, "done 1/5");
    must_add(&office, "/add/sleep?dedup=k", "0", second);
    cr_expect_str_neq(first, second);
    await(&office, second, "done 1/5");
    cr_expect_eq(redis_int(office.site.redis, "EXISTS mid:q:{default}:dedup:k"), 0);
    office_close(&office);
}

Test(tasks, a_task_is_cancelled_while_it_waits_and_while_it_runs)
{
    struct office office = office_open(SETTINGS(QUICK));
    char waiting[TEXT_BYTES];
    char running[TEXT_BYTES];
    must_add(&office, "/add/sleep?delay_ms=60000", "0", waiting);
    must_add(&office, "/add/sleep", "60000", running);
    await_note(&office, "begin", running, 1);
    char *path = text_printf("/task/%s", waiting);
    cr_expect_eq(site_send(&office.site, "DELETE", path, NULL, NULL), 204);
    await(&office, waiting, "cancelled 0/5");
    free(path);
    path = text_printf("/task/%s", running);
    cr_expect_eq(site_send(&office.site, "DELETE", path, NULL, NULL), 204);
    await(&office, running, "cancelled 1/5");
    cr_expect_eq(noted(&office, "MID_CANCELLED", running), 1);
    cr_expect_eq(noted(&office, "begin", waiting), 0);
    free(path);
    office_close(&office);
}

/* -------------------- the session -------------------- */

Test(tasks, a_step_is_applied_once_whatever_number_of_attempts_come_to_it)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    make_session(&office);
    must_add(&office, "/add/count?attempts=5", "3", id);
    await(&office, id, "done 3/5");
    OWNED char *key = site_key(&office.site);
    cr_expect_eq(stored_number(&office.site, key, "once"), 1);
    cr_expect_eq(stored_number(&office.site, key, "plain"), 3);
    cr_expect_eq(stored_number(&office.site, key, "end"), 1);
    cr_expect_eq(noted(&office, "applied", id), 1);
    cr_expect_eq(noted(&office, "skipped", id), 2);
    cr_expect_eq(redis_int(office.site.redis, "EXISTS %s:task:%s", key, id), 0); /* the claim is given up */
    office_close(&office);
}

Test(tasks, a_task_can_add_a_task_for_the_same_session)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    make_session(&office);
    must_add(&office, "/add/parent", "", id);
    await(&office, id, "done 1/5  default.");
    OWNED char *key = site_key(&office.site);
    cr_expect(stored_reaches(&office.site, key, "once", 1));
    office_close(&office);
}

Test(tasks, after_a_logout_nothing_is_written_and_the_task_ends)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    make_session(&office);
    OWNED char *key = site_key(&office.site);
    must_add(&office, "/add/late", "500", id);
    await_note(&office, "begin", id, 1);
    cr_assert_eq(site_send(&office.site, "POST", "/logout", NULL, NULL), 204);
    await(&office, id, "cancelled 1/5 MID_ENDED");
    cr_expect_eq(redis_int(office.site.redis, "EXISTS %s", key), 0);
    office_close(&office);
}

/* -------------------- a Redis that goes -------------------- */

static void flush_all(struct office *office)
{
    free(redis_text(office->site.redis, "FLUSHALL"));
}

static void flush_scripts(struct office *office)
{
    free(redis_text(office->site.redis, "SCRIPT FLUSH"));
}

static void lose_group(struct office *office)
{
    redis_int(office->site.redis, "XGROUP DESTROY mid:q:{default}:stream workers");
}

static void lose_stream(struct office *office)
{
    redis_int(office->site.redis, "DEL mid:q:{default}:stream");
}

Test(tasks, an_emptied_redis_lost_scripts_and_a_lost_group_heal_by_themselves)
{
    static void (*const faults[])(struct office *) = {flush_all, flush_scripts, lose_group, lose_stream};
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        must_add(&office, "/add/sleep", "0", id);
        await(&office, id, "done");
        faults[i](&office);
        must_add(&office, "/add/sleep", "0", id);
        await(&office, id, "done");
    }
    office_close(&office);
}

/* What was handed out to a worker that died before it could start it. */
Test(tasks, what_was_handed_out_and_not_started_is_handed_out_again)
{
    struct office office = office_open(SETTINGS(QUICK));
    char id[TEXT_BYTES];
    must_add(&office, "/add/sleep", "0", id);
    await(&office, id, "done");                    /* so that there is a group of consumers */
    process_signal(work_master(&office), SIGSTOP); /* or it would start another worker */
    process_signal(work_process(&office), SIGKILL);
    must_add(&office, "/add/sleep", "0", id);
    /* To the dead worker's connection, if Redis has not noticed its end, or to this test. */
    free(redis_text(office.site.redis, "EVAL %s 1 mid:q:{default}:stream",
                    "redis.call('XREADGROUP','GROUP','workers','worker','COUNT',10,'STREAMS',KEYS[1],'>')\n"
                    "return redis.call('XPENDING',KEYS[1],'workers')[1] .. ''"));
    process_signal(work_master(&office), SIGCONT);
    await(&office, id, "done 1/5");
    office_close(&office);
}

Test(tasks, a_worker_that_cannot_ask_for_tasks_is_replaced)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_TASK_SILENCE_MS=1000"));
    char id[TEXT_BYTES];
    site_signal_redis(&office.site, SIGSTOP);
    await_log(&office, "worker.silent", 1);
    site_signal_redis(&office.site, SIGCONT);
    must_add(&office, "/add/sleep", "0", id);
    await(&office, id, "done");
    office_close(&office);
}

/* -------------------- what operators see -------------------- */

struct shown {
    const struct office *office;
    const char *line; /* of /metrics */
};

static bool is_shown(void *arg)
{
    const struct shown *shown = arg;
    struct http_response response;
    OWNED char *socket = text_printf("%s/work-admin.sock", shown->office->site.stack->dir);
    OWNED char *line = text_printf("\n%s\n", shown->line);
    http_send(&(struct http_request){.url = "http://admin/metrics", .unix_socket = socket}, &response);
    bool is_there = response.status == 200 && strstr(response.body.data, line) != NULL;
    http_response_fini(&response);
    return is_there;
}

static void await_metric(const struct office *office, const char *line)
{
    struct shown shown = {office, line};
    cr_expect(wait_until(is_shown, &shown, 30000), "/metrics does not come to show %s", line);
}

Test(tasks, the_metrics_tell_how_each_queue_is)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_TASK_QUEUES=default,idle"));
    char id[TEXT_BYTES];
    for (int i = 0; i < 3; i++)
        must_add(&office, "/add/sleep?delay_ms=600000", "0", id);
    must_add(&office, "/add/sleep", "600000", id);
    must_add(&office, "/add/fail?attempts=1", "x", id);
    await_metric(&office, "midstream_task_depth{queue=\"default\",state=\"delayed\"} 3");
    await_metric(&office, "midstream_task_depth{queue=\"default\",state=\"running\"} 1");
    await_metric(&office, "midstream_task_depth{queue=\"default\",state=\"dead\"} 1");
    await_metric(&office, "midstream_task_events_total{queue=\"default\",event=\"accepted\"} 5");
    await_metric(&office, "midstream_task_events_total{queue=\"default\",event=\"failed\"} 1");
    await_metric(&office, "midstream_task_depth{queue=\"idle\",state=\"waiting\"} 0");
    office_close(&office);
}

/* With a worker that has no room, what is added waits. */
Test(tasks, the_metrics_tell_how_long_the_oldest_task_waits)
{
    struct office office = office_open(SETTINGS(QUICK, "MIDSTREAM_TASK_CONCURRENCY=1"));
    char id[TEXT_BYTES];
    must_add(&office, "/add/sleep", "600000", id);
    await_note(&office, "begin", id, 1);
    for (int i = 0; i < 4; i++)
        must_add(&office, "/add/sleep", "0", id);
    await_metric(&office, "midstream_task_depth{queue=\"default\",state=\"waiting\"} 4");
    cr_expect(!is_shown(&(struct shown){&office, "midstream_task_oldest_waiting_seconds{queue=\"default\"} 0.000"}));
    office_close(&office);
}
