/*
 * The sessions of a user: listed, described and ended from elsewhere, whatever they and their index have come to. Each
 * visitor here is a browser of its own; all of them log in as the same user.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "random.h"
#include "stage.h"
#include "user/index.h"

TestSuite(user_sessions, .timeout = 90);

#define QUIET "MIDSTREAM_HEARTBEAT_MS=60000"

/* The same site, with another browser. */
static struct stage browser_of(const struct stage *stage)
{
    struct stage other = *stage;
    other.site.visitor = cookie_jar_new();
    return other;
}

static void browser_close(struct stage *browser)
{
    cookie_jar_free(browser->site.visitor);
}

/* Plays acts, and gives the value of the last one, which the caller frees; an error's name where there is none. */
static char *play(const struct stage *stage, const char *acts)
{
    struct http_response response;
    OWNED char *all = text_printf("%s,return", acts);
    int status = stage_act(stage, all, &response);
    char *value = status == 200 ? text_printf("%s", response.body.data) : text_printf("status %d", status);
    http_response_fini(&response);
    return value;
}

#define EXPECT_PLAY(stage, acts, expected)                                                                             \
    do {                                                                                                               \
        char *expect_value = play((stage), (acts));                                                                    \
        cr_expect_str_eq(expect_value, (expected), "%s: %s", (acts), expect_value);                                    \
        free(expect_value);                                                                                            \
    } while (0)

/* Logs in as that user from that address. */
static void log_in(const struct stage *stage, const char *user, const char *address)
{
    OWNED char *acts = text_printf("describe:%s:Browser,renew:%s,user", address, user);
    EXPECT_PLAY(stage, acts, user);
}

/* The key of the user's index. */
static char *index_key(const struct stage *stage, const char *user)
{
    char hash[USER_HASH_BYTES];
    (void)stage;
    user_hash(user, hash);
    return text_printf("mid:u:{%s}", hash);
}

static long long named(const struct stage *stage, const char *user)
{
    OWNED char *key = index_key(stage, user);
    return redis_int(stage->site.redis, "ZCARD %s", key);
}

/* -------------------- listing -------------------- */

Test(user_sessions, are_listed_with_what_was_told_of_them)
{
    struct stage stage = stage_open(NULL);
    struct stage phone = browser_of(&stage);
    struct stage stranger = browser_of(&stage);
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
    browser_close(&phone);
    browser_close(&stranger);
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
        struct stage browser = browser_of(&stage);
        OWNED char *acts = text_printf("describe:desk,renew:%s,sessions:%s", users[i], users[i]);
        OWNED char *end = text_printf("end-all:%s", users[i]);
        EXPECT_PLAY(&browser, acts, "desk*");
        EXPECT_PLAY(&stage, end, "1");
        browser_close(&browser);
    }
    EXPECT_PLAY(&stage, "sessions:", "status 422");
    EXPECT_PLAY(&stage, "end-session:grace:not-an-id", "status 400");
    stage_close(&stage);
}

/* -------------------- ending -------------------- */

Test(user_sessions, one_is_ended_from_another_and_its_stream_with_it)
{
    struct stage stage = stage_open(SETTINGS(QUIET));
    struct stage phone = browser_of(&stage);
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
    EXPECT_PLAY(&phone, "get:x", "status 409");
    EXPECT_PLAY(&stage, "end-session:grace:phone", "status 400"); /* there is none of that address */
    EXPECT_PLAY(&stage, "end-session:ada:00112233445566778899aabbccddeeff", "0");
    EXPECT_PLAY(&stage, "open,get:x,sessions:grace", "desk*");
    cr_expect(site_wait_log(&stage.site, "user.sessions-ended"));
    browser_close(&phone);
    stage_close(&stage);
}

Test(user_sessions, the_session_of_another_user_is_not_ended)
{
    struct stage stage = stage_open(NULL);
    struct stage other = browser_of(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&other, "ada", "phone");
    OWNED char *key = site_key(&other.site);
    OWNED char *acts = text_printf("end-session:grace:%.32s", strchr(key, '{') + 1);
    EXPECT_PLAY(&stage, acts, "0");
    EXPECT_PLAY(&other, "user", "ada");
    browser_close(&other);
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
        browsers[i] = browser_of(&stage);
        log_in(&browsers[i], "grace", "phone");
        streams[i] = stage_stream(&browsers[i], "open,begin:events,sleep:600000,return&who=p");
        cr_assert_eq(http_stream_wait_head(streams[i], PATIENCE_MS), 200);
    }
    EXPECT_PLAY(&stage, "end-others", "5");
    for (int i = 0; i < BROWSERS; i++) {
        cr_expect(http_stream_wait_end(streams[i], PATIENCE_MS), "stream %d goes on", i);
        http_stream_close(streams[i], NULL);
        EXPECT_PLAY(&browsers[i], "get:x", "status 409");
        browser_close(&browsers[i]);
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
    enum { SESSIONS = 250 };
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_NEW_MAX=0"));
    log_in(&stage, "grace", "desk");
    OWNED char *own_key = site_key(&stage.site);
    OWNED char *index = index_key(&stage, "grace");
    long long first = redis_int(stage.site.redis, "ZCARD %s", index);
    cr_assert_eq(first, 1);
    for (int i = 0; i < SESSIONS; i++) {
        struct stage browser = browser_of(&stage);
        log_in(&browser, "grace", "many");
        if (i % 10 == 0) {
            OWNED char *key = site_key(&browser.site);
            redis_int(stage.site.redis, "DEL %s", key);
        }
        browser_close(&browser);
    }
    cr_expect_eq(named(&stage, "grace"), SESSIONS + 1);
    EXPECT_PLAY(&stage, "end-others", "225");
    cr_expect_eq(named(&stage, "grace"), 1);
    cr_expect_eq(stored_sessions(&stage.site), 1);
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", own_key), 1);
    stage_close(&stage);
}

/* -------------------- an index that is not as it should be -------------------- */

Test(user_sessions, names_of_sessions_that_are_gone_go_when_they_are_met)
{
    struct stage stage = stage_open(NULL);
    struct stage phone = browser_of(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&phone, "grace", "phone");
    OWNED char *key = site_key(&phone.site);
    redis_int(stage.site.redis, "DEL %s", key);
    cr_expect_eq(named(&stage, "grace"), 2);
    EXPECT_PLAY(&stage, "sessions:grace", "desk");
    cr_expect_eq(named(&stage, "grace"), 1);
    browser_close(&phone);
    stage_close(&stage);
}

/* As after an update, or a failover that has lost the index: a session is named again when it is touched. */
Test(user_sessions, a_session_that_the_index_does_not_name_is_named_when_it_is_used)
{
    static const char *const uses[] = {"get:x", "increment:n,commit"};
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_USER_IDLE_MS=10000"));
    log_in(&stage, "grace", "desk");
    OWNED char *index = index_key(&stage, "grace");
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
    struct stage phone = browser_of(&stage);
    log_in(&phone, "grace", "phone");
    OWNED char *index = index_key(&stage, "grace");
    redis_int(stage.site.redis, "DEL %s", index);
    EXPECT_PLAY(&stage, "end-all:grace", "0");
    log_in(&stage, "grace", "desk");
    usleep(1100000);
    EXPECT_PLAY(&phone, "get:x", "status 409");
    EXPECT_PLAY(&stage, "sessions:grace", "desk");
    EXPECT_PLAY(&stage, "user", "grace");
    browser_close(&phone);
    stage_close(&stage);
}

Test(user_sessions, the_index_does_not_outlive_the_sessions_for_long)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_USER_ABSOLUTE_MS=7200000"));
    log_in(&stage, "grace", "desk");
    OWNED char *index = index_key(&stage, "grace");
    OWNED char *epoch = text_printf("%s:epoch", index);
    long long most = (7200 + 3600) * 1000;
    long long left = redis_int(stage.site.redis, "PTTL %s", index);
    cr_expect(left > most - 60000 && left <= most, "%lld", left);
    left = redis_int(stage.site.redis, "PTTL %s", epoch);
    cr_expect(left > most - 60000 && left <= most, "%lld", left);
    stage_close(&stage);
}

/* -------------------- how many -------------------- */

Test(user_sessions, the_oldest_login_ends_for_one_too_many)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=2"));
    struct stage second = browser_of(&stage);
    struct stage third = browser_of(&stage);
    log_in(&stage, "grace", "first");
    log_in(&second, "grace", "second");
    log_in(&stage, "grace", "again"); /* the newest login now, though the oldest session */
    log_in(&third, "grace", "third");
    EXPECT_PLAY(&third, "open,get:x,sessions:grace", "third* again");
    EXPECT_PLAY(&second, "get:x", "status 409");
    EXPECT_PLAY(&stage, "user", "grace");
    browser_close(&second);
    browser_close(&third);
    stage_close(&stage);
}

Test(user_sessions, a_login_is_refused_for_one_too_many)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_USER_SESSIONS_MAX=1", "MIDSTREAM_USER_SESSIONS_FULL=refuse"));
    struct stage second = browser_of(&stage);
    log_in(&stage, "grace", "first");
    EXPECT_PLAY(&second, "set:cart:full,commit", "");
    EXPECT_PLAY(&second, "renew:grace", "status 429");
    EXPECT_PLAY(&second, "get:cart", "full");
    EXPECT_PLAY(&second, "user", "nothing");
    EXPECT_PLAY(&stage, "renew:grace,user", "grace"); /* which is not one more */
    EXPECT_PLAY(&second, "renew:ada,user", "ada");
    EXPECT_PLAY(&stage, "destroy", "");
    EXPECT_PLAY(&second, "renew:grace,user", "grace");
    browser_close(&second);
    stage_close(&stage);
}

/* -------------------- a login and an end of all, at the same time -------------------- */

/* Whatever the order of their steps: a session of the user that goes on began after the end. */
Test(user_sessions, a_login_that_meets_an_end_of_all_ends_or_never_begins)
{
    enum { ROUNDS = 60, BROWSERS = 4 };
    random_begin("user_sessions::a_login_that_meets_an_end_of_all_ends_or_never_begins");
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_SESSION_NEW_MAX=0"));
    for (int round = 0; round < ROUNDS; round++) {
        struct stage browsers[BROWSERS];
        struct http_stream *logins[BROWSERS];
        OWNED char *login = text_printf("renew:grace,user,return&who=l%d", round);
        for (int i = 0; i < BROWSERS; i++) {
            browsers[i] = browser_of(&stage);
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
            browser_close(&browsers[i]);
        }
    }
    stage_close(&stage);
}

/* -------------------- the command line -------------------- */

/* What `midstream session` prints, with these words; the caller frees it. */
static char *command(const struct stage *stage, int expected_code, const char *const words[])
{
    enum { WORDS_MAX = 10 };
    const char *program = getenv("MIDSTREAM");
    const char *argv[WORDS_MAX] = {program != NULL ? program : "build/asan/midstream", "session"};
    OWNED char *redis = text_printf("MIDSTREAM_REDIS=%s", stage->site.stack->redis_url);
    struct buffer output = {0};
    for (size_t i = 0; words[i] != NULL && i + 2 < WORDS_MAX - 1; i++)
        argv[i + 2] = words[i];
    int code = process_run(argv, (const char *const[]){redis, NULL}, &output, PATIENCE_MS);
    buffer_append(&output, "", 1);
    cr_expect_eq(code, expected_code, "exit code %d: %s", code, output.data);
    return output.data;
}

#define COMMAND(stage, code, ...) command((stage), (code), (const char *const[]){__VA_ARGS__, NULL})

Test(user_sessions, an_operator_lists_shows_and_ends_them)
{
    struct stage stage = stage_open(NULL);
    struct stage phone = browser_of(&stage);
    struct stage third = browser_of(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&phone, "grace", "phone");
    log_in(&third, "grace", "%22%5c%c3%a9"); /* "\é */
    OWNED char *key = site_key(&phone.site);
    OWNED char *id = strndup(strchr(key, '{') + 1, 32);

    OWNED char *list = COMMAND(&stage, 0, "list", "--user", "grace");
    cr_expect_eq(text_count(list, "\n"), 3 + text_count(list, "WARNING"), "%s", list);
    cr_expect(strstr(list, id) != NULL && strstr(list, "\tphone\tBrowser\n") != NULL, "%s", list);
    OWNED char *json = COMMAND(&stage, 0, "list", "--user=grace", "--json");
    cr_expect(strstr(json, "\"address\":\"\\\"\\\\\xc3\xa9\",\"agent\":\"Browser\"},\n") != NULL, "%s", json);
    OWNED char *none = COMMAND(&stage, 0, "list", "--user", "nobody", "--json");
    cr_expect(strstr(none, "[]\n") != NULL, "%s", none);
    OWNED char *shown = COMMAND(&stage, 0, "show", id);
    cr_expect(strstr(shown, "user: grace\n") != NULL && strstr(shown, "address: phone\n") != NULL, "%s", shown);

    OWNED char *not_his = COMMAND(&stage, 1, "end", id, "--user", "ada");
    cr_expect(strstr(not_his, "ended: 0\n") != NULL, "%s", not_his);
    OWNED char *ended = COMMAND(&stage, 0, "end", id, "--json");
    cr_expect(strstr(ended, "{\"ended\":1}\n") != NULL, "%s", ended);
    EXPECT_PLAY(&phone, "get:x", "status 409");
    OWNED char *gone = COMMAND(&stage, 1, "show", id);
    cr_expect(strstr(gone, "there is no such session") != NULL, "%s", gone);
    OWNED char *all = COMMAND(&stage, 0, "end", "--all-of", "grace");
    cr_expect(strstr(all, "ended: 2\n") != NULL, "%s", all);
    EXPECT_PLAY(&stage, "get:x", "status 409");

    free(COMMAND(&stage, 1, "end", "not-an-id"));
    free(COMMAND(&stage, 2, "end"));
    free(COMMAND(&stage, 2, "list"));
    free(COMMAND(&stage, 2, "end", id, "--all-of", "grace"));
    free(COMMAND(&stage, 2, "lists", "--user", "grace"));
    browser_close(&phone);
    browser_close(&third);
    stage_close(&stage);
}
