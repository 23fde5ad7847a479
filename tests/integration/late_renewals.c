/*
 * A renewal that comes when the head is out, and no cookie can be sent: the session owes one, which the next request
 * gets.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "browsers.h"
#include "proxy.h"
#include "random.h"

TestSuite(late_renewals, .timeout = 120);

static char *cookie_of(const struct stage *stage)
{
    return cookie_jar_get(stage->site.visitor, "mid");
}

/* The same browser's other connection, or a thief: with the cookie that the stage's visitor has now. */
static struct stage with_same_cookie(const struct stage *stage)
{
    struct stage other = browser_beside(stage);
    OWNED char *cookie = cookie_of(stage);
    cookie_jar_set(other.site.visitor, "mid", cookie);
    return other;
}

/* In a stream, whose head is out. Returns what became of it. */
static char *renew_late(const struct stage *stage, const char *user)
{
    static int count;
    OWNED char *acts = text_printf("open,begin:bytes,renew:%s&who=late%d", user, ++count);
    OWNED char *number = text_printf("late%d.3", count);
    struct http_stream *stream = stage_stream(stage, acts);
    char *note = stage_note(stage, number);
    http_stream_close(stream, NULL);
    return note;
}

#define EXPECT_RENEWAL(stage, user, result)                                                                            \
    do {                                                                                                               \
        OWNED char *renewal = renew_late((stage), (user));                                                             \
        cr_expect_str_eq(renewal, "renew:" user " " result, "%s", renewal);                                            \
    } while (0)

/* Whether the visitor's cookie is another one after the acts, which have to go well. */
static bool changes_cookie(const struct stage *stage, const char *acts)
{
    OWNED char *before = cookie_of(stage);
    OWNED char *value = play(stage, acts);
    OWNED char *after = cookie_of(stage);
    cr_expect_neq(strncmp(value, "status", strlen("status")), 0, "%s: %s", acts, value);
    return strcmp(before, after) != 0;
}

/* The header of a commit that somebody else has made. */
static void store_commit(const struct stage *stage, const char *key, struct header *header)
{
    uint8_t bytes[HEADER_BYTES];
    header->revision++;
    memmove(header->commits[1], header->commits[0], sizeof(header->commits) - HEADER_COMMIT_BYTES);
    memset(header->commits[0], 0x77, HEADER_COMMIT_BYTES);
    header_pack(header, bytes);
    redis_int(stage->site.redis, "HSET %s @ %b", key, bytes, sizeof(bytes));
}

Test(late_renewals, the_next_request_gets_the_new_cookie)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    int64_t expires_ms = stored_header(&stage.site, key).expires_ms;
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct header header = stored_header(&stage.site, key);
    cr_expect_eq(header.expires_ms, expires_ms, "it lives longer");
    cr_expect(changes_cookie(&stage, "user"));
    cr_expect_not(changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "user", "grace");
    stage_close(&stage);
}

Test(late_renewals, a_visitor_who_is_not_logged_in_gets_it_too)
{
    struct stage stage = stage_open(NULL);
    EXPECT_PLAY(&stage, "set:cart:full,commit", "");
    EXPECT_RENEWAL(&stage, "", "MID_OK");
    cr_expect(changes_cookie(&stage, "get:cart"));
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
    struct stage other = with_same_cookie(&stage);
    cr_expect(changes_cookie(&stage, "increment:x,commit"));
    cr_expect_not(changes_cookie(&stage, "increment:x,commit"));
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
    struct stage beside = with_same_cookie(&stage);
    struct stage late = with_same_cookie(&stage);
    cr_expect(changes_cookie(&beside, "user"));
    cr_expect(changes_cookie(&stage, "user")); /* the other answer may have been lost */
    OWNED char *key = site_key(&stage.site);
    age_renewal(&stage.site, key);
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
    cr_expect_not(changes_cookie(&stage, "user"));
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
    cr_expect(changes_cookie(&stage, "user"));
    EXPECT_PLAY(&stage, "get:x", "1");
    stage_close(&stage);
}

Test(late_renewals, a_task_and_what_follows_the_response_may_ask_for_it)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    cr_expect_eq(stage_act(&stage, "user&after=renew:grace", NULL), 200);
    EXPECT_NOTE(&stage, "a.1", "renew:grace MID_OK");
    cr_expect(changes_cookie(&stage, "user"));
    cr_expect_not(changes_cookie(&stage, "user"));
    stage_add_task(&stage, "session,renew:grace,renew:ada");
    EXPECT_NOTE(&stage, "t1.2", "renew:grace MID_OK");
    EXPECT_NOTE(&stage, "t1.3", "renew:ada MID_HEAD_SENT");
    cr_expect(changes_cookie(&stage, "user"));
    stage_close(&stage);
}

/* As another handle of the session does it, with a commit behind it. */
static void renew_elsewhere(const struct stage *stage, const char *key)
{
    struct header header = stored_header(&stage->site, key);
    header.flags |= HEADER_OWES_COOKIE;
    header.generation++;
    store_commit(stage, key, &header);
}

/* The head that is still to come brings the newest cookie. */
Test(late_renewals, a_head_brings_the_cookie_of_a_renewal_that_came_meanwhile)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    struct http_stream *request = stage_stream(&stage, "renew:grace,gate:go,refresh,return&who=r");
    stage_await_gate(&stage, "r", "go");
    renew_elsewhere(&stage, key);
    stage_open_gate(&stage, "r", "go");
    EXPECT_NOTE(&stage, "r.3", "refresh MID_OK");
    cr_assert(http_stream_wait_end(request, PATIENCE_MS));
    http_stream_close(request, NULL);
    cr_expect_not(changes_cookie(&stage, "user"));
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
    cr_expect(changes_cookie(&stage, "user"));
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
    OWNED char *before = cookie_of(&stage);
    cr_expect_eq(site_send(&stage.site, "HEAD", "/act?acts=user,begin:bytes&who=i", NULL, NULL), 200);
    OWNED char *after = cookie_of(&stage);
    cr_expect_str_neq(before, after);
    stage_close(&stage);
}

Test(late_renewals, a_login_with_the_old_cookie_puts_out_what_came_before)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    EXPECT_RENEWAL(&stage, "grace", "MID_OK");
    struct stage old = with_same_cookie(&stage);
    struct stage exchanged = with_same_cookie(&stage);
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
    age_renewal(&stage.site, key);
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
    cr_expect(changes_cookie(&stage, "user"));
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

Test(late_renewals, a_renewal_whose_answer_is_lost_is_one)
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
        cr_expect(changes_cookie(&stage, "user"));
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
    store_commit(stage, key, &header);
}

/* The second one, which raises no generation, is found to be stored only when somebody else has logged in. */
Test(late_renewals, a_renewal_in_doubt_does_not_become_the_next_users)
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
Test(late_renewals, a_renewal_from_before_the_head_without_its_cookie_is_not_ok)
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
            renew_elsewhere(&stage, key);
        stage_open_gate(&stage, "s", "go");
        EXPECT_NOTE(&stage, "s.7", "commit MID_HEAD_SENT");
        EXPECT_NOTE(&stage, "s.9", "commit MID_OK");
        http_stream_close(stream, NULL);
        proxy_close(proxy);
        stage_close(&stage);
    }
}

/* Whose first try never came: it is applied as a late one, also behind a renewal of another request. */
Test(late_renewals, a_renewal_from_before_the_head_may_become_a_late_one)
{
    for (int others = 0; others < 2; others++) {
        struct stage stage = stage_open(NULL);
        log_in(&stage, "grace", "first");
        struct stage beside = with_same_cookie(&stage);
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
        cr_expect(changes_cookie(visitor, "user"));
        EXPECT_PLAY(visitor, "user", "grace");
        browser_leave(&beside);
        proxy_close(proxy);
        stage_close(&stage);
    }
}

/* Renewals and requests in any order, whose responses may be lost unless the new cookie was used: nobody is locked out,
 * and the cookie before one that was used is out. */
Test(late_renewals, a_visitor_keeps_the_session_whatever_answers_are_lost)
{
    static const char *const requests[] = {"user", "increment:x,commit,user", "find,user", "open,get:x,user"};
    random_begin("late_renewals");
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "first");
    struct stage out = with_same_cookie(&stage); /* with one that is older than what was used */
    bool is_out = false;
    for (int round = 0; round < 60; round++) {
        OWNED char *before = cookie_of(&stage);
        if (random_chance(30)) {
            EXPECT_RENEWAL(&stage, "grace", "MID_OK"); /* and the stream's head may have brought a cookie */
        } else {
            EXPECT_PLAY(&stage, requests[random_below(sizeof(requests) / sizeof(requests[0]))], "grace");
        }
        OWNED char *now = cookie_of(&stage);
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
