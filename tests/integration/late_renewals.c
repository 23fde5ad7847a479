/*
 * A renewal that comes when the head is out, and no cookie can be sent: the session owes one, which the next request
 * gets.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"
#include "renewals.h"

TestSuite(late_renewals, .timeout = 120);

Test(late_renewals, the_next_request_gets_the_new_cookie)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    int64_t expires_ms = stored_header(&stage.site, key).expires_ms;
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct header header = stored_header(&stage.site, key);
    cr_expect_eq(header.expires_ms, expires_ms, "it lives longer");
    cr_expect(renewal_changes_cookie(&stage, "user"));
    cr_expect_not(renewal_changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "user", "grace");
    stage_close(&stage);
}

Test(late_renewals, a_visitor_who_is_not_logged_in_gets_it_too)
{
    struct stage stage = stage_open(NULL);
    EXPECT_PLAY(&stage, "set:cart:full,commit", "");
    EXPECT_RENEWAL(&stage, "", "MID_OK");
    cr_expect(renewal_changes_cookie(&stage, "get:cart"));
    EXPECT_PLAY(&stage, "get:cart", "full");
    stage_close(&stage);
}

/* Without a load before it. */
Test(late_renewals, a_commit_alone_gets_it_and_puts_the_old_one_out)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    EXPECT_PLAY(&stage, "set:x:1,commit", "");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct stage other = browser_with_same_cookie(&stage);
    cr_expect(renewal_changes_cookie(&stage, "increment:x,commit"));
    cr_expect_not(renewal_changes_cookie(&stage, "increment:x,commit"));
    EXPECT_PLAY(&other, "increment:x,commit", "status 409");
    EXPECT_PLAY(&stage, "get:x", "3");
    browser_leave(&other);
    stage_close(&stage);
}

Test(late_renewals, the_old_cookie_is_exchanged_until_the_new_one_has_come)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct stage beside = browser_with_same_cookie(&stage);
    struct stage late = browser_with_same_cookie(&stage);
    cr_expect(renewal_changes_cookie(&beside, "user"));
    cr_expect(renewal_changes_cookie(&stage, "user")); /* the other answer may have been lost */
    OWNED char *key = site_key(&stage.site);
    date_renewal(&stage.site, key, 1000000);
    EXPECT_PLAY(&stage, "user", "grace");
    EXPECT_PLAY(&beside, "user", "grace");
    EXPECT_PLAY(&late, "user", "status 409"); /* it was under way, and does not get a session of its own */
    EXPECT_PLAY(&late, "open,increment:x,commit", "status 409");
    cr_expect_eq(redis_int(stage.site.redis, "DEL %s:exchanged", key), 1);
    EXPECT_PLAY(&late, "user", "nothing"); /* so long after */
    EXPECT_PLAY(&stage, "user", "grace");
    browser_leave(&beside);
    browser_leave(&late);
    stage_close(&stage);
}

/* Who has planted the cookie that the visitor came with would be logged in as him. */
Test(late_renewals, the_user_cannot_change)
{
    struct stage stage = stage_open(NULL);
    EXPECT_PLAY(&stage, "set:cart:full,commit", "");
    EXPECT_RENEWAL(&stage, "grace", "MID_HEAD_SENT");
    EXPECT_PLAY(&stage, "user", "nothing");
    log_in(&stage, "grace", "first");
    EXPECT_RENEWAL(&stage, "ada", "MID_HEAD_SENT");
    EXPECT_RENEWAL(&stage, "", "MID_HEAD_SENT");
    cr_expect_not(renewal_changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "user", "grace");
    stage_close(&stage);
}

Test(late_renewals, several_before_the_next_request_are_one)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    struct http_stream *stream = stage_stream(&stage, "open,begin:bytes,renew:grace,renew:grace,set:x:1,commit&who=s");
    EXPECT_NOTE(&stage, "s.4", "renew:grace MID_OK");
    EXPECT_NOTE(&stage, "s.6", "commit MID_OK");
    http_stream_close(stream, NULL);
    cr_expect_eq(stored_header(&stage.site, key).generation, 3);
    cr_expect(renewal_changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "get:x", "1");
    stage_close(&stage);
}

Test(late_renewals, a_task_and_what_follows_the_response_may_ask_for_it)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    cr_expect_eq(stage_act(&stage, "user&after=renew:grace", NULL), 200);
    EXPECT_NOTE(&stage, "a.1", "renew:grace MID_OK");
    cr_expect(renewal_changes_cookie(&stage, "user"));
    cr_expect_not(renewal_changes_cookie(&stage, "user"));
    stage_add_task(&stage, "session,renew:grace,renew:ada");
    EXPECT_NOTE(&stage, "t1.2", "renew:grace MID_OK");
    EXPECT_NOTE(&stage, "t1.3", "renew:ada MID_HEAD_SENT");
    cr_expect(renewal_changes_cookie(&stage, "user"));
    stage_close(&stage);
}

/* The head that is still to come brings the newest cookie. */
Test(late_renewals, a_head_brings_the_cookie_of_a_renewal_that_came_meanwhile)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    struct http_stream *request = stage_stream(&stage, "renew:grace,gate:go,refresh,return&who=r");
    stage_await_gate(&stage, "r", "go");
    renewal_elsewhere(&stage, key);
    stage_open_gate(&stage, "r", "go");
    EXPECT_NOTE(&stage, "r.3", "refresh MID_OK");
    cr_assert(http_stream_wait_end(request, PATIENCE_MS));
    http_stream_close(request, NULL);
    cr_expect_not(renewal_changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "user", "grace");
    stage_close(&stage);
}

static bool owes_cookie(void *arg)
{
    const struct stage *stage = arg;
    OWNED char *key = site_key(&stage->site);
    return (stored_header(&stage->site, key).flags & HEADER_OWES_COOKIE) != 0;
}

/* The worker is killed between the renewal and its answer. */
Test(late_renewals, the_cookie_is_owed_also_when_the_worker_is_killed)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
    struct http_stream *stream = stage_stream(&stage, "open,get:x,begin:bytes,gate:go,renew:grace&who=s");
    stage_await_gate(&stage, "s", "go");
    proxy_lose(proxy, LOSE_ANSWER, 1000);
    stage_open_gate(&stage, "s", "go");
    cr_assert(wait_until(owes_cookie, &stage, PATIENCE_MS));
    pid_t worker = site_worker(&stage.site);
    cr_assert_eq(kill(worker, SIGKILL), 0);
    http_stream_close(stream, NULL);
    proxy_lose(proxy, LOSE_NOTHING, 0);
    site_wait_new_worker(&stage.site, worker);
    cr_expect(renewal_changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "user", "grace");
    proxy_close(proxy);
    stage_close(&stage);
}

/* Nothing begins, but what the handler has renewed before is no good without its cookie. */
Test(late_renewals, the_head_of_a_stream_that_is_asked_for_alone_brings_the_cookie)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    cr_expect_eq(site_send(&stage.site, "HEAD", "/act?acts=renew:grace,begin:bytes&who=h", NULL, NULL), 200);
    EXPECT_PLAY(&stage, "user", "grace");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    OWNED char *before = browser_cookie(&stage);
    cr_expect_eq(site_send(&stage.site, "HEAD", "/act?acts=user,begin:bytes&who=i", NULL, NULL), 200);
    OWNED char *after = browser_cookie(&stage);
    cr_expect_str_neq(before, after);
    stage_close(&stage);
}

Test(late_renewals, a_login_with_the_old_cookie_puts_out_what_came_before)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct stage old = browser_with_same_cookie(&stage);
    struct stage exchanged = browser_with_same_cookie(&stage);
    EXPECT_PLAY(&exchanged, "user", "grace");
    EXPECT_PLAY(&stage, "renew:grace,user", "grace");
    EXPECT_PLAY(&old, "user", "status 409");
    EXPECT_PLAY(&exchanged, "user", "status 409");
    EXPECT_PLAY(&stage, "user", "grace");
    browser_leave(&old);
    browser_leave(&exchanged);
    stage_close(&stage);
}

Test(late_renewals, a_logout_with_the_old_cookie_ends_the_session)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    EXPECT_PLAY(&stage, "open,destroy", "");
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", key), 0);
    stage_close(&stage);
}

/* Which has found out that no cookie can be sent: the session goes on, and is not said to have ended. */
Test(late_renewals, a_late_stream_that_was_refused_has_not_logged_anybody_out)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    OWNED char *key = site_key(&stage.site);
    date_renewal(&stage.site, key, 1000000);
    struct http_stream *stream = stage_stream(&stage, "begin:bytes,open,get:x,destroy&who=l");
    EXPECT_NOTE(&stage, "l.4", "destroy MID_ENDED");
    http_stream_close(stream, NULL);
    stream = stage_stream(&stage, "begin:bytes,open,destroy&who=m");
    EXPECT_NOTE(&stage, "m.3", "destroy MID_OK");
    http_stream_close(stream, NULL);
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", key), 0);
    stage_close(&stage);
}

/* Which can bring no cookie. */
Test(late_renewals, a_stream_that_opens_the_session_late_does_not_get_it_by_the_old_cookie)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct http_stream *stream = stage_stream(&stage, "begin:bytes,open,get:x&who=l");
    EXPECT_NOTE(&stage, "l.3", "get:x MID_ENDED");
    http_stream_close(stream, NULL);
    stream = stage_stream(&stage, "begin:bytes,open,increment:x,commit&who=m");
    EXPECT_NOTE(&stage, "m.4", "commit MID_ENDED");
    http_stream_close(stream, NULL);
    cr_expect(renewal_changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "get:x", "nothing");
    stage_close(&stage);
}

Test(late_renewals, a_form_ends_with_it)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *token = play(&stage, "token");
    OWNED char *check = text_printf("check:%s", token);
    EXPECT_PLAY(&stage, check, "");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    EXPECT_PLAY(&stage, check, "status 403");
    EXPECT_PLAY(&stage, "user", "grace");
    stage_close(&stage);
}
