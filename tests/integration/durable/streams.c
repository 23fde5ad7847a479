/* Durable streams as handlers use them: whose they are, what is in them, and what is refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "integration/browsers.h"
#include "streams.h"

TestSuite(durable, .timeout = 60);

void stream_key(const struct stage *stage, const char *name, char key[static JOURNAL_KEY_BYTES])
{
    OWNED char *session = site_key(&stage->site);
    char *rid = session + strlen("mid:s:{");
    rid[strcspn(rid, "}")] = '\0';
    journal_key(key, rid, NULL, name, strlen(name));
}

char *numbers_until(int end)
{
    struct buffer text = {0};
    for (int i = 0; i < end; i++)
        buffer_printf(&text, "%03d", i);
    buffer_append(&text, "", 1);
    return text.data;
}

/* The next request is that of a visitor who has never been there. */
static void become_another(struct stage *stage)
{
    cookie_jar_free(stage->site.visitor);
    stage->site.visitor = cookie_jar_new();
}

/* -------------------- what is in them -------------------- */

Test(durable, what_is_appended_is_read_by_the_next_request)
{
    struct stage stage = stage_open(NULL);
    cr_assert_eq(
        stage_act(&stage, "log-create:answer,log-append:Hello,log-event:token:-world,log-read:0,log-state", NULL), 200);
    EXPECT_NOTE(&stage, "h.1", "log-create:answer MID_OK 0 0");
    EXPECT_NOTE(&stage, "h.2", "log-append:Hello MID_OK 5");
    EXPECT_NOTE(&stage, "h.3", "log-event:token:-world MID_OK 11");
    EXPECT_NOTE(&stage, "h.4", "log-read:0 MID_OK Hello-world");
    cr_assert_eq(stage_act(&stage, "log-find:answer,log-read:5,log-close,log-append:x,log-close,log-state&who=n", NULL),
                 200);
    EXPECT_NOTE(&stage, "n.1", "log-find:answer MID_OK 11 0");
    EXPECT_NOTE(&stage, "n.2", "log-read:5 MID_OK -world");
    EXPECT_NOTE(&stage, "n.3", "log-close MID_OK");
    EXPECT_NOTE(&stage, "n.4", "log-append:x MID_CLOSED");
    EXPECT_NOTE(&stage, "n.5", "log-close MID_OK");
    EXPECT_NOTE(&stage, "n.6", "log-state MID_OK 11 0 closed");
    stage_close(&stage);
}

Test(durable, a_stream_of_json_has_nothing_else_and_is_read_as_an_array)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage,
              "log-create:rows:json,log-read:0,log-append:1,log-append:{,log-append:[2]x,log-append:[2],log-read:0",
              NULL);
    EXPECT_NOTE(&stage, "h.2", "log-read:0 MID_OK []");
    EXPECT_NOTE(&stage, "h.4", "log-append:{ MID_UNPROCESSABLE");
    EXPECT_NOTE(&stage, "h.5", "log-append:[2]x MID_UNPROCESSABLE");
    EXPECT_NOTE(&stage, "h.6", "log-append:[2] MID_OK 4");
    EXPECT_NOTE(&stage, "h.7", "log-read:0 MID_OK [1,[2]]");
    stage_close(&stage);
}

Test(durable, a_stream_is_as_large_as_it_was_created)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a:tiny,log-append:12345678,log-append:345,log-append:90,log-state", NULL);
    EXPECT_NOTE(&stage, "h.3", "log-append:345 MID_UNPROCESSABLE");
    EXPECT_NOTE(&stage, "h.5", "log-state MID_OK 10 0");
    stage_act(&stage, "log-create:b:trims,log-append:12345678,log-append:345,log-read:0,log-read:8&who=t", NULL);
    EXPECT_NOTE(&stage, "t.3", "log-append:345 MID_OK 11");
    EXPECT_NOTE(&stage, "t.4", "log-read:0 MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "t.5", "log-read:8 MID_OK 345");
    stage_close(&stage);
}

Test(durable, a_stream_is_created_once_and_found_as_it_was)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage,
              "log-create:a,log-append:x,log-create:a,log-create:a:json,log-create:a:minute,log-find:a:json,log-find:b",
              NULL);
    EXPECT_NOTE(&stage, "h.3", "log-create:a MID_OK 1 0");
    EXPECT_NOTE(&stage, "h.4", "log-create:a:json MID_CONFLICT");
    EXPECT_NOTE(&stage, "h.5", "log-create:a:minute MID_CONFLICT");
    EXPECT_NOTE(&stage, "h.6", "log-find:a:json MID_OK 1 0");
    EXPECT_NOTE(&stage, "h.7", "log-find:b MID_NOT_FOUND");
    stage_close(&stage);
}

Test(durable, who_has_a_deleted_stream_is_told_and_gets_none_that_came_after)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "set:a:1,commit&who=m", NULL); /* whose cookie the visitor has then */
    struct http_stream *old = stage_stream(
        &stage, "log-create:a,log-append:old,begin:bytes,gate:on,log-append:x,log-read:0,log-delete,log-find:a&who=o");
    stage_await_gate(&stage, "o", "on");
    stage_act(&stage, "log-find:a,log-delete,log-delete,log-append:x,log-create:a,log-append:new", NULL);
    EXPECT_NOTE(&stage, "h.2", "log-delete MID_OK");
    EXPECT_NOTE(&stage, "h.3", "log-delete MID_OK");
    EXPECT_NOTE(&stage, "h.4", "log-append:x MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "h.6", "log-append:new MID_OK 3");
    stage_open_gate(&stage, "o", "on");
    EXPECT_NOTE(&stage, "o.5", "log-append:x MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "o.6", "log-read:0 MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "o.7", "log-delete MID_OK");
    EXPECT_NOTE(&stage, "o.8", "log-find:a MID_OK 3 0");
    http_stream_close(old, NULL);
    stage_close(&stage);
}

Test(durable, a_commit_that_closes_what_is_closed_stores_what_is_recorded)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a,log-append:x,log-close,set:y:1,log-end:,get:y,set:z:1,log-end:more,get:z,get:y",
              NULL);
    EXPECT_NOTE(&stage, "h.5", "log-end: MID_OK 1");
    EXPECT_NOTE(&stage, "h.6", "get:y MID_OK 1");
    EXPECT_NOTE(&stage, "h.8", "log-end:more MID_CLOSED");
    EXPECT_NOTE(&stage, "h.9", "get:z MID_OK nothing");
    EXPECT_NOTE(&stage, "h.10", "get:y MID_OK 1");
    stage_close(&stage);
}

Test(durable, a_stream_that_was_closed_since_is_found_by_who_would_create_it)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a,log-append:x,log-close,log-create:a", NULL);
    EXPECT_NOTE(&stage, "h.4", "log-create:a MID_OK 1 0 closed");
    stage_close(&stage);
}

Test(durable, who_was_taken_over_as_a_producer_stores_nothing_any_more)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "set:old:x,commit&who=m", NULL);
    struct http_stream *old = stage_stream(
        &stage, "log-create:a:as:p,log-append:1,open,begin:bytes,gate:on,set:x:1,log-commit:2,log-append:3,log-close,"
                "get:x&who=o");
    stage_await_gate(&stage, "o", "on");
    stage_act(&stage, "log-find:a:as:p,log-append:4,log-find:a:as:q,log-append:5", NULL);
    EXPECT_NOTE(&stage, "h.1", "log-find:a:as:p MID_OK 1 0");
    EXPECT_NOTE(&stage, "h.4", "log-append:5 MID_OK 3");
    stage_open_gate(&stage, "o", "on");
    EXPECT_NOTE(&stage, "o.7", "log-commit:2 MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.8", "log-append:3 MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.9", "log-close MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.10", "get:x MID_OK nothing");
    stage_act(&stage, "log-find:a,log-read:0&who=n", NULL);
    EXPECT_NOTE(&stage, "n.2", "log-read:0 MID_OK 145");
    http_stream_close(old, NULL);
    stage_close(&stage);
}

Test(durable, a_producer_takes_over_again_where_the_stream_was_made_anew_or_it_was_taken_over)
{
    struct stage stage = stage_open(NULL);
    stage_act(
        &stage,
        "log-create:a:as:p,log-append:1,log-append:2,log-delete,log-create:a:as:p,log-append:3,log-append:4,log-read:0",
        NULL);
    EXPECT_NOTE(&stage, "h.6", "log-append:3 MID_OK 1");
    EXPECT_NOTE(&stage, "h.8", "log-read:0 MID_OK 34");
    struct http_stream *old = stage_stream(
        &stage,
        "log-find:a:as:p,begin:bytes,gate:on,log-append:5,log-append:5,log-find:a,log-append:6,log-read:0&who=o");
    stage_await_gate(&stage, "o", "on");
    stage_act(&stage, "log-find:a:as:p,log-append:7&who=n", NULL);
    stage_open_gate(&stage, "o", "on");
    EXPECT_NOTE(&stage, "o.4", "log-append:5 MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.5", "log-append:5 MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.7", "log-append:6 MID_OK 4");
    EXPECT_NOTE(&stage, "o.8", "log-read:0 MID_OK 3476");
    http_stream_close(old, NULL);
    stage_close(&stage);
}

Test(durable, who_only_commits_takes_over_again_by_finding_the_stream)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "set:old:x,commit&who=m", NULL);
    struct http_stream *old = stage_stream(
        &stage,
        "log-create:a:as:p,begin:bytes,gate:on,log-commit:1,log-commit:2,log-find:a,log-commit:3,log-read:0&who=o");
    stage_await_gate(&stage, "o", "on");
    stage_act(&stage, "log-find:a:as:p,log-commit:4", NULL);
    stage_open_gate(&stage, "o", "on");
    EXPECT_NOTE(&stage, "o.4", "log-commit:1 MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.5", "log-commit:2 MID_LOST_LEASE");
    EXPECT_NOTE(&stage, "o.7", "log-commit:3 MID_OK 2");
    EXPECT_NOTE(&stage, "o.8", "log-read:0 MID_OK 43");
    http_stream_close(old, NULL);
    stage_close(&stage);
}

/* -------------------- how long they are kept -------------------- */

static void expect_kept(const char *act)
{
    char key[JOURNAL_KEY_BYTES];
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a:minute,log-append:x&who=m", NULL);
    stream_key(&stage, "a", key);
    redis_int(stage.site.redis, "PEXPIRE %s 20000", key);
    redis_int(stage.site.redis, "PEXPIRE %s:log 20000", key);
    stage_act(&stage, act, NULL);
    cr_expect_gt(redis_int(stage.site.redis, "PTTL %s", key), 40000, "%s", act);
    cr_expect_gt(redis_int(stage.site.redis, "PTTL %s:log", key), 40000, "%s", act);
    stage_close(&stage);
}

Test(durable, each_use_begins_the_lifetime_anew)
{
    expect_kept("log-create:a:minute");
    expect_kept("log-find:a");
    expect_kept("log-find:a:as:p");
}

/* -------------------- what is refused for now -------------------- */

Test(durable, a_cookie_from_before_a_renewal_is_told_to_come_again)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a,log-append:x&who=m", NULL);
    struct stage old = browser_with_same_cookie(&stage);
    stage_act(&stage, "renew:grace,log-find:a&who=n", NULL);
    stage_act(&old, "log-find:a&who=o", NULL);
    EXPECT_NOTE(&stage, "n.2", "log-find:a MID_OK 1 0");
    EXPECT_NOTE(&stage, "o.1", "log-find:a MID_ENDED");
    browser_leave(&old);
    stage_close(&stage);
}

Test(durable, while_redis_is_nearly_full_there_are_no_new_streams_and_those_that_exist_go_on)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_MEMORY_PERCENT=1"));
    stage_act(&stage, "log-create:a&who=m", NULL);
    free(redis_text(stage.site.redis, "CONFIG SET maxmemory 60mb"));
    cr_assert(site_wait_log(&stage.site, "session.store-full"));
    stage_act(&stage, "log-create:b,log-create:a,log-append:x,log-find:a,log-close", NULL);
    EXPECT_NOTE(&stage, "h.1", "log-create:b MID_OVERLOADED");
    EXPECT_NOTE(&stage, "h.2", "log-create:a MID_OK 0 0");
    EXPECT_NOTE(&stage, "h.3", "log-append:x MID_OK 1");
    EXPECT_NOTE(&stage, "h.5", "log-close MID_OK");
    stage_close(&stage);
}

/* Without replicas nothing can be stored as durably as that. */
Test(durable, what_is_read_need_not_be_durable)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=500"));
    stage_act(&stage, "log-create:a,log-append:x,durable:replica,log-find:a,log-read:0,log-append:y", NULL);
    EXPECT_NOTE(&stage, "h.4", "log-find:a MID_OK 1 0");
    EXPECT_NOTE(&stage, "h.5", "log-read:0 MID_OK x");
    EXPECT_NOTE(&stage, "h.6", "log-append:y MID_UNAVAILABLE");
    stage_close(&stage);
}

/* -------------------- whose they are -------------------- */

Test(durable, each_owner_has_streams_of_its_own)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "log-create:a:user&who=n", NULL);
    EXPECT_NOTE(&stage, "n.1", "log-create:a:user MID_UNAUTHORIZED");
    stage_act(
        &stage,
        "renew:grace,log-create:a:user,log-append:user,log-create:a,log-append:own,log-create:a:public,log-append:public",
        NULL);
    EXPECT_NOTE(&stage, "h.3", "log-append:user MID_OK 4");
    EXPECT_NOTE(&stage, "h.5", "log-append:own MID_OK 3");
    EXPECT_NOTE(&stage, "h.7", "log-append:public MID_OK 6");
    become_another(&stage);
    stage_act(&stage, "log-find:a,log-find:a:user,log-find:a:public,log-read:0&who=o", NULL);
    EXPECT_NOTE(&stage, "o.1", "log-find:a MID_NOT_FOUND");
    EXPECT_NOTE(&stage, "o.2", "log-find:a:user MID_UNAUTHORIZED");
    EXPECT_NOTE(&stage, "o.4", "log-read:0 MID_OK public");
    stage_act(&stage, "renew:grace,log-find:a:user,log-read:0,renew:ada,log-find:a:user&who=u", NULL);
    EXPECT_NOTE(&stage, "u.3", "log-read:0 MID_OK user");
    EXPECT_NOTE(&stage, "u.5", "log-find:a:user MID_NOT_FOUND");
    stage_close(&stage);
}

Test(durable, a_visitor_without_a_session_gets_one_with_the_first_stream_and_none_by_looking)
{
    struct stage stage = stage_open(NULL);
    struct http_response response;
    cr_assert_eq(stage_act(&stage, "log-find:a", &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0);
    http_response_fini(&response);
    cr_expect_eq(stored_sessions(&stage.site), 0);
    cr_assert_eq(stage_act(&stage, "log-create:a,log-append:x&who=c", &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 1);
    http_response_fini(&response);
    cr_expect_eq(stored_sessions(&stage.site), 1);
    become_another(&stage);
    struct http_stream *late = stage_stream(&stage, "begin:bytes,log-create:a&who=l");
    EXPECT_NOTE(&stage, "l.2", "log-create:a MID_HEAD_SENT");
    http_stream_close(late, NULL);
    stage_close(&stage);
}

/* What a handle that is from before it still sends is refused by Redis, in the step that would store it. */
static void expect_end(const char *act, const char *expected)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "renew:grace,log-create:a,log-append:x&who=m", NULL);
    struct http_stream *old = stage_stream(
        &stage, "log-find:a,begin:bytes,deaf:on,log-append:y,log-read:0,log-close,log-commit:z,log-delete&who=o");
    stage_await_gate(&stage, "o", "on");
    stage_act(&stage, act, NULL);
    stage_open_gate(&stage, "o", "on");
    EXPECT_NOTE(&stage, "o.4", "log-append:y MID_ENDED");
    EXPECT_NOTE(&stage, "o.5", "log-read:0 MID_ENDED");
    EXPECT_NOTE(&stage, "o.6", "log-close MID_ENDED");
    EXPECT_NOTE(&stage, "o.7", "log-commit:z MID_ENDED");
    EXPECT_NOTE(&stage, "o.8", "log-delete MID_ENDED");
    stage_act(&stage, "log-find:a,log-read:0&who=n", NULL);
    OWNED char *note = stage_note(&stage, "n.1");
    cr_expect_str_eq(note, expected);
    http_stream_close(old, NULL);
    stage_close(&stage);
}

Test(durable, a_logout_ends_the_handles_of_a_sessions_streams)
{
    expect_end("destroy", "log-find:a MID_NOT_FOUND");
}

Test(durable, another_users_login_ends_the_handles_from_before_it)
{
    expect_end("renew:ada", "log-find:a MID_OK 1 0");
}

Test(durable, the_same_users_login_ends_nothing)
{
    struct stage stage = stage_open(NULL);
    stage_act(&stage, "renew:grace,log-create:a&who=m", NULL);
    struct http_stream *old = stage_stream(&stage, "log-find:a,begin:bytes,deaf:on,log-append:y&who=o");
    stage_await_gate(&stage, "o", "on");
    stage_act(&stage, "renew:grace,log-find:a,log-append:x", NULL);
    stage_open_gate(&stage, "o", "on");
    EXPECT_NOTE(&stage, "o.4", "log-append:y MID_OK 2");
    http_stream_close(old, NULL);
    stage_close(&stage);
}

/* -------------------- what is refused -------------------- */

static void expect_refusal(const struct stage *stage, const char *acts, int status, const char *sentence)
{
    struct http_response response;
    OWNED char *all = text_printf("%s,return", acts);
    cr_expect_eq(stage_act(stage, all, &response), status, "%s", acts);
    cr_expect(strstr(response.body.data, sentence) != NULL, "%s: %s", acts, response.body.data);
    http_response_fini(&response);
}

/* Acts with a word of so many letters in the place of "%s". */
static void expect_too_long(const struct stage *stage, const char *before, size_t letters, const char *sentence)
{
    char *word = malloc(letters + 1);
    memset(word, 'x', letters);
    word[letters] = '\0';
    OWNED char *acts = text_printf("%s%s", before, word);
    expect_refusal(stage, acts, 422, sentence);
    free(word);
}

Test(durable, what_cannot_be_is_refused_with_a_sentence)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_DURABLE_MAX_BYTES=1024"));
    expect_refusal(&stage, "log-create:", 422, "a durable stream's name has 1 to 1024 bytes");
    expect_too_long(&stage, "log-create:", 1025, "a durable stream's name has 1 to 1024 bytes");
    expect_too_long(&stage, "log-create:a:as:", 129, "a producer's name has at most 128 bytes");
    expect_too_long(&stage, "log-create:a,log-append:", 1025, "more bytes than it may have");
    expect_too_long(&stage, "log-find:a,log-event:", 65, "an event's name has 1 to 64 bytes");
    expect_refusal(&stage, "log-find:a,log-append:", 422, "1 byte at least");
    expect_refusal(&stage, "log-find:a,log-event::x", 422, "an event's name has 1 to 64 bytes");
    expect_refusal(&stage, "log-create:a:public,log-commit:x", 422, "only a durable stream of a session");
    expect_refusal(&stage, "log-create:a:json", 409, "created with another type");
    expect_refusal(&stage, "log-find:b", 404, "no such durable stream");
    stage_close(&stage);
}
