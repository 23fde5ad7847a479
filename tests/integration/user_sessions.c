/*
 * The sessions of a user: listed, described and ended from elsewhere, whatever they and their index have come to. Each
 * visitor here is a browser of its own; all of them log in as the same user.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "browsers.h"

TestSuite(user_sessions, .timeout = 90);

#define QUIET "MIDSTREAM_HEARTBEAT_MS=60000"

/* -------------------- listing -------------------- */

Test(user_sessions, are_listed_with_what_was_told_of_them)
{
    struct stage stage = stage_open(NULL);
    struct stage phone = browser_beside(&stage);
    struct stage stranger = browser_beside(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&phone, "grace", "phone");
    log_in(&stranger, "ada", "elsewhere");
    EXPECT_PLAY(&stage, "open,get:x,sessions:grace", "phone desk*");
    EXPECT_PLAY(&phone, "open,get:x,sessions:grace", "phone* desk");
    EXPECT_PLAY(&stranger, "sessions:grace", "phone desk");
    EXPECT_PLAY(&stranger, "sessions:nobody", "none");
    EXPECT_PLAY(&stage, "describe:office:,commit,sessions:grace", "phone office*");
    EXPECT_PLAY(&phone, "destroy,sessions:grace", "office");
    cr_expect_eq(named(&stage, "grace"), 1);
    EXPECT_PLAY(&stage, "renew:,sessions:grace", "none");
    browser_leave(&phone);
    browser_leave(&stranger);
    stage_close(&stage);
}

/* One browser, one user after the other. */
Test(user_sessions, a_session_is_listed_with_the_user_who_has_it)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "desk");
    log_in(&stage, "ada", "desk");
    EXPECT_PLAY(&stage, "sessions:grace", "none");
    EXPECT_PLAY(&stage, "sessions:ada", "desk");
    EXPECT_PLAY(&stage, "end-all:grace", "0");
    EXPECT_PLAY(&stage, "user", "ada");
    stage_close(&stage);
}

Test(user_sessions, names_of_users_are_any_bytes)
{
    static const char *const users[] = {"%7b%7d%7bx%7d", "a%20b%0ac", "%ff%fe", "*", "%c3%a9", "mid%3as"};
    struct stage stage = stage_open(NULL);
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        struct stage browser = browser_beside(&stage);
        OWNED char *acts = text_printf("describe:desk,renew:%s,sessions:%s", users[i], users[i]);
        OWNED char *end = text_printf("end-all:%s", users[i]);
        EXPECT_PLAY(&browser, acts, "desk*");
        EXPECT_PLAY(&stage, end, "1");
        browser_leave(&browser);
    }
    EXPECT_PLAY(&stage, "sessions:", "status 422");
    EXPECT_PLAY(&stage, "end-session:grace:not-an-id", "status 400");
    stage_close(&stage);
}

/* -------------------- ending -------------------- */

Test(user_sessions, one_is_ended_from_another_and_its_stream_with_it)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    struct stage phone = browser_beside(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&phone, "grace", "phone");
    struct http_stream *stream = stage_stream(&phone, "open,begin:events,sleep:600000,return&who=p");
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    EXPECT_PLAY(&stage, "open,get:x,end-session:grace:phone", "1");
    struct http_response response;
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS), "the stream goes on");
    http_stream_close(stream, &response);
    cr_expect(strstr(response.body.data, "event: session-ended") != NULL, "%s", response.body.data);
    http_response_fini(&response);
    EXPECT_PLAY(&phone, "user", "nothing");
    EXPECT_PLAY(&stage, "end-session:grace:phone", "status 400"); /* there is none of that address */
    EXPECT_PLAY(&stage, "end-session:ada:00112233445566778899aabbccddeeff", "0");
    EXPECT_PLAY(&stage, "open,get:x,sessions:grace", "desk*");
    cr_expect(site_wait_log(&stage.site, "user.sessions-ended"));
    browser_leave(&phone);
    stage_close(&stage);
}

Test(user_sessions, the_session_of_another_user_is_not_ended)
{
    struct stage stage = stage_open(NULL);
    struct stage other = browser_beside(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&other, "ada", "phone");
    OWNED char *key = site_key(&other.site);
    OWNED char *acts = text_printf("end-session:grace:%.32s", strchr(key, '{') + 1);
    EXPECT_PLAY(&stage, acts, "0");
    EXPECT_PLAY(&other, "user", "ada");
    browser_leave(&other);
    stage_close(&stage);
}

Test(user_sessions, all_others_are_ended_and_this_one_goes_on)
{
    enum { BROWSERS = 5 };
    struct stage browsers[BROWSERS];
    struct http_stream *streams[BROWSERS];
    struct stage stage = stage_open(SETTINGS(QUIET));
    log_in(&stage, "grace", "desk");
    for (int i = 0; i < BROWSERS; i++) {
        browsers[i] = browser_beside(&stage);
        log_in(&browsers[i], "grace", "phone");
        streams[i] = stage_stream(&browsers[i], "open,begin:events,sleep:600000,return&who=p");
        cr_assert_eq(http_stream_wait_head(streams[i], PATIENCE_MS), 200);
    }
    EXPECT_PLAY(&stage, "end-others", "5");
    for (int i = 0; i < BROWSERS; i++) {
        cr_expect(http_stream_wait_end(streams[i], PATIENCE_MS), "stream %d goes on", i);
        http_stream_close(streams[i], NULL);
        EXPECT_PLAY(&browsers[i], "user", "nothing");
        browser_leave(&browsers[i]);
    }
    EXPECT_PLAY(&stage, "user", "grace");
    EXPECT_PLAY(&stage, "end-others", "0");
    EXPECT_PLAY(&stage, "sessions:grace", "desk");
    stage_close(&stage);
}

Test(user_sessions, an_end_of_all_ends_this_one_too_and_takes_the_cookie_back)
{
    struct http_response response;
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "desk");
    cr_assert_eq(stage_act(&stage, "open,get:x,end-all:grace,get:x&who=e", &response), 200);
    cr_expect(strstr(response.head.data, "Max-Age=0") != NULL, "%s", response.head.data);
    http_response_fini(&response);
    EXPECT_NOTE(&stage, "e.4", "get:x MID_ENDED");
    stage_close(&stage);
}

Test(user_sessions, who_is_not_logged_in_has_no_others)
{
    struct stage stage = stage_open(NULL);
    EXPECT_PLAY(&stage, "set:a:1,commit,end-others", "status 401");
    stage_close(&stage);
}

/* More than a page of the index, with names of sessions that are gone among them. */
Test(user_sessions, hundreds_are_ended_page_by_page)
{
    enum { SESSIONS = 250, GONE = SESSIONS / 10 };
    char *gone[GONE];
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_NEW_MAX=0"));
    log_in(&stage, "grace", "desk");
    OWNED char *own_key = site_key(&stage.site);
    OWNED char *index = index_key("grace");
    long long first = redis_int(stage.site.redis, "ZCARD %s", index);
    cr_assert_eq(first, 1);
    for (int i = 0; i < SESSIONS; i++) {
        struct stage browser = browser_beside(&stage);
        log_in(&browser, "grace", "many");
        if (i % 10 == 0)
            gone[i / 10] = site_key(&browser.site);
        browser_leave(&browser);
    }
    for (int i = 0; i < GONE; i++) {
        redis_int(stage.site.redis, "DEL %s", gone[i]);
        free(gone[i]);
    }
    cr_expect_eq(named(&stage, "grace"), SESSIONS + 1);
    redis_int(stage.site.redis, "ZADD %s 1 nobody's", index); /* which is no name of a session */
    EXPECT_PLAY(&stage, "end-others", "225");
    cr_expect_eq(named(&stage, "grace"), 2);
    cr_expect_eq(stored_sessions(&stage.site), 1);
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", own_key), 1);
    stage_close(&stage);
}

/* -------------------- an index that is not as it should be -------------------- */

Test(user_sessions, names_of_sessions_that_are_gone_go_when_they_are_met)
{
    struct stage stage = stage_open(NULL);
    struct stage phone = browser_beside(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&phone, "grace", "phone");
    OWNED char *key = site_key(&phone.site);
    redis_int(stage.site.redis, "DEL %s", key);
    cr_expect_eq(named(&stage, "grace"), 2);
    EXPECT_PLAY(&stage, "sessions:grace", "desk");
    cr_expect_eq(named(&stage, "grace"), 1);
    browser_leave(&phone);
    stage_close(&stage);
}

/* As after an update, or a failover that has lost the index: a session is named again when it is touched. */
Test(user_sessions, a_session_that_the_index_does_not_name_is_named_when_it_is_used)
{
    static const char *const uses[] = {"get:x", "increment:n,commit"};
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_USER_IDLE_MS=10000"));
    log_in(&stage, "grace", "desk");
    OWNED char *index = index_key("grace");
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        redis_int(stage.site.redis, "DEL %s", index);
        usleep(1100000); /* touched after a tenth of the idle lifetime */
        cr_assert_eq(stage_act(&stage, uses[i], NULL), 200);
        EXPECT_PLAY(&stage, "sessions:grace", "desk");
    }
    stage_close(&stage);
}

/* It was ended in the mind of who has ended all, and is so when it is used next. */
Test(user_sessions, a_session_that_an_end_of_all_did_not_find_ends_when_it_is_used)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_USER_IDLE_MS=10000"));
    struct stage phone = browser_beside(&stage);
    log_in(&phone, "grace", "phone");
    OWNED char *index = index_key("grace");
    redis_int(stage.site.redis, "DEL %s", index);
    EXPECT_PLAY(&stage, "end-all:grace", "0");
    log_in(&stage, "grace", "desk");
    usleep(1100000);
    EXPECT_PLAY(&phone, "get:x", "status 409");
    EXPECT_PLAY(&stage, "sessions:grace", "desk");
    EXPECT_PLAY(&stage, "user", "grace");
    browser_leave(&phone);
    stage_close(&stage);
}

Test(user_sessions, the_index_does_not_outlive_the_sessions_for_long)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_USER_ABSOLUTE_MS=7200000"));
    log_in(&stage, "grace", "desk");
    OWNED char *index = index_key("grace");
    OWNED char *epoch = text_printf("%s:epoch", index);
    long long most = (7200 + 3600) * 1000;
    long long left = redis_int(stage.site.redis, "PTTL %s", index);
    cr_expect(left > most - 60000 && left <= most, "%lld", left);
    left = redis_int(stage.site.redis, "PTTL %s", epoch);
    cr_expect(left > most - 60000 && left <= most, "%lld", left);
    stage_close(&stage);
}
