/*
 * A login ends what came before it: open streams, tasks, after-response functions, forms. A login whose answer came
 * late does not cost the session.
 */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "browsers.h"
#include "proxy.h"

TestSuite(logins, .timeout = 120);

/* Somebody has a session, and plants its cookie with a victim. */
struct fixation {
    struct stage stage; /* the attacker's */
    struct stage victim;
    char *key;
};

static struct fixation fixation_open(const char *const settings[])
{
    struct fixation fixation = {.stage = stage_open(settings)};
    cr_assert_eq(stage_act(&fixation.stage, "set:cart:empty,commit&who=m", NULL), 200);
    fixation.key = site_key(&fixation.stage.site);
    fixation.victim = browser_with_same_cookie(&fixation.stage);
    return fixation;
}

static void victim_logs_in(const struct fixation *fixation)
{
    cr_assert_eq(stage_act(&fixation->victim, "set:secret:treasure,renew:victim,return&who=v", NULL), 200);
}

static void fixation_close(struct fixation *fixation)
{
    cr_expect_eq(stage_act(&fixation->victim, "get:secret,return&who=v", NULL), 200);
    cr_expect_eq(redis_int(fixation->stage.site.redis, "HEXISTS %s x", fixation->key), 0, "the attacker has written");
    browser_leave(&fixation->victim);
    free(fixation->key);
    stage_close(&fixation->stage);
}

/* From then on the attacker, who is held up at the gate "login", finds that the session has ended. `number` is that of
 * his next act, of `count`. */
static void expect_ended(const struct stage *stage, const char *who, int number, size_t count, const char *const acts[])
{
    for (size_t i = 0; i < count; i++) {
        OWNED char *start = text_printf("%s.%d", who, number + (int)i);
        OWNED char *expected = text_printf("%s MID_ENDED", acts[i]);
        EXPECT_NOTE(stage, start, expected);
    }
}

#define EXPECT_ENDED(stage, who, number, ...)                                                                          \
    expect_ended((stage), (who), (number), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *),          \
                 (const char *const[]){__VA_ARGS__})

/* -------------------- what was opened before a login -------------------- */

Test(logins, a_stream_that_was_opened_before_a_login_ends_at_its_next_refresh)
{
    struct fixation fixation = fixation_open(NULL);
    struct http_stream *stream =
        stage_stream(&fixation.stage, "open,begin:bytes,gate:login,refresh,get:secret,user,increment:x,commit");
    stage_await_gate(&fixation.stage, "h", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "h", "login");
    EXPECT_ENDED(&fixation.stage, "h", 4, "refresh", "get:secret", "user", "increment:x");
    http_stream_close(stream, NULL);
    fixation_close(&fixation);
}

Test(logins, a_stream_that_was_opened_before_a_login_ends_at_its_next_commit)
{
    struct fixation fixation = fixation_open(NULL);
    struct http_stream *stream =
        stage_stream(&fixation.stage, "open,begin:bytes,gate:login,increment:x,commit,get:cart,user,refresh");
    stage_await_gate(&fixation.stage, "h", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "h", "login");
    EXPECT_ENDED(&fixation.stage, "h", 5, "commit", "get:cart", "user", "refresh");
    http_stream_close(stream, NULL);
    fixation_close(&fixation);
}

Test(logins, a_stream_that_was_opened_before_a_login_gets_no_answer_to_its_next_question)
{
    struct fixation fixation = fixation_open(NULL);
    struct http_stream *stream = stage_stream(&fixation.stage, "open,begin:bytes,gate:login,take:secret,get:secret");
    stage_await_gate(&fixation.stage, "h", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "h", "login");
    EXPECT_ENDED(&fixation.stage, "h", 4, "take:secret", "get:secret");
    http_stream_close(stream, NULL);
    fixation_close(&fixation);
}

/* What a login ends is to be asked for again with the new cookie: the visitor's own page has it. */
static void expect_reconnect(struct http_stream *stream)
{
    struct http_response response;
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS), "the stream goes on");
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, CURLE_OK, "%s", response.error);
    cr_expect_eq(text_count(response.body.data, "event: reconnect\n"), 1, "%s", response.body.data);
    cr_expect_eq(text_count(response.body.data, "session-ended"), 0, "%s", response.body.data);
    cr_expect_eq(text_count(response.body.data, "event: end\n"), 0, "%s", response.body.data);
    http_response_fini(&response);
}

Test(logins, an_event_stream_that_was_opened_before_a_login_is_told_to_reconnect)
{
    struct fixation fixation = fixation_open(NULL);
    struct http_stream *stream = stage_stream(&fixation.stage, "open,begin:events,gate:login,refresh,return");
    stage_await_gate(&fixation.stage, "h", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "h", "login");
    expect_reconnect(stream);
    fixation_close(&fixation);
}

/* The commit that the runtime makes when the handler has returned. */
Test(logins, an_event_stream_whose_last_commit_comes_after_a_login_is_told_to_reconnect)
{
    struct fixation fixation = fixation_open(NULL);
    struct http_stream *stream = stage_stream(&fixation.stage, "open,begin:events,deaf:login,increment:x");
    stage_await_gate(&fixation.stage, "h", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "h", "login");
    expect_reconnect(stream);
    fixation_close(&fixation);
}

Test(logins, an_event_stream_that_only_waits_is_told_to_reconnect)
{
    struct fixation fixation = fixation_open(SETTINGS("MIDSTREAM_HEARTBEAT_MS=100"));
    struct http_stream *stream = stage_stream(&fixation.stage, "open,begin:events,gate:login,return");
    stage_await_gate(&fixation.stage, "h", "login");
    victim_logs_in(&fixation);
    expect_reconnect(stream); /* the gate is never opened */
    fixation_close(&fixation);
}

Test(logins, an_after_response_function_of_a_request_before_a_login_has_no_session_any_more)
{
    struct fixation fixation = fixation_open(NULL);
    cr_assert_eq(stage_act(&fixation.stage, "get:cart&after=gate:login,refresh,get:secret,user,increment:x", NULL),
                 200);
    stage_await_gate(&fixation.stage, "a", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "a", "login");
    EXPECT_ENDED(&fixation.stage, "a", 2, "refresh", "get:secret", "user", "increment:x");
    fixation_close(&fixation);
}

Test(logins, the_commit_of_an_after_response_function_that_waited_for_a_login_is_refused)
{
    struct fixation fixation = fixation_open(NULL);
    cr_assert_eq(stage_act(&fixation.stage, "get:cart&after=gate:login,increment:x,commit,get:cart", NULL), 200);
    stage_await_gate(&fixation.stage, "a", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "a", "login");
    EXPECT_ENDED(&fixation.stage, "a", 3, "commit", "get:cart");
    fixation_close(&fixation);
}

Test(logins, a_task_that_was_added_before_a_login_has_no_session_after_it)
{
    struct fixation fixation = fixation_open(NULL);
    stage_add_task(&fixation.stage, "gate:login,get:secret,user,increment:x,return");
    stage_await_gate(&fixation.stage, "t1", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "t1", "login");
    EXPECT_ENDED(&fixation.stage, "t1", 2, "get:secret", "user", "increment:x");
    fixation_close(&fixation);
}

Test(logins, a_task_that_opened_its_session_before_a_login_loses_it)
{
    struct fixation fixation = fixation_open(NULL);
    stage_add_task(&fixation.stage, "get:cart,gate:login,increment:x,step:one,refresh,get:secret,return");
    stage_await_gate(&fixation.stage, "t1", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "t1", "login");
    EXPECT_ENDED(&fixation.stage, "t1", 4, "step:one", "refresh", "get:secret");
    fixation_close(&fixation);
}

Test(logins, a_task_that_opened_its_session_and_has_not_read_it_before_a_login_reads_nothing)
{
    struct fixation fixation = fixation_open(NULL);
    stage_add_task(&fixation.stage, "session,gate:login,get:secret,user,return");
    stage_await_gate(&fixation.stage, "t1", "login");
    victim_logs_in(&fixation);
    stage_open_gate(&fixation.stage, "t1", "login");
    EXPECT_ENDED(&fixation.stage, "t1", 3, "get:secret", "user");
    fixation_close(&fixation);
}

/* Who asks for the password again keeps what is open. */
Test(logins, a_renewal_of_the_same_user_ends_nothing)
{
    struct stage stage = stage_open(NULL);
    cr_assert_eq(stage_act(&stage, "renew:grace,return&who=m", NULL), 200);
    stage_add_task(&stage, "gate:login,increment:task,commit");
    struct http_stream *stream =
        stage_stream(&stage, "open,begin:events,gate:login,increment:stream,commit,refresh,get:added,user"
                             "&after=gate:login,increment:after,commit");
    stage_await_gate(&stage, "h", "login");
    stage_await_gate(&stage, "t1", "login");
    cr_assert_eq(stage_act(&stage, "set:added:yes,renew:grace,return&who=m", NULL), 200);
    stage_open_gate(&stage, "h", "login");
    stage_open_gate(&stage, "t1", "login");
    EXPECT_NOTE(&stage, "h.5", "commit MID_OK");
    EXPECT_NOTE(&stage, "h.6", "refresh MID_OK");
    EXPECT_NOTE(&stage, "h.7", "get:added MID_OK yes");
    EXPECT_NOTE(&stage, "h.8", "user MID_OK grace");
    cr_expect(http_stream_wait_text(stream, "event: end\n", PATIENCE_MS));
    EXPECT_NOTE(&stage, "t1.3", "commit MID_OK");
    stage_await_gate(&stage, "a", "login");
    cr_assert_eq(stage_act(&stage, "renew:grace,return&who=m", NULL), 200);
    stage_open_gate(&stage, "a", "login");
    EXPECT_NOTE(&stage, "a.3", "commit MID_OK");
    http_stream_close(stream, NULL);
    stage_close(&stage);
}

/* -------------------- forms -------------------- */

/* What the application answers to the form, with the visitor's cookie. */
static int send_form(const struct stage *stage, const char *token)
{
    return site_send(&stage->site, "POST", "/form", token, NULL);
}

static void expect_refused(const struct stage *stage, const char *token, const char *what)
{
    int status = send_form(stage, token);
    cr_expect(status == 403 || status == 409, "%s: %d", what, status);
}

Test(logins, a_form_from_before_a_renewal_is_refused)
{
    struct stage stage = stage_open(NULL);
    OWNED char *token = site_get(&stage.site, "/form");
    struct stage old = browser_with_same_cookie(&stage);
    cr_assert_eq(send_form(&stage, token), 200);
    cr_assert_eq(stage_act(&stage, "renew:grace,return", NULL), 200);
    expect_refused(&stage, token, "with the new cookie");
    expect_refused(&old, token, "with the old cookie");
    OWNED char *new_token = site_get(&stage.site, "/form");
    cr_expect_eq(send_form(&stage, new_token), 200);
    cookie_jar_free(old.site.visitor);
    stage_close(&stage);
}

Test(logins, a_form_from_before_a_logout_is_refused)
{
    struct stage stage = stage_open(NULL);
    OWNED char *token = site_get(&stage.site, "/form");
    struct stage old = browser_with_same_cookie(&stage);
    cr_assert_eq(stage_act(&stage, "destroy,return", NULL), 200);
    expect_refused(&stage, token, "without a cookie");
    expect_refused(&old, token, "with the old cookie");
    cookie_jar_free(old.site.visitor);
    stage_close(&stage);
}

/* A login form is what everybody sees first. */
Test(logins, a_form_for_a_visitor_without_a_session_is_accepted)
{
    struct stage stage = stage_open(NULL);
    struct http_response response;
    cr_assert_eq(stage_act(&stage, "token", &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1, "%s", response.head.data);
    int status = send_form(&stage, response.body.data);
    cr_expect_eq(status, 200, "%d", status);
    cr_expect_eq(stored_sessions(&stage.site), 1);

    struct stage other = stage;
    other.site.visitor = cookie_jar_new();
    expect_refused(&other, response.body.data, "of somebody without a cookie");
    cookie_jar_free(other.site.visitor);
    http_response_fini(&response);
    stage_close(&stage);
}

/* -------------------- logins whose answer came late -------------------- */

#define LOG_IN "renew:grace,return&who=login"

/* The visitor, to whom it was said that his login failed, tries again; it had been carried out. */
static void expect_login_repeated(const struct stage *stage, const char *key)
{
    struct http_response response;
    struct stage other = browser_with_same_cookie(stage);
    int status = stage_act(&other, "renew:mallory,return&who=other", NULL);
    cr_expect_eq(status, 409, "another user has the session: %d", status);

    status = stage_act(stage, LOG_IN, &response);
    cr_expect_eq(status, 200, "%d %s", status, response.body.data);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1, "%s", response.head.data);
    OWNED char *new_key = site_key(&stage->site);
    cr_expect_str_eq(new_key, key, "it is another session");
    http_response_fini(&response);

    cr_expect_eq(stage_act(stage, "get:cart,return", &response), 200);
    cr_expect_str_eq(response.body.data, "full", "the cart is %s", response.body.data);
    http_response_fini(&response);
    cr_expect_eq(stage_act(stage, "user", &response), 200);
    cr_expect_str_eq(response.body.data, "grace", "%s", response.body.data);
    http_response_fini(&response);
    cookie_jar_free(other.site.visitor);
}

Test(logins, a_login_whose_answer_was_lost_is_repeated_with_the_old_cookie)
{
    struct stage stage = stage_open(NULL);
    cr_assert_eq(stage_act(&stage, "set:cart:full,commit", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping", NULL), 200);
    proxy_lose_next(proxy, LOSE_ANSWER);
    int status = stage_act(&stage, LOG_IN, NULL);
    cr_expect_eq(status, 503, "%d", status);
    cr_assert(proxy_wait_lost(proxy));
    cr_assert_eq(stage_act(&stage, "ping", NULL), 200);
    expect_login_repeated(&stage, key);
    proxy_close(proxy);
    stage_close(&stage);
}

Test(logins, a_login_that_a_slow_redis_carried_out_late_is_repeated_with_the_old_cookie)
{
    struct stage stage =
        stage_open(SETTINGS("MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=300", "MIDSTREAM_REDIS_TIMEOUT_MS=60000"));
    cr_assert_eq(stage_act(&stage, "set:cart:full,commit", NULL), 200);
    OWNED char *key = site_key(&stage.site);
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping", NULL), 200);
    proxy_lose_next(proxy, STOP_REDIS);
    int status = stage_act(&stage, LOG_IN, NULL);
    cr_expect_eq(status, 503, "%d", status);
    cr_assert(proxy_wait_lost(proxy));
    site_resume_redis(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping", NULL), 200);
    expect_login_repeated(&stage, key);
    proxy_close(proxy);
    stage_close(&stage);
}
