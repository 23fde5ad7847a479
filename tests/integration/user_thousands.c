/*
 * A user with thousands of sessions, as of a program that logs in for each of its runs: whatever is done with them is
 * done a page at a time, and others are served meanwhile.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "browsers.h"
#include "user/index.h"

TestSuite(user_thousands, .timeout = 90);

enum { THOUSANDS = 10000 };

/* The visitor's session, once more under so many other names, which the index has with older numbers than its own. */
static void copy_session(const struct stage *stage, const char *user)
{
    static const char script[] = "for i = 1, tonumber(ARGV[1]) do "
                                 "local rid = string.format('%032x', i) "
                                 "redis.call('COPY', KEYS[1], 'mid:s:{' .. rid .. '}') "
                                 "redis.call('ZADD', KEYS[2], i, rid) end return 1";
    OWNED char *key = site_key(&stage->site);
    OWNED char *index = index_key(user);
    cr_assert_eq(redis_int(stage->site.redis, "EVAL %s 2 %s %s %d", script, key, index, THOUSANDS), 1);
    cr_assert_eq(named(stage, user), THOUSANDS + 1);
}

static struct stage open_with_thousands(const char *const settings[])
{
    struct stage stage = stage_open(settings);
    site_needs_one_redis(&stage.site);
    log_in(&stage, "grace", "desk");
    copy_session(&stage, "grace");
    return stage;
}

/* Requests of others that were answered until the player's act has its note. */
static int serve_until(const struct stage *other, const char *note)
{
    int served = 0;
    for (; served < 100000; served++) {
        OWNED char *notes = stage_notes(other);
        if (strstr(notes, note) != NULL)
            break;
        cr_assert_eq(stage_act(other, "get:x&who=o", NULL), 200);
    }
    return served;
}

Test(user_thousands, are_listed_and_ended_while_others_are_served)
{
    enum { PAGES = THOUSANDS / USER_INDEX_PAGE };
    static const char *const acts[] = {"count-sessions:grace&who=l", "end-others&who=e"};
    static const char *const notes[] = {"count-sessions:grace MID_OK 10001", "end-others MID_OK 10000"};
    struct stage stage = open_with_thousands(NULL);
    struct stage other = browser_beside(&stage);
    log_in(&other, "ada", "phone");
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        struct http_stream *stream = stage_stream(&stage, acts[i]);
        cr_expect_geq(serve_until(&other, notes[i]), PAGES / 10);
        http_stream_close(stream, NULL);
    }
    cr_expect_eq(named(&stage, "grace"), 1);
    cr_expect_eq(stored_sessions(&stage.site), 2);
    EXPECT_PLAY(&stage, "user", "grace");
    browser_leave(&other);
    stage_close(&stage);
}

/* Set too late: each login ends a page of the oldest, and no login has to wait for thousands of ends. */
Test(user_thousands, more_than_there_may_be_end_page_by_page)
{
    struct stage stage = open_with_thousands(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=10"));
    struct stage other = browser_beside(&stage);
    log_in(&other, "grace", "phone");
    cr_expect_eq(named(&stage, "grace"), THOUSANDS + 2 - USER_INDEX_PAGE);
    log_in(&other, "grace", "phone");
    cr_expect_eq(named(&stage, "grace"), THOUSANDS + 2 - 2 * USER_INDEX_PAGE);
    browser_leave(&other);
    stage_close(&stage);
}
