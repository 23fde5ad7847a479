/*
 * Sessions that are renewed and that end, and commits that are interrupted: login, logout in the middle of a stream,
 * writers racing with it, lost answers, work after the response, rotated keys.
 */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"
#include "site.h"

TestSuite(endings, .timeout = 90);

static const char *const form[] = {"Content-Type: application/x-www-form-urlencoded", NULL};

static int log_in(const struct site *site, const char *body, struct http_response *response)
{
    OWNED char *url = stack_url(site->stack, "/login");
    http_send(
        &(struct http_request){.method = "POST", .url = url, .visitor = site->visitor, .headers = form, .body = body},
        response);
    return response->status;
}

/* A GET with a cookie of the test's choice, and no jar. */
static int get_with_cookie(const struct site *site, const char *path, const char *value, struct http_response *response)
{
    OWNED char *url = stack_url(site->stack, path);
    OWNED char *field = text_printf("Cookie: mid=%s", value);
    http_send(&(struct http_request){.url = url, .headers = (const char *const[]){field, NULL}}, response);
    return response->status;
}

/* -------------------- login -------------------- */

Test(endings, login_renews_the_cookie_and_keeps_the_session)
{
    struct http_response response;
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *old = cookie_jar_get(site.visitor, "mid");
    OWNED char *key = site_key(&site);
    cr_assert_eq(log_in(&site, "user=grace+hopper", &response), 204);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1);
    http_response_fini(&response);
    OWNED char *new = cookie_jar_get(site.visitor, "mid");
    OWNED char *new_key = site_key(&site);
    cr_expect_str_neq(new, old);
    cr_expect_str_eq(new_key, key);
    cr_expect_eq(site_number(&site, "counter"), 1);
    OWNED char *user = site_field(&site, "user");
    cr_expect_str_eq(user, "grace hopper");
    OWNED char *session = site_get(&site, "/api/session");
    cr_expect(strstr(session, "\"user\":\"grace hopper\",\"revision\"") != NULL ||
                  text_count(session, "\"user\":\"grace hopper\"") == 2,
              "%s", session);

    cr_expect_eq(log_in(&site, "name=x", &response), 400);
    cr_expect(strstr(response.body.data, "user") != NULL);
    http_response_fini(&response);
    site_close(&site);
}

Test(endings, a_cookie_from_before_the_login_is_refused)
{
    static const char *const paths[] = {"/counter", "/stream?count=1", "/events?count=1"};
    enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
    struct http_response response;
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *old = cookie_jar_get(site.visitor, "mid");
    OWNED char *key = site_key(&site);
    cr_assert_eq(log_in(&site, "user=grace", &response), 204);
    http_response_fini(&response);

    /* Who only looks sees nothing. */
    cr_expect_eq(get_with_cookie(&site, "/api/session", old, &response), 200);
    cr_expect_str_eq(response.body.data, "{\"session\":null}\n");
    http_response_fini(&response);

    /* A request that was under way is to be repeated; it gets no cookie in place of the login's. */
    for (size_t i = 0; i < PATHS; i++) {
        cr_expect_eq(get_with_cookie(&site, paths[i], old, &response), 409, "%s: %d", paths[i], response.status);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0);
        http_response_fini(&response);
    }
    int64_t revision = stored_header(&site, key).revision;
    OWNED char *counter = redis_text(site.redis, "HGET %s counter", key);
    cr_expect_str_eq(counter, "1");

    /* Later it is somebody else's: as if there were none. */
    date_renewal(&site, key, 1000000);
    cr_expect_eq(get_with_cookie(&site, "/api/session", old, &response), 200);
    cr_expect_str_eq(response.body.data, "{\"session\":null}\n");
    http_response_fini(&response);
    for (size_t i = 0; i < PATHS; i++) {
        cr_expect_eq(get_with_cookie(&site, paths[i], old, &response), 200, "%s: %d", paths[i], response.status);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1);
        http_response_fini(&response);
    }
    cr_expect_eq(stored_header(&site, key).revision, revision, "an old cookie has changed the session");
    cr_expect_eq(stored_sessions(&site), 1 + PATHS);
    site_close(&site);
}

Test(endings, an_old_cookie_cannot_log_anybody_out)
{
    struct http_response response;
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *old = cookie_jar_get(site.visitor, "mid");
    cr_assert_eq(log_in(&site, "user=grace", &response), 204);
    http_response_fini(&response);
    OWNED char *field = text_printf("Cookie: mid=%s", old);
    OWNED char *url = stack_url(site.stack, "/logout");
    http_send(&(struct http_request){.method = "POST", .url = url, .headers = (const char *const[]){field, NULL}},
              &response);
    cr_expect_eq(site_number(&site, "counter"), 1);
    http_response_fini(&response);
    site_close(&site);
}

Test(endings, a_stream_from_before_the_login_comes_back_with_the_new_cookie)
{
    struct http_response response;
    struct site site = site_open(NULL);
    struct http_stream *stream = site_stream(&site, "/events?count=1000&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "id: 2\n", PATIENCE_MS));
    cr_assert_eq(log_in(&site, "user=grace", &response), 204);
    http_response_fini(&response);
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, 0, "%s", response.error);
    cr_expect_not_null(strstr(response.body.data, "event: reconnect\n"), "%s", response.body.data);
    cr_expect_null(strstr(response.body.data, "event: session-ended\n"));
    cr_expect_null(strstr(response.body.data, "event: end\n"), "it was told that this was all");
    http_response_fini(&response);

    stream = site_stream(&site, "/events?count=1000&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "id: 2\n", PATIENCE_MS));
    http_stream_close(stream, NULL);
    site_close(&site);
}

Test(endings, a_stream_goes_on_when_its_own_user_logs_in_again)
{
    struct http_response response;
    struct site site = site_open(NULL);
    cr_assert_eq(log_in(&site, "user=grace", &response), 204);
    http_response_fini(&response);
    struct http_stream *stream = site_stream(&site, "/events?count=1000&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "id: 2\n", PATIENCE_MS));
    cr_assert_eq(log_in(&site, "user=grace", &response), 204);
    http_response_fini(&response);
    OWNED char *key = site_key(&site);
    int64_t event = stored_number(&site, key, "event");
    cr_expect(stored_reaches(&site, key, "event", event + 5));
    cr_expect_not(http_stream_wait_end(stream, 0));
    http_stream_close(stream, NULL);
    site_close(&site);
}

/* -------------------- logout -------------------- */

Test(endings, a_logout_in_the_middle_ends_the_stream_and_nothing_is_revived)
{
    static const struct {
        const char *path;
        const char *second; /* the second piece */
        const char *end;    /* what the stream says, NULL: nothing */
    } rows[] = {
        {"/stream?count=1000&interval_ms=50", "Chunk 2\n", NULL},
        {"/events?count=1000&interval_ms=50", "id: 2\n",
         "event: session-ended\ndata: {\"error\":\"MID_ENDED\",\"detail\":\"the session has ended\"}\n\n"},
        {"/rows?count=1000&interval_ms=50", "{\"row\":2,",
         "{\"error\":\"MID_ENDED\",\"detail\":\"the session has ended\"}\n"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response logout;
        struct http_response ended;
        struct http_stream *stream = site_stream(&site, rows[i].path);
        cr_assert(http_stream_wait_text(stream, rows[i].second, PATIENCE_MS));
        OWNED char *key = site_key(&site);
        cr_assert_eq(site_send(&site, "POST", "/logout", NULL, &logout), 204);
        cr_expect(strstr(logout.head.data, "Set-Cookie: mid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax") != NULL, "%s",
                  logout.head.data);
        cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
        http_stream_close(stream, &ended);
        cr_expect_eq(ended.curl_code, CURLE_PARTIAL_FILE, "%s ended as if it were complete", rows[i].path);
        if (rows[i].end != NULL)
            cr_expect(text_ends(ended.body.data, rows[i].end), "%s ends with: %s", rows[i].path, ended.body.data);
        cr_expect_eq(redis_int(site.redis, "EXISTS %s", key), 0, "%s has revived its session", rows[i].path);
        cr_expect_eq(stored_sessions(&site), 0);
        http_response_fini(&logout);
        http_response_fini(&ended);
    }
    site_close(&site);
}

enum { WRITERS = 100 };

Test(endings, a_logout_wins_over_a_hundred_writers)
{
    struct site site = site_open_with(&(struct stack_options){.workers = 2});
    struct http_stream *writers[WRITERS];
    site_make_session(&site);
    OWNED char *key = site_key(&site);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = site_stream(&site, "/events?count=1000000&interval_ms=10");
    for (int i = 0; i < WRITERS; i++)
        cr_assert(http_stream_wait_text(writers[i], "id: 2\n", PATIENCE_MS));
    cr_assert_eq(site_send(&site, "POST", "/logout", NULL, NULL), 204);
    cr_expect_eq(redis_int(site.redis, "EXISTS %s", key), 0);
    for (int i = 0; i < WRITERS; i++) {
        cr_assert(http_stream_wait_text(writers[i], "event: session-ended\n", PATIENCE_MS));
        http_stream_close(writers[i], NULL);
    }
    cr_expect_eq(redis_int(site.redis, "EXISTS %s", key), 0, "a late writer has revived the session");
    cr_expect_eq(stored_sessions(&site), 0);
    site_close(&site);
}

Test(endings, a_request_with_the_cookie_of_an_ended_session_begins_another)
{
    struct http_response response;
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *old = cookie_jar_get(site.visitor, "mid");
    OWNED char *key = site_key(&site);
    cr_assert_eq(site_send(&site, "POST", "/logout", NULL, NULL), 204);

    /* Not at once: requests that were under way are told, and do not each begin one. */
    cr_expect_eq(get_with_cookie(&site, "/counter", old, &response), 409);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0);
    cr_expect_eq(stored_sessions(&site), 0);
    http_response_fini(&response);
    OWNED char *sign = text_printf("mid:e:%s", key + strlen("mid:s:"));
    cr_expect(redis_int(site.redis, "PTTL %s", sign) > 0, "the sign of the logout stays for ever");
    cr_expect_eq(redis_int(site.redis, "DEL %s", sign), 1);

    cr_expect_eq(get_with_cookie(&site, "/counter", old, &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1);
    cr_expect_eq(redis_int(site.redis, "EXISTS %s", key), 0);
    cr_expect_eq(stored_sessions(&site), 1);
    http_response_fini(&response);
    site_close(&site);
}

/* -------------------- lost answers -------------------- */

static bool is_tab_answered(void *arg)
{
    return site_send(arg, "GET", "/tab?own=start", NULL, NULL) == 204;
}

Test(endings, a_commit_whose_answer_was_lost_is_repeated_without_being_applied_twice)
{
    enum { TIMES = 40, LOSSES = 6 };
    struct site site = site_open_app(NULL);
    cr_assert_eq(site_send(&site, "GET", "/tab?own=start", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    struct proxy *proxy = proxy_open(&site);
    cr_assert(wait_until(is_tab_answered, &site, PATIENCE_MS)); /* connected, through the proxy */
    int64_t before = stored_header(&site, key).revision;
    OWNED char *path = text_printf("/increments?times=%d&interval_ms=30", TIMES);
    struct http_stream *stream = site_stream(&site, path);
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    for (int i = 0; i < LOSSES; i++) {
        proxy_lose_next(proxy, i % 2 == 0 ? LOSE_ANSWER : LOSE_COMMIT);
        cr_assert(proxy_wait_lost(proxy), "the stream has not committed");
        cr_assert(stored_reaches(&site, key, "own", stored_number(&site, key, "own") + 1));
    }
    cr_assert(http_stream_wait_text(stream, "{\"end\":true}", PATIENCE_MS));
    http_stream_close(stream, NULL);
    cr_expect_eq(stored_number(&site, key, "own"), TIMES);
    cr_expect_eq(stored_number(&site, key, "shared"), before + TIMES);
    cr_expect_eq(stored_header(&site, key).revision, before + TIMES);
    proxy_close(proxy);
    site_close(&site);
}

static bool is_answered(void *arg)
{
    return site_send(arg, "GET", "/counter", NULL, NULL) == 200;
}

Test(endings, a_request_whose_commit_has_no_answer_is_unavailable_and_keeps_its_cookie)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    struct proxy *proxy = proxy_open(&site);
    for (enum loss loss = LOSE_COMMIT; loss <= LOSE_ANSWER; loss++) {
        struct http_response response;
        cr_assert(wait_until(is_answered, &site, PATIENCE_MS)); /* connected, through the proxy */
        int64_t before = site_number(&site, "counter");
        proxy_lose_next(proxy, loss);
        cr_expect_eq(site_send(&site, "GET", "/counter", NULL, &response), 503, "%d", response.status);
        cr_expect(strstr(response.head.data, "Retry-After: 1") != NULL, "%s", response.head.data);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s", response.head.data);
        OWNED char *key = site_key(&site);
        cr_expect_eq(stored_number(&site, key, "counter"), before + (loss == LOSE_ANSWER));
        http_response_fini(&response);
    }
    proxy_close(proxy);
    site_close(&site);
}

/* -------------------- keys -------------------- */

Test(endings, after_a_key_rotation_old_cookies_are_believed_and_issued_again)
{
    struct http_response response;
    struct site site = site_open(NULL);
    site_needs_one_redis(&site); /* which keeps its data when it is started again */
    site_make_session(&site);
    OWNED char *old = cookie_jar_get(site.visitor, "mid");
    OWNED char *key = site_key(&site);
    OWNED char *keys = text_printf("%s/keys", site.stack->dir);
    const char *program = getenv("MIDSTREAM");
    struct buffer output = {0};
    cr_assert_eq(
        process_run((const char *const[]){program ? program : "build/asan/midstream", "keygen", "--keys", keys, NULL},
                    NULL, &output, 30000),
        0);
    site_restart(&site);

    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, &response), 200);
    cr_expect(strstr(response.body.data, "\"counter\":2") != NULL, "the session is lost: %s", response.body.data);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1);
    http_response_fini(&response);
    OWNED char *new = cookie_jar_get(site.visitor, "mid");
    OWNED char *new_key = site_key(&site);
    cr_expect_str_neq(new, old);
    cr_expect_str_eq(new_key, key);

    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "it was issued once more");
    http_response_fini(&response);
    cr_expect_eq(get_with_cookie(&site, "/events?count=1", old, &response), 200);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1, "a stream's head renews it, too");
    http_response_fini(&response);
    buffer_fini(&output);
    site_close(&site);
}
