/* The session of a background task: how it is opened, and what who has lost his lease cannot do. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "stage.h"

TestSuite(task_sessions, .timeout = 120);

static char *make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:cart:full,commit&who=m", NULL), 200);
    return site_key(&stage->site);
}

/* -------------------- opening -------------------- */

static void expect_opened(const char *way)
{
    struct stage stage = stage_open(NULL);
    char *key = make_session(&stage);
    char *acts = text_printf("%s,session,open,find,get:cart,increment:x,step:one", way);
    char *first = text_printf("%s MID_OK", way);
    stage_add_task(&stage, acts);
    EXPECT_NOTE(&stage, "t1.1", first);
    EXPECT_NOTE(&stage, "t1.2", "session MID_OK same");
    EXPECT_NOTE(&stage, "t1.3", "open MID_OK same");
    EXPECT_NOTE(&stage, "t1.4", "find MID_OK same");
    EXPECT_NOTE(&stage, "t1.5", "get:cart MID_OK full");
    EXPECT_NOTE(&stage, "t1.7", "step:one MID_OK applied");
    cr_expect_eq(stored_number(&stage.site, key, "x"), 1);
    free(first), free(acts), free(key);
    stage_close(&stage);
}

Test(task_sessions, a_task_may_open_its_session_as_a_request_does)
{
    expect_opened("open");
}

Test(task_sessions, a_task_may_look_for_its_session_as_a_request_does)
{
    expect_opened("find");
}

Test(task_sessions, a_task_without_a_session_is_told_so_whichever_way_it_asks)
{
    struct stage stage = stage_open(NULL);
    free(make_session(&stage));
    cr_assert_eq(site_send(&stage.site, "POST", "/act-task?acts=open,session,open,find&alone=yes", "", NULL), 202);
    EXPECT_NOTE(&stage, "t1.1", "open MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "t1.2", "session MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "t1.3", "open MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "t1.4", "find MID_OK");
    cr_expect_eq(stored_sessions(&stage.site), 1, "the task was given one");
    stage_close(&stage);
}

/* Neither does who only looked for a session have one afterwards. */
Test(task_sessions, a_visitor_who_only_looked_for_a_session_has_none_after_a_stream_or_a_task)
{
    struct stage stage = stage_open(NULL);
    struct http_response response;
    cr_expect_eq(stage_act(&stage, "find,begin,get:a", &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s", response.head.data);
    http_response_fini(&response);
    cr_expect_eq(site_send(&stage.site, "POST", "/act-task?acts=open,find&look=yes", "", &response), 202);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s", response.head.data);
    http_response_fini(&response);
    EXPECT_NOTE(&stage, "t1.1", "open MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "t1.2", "find MID_OK");
    cr_expect_eq(stored_sessions(&stage.site), 0);
    stage_close(&stage);
}

/* -------------------- who has lost his lease -------------------- */

/* Its worker is stopped until another one has begun the task again. */
Test(task_sessions, a_task_whose_lease_was_lost_cannot_log_its_visitor_out)
{
    struct stage stage = stage_open(
        SETTINGS("MIDSTREAM_TASK_LEASE_MS=1500", "MIDSTREAM_WATCHDOG_MS=0", "MIDSTREAM_REDIS_TIMEOUT_MS=60000"));
    OWNED char *key = make_session(&stage);
    cr_assert_eq(
        site_send(&stage.site, "POST", "/act-task?attempts=5&acts=get:cart,deaf:end,destroy,get:cart", "", NULL), 202);
    stage_await_gate(&stage, "t1", "end");
    pid_t stale = stage_task_worker(&stage);
    process_signal(stale, SIGSTOP);
    pid_t others = stage_start_task_workers(&stage, "MIDSTREAM_TASK_LEASE_MS=1500");
    stage_await_gate(&stage, "t2", "end");

    stage_open_gate(&stage, "t1", "end");
    process_signal(stale, SIGCONT);
    EXPECT_NOTE(&stage, "t1.3", "destroy MID_LOST_LEASE");
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", key), 1, "the visitor was logged out");
    cr_expect_eq(stage_act(&stage, "increment:visits,commit,return&who=m", NULL), 200);

    /* The owner can. */
    stage_open_gate(&stage, "t2", "end");
    EXPECT_NOTE(&stage, "t2.3", "destroy MID_OK");
    EXPECT_NOTE(&stage, "t2.4", "get:cart MID_ENDED");
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", key), 0);
    process_signal(others, SIGTERM);
    cr_expect_eq(process_wait(others, 20000), 0);
    stage_close(&stage);
}
