/*
 * What becomes of a commit in doubt, and of what stands before, behind and beside it. An adversary's reading of the
 * commit protocol found all of these; each failed when it was written.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy.h"
#include "stage.h"

TestSuite(settling, .timeout = 60);

#define HASTY "MIDSTREAM_REDIS_TIMEOUT_MS=300", "MIDSTREAM_COMMIT_TIMEOUT_MS=500"

static char *make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:flash:saved,set:old:x,increment:made,commit&who=m", NULL), 200);
    return site_key(&stage->site);
}

static void expect_stored(const struct stage *stage, const char *key, const char *field, const char *expected)
{
    OWNED char *value = redis_text(stage->site.redis, "HGET %s %s", key, field);
    cr_expect(value != NULL && strcmp(value, expected) == 0, "%s is %s, not %s", field, value ? value : "not stored",
              expected);
}

/* Redis dies without having seen what was sent between the gates stop and on. */
static void die_between(struct stage *stage, const char *who)
{
    stage_await_gate(stage, who, "stop");
    site_stop_redis(&stage->site);
    stage_open_gate(stage, who, "stop");
    stage_await_gate(stage, who, "on");
    site_kill_redis(&stage->site);
    site_start_redis(&stage->site);
}

Test(settling, an_increment_does_not_hide_a_value_set_after_it)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    stage_act(&stage, "get:old,increment:x,set:x:five,commit,get:x,take:x", NULL);
    EXPECT_NOTE(&stage, "h.5", "get:x MID_OK five");
    EXPECT_NOTE(&stage, "h.6", "take:x MID_OK five");
    stage_close(&stage);
}

Test(settling, an_increment_does_not_hide_a_deletion_after_it)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    stage_act(&stage, "get:old,increment:made,delete:made,commit,get:made,set-if-absent:made:again", NULL);
    EXPECT_NOTE(&stage, "h.5", "get:made MID_OK nothing");
    EXPECT_NOTE(&stage, "h.6", "set-if-absent:made:again MID_OK set");
    expect_stored(&stage, key, "made", "again");
    stage_close(&stage);
}

Test(settling, operations_on_one_field_do_not_shift_the_count_of_fields)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    for (int i = 0; i < 6; i++) {
        stage_act(&stage, "get:old,increment:made,delete:made,commit,set:made:1,commit&who=z", NULL);
    }
    cr_expect_eq(stored_header(&stage.site, key).fields, 3);
    stage_close(&stage);
}

Test(settling, an_increment_in_doubt_does_not_hide_a_value_set_after_it)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream = stage_stream(
        &stage, "open,begin:bytes,get:old,gate:stop,increment:x,commit,gate:on,ping,set:x:five,commit,get:x,take:x");
    die_between(&stage, "h");
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.6", "commit MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.10", "commit MID_OK");
    EXPECT_NOTE(&stage, "h.11", "get:x MID_OK five");
    EXPECT_NOTE(&stage, "h.12", "take:x MID_OK five");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(settling, a_take_in_doubt_does_not_hide_a_value_set_after_it)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream = stage_stream(
        &stage,
        "open,begin:bytes,get:old,gate:stop,take:flash,gate:on,ping,set:flash:mine,commit,get:flash,set-if-absent:flash:over");
    die_between(&stage, "h");
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.5", "take:flash MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.9", "commit MID_OK");
    EXPECT_NOTE(&stage, "h.10", "get:flash MID_OK mine");
    EXPECT_NOTE(&stage, "h.11", "set-if-absent:flash:over MID_OK not set");
    expect_stored(&stage, key, "flash", "mine");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(settling, a_refresh_does_not_change_the_answer_to_a_question_in_doubt)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,get:old,gate:stop,take:flash,gate:on,ping,refresh,take:flash");
    stage_await_gate(&stage, "h", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "h", "stop");
    stage_await_gate(&stage, "h", "on");
    site_resume_redis(&stage.site);
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.5", "take:flash MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.9", "take:flash MID_OK saved");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(settling, a_refresh_shows_what_is_in_doubt_once)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream = stage_stream(
        &stage, "open,begin:bytes,get:old,gate:stop,append:old:y,commit,gate:on,ping,refresh,get:old,commit,get:old");
    stage_await_gate(&stage, "h", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "h", "stop");
    stage_await_gate(&stage, "h", "on");
    site_resume_redis(&stage.site);
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.10", "get:old MID_OK xy");
    EXPECT_NOTE(&stage, "h.12", "get:old MID_OK xy");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(settling, what_was_recorded_behind_a_question_in_doubt_survives_a_full_redis)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,get:old,gate:stop,take:flash,gate:on,ping,set:b:1,commit");
    die_between(&stage, "h");
    cr_assert_eq(stage_act(&stage, "ping,increment:z,commit&who=o", NULL), 200);
    free(redis_text(stage.site.redis, "CONFIG SET maxmemory 1000"));
    pid_t before = site_worker(&stage.site);
    stage_open_gate(&stage, "h", "on");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, NULL);
    cr_expect_eq(site_worker(&stage.site), before, "the worker has ended");
    stage_close(&stage);
}

Test(settling, every_field_is_visited_though_the_visit_deletes_it)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    stage_act(&stage, "clear,commit", NULL);
    cr_expect_eq(redis_int(stage.site.redis, "HLEN %s", key), 2, "%lld fields are left",
                 (long long)redis_int(stage.site.redis, "HLEN %s", key));
    stage_close(&stage);
}

Test(settling, a_value_that_was_read_can_be_passed_on)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    int status = stage_act(&stage, "keep:flash,set:flash:other,commit,kept-if-absent:before", NULL);
    cr_expect_eq(status, 200, "%d", status);
    expect_stored(&stage, key, "before", "saved");
    OWNED char *log = site_log(&stage.site);
    cr_expect_null(strstr(log, "AddressSanitizer"), "%.600s", strstr(log, "AddressSanitizer"));
    stage_close(&stage);
}

Test(settling, a_step_that_is_repeated_with_more_is_applied_once)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    stage_add_task(&stage, "session,gate:stop,increment:a,step:one,gate:on,ping,increment:b,step:one,gate:look");
    stage_await_gate(&stage, "t1", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "t1", "stop");
    stage_await_gate(&stage, "t1", "on");
    site_resume_redis(&stage.site);
    stage_open_gate(&stage, "t1", "on");
    stage_await_gate(&stage, "t1", "look");
    EXPECT_NOTE(&stage, "t1.4", "step:one MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "t1.8", "step:one MID_OK skipped"); /* the first try was applied, and only that */
    expect_stored(&stage, key, "a", "1");
    cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s b", key), 0);
    stage_open_gate(&stage, "t1", "look");
    stage_close(&stage);
}

Test(settling, a_renewal_that_the_response_settles_sends_its_cookie)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    struct http_response response;
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
    proxy_lose_next(proxy, LOSE_ANSWER);
    stage_act(&stage, "renew:grace,ping", NULL);
    int status = stage_act(&stage, "user,return&who=u", &response);
    cr_expect_eq(status, 200, "after a response of 200 the visitor gets %d %s", status, response.body.data);
    http_response_fini(&response);
    proxy_close(proxy);
    stage_close(&stage);
}

Test(settling, what_was_answered_with_503_is_not_stored_after_the_response)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
    proxy_lose_next(proxy, LOSE_COMMIT);
    int status = stage_act(&stage, "get:old,set:c:1&after=ping,get:old", NULL);
    cr_expect_eq(status, 503, "%d", status);
    free(stage_note(&stage, "a.2"));
    sleep(1);
    cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s c", key), 0, "an after-response function has stored it");
    proxy_close(proxy);
    stage_close(&stage);
}

Test(settling, an_answer_does_not_hold_for_a_record_that_went_back)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    struct http_stream *stream = stage_stream(&stage, "open,begin:bytes,get:flash,gate:x,take:flash");
    stage_await_gate(&stage, "h", "x");
    redis_int(
        stage.site.redis, "EVAL %s 1 %s",
        "local h=redis.call('HGET',KEYS[1],'@'); local r=struct.unpack('>I6',string.sub(h,11,16)); h=string.sub(h,1,10)..struct.pack('>I6',r-1)..string.sub(h,17); redis.call('HSET',KEYS[1],'@',h,'flash','older') return 1",
        key);
    stage_open_gate(&stage, "h", "x");
    EXPECT_NOTE(&stage, "h.5", "take:flash MID_OK older");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

static struct stage with_cookie_of(const struct stage *stage)
{
    OWNED char *cookie = cookie_jar_get(stage->site.visitor, "mid");
    struct stage other = *stage;
    other.site.visitor = cookie_jar_new();
    cookie_jar_set(other.site.visitor, "mid", cookie);
    return other;
}

/* The owner is logged in and raises his privilege; who has the cookie from before and knows the name (the first factor)
 */
Test(settling, an_old_cookie_does_not_get_the_cookie_of_a_higher_privilege)
{
    struct stage stage = stage_open(NULL);
    struct http_response response;
    OWNED char *key = make_session(&stage);
    struct stage thief = with_cookie_of(&stage); /* of generation 1 */
    cr_assert_eq(stage_act(&stage, "renew:grace,return&who=v", NULL), 200);
    stage_act(&thief, "renew:grace,return&who=w", NULL); /* generation 2 */
    cr_assert_eq(stage_act(&stage, "set:mfa:passed,renew:grace,return&who=x", NULL), 200);
    int status = stage_act(&thief, "renew:grace,get:mfa,return&who=y", &response);
    cr_expect_neq(status, 200, "%d %s", status, response.body.data);
    http_response_fini(&response);
    EXPECT_NOTE(&stage, "y.2", "get:mfa MID_ENDED");
    stage_close(&stage);
}

/* An abort of two copies: the first commit of a request is not answered, four other commits come, ... */
Test(settling, a_late_creation_does_not_revive_a_session)
{
    struct stage stage = stage_open(NULL);
    char *key = make_session(&stage);
    struct stage old = with_cookie_of(&stage);
    cr_assert_eq(stage_act(&stage, "destroy,return&who=d", NULL), 200);
    /* a late copy of create.lua, as Redis would carry it out */
    char *path = text_printf("cat app/session/record.lua app/session/create.lua");
    FILE *pipe = popen(path, "r");
    static char body[20000];
    size_t n = (size_t)sprintf(
        body,
        "local IDLE_MS, ABSOLUTE_MS, USER_IDLE_MS, USER_ABSOLUTE_MS, FIELDS_MAX, VALUE_MAX, SIZE_MAX = 1800000,43200000,1800000,43200000,64,16384,65536\n");
    n += fread(body + n, 1, sizeof(body) - n - 1, pipe);
    body[n] = 0;
    pclose(pipe);
    struct redis_texts t = {0};
    (void)t;
    redis_int(stage.site.redis, "EVAL %s 1 %s",
              text_printf("local f = function() %s end local r = f() return r[1]", body), key);
    int status = stage_act(&old, "set:revived:1,commit,return&who=r", NULL);
    cr_expect_eq(status, 409, "%d", status);
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", key), 0, "it was revived");
    stage_close(&stage);
}

/* A handle from before a login learns a value of after it, when its commit was in doubt. At a gate that is not deaf it
 * would be told that its session has ended. */
Test(settling, a_commit_from_before_a_login_tells_no_value_from_after_it)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream = stage_stream(
        &stage, "open,begin:bytes,get:old,gate:stop,increment:balance,commit,deaf:on,ping,commit,get:balance");
    struct stage victim = with_cookie_of(&stage);
    stage_await_gate(&stage, "h", "stop");
    site_stop_redis(&stage.site);
    stage_open_gate(&stage, "h", "stop");
    stage_await_gate(&stage, "h", "on");
    site_resume_redis(&stage.site);
    cr_assert_eq(stage_act(&victim, "ping,renew:victim,set:balance:secret,commit,return&who=v", NULL), 200);
    stage_open_gate(&stage, "h", "on");
    EXPECT_NOTE(&stage, "h.9", "commit MID_OK"); /* it was stored, before the login */
    EXPECT_NOTE(&stage, "h.10", "get:balance MID_ENDED");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

Test(settling, a_refusal_behind_a_commit_in_doubt_is_told)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,get:old,gate:stop,take:flash,gate:on,ping,big:b,commit,commit,commit");
    die_between(&stage, "h");
    cr_assert_eq(stage_act(&stage, "ping,increment:z,commit&who=o", NULL), 200);
    free(redis_text(stage.site.redis, "CONFIG SET maxmemory 1000"));
    stage_open_gate(&stage, "h", "on");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, NULL);
    char *log = site_log(&stage.site);
    const char *line = strstr(log, "AddressSanitizer");
    cr_expect_null(line, "%.700s", line);
    cr_expect_null(strstr(log, "panic"), "%.300s", strstr(log, "panic"));
    stage_close(&stage);
}

/* A question that was not sent (Redis full) leaves the recorded operations in place, and both ways agree. */
Test(settling, a_question_that_a_full_redis_refused_is_answered_when_it_is_asked_again)
{
    struct stage stage = stage_open(SETTINGS(HASTY));
    OWNED char *key = make_session(&stage);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,get:old,set:c:1,gate:on,take:flash,gate:off,take:flash,get:c,commit");
    stage_await_gate(&stage, "h", "on");
    free(redis_text(stage.site.redis, "CONFIG SET maxmemory 1000"));
    stage_open_gate(&stage, "h", "on");
    stage_await_gate(&stage, "h", "off");
    free(redis_text(stage.site.redis, "CONFIG SET maxmemory 0"));
    stage_open_gate(&stage, "h", "off");
    EXPECT_NOTE(&stage, "h.6", "take:flash MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "h.8", "take:flash MID_OK saved");
    EXPECT_NOTE(&stage, "h.10", "commit MID_OK");
    expect_stored(&stage, key, "c", "1");
    cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s flash", key), 0);
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* Before the head a commit is in doubt, the visitor is told nothing, and goes on. */
Test(settling, a_commit_in_doubt_whose_session_went_survives_a_refused_creation)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
    proxy_lose_next(proxy, LOSE_COMMIT);
    struct http_stream *stream = stage_stream(&stage, "open,increment:a,commit,gate:on,ping,set:b:1,commit");
    stage_await_gate(&stage, "h", "on");
    redis_int(stage.site.redis, "DEL %s", key);
    free(redis_text(stage.site.redis, "CONFIG SET maxmemory 1000"));
    stage_open_gate(&stage, "h", "on");
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, NULL);
    OWNED char *log = site_log(&stage.site);
    cr_expect_null(strstr(log, "panic"), "%.300s", strstr(log, "panic"));
    proxy_close(proxy);
    stage_close(&stage);
}

/* Raises the revision by as much as ten commits would, again and again: whoever rests on one is overtaken. */
static pid_t start_crowd(const struct stage *stage, const char *key)
{
    static const char script[] = "local h = redis.call('HGET', KEYS[1], '@') "
                                 "local revision = struct.unpack('>I6', string.sub(h, 11, 16)) "
                                 "redis.call('HSET', KEYS[1], '@', string.sub(h, 1, 10) .. "
                                 "struct.pack('>I6', revision + 10) .. string.sub(h, 17))";
    OWNED char *command =
        text_printf("exec redis-benchmark -s %s -n 1000000000 -c 50 -P 50 EVAL \"%s\" 1 '%s' >/dev/null",
                    stage->site.stack->redis_socket, script, key);
    pid_t crowd = process_spawn((const char *const[]){"/bin/sh", "-c", command, NULL}, NULL);
    int64_t begun_at = stored_header(&stage->site, key).revision;
    while (stored_header(&stage->site, key).revision < begun_at + 1000)
        cr_assert(process_is_alive(crowd), "nobody crowds");
    return crowd;
}

Test(settling, a_stream_is_not_starved_by_a_crowd_on_its_session)
{
    struct stage stage = stage_open(NULL);
    site_needs_one_redis(&stage.site);
    OWNED char *key = make_session(&stage);
    pid_t crowd = start_crowd(&stage, key);
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:bytes,increment:a,commit,set-if-absent:c:1,take:flash,increment:a,commit");
    cr_expect(http_stream_wait_end(stream, PATIENCE_MS), "it waits for ever");
    process_signal(crowd, SIGKILL);
    process_wait(crowd, PATIENCE_MS);
    EXPECT_NOTE(&stage, "h.5", "set-if-absent:c:1 MID_OK set");
    EXPECT_NOTE(&stage, "h.6", "take:flash MID_OK saved");
    expect_stored(&stage, key, "a", "2");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}
