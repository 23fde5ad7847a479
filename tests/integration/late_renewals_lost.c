/*
 * Renewals that come when the head is out, or just before it, and whose answers from Redis or responses are lost.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"
#include "random.h"
#include "renewals.h"

TestSuite(late_renewals_lost, .timeout = 120);

Test(late_renewals_lost, a_renewal_whose_answer_is_lost_is_one)
{
    for (int lost = 0; lost < 2; lost++) {
        struct stage stage = stage_open(NULL);
        log_in(&stage, "grace", "first");
        OWNED char *key = site_key(&stage.site);
        int64_t revision = stored_header(&stage.site, key).revision;
        struct proxy *proxy = proxy_open(&stage.site);
        cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
        struct http_stream *stream = stage_stream(&stage, "open,get:x,begin:bytes,gate:go,renew:grace&who=s");
        stage_await_gate(&stage, "s", "go");
        proxy_lose_next(proxy, lost == 0 ? LOSE_ANSWER : LOSE_COMMIT);
        stage_open_gate(&stage, "s", "go");
        EXPECT_NOTE(&stage, "s.5", "renew:grace MID_OK");
        http_stream_close(stream, NULL);
        struct header header = stored_header(&stage.site, key);
        cr_expect_eq(header.generation, 3);
        cr_expect_eq(header.revision, revision + 1, "it was applied %d times", (int)(header.revision - revision));
        cr_expect_neq(header.flags & HEADER_OWES_COOKIE, 0);
        cr_expect(renewal_changes_cookie(&stage, "user"));
        EXPECT_PLAY(&stage, "user", "grace");
        proxy_close(proxy);
        stage_close(&stage);
    }
}

/* Another user logs in. */
static void log_in_elsewhere(const struct stage *stage, const char *key)
{
    struct header header = stored_header(&stage->site, key);
    header.flags = HEADER_HAS_USER;
    header.login = ++header.generation;
    redis_int(stage->site.redis, "HSET %s @user ada secret treasure", key);
    renewal_store(stage, key, &header);
}

/* The second one, which raises no generation, is found to be stored only when somebody else has logged in. */
Test(late_renewals_lost, a_renewal_in_doubt_does_not_become_the_next_users)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_COMMIT_TIMEOUT_MS=300"));
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    struct proxy *proxy = proxy_open(&stage.site);
    cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
    struct http_stream *stream = stage_stream(
        &stage, "open,get:x,begin:bytes,renew:grace,deaf:go,renew:grace,deaf:on,commit,refresh,get:secret&who=s");
    stage_await_gate(&stage, "s", "go");
    proxy_lose(proxy, LOSE_ANSWER, 1000);
    stage_open_gate(&stage, "s", "go");
    stage_await_gate(&stage, "s", "on");
    EXPECT_NOTE(&stage, "s.6", "renew:grace MID_UNAVAILABLE");
    proxy_lose(proxy, LOSE_NOTHING, 0);
    log_in_elsewhere(&stage, key);
    stage_open_gate(&stage, "s", "on");
    EXPECT_NOTE(&stage, "s.8", "commit MID_OK");
    EXPECT_NOTE(&stage, "s.9", "refresh MID_ENDED");
    EXPECT_NOTE(&stage, "s.10", "get:secret MID_ENDED");
    http_stream_close(stream, NULL);
    proxy_close(proxy);
    stage_close(&stage);
}

/* It was sent before the head, and its answer was lost: nobody has its cookie, also if another renewal has come behind
 * it, whose cookie is owed. */
Test(late_renewals_lost, a_renewal_from_before_the_head_without_its_cookie_is_not_ok)
{
    for (int others = 0; others < 2; others++) {
        struct stage stage = stage_open(NULL);
        log_in(&stage, "grace", "first");
        OWNED char *key = site_key(&stage.site);
        struct proxy *proxy = proxy_open(&stage.site);
        cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
        proxy_lose_next(proxy, LOSE_ANSWER);
        struct http_stream *stream =
            stage_stream(&stage, "open,get:x,renew:grace,ping,gate:go,begin:bytes,commit,set:x:1,commit&who=s");
        stage_await_gate(&stage, "s", "go");
        EXPECT_NOTE(&stage, "s.3", "renew:grace MID_UNAVAILABLE");
        if (others > 0)
            renewal_elsewhere(&stage, key);
        stage_open_gate(&stage, "s", "go");
        EXPECT_NOTE(&stage, "s.7", "commit MID_HEAD_SENT");
        EXPECT_NOTE(&stage, "s.9", "commit MID_OK");
        http_stream_close(stream, NULL);
        proxy_close(proxy);
        stage_close(&stage);
    }
}

/* Whose first try never came: it is applied as a late one, also behind a renewal of another request. */
Test(late_renewals_lost, a_renewal_from_before_the_head_may_become_a_late_one)
{
    for (int others = 0; others < 2; others++) {
        struct stage stage = stage_open(NULL);
        log_in(&stage, "grace", "first");
        struct stage beside = browser_with_same_cookie(&stage);
        struct proxy *proxy = proxy_open(&stage.site);
        cr_assert_eq(stage_act(&stage, "ping&who=p", NULL), 200);
        proxy_lose_next(proxy, LOSE_COMMIT);
        struct http_stream *stream =
            stage_stream(&stage, "open,get:x,renew:grace,ping,gate:go,begin:bytes,commit,set:x:1,commit&who=s");
        stage_await_gate(&stage, "s", "go");
        EXPECT_NOTE(&stage, "s.3", "renew:grace MID_UNAVAILABLE");
        if (others > 0)
            EXPECT_PLAY(&beside, "renew:grace,user", "grace");
        stage_open_gate(&stage, "s", "go");
        EXPECT_NOTE(&stage, "s.7", "commit MID_OK");
        EXPECT_NOTE(&stage, "s.9", "commit MID_OK");
        http_stream_close(stream, NULL);
        struct stage *visitor = others > 0 ? &beside : &stage; /* the same browser, which has the newest cookie */
        cr_expect(renewal_changes_cookie(visitor, "user"));
        EXPECT_PLAY(visitor, "user", "grace");
        browser_leave(&beside);
        proxy_close(proxy);
        stage_close(&stage);
    }
}

/* Renewals and requests in any order, whose responses may be lost unless the new cookie was used: nobody is locked out,
 * and the cookie before one that was used is out. */
Test(late_renewals_lost, a_visitor_keeps_the_session_whatever_answers_are_lost)
{
    static const char *const requests[] = {"user", "increment:x,commit,user", "find,user", "open,get:x,user"};
    random_begin("late_renewals");
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    struct stage out = browser_with_same_cookie(&stage); /* with one that is older than what was used */
    bool is_out = false;
    for (int round = 0; round < 60; round++) {
        OWNED char *before = browser_cookie(&stage);
        if (random_chance(30)) {
            EXPECT_RENEWAL(&stage, "grace", "MID_OK"); /* and the stream's head may have brought a cookie */
        } else {
            EXPECT_PLAY(&stage, requests[random_below(sizeof(requests) / sizeof(requests[0]))], "grace");
        }
        OWNED char *now = browser_cookie(&stage);
        if (strcmp(before, now) != 0 && random_chance(50)) {
            cookie_jar_set(stage.site.visitor, "mid", before); /* lost */
        } else if (strcmp(before, now) != 0) {
            EXPECT_PLAY(&stage, "user", "grace");
            cookie_jar_set(out.site.visitor, "mid", before);
            is_out = true;
        }
        OWNED char *shown = is_out ? play(&out, "user") : NULL;
        cr_expect(shown == NULL || strcmp(shown, "grace") != 0);
    }
    browser_leave(&out);
    stage_close(&stage);
}
