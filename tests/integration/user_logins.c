/* How many sessions a user may have, and logins that meet an end of all sessions. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "browsers.h"
#include "random.h"

TestSuite(user_logins, .timeout = 90);

Test(user_logins, the_oldest_login_ends_for_one_too_many)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=2"));
    struct stage second = browser_beside(&stage);
    struct stage third = browser_beside(&stage);
    log_in(&stage, "grace", "first");
    log_in(&second, "grace", "second");
    log_in(&stage, "grace", "again"); /* the newest login now, though the oldest session */
    log_in(&third, "grace", "third");
    EXPECT_PLAY(&third, "open,get:x,sessions:grace", "third* again");
    EXPECT_PLAY(&second, "user", "nothing");
    EXPECT_PLAY(&stage, "user", "grace");
    browser_leave(&second);
    browser_leave(&third);
    stage_close(&stage);
}

Test(user_logins, a_login_is_refused_for_one_too_many)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=1", "MIDSTREAM_USER_SESSIONS_FULL=refuse"));
    struct stage second = browser_beside(&stage);
    log_in(&stage, "grace", "first");
    EXPECT_PLAY(&second, "set:cart:full,commit", "");
    EXPECT_PLAY(&second, "renew:grace", "status 429");
    EXPECT_PLAY(&second, "get:cart", "full");
    EXPECT_PLAY(&second, "user", "nothing");
    EXPECT_PLAY(&stage, "renew:grace,user", "grace"); /* which is not one more */
    EXPECT_PLAY(&second, "renew:ada,user", "ada");
    EXPECT_PLAY(&stage, "destroy", "");
    EXPECT_PLAY(&second, "renew:grace,user", "grace");
    browser_leave(&second);
    stage_close(&stage);
}

/* Names of sessions that are gone, as by their idle lifetime, do not count. */
Test(user_logins, sessions_that_are_gone_do_not_keep_a_user_out)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=1", "MIDSTREAM_USER_SESSIONS_FULL=refuse"));
    struct stage second = browser_beside(&stage);
    log_in(&stage, "grace", "first");
    OWNED char *key = site_key(&stage.site);
    redis_int(stage.site.redis, "DEL %s", key);
    log_in(&second, "grace", "second");
    EXPECT_PLAY(&second, "sessions:grace", "second");
    browser_leave(&second);
    stage_close(&stage);
}

Test(user_logins, sessions_that_are_gone_do_not_end_the_oldest)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=3"));
    struct stage browsers[3];
    log_in(&stage, "grace", "oldest");
    for (int i = 0; i < 3; i++) {
        browsers[i] = browser_beside(&stage);
        if (i == 2)
            break;
        log_in(&browsers[i], "grace", "gone");
        OWNED char *key = site_key(&browsers[i].site);
        redis_int(stage.site.redis, "DEL %s", key);
    }
    log_in(&browsers[2], "grace", "newest");
    EXPECT_PLAY(&stage, "open,get:x,sessions:grace", "newest oldest*");
    cr_expect_eq(named(&stage, "grace"), 2);
    for (int i = 0; i < 3; i++)
        browser_leave(&browsers[i]);
    stage_close(&stage);
}

/* A password that was checked before an end of all is not good for a login after it. */
Test(user_logins, a_login_that_was_begun_before_an_end_of_all_fails_after_it)
{
    struct stage stage = stage_open(NULL);
    struct stage other = browser_beside(&stage);
    struct http_stream *login = stage_stream(&stage, "begin-login:grace,gate:checked,renew:grace,user&who=l");
    stage_await_gate(&stage, "l", "checked");
    EXPECT_PLAY(&other, "end-all:grace", "0");
    stage_open_gate(&stage, "l", "checked");
    EXPECT_NOTE(&stage, "l.3", "renew:grace MID_ENDED");
    EXPECT_NOTE(&stage, "l.4", "user MID_OK nothing");
    http_stream_close(login, NULL);
    EXPECT_PLAY(&stage, "begin-login:grace,renew:grace,user", "grace");
    browser_leave(&other);
    stage_close(&stage);
}

/* Anybody can begin a login, of any name. */
Test(user_logins, a_login_that_is_only_begun_stores_nothing)
{
    struct stage stage = stage_open(NULL);
    OWNED char *index = index_key("invented");
    OWNED char *epoch = text_printf("%s:epoch", index);
    EXPECT_PLAY(&stage, "begin-login:invented", "");
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s %s", index, epoch), 0);
    stage_close(&stage);
}

/* One record that is none does not keep the others alive. */
Test(user_logins, an_end_of_all_goes_on_behind_one_that_fails)
{
    struct stage stage = stage_open(NULL);
    struct stage second = browser_beside(&stage);
    log_in(&stage, "grace", "first");
    log_in(&second, "grace", "second");
    OWNED char *key = site_key(&stage.site);
    redis_int(stage.site.redis, "HSET %s @ nonsense", key);
    EXPECT_PLAY(&second, "end-all:grace", "status 500");
    EXPECT_PLAY(&second, "user", "nothing");
    browser_leave(&second);
    stage_close(&stage);
}

/* -------------------- a login and an end of all, at the same time -------------------- */

/* Whatever the order of their steps: a session of the user that goes on began after the end. */
Test(user_logins, a_login_that_meets_an_end_of_all_ends_or_never_begins)
{
    enum { ROUNDS = 60, BROWSERS = 4 };
    random_begin("user_logins::a_login_that_meets_an_end_of_all_ends_or_never_begins");
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_NEW_MAX=0"));
    for (int round = 0; round < ROUNDS; round++) {
        struct stage browsers[BROWSERS];
        struct http_stream *logins[BROWSERS];
        OWNED char *login = text_printf("renew:grace,user,return&who=l%d", round);
        for (int i = 0; i < BROWSERS; i++) {
            browsers[i] = browser_beside(&stage);
            if (random_chance(50))
                free(play(&browsers[i], "set:a:1,commit"));
        }
        for (int i = 0; i < BROWSERS; i++)
            logins[i] = stage_stream(&browsers[i], login);
        usleep((useconds_t)random_below(6000));
        free(play(&stage, "end-all:grace"));
        OWNED char *left = play(&stage, "sessions:grace");
        int ok = 0;
        for (int i = 0; i < BROWSERS; i++) {
            cr_assert(http_stream_wait_end(logins[i], PATIENCE_MS));
            http_stream_close(logins[i], NULL);
        }
        /* who is logged in now has begun after the end, and is in the list; nobody else is */
        for (int i = 0; i < BROWSERS; i++) {
            OWNED char *user = play(&browsers[i], "user");
            ok += strcmp(user, "grace") == 0;
        }
        OWNED char *listed = play(&stage, "sessions:grace");
        int count = strcmp(listed, "none") == 0 ? 0 : 1 + (int)text_count(listed, " ");
        cr_expect_eq(count, ok, "round %d: %d are logged in, and the list is %s (%s at the end)", round, ok, listed,
                     left);
        free(play(&stage, "end-all:grace"));
        for (int i = 0; i < BROWSERS; i++) {
            OWNED char *user = play(&browsers[i], "user");
            cr_expect_str_neq(user, "grace", "round %d", round);
            browser_leave(&browsers[i]);
        }
    }
    stage_close(&stage);
}

/* -------------------- requiring one -------------------- */

Test(user_logins, a_login_is_required_whoever_the_visitor_is)
{
    struct stage stage = stage_open(NULL);
    EXPECT_PLAY(&stage, "require-login:-1", "status 401");
    cr_expect_eq(stored_sessions(&stage.site), 0, "the question has made a session");
    EXPECT_PLAY(&stage, "set:a:1,commit,require-login:-1", "status 401");
    log_in(&stage, "grace", "desk");
    EXPECT_PLAY(&stage, "require-login:-1", "grace");
    EXPECT_PLAY(&stage, "renew:,require-login:-1", "status 401");
    log_in(&stage, "grace", "desk");
    EXPECT_PLAY(&stage, "destroy,require-login:-1", "status 401");
    log_in(&stage, "grace", "desk");
    OWNED char *key = site_key(&stage.site);
    redis_int(stage.site.redis, "DEL %s", key);
    EXPECT_PLAY(&stage, "require-login:-1", "status 401");
    stage_close(&stage);
}

/* A request that was under way when the password was entered again: its visitor is logged in. */
Test(user_logins, a_login_is_not_missed_for_an_old_cookie)
{
    struct stage stage = stage_open(NULL);
    struct stage late = browser_beside(&stage);
    log_in(&stage, "grace", "desk");
    OWNED char *cookie = cookie_jar_get(stage.site.visitor, "mid");
    cookie_jar_set(late.site.visitor, "mid", cookie);
    log_in(&stage, "grace", "desk");
    EXPECT_PLAY(&late, "require-login:-1", "status 409");
    EXPECT_PLAY(&stage, "require-login:-1", "grace");
    browser_leave(&late);
    stage_close(&stage);
}

/* Before a password is changed, the old one is asked for, however long the session lives. What renews the session
 * without anybody having entered something, in a stream, is no login. */
Test(user_logins, a_login_can_be_too_old)
{
    struct stage stage = stage_open(NULL);
    log_in(&stage, "grace", "desk");
    EXPECT_PLAY(&stage, "require-login:30000", "grace");
    OWNED char *key = site_key(&stage.site);
    int64_t now_ms = clock_unix_ms();
    date_renewal(&stage.site, key, now_ms - 60000);
    EXPECT_PLAY(&stage, "require-login:30000", "status 401");
    EXPECT_PLAY(&stage, "require-login:90000", "grace");
    EXPECT_PLAY(&stage, "require-login:-1", "grace");
    cr_expect_eq(stage_act(&stage, "open,begin:bytes,renew:grace&who=late", NULL), 200);
    EXPECT_NOTE(&stage, "late.3", "renew:grace MID_OK");
    EXPECT_PLAY(&stage, "require-login:30000", "status 401");
    EXPECT_PLAY(&stage, "require-login:-2",
                "status 401"); /* as computed by somebody who asks for more than there was */
    EXPECT_PLAY(&stage, "renew:grace,require-login:30000", "grace");
    date_renewal(&stage.site, key, now_ms + 60000); /* by the clock of a Redis that this one has taken the place of */
    EXPECT_PLAY(&stage, "require-login:30000", "status 401");
    EXPECT_PLAY(&stage, "require-login:-1", "grace");
    stage_close(&stage);
}
