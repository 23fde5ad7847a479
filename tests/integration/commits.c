/*
 * What a commit promises: OK is stored, answers are true, what was refused or has failed is not stored; also when Redis
 * stands still, dies or loses its connections in the middle. Each in a stream, in a task, after a response.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"
#include "stage.h"

TestSuite(commits, .timeout = 120);

/* Redis is given up soon... */
#define HASTY   "MIDSTREAM_REDIS_TIMEOUT_MS=300", "MIDSTREAM_COMMIT_TIMEOUT_MS=500"
/* ...or its return is awaited. */
#define PATIENT "MIDSTREAM_REDIS_TIMEOUT_MS=300", "MIDSTREAM_COMMIT_TIMEOUT_MS=15000"

/* A visitor with a session, whose key is returned. */
static char *make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:flash:saved,set:old:x,increment:made,commit&who=m", NULL), 200);
    return site_key(&stage->site);
}

static bool is_stored(const struct stage *stage, const char *key, const char *field)
{
    return redis_int(stage->site.redis, "HEXISTS %s %s", key, field) == 1;
}

static void expect_stored(const struct stage *stage, const char *key, const char *field, const char *expected)
{
    OWNED char *value = redis_text(stage->site.redis, "HGET %s %s", key, field);
    cr_expect(value != NULL && strcmp(value, expected) == 0, "%s is %s, not %s", field, value ? value : "not stored",
              expected);
}

static void end_stream(struct http_stream *stream)
{
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, NULL);
}

/* From now on the worker's connection leads through the proxy. */
static struct proxy *insert_proxy(struct stage *stage)
{
    struct proxy *proxy = proxy_open(&stage->site);
    cr_assert_eq(stage_act(stage, "ping&who=p", NULL), 200);
    return proxy;
}

/* -------------------- a commit in doubt -------------------- */

/* Redis stands still from the gate "stop" until the player, or the next one, has come to the gate "on". */
static void stand_still(const struct stage *stage, const char *who, const char *next)
{
    stage_await_gate(stage, who, "stop");
    site_stop_redis(&stage->site);
    stage_open_gate(stage, who, "stop");
    stage_await_gate(stage, next, "on");
    site_resume_redis(&stage->site);
    stage_open_gate(stage, next, "on");
}

Test(commits, what_follows_a_commit_in_doubt_is_stored_as_well)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,gate:stop,increment:a,commit,gate:on,ping,increment:b,commit");
    stand_still(&stage, "h", "h");
    EXPECT_NOTE(&stage, "h.5", "commit MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.9", "commit MID_OK");
    end_stream(stream);
    expect_stored(&stage, key, "a", "1");
    expect_stored(&stage, key, "b", "1");
    stage_close(&stage);
}

Test(commits, what_follows_a_step_in_doubt_is_stored_as_well)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    stage_add_task(&stage, "session,gate:stop,increment:a,step:one,gate:on,ping,increment:b,step:two");
    stand_still(&stage, "t1", "t1");
    EXPECT_NOTE(&stage, "t1.4", "step:one MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "t1.8", "step:two MID_OK applied");
    expect_stored(&stage, key, "a", "1");
    expect_stored(&stage, key, "b", "1");
    stage_close(&stage);
}

Test(commits, what_follows_an_after_response_function_in_doubt_is_stored_as_well)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    cr_assert_eq(stage_act(&stage, "get:old&after=gate:stop,increment:a&then=gate:on,ping,increment:b,commit", NULL),
                 200);
    stand_still(&stage, "a", "b");
    EXPECT_NOTE(&stage, "b.4", "commit MID_OK");
    expect_stored(&stage, key, "a", "1");
    expect_stored(&stage, key, "b", "1");
    stage_close(&stage);
}

/* The other way that a doubt can end. */
Test(commits, what_follows_a_commit_that_redis_never_saw_is_stored_with_it)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,gate:stop,increment:a,commit,gate:on,ping,increment:b,commit");
    stage_await_gate(&stage, "h", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "h", "stop");
    stage_await_gate(&stage, "h", "on");
    site_kill_redis(&stage.site);
    site_start_redis(&stage.site);
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.5", "commit MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.9", "commit MID_OK");
    end_stream(stream);
    expect_stored(&stage, key, "a", "1");
    expect_stored(&stage, key, "b", "1");
    stage_close(&stage);
}

/* -------------------- answers -------------------- */

#define QUESTIONS                                                                                                      \
    "gate:take,increment:n,take:flash,gate:absent,set-if-absent:new:first,gate:compare,compare-and-set:old:x:y"

/* Redis has carried out each of the player's questions, and the answer is lost so many times. `first` is the number of
 * the player's first question. */
static void expect_true_answers(const struct stage *stage, struct proxy *proxy, const char *who, int first, int times)
{
    static const char *const gates[] = {"take", "absent", "compare"};
    static const char *const notes[] = {"take:flash MID_OK saved", "set-if-absent:new:first MID_OK set",
                                        "compare-and-set:old:x:y MID_OK set"};
    OWNED char *key = site_key(&stage->site);
    for (int i = 0; i < 3; i++) {
        OWNED char *number = text_printf("%s.%d", who, first + 2 * i);
        stage_await_gate(stage, who, gates[i]);
        proxy_lose(proxy, LOSE_ANSWER, times);
        stage_open_gate(stage, who, gates[i]);
        EXPECT_NOTE(stage, number, notes[i]);
        cr_assert(proxy_wait_lost(proxy), "the answer was not lost");
    }
    expect_stored(stage, key, "n", "1");
    expect_stored(stage, key, "new", "first");
    expect_stored(stage, key, "old", "y");
    cr_expect(!is_stored(stage, key, "flash"));
}

Test(commits, answers_of_a_stream_are_true_however_often_they_were_lost)
{
    struct stage stage = stage_open(SETTINGS(PATIENT));
    free(make_session(&stage));
    struct proxy *proxy = insert_proxy(&stage);
    struct http_stream *stream = stage_stream(&stage, "open,begin:bytes," QUESTIONS);
    expect_true_answers(&stage, proxy, "h", 5, 2);
    proxy_close(proxy);
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(commits, answers_of_a_task_are_true_although_they_were_lost)
{
    struct stage stage = stage_open(SETTINGS(PATIENT));
    free(make_session(&stage));
    struct proxy *proxy = insert_proxy(&stage);
    stage_add_task(&stage, "ping,get:old," QUESTIONS);
    expect_true_answers(&stage, proxy, "t1", 5, 1);
    proxy_close(proxy);
    stage_close(&stage);
}

Test(commits, answers_after_the_response_are_true_although_they_were_lost)
{
    struct stage stage = stage_open(SETTINGS(PATIENT));
    free(make_session(&stage));
    struct proxy *proxy = insert_proxy(&stage);
    cr_assert_eq(stage_act(&stage, "get:old&after=" QUESTIONS, NULL), 200);
    expect_true_answers(&stage, proxy, "a", 3, 1);
    proxy_close(proxy);
    stage_close(&stage);
}

Test(commits, the_answer_of_a_redis_that_stood_still_is_true)
{
    struct stage stage = stage_open(SETTINGS(PATIENT));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream = stage_stream(&stage, "open,begin:bytes,gate:stop,take:flash");
    stage_await_gate(&stage, "h", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "h", "stop");
    cr_assert(site_wait_log(&stage.site, "redis.lost"));
    site_resume_redis(&stage.site);
    EXPECT_NOTE(&stage, "h.4", "take:flash MID_OK saved");
    cr_expect(!is_stored(&stage, key, "flash"));
    end_stream(stream);
    stage_close(&stage);
}

/* -------------------- failed handlers -------------------- */

Test(commits, what_a_failed_handler_has_not_committed_is_dropped_before_the_head)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    cr_expect_eq(stage_act(&stage, "increment:bad,fail,return&after=increment:good", NULL), 403);
    expect_stored(&stage, key, "made", "1");
    cr_expect(stored_reaches(&stage.site, key, "good", 1));
    cr_expect(!is_stored(&stage, key, "bad"), "before the head");

    /* The first function changes nothing; the second one tells when the first is over. */
    cr_expect_eq(stage_act(&stage, "increment:bad,fail,return&after=&then=increment:good", NULL), 403);
    cr_expect(stored_reaches(&stage.site, key, "good", 2));
    cr_expect(!is_stored(&stage, key, "bad"), "by a function that changes nothing");
    stage_close(&stage);
}

Test(commits, what_a_failed_handler_has_not_committed_is_dropped_in_a_stream)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,increment:kept,commit,increment:bad,fail,return&after=increment:good");
    end_stream(stream);
    cr_expect(stored_reaches(&stage.site, key, "good", 1));
    expect_stored(&stage, key, "kept", "1");
    cr_expect(!is_stored(&stage, key, "bad"));
    stage_close(&stage);
}

/* What the after-response function does not see, it cannot build upon. */
Test(commits, what_a_failed_handler_has_not_committed_is_not_seen_after_the_response)
{
    struct stage stage = stage_open(NULL);
    free(make_session(&stage));
    cr_expect_eq(stage_act(&stage, "get:made,increment:made,fail,return&after=get:made", NULL), 403);
    EXPECT_NOTE(&stage, "a.1", "get:made MID_OK 1");
    stage_close(&stage);
}

/* -------------------- refused operations -------------------- */

#define NAME_OF_65 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg"

Test(commits, a_refused_operation_makes_the_next_commit_fail_and_nothing_of_it_is_stored)
{
    static const char *const refused[] = {
        "set:@bad:1",  "set::1",       "increment:@bad", "append:@bad:x", "delete:@bad", "increment:" NAME_OF_65,
        "big:too-big", "big:too-long", "many:1000",
    };
    enum { ROWS = sizeof(refused) / sizeof(refused[0]) };
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    for (int i = 0; i < ROWS; i++) {
        char *acts = text_printf("open,begin:bytes,increment:good,%s,increment:good,commit,increment:later,commit"
                                 "&who=r%d",
                                 refused[i], i);
        char *next = text_printf("r%d.6", i);
        char *one_after = text_printf("r%d.8", i);
        end_stream(stage_stream(&stage, acts));
        EXPECT_NOTE(&stage, next, "commit MID_UNPROCESSABLE");
        EXPECT_NOTE(&stage, one_after, "commit MID_OK");
        cr_expect(!is_stored(&stage, key, "good"), "with %s", refused[i]);
        cr_expect(!is_stored(&stage, key, "many"), "with %s", refused[i]);
        redis_int(stage.site.redis, "HDEL %s good", key);
        free(one_after), free(next), free(acts);
    }
    cr_expect_eq(stored_number(&stage.site, key, "later"), ROWS);
    stage_close(&stage);
}

Test(commits, a_refused_operation_fails_the_commit_that_a_response_or_a_question_makes)
{
    static const char *const parts[] = {
        "set:@bad:1,increment:good", /* with the head */
        "set:@bad:1,increment:good,take:flash,return",
        "set:@bad:1,increment:good,renew:grace,return",
    };
    struct http_response response;
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        cr_expect_eq(stage_act(&stage, parts[i], NULL), 422, "%s", parts[i]);
    cr_expect(!is_stored(&stage, key, "good"));
    expect_stored(&stage, key, "flash", "saved");
    cr_expect_eq(stage_act(&stage, "user", &response), 200);
    cr_expect_str_eq(response.body.data, "nothing", "%s is logged in", response.body.data);
    http_response_fini(&response);
    stage_close(&stage);
}

Test(commits, a_refused_operation_fails_the_step_of_a_task)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    stage_add_task(&stage, "session,set:@bad:1,increment:good,step:one,increment:later,step:two");
    EXPECT_NOTE(&stage, "t1.4", "step:one MID_UNPROCESSABLE");
    EXPECT_NOTE(&stage, "t1.6", "step:two MID_OK applied");
    expect_stored(&stage, key, "later", "1");
    cr_expect(!is_stored(&stage, key, "good"));
    stage_close(&stage);
}

Test(commits, a_refused_operation_fails_the_commit_after_the_response)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    cr_assert_eq(stage_act(&stage, "open&after=set:@bad:1,increment:good&then=increment:later", NULL), 200);
    cr_expect(stored_reaches(&stage.site, key, "later", 1));
    cr_expect(!is_stored(&stage, key, "good"));
    stage_close(&stage);
}

Test(commits, the_compiler_warns_of_a_recording_call_whose_result_is_ignored)
{
    static const char source[] = "#include \"midstream.h\"\\n"
                                 "void f(struct mid_session *s) {\\n"
                                 "mid_session_set(s, \"f\", \"\");\\n"
                                 "mid_session_set_bytes(s, \"f\", \"\", 0);\\n"
                                 "mid_session_set_int(s, \"f\", 1);\\n"
                                 "mid_session_delete(s, \"f\");\\n"
                                 "mid_session_increment(s, \"f\", 1);\\n"
                                 "mid_session_append(s, \"f\", \"\", 1);}\\n";
    struct buffer output = {0};
    OWNED char *command =
        text_printf("printf '%%b' '%s' | ${CC:-gcc} -std=c17 -Iapp/include -c -o /dev/null -x c -", source);
    cr_assert_eq(process_run((const char *const[]){"/bin/sh", "-c", command, NULL}, NULL, &output, PATIENCE_MS), 0);
    buffer_append(&output, "", 1);
    cr_expect_eq(text_count(output.data, "[-Wunused-result]"), 6, "%s", output.data);
    buffer_fini(&output);
}

/* -------------------- commits that can be decided -------------------- */

enum { EARLIER = 12 };

static char *make_revisions(const struct stage *stage)
{
    char *key = make_session(stage);
    for (int i = 0; i < EARLIER; i++)
        cr_assert_eq(stage_act(stage, "increment:made", NULL), 200);
    return key;
}

/* The session has not been read when the commit is sent: all that is known of it is its cookie. */
Test(commits, a_commit_that_redis_never_saw_is_made_when_it_comes_back)
{
    struct stage stage = stage_open(SETTINGS(PATIENT));
    OWNED char *key = make_revisions(&stage);
    cr_assert_eq(stage_act(&stage, "open&after=gate:stop,increment:late,commit", NULL), 200);
    stage_await_gate(&stage, "a", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "a", "stop");
    cr_assert(site_wait_log(&stage.site, "redis.lost"));
    site_kill_redis(&stage.site);
    site_start_redis(&stage.site);
    EXPECT_NOTE(&stage, "a.3", "commit MID_OK");
    expect_stored(&stage, key, "late", "1");
    expect_stored(&stage, key, "made", "13");
    stage_close(&stage);
}

Test(commits, a_commit_that_was_lost_on_its_way_is_made_when_it_is_repeated)
{
    static const enum loss losses[] = {LOSE_COMMIT, LOSE_ANSWER};
    struct stage stage = stage_open(SETTINGS(PATIENT));
    OWNED char *key = make_revisions(&stage);
    struct proxy *proxy = insert_proxy(&stage);
    for (int i = 0; i < 2; i++) {
        char *gate = text_printf("lose-%d", i);
        char *acts = text_printf("open&after=gate:%s,ping,increment:late-%d,commit", gate, i);
        char *field = text_printf("late-%d", i);
        cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200); /* connected again */
        cr_assert_eq(stage_act(&stage, acts, NULL), 200);
        stage_await_gate(&stage, "a", gate);
        proxy_lose_next(proxy, losses[i]);
        stage_open_gate(&stage, "a", gate);
        cr_assert(proxy_wait_lost(proxy));
        cr_expect(stored_reaches(&stage.site, key, field, 1), "%s", field);
        free(field), free(acts), free(gate);
    }
    EXPECT_NOTE(&stage, "a.4", "commit MID_OK");
    proxy_close(proxy);
    expect_stored(&stage, key, "late-0", "1");
    expect_stored(&stage, key, "late-1", "1");
    stage_close(&stage);
}
