/*
 * Sessions as a visitor and Redis see them: changed while a response streams, by several writers at a time, within
 * limits and lifetimes. Login, logout and what becomes of the writers then is in endings.c.
 */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "site.h"

TestSuite(sessions, .timeout = 90);

/* -------------------- while a response streams -------------------- */

struct expectation {
    const struct site *site;
    const char *field;
    int64_t at_least;
};

static bool is_seen(void *arg)
{
    const struct expectation *expectation = arg;
    return site_number(expectation->site, expectation->field) >= expectation->at_least;
}

/* pallets/flask#1348: what a streaming handler writes is stored when it is written, not when (or if) it returns. */
Test(sessions, other_requests_see_the_session_change_while_the_response_streams)
{
    static const struct {
        const char *path;
        const char *piece; /* as the stream shows its number */
        const char *field;
    } rows[] = {
        {"/stream?count=4&interval_ms=400", "Chunk %d\n", "chunk"},
        {"/events?count=4&interval_ms=400", "id: %d\n", "event"},
        {"/rows?count=4&interval_ms=400", "{\"row\":%d,", "row"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_stream *stream = site_stream(&site, rows[i].path);
        for (int number = 1; number <= 3; number++) {
            char piece[32];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(piece, sizeof(piece), rows[i].piece, number);
#pragma GCC diagnostic pop
            cr_assert(http_stream_wait_text(stream, piece, PATIENCE_MS));
            cr_assert(wait_until(is_seen, &(struct expectation){&site, rows[i].field, number}, PATIENCE_MS),
                      "%s: %s did not become %d", rows[i].path, rows[i].field, number);
        }
        cr_expect_not(http_stream_wait_end(stream, 0), "%s was over before its session was seen", rows[i].path);
        cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
        cr_expect_eq(site_number(&site, rows[i].field), 4); /* who sees the end sees the session */
        http_stream_close(stream, NULL);
    }
    site_close(&site);
}

Test(sessions, a_long_stream_does_not_overwrite_what_others_wrote_meanwhile)
{
    struct site site = site_open(NULL);
    struct http_stream *stream = site_stream(&site, "/stream?count=1000&interval_ms=20");
    cr_assert(http_stream_wait_text(stream, "Chunk 1\n", PATIENCE_MS));
    cr_assert_eq(site_send(&site, "PUT", "/api/session/colour", "violet", NULL), 204);
    cr_assert_eq(site_send(&site, "PUT", "/api/session/gone", "soon", NULL), 204);
    cr_assert_eq(site_send(&site, "DELETE", "/api/session/gone", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    int64_t chunk = stored_number(&site, key, "chunk");
    cr_assert(stored_reaches(&site, key, "chunk", chunk + 3));
    OWNED char *colour = site_field(&site, "colour");
    char *gone = site_field(&site, "gone");
    cr_expect_str_eq(colour, "violet");
    cr_expect_null(gone);
    http_stream_close(stream, NULL);
    site_close(&site);
}

enum { TAB_REQUESTS = 1000 };

struct tab {
    char *url;
    char *cookie;
    long failures;
    pthread_t thread;
};

static size_t drop(char *data, size_t size, size_t count, void *arg)
{
    (void)data, (void)arg;
    return size * count;
}

/* One request after another, on one connection. */
static void *run_tab(void *arg)
{
    struct tab *tab = arg;
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, tab->url);
    curl_easy_setopt(easy, CURLOPT_COOKIE, tab->cookie);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    for (int i = 0; i < TAB_REQUESTS; i++) {
        long status = 0;
        CURLcode code = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        tab->failures += code != CURLE_OK || status != 204;
    }
    curl_easy_cleanup(easy);
    return NULL;
}

static void start_tab(struct tab *tab, const struct site *site, const char *own)
{
    OWNED char *cookie = cookie_jar_get(site->visitor, "mid");
    *tab = (struct tab){.url = text_printf("%s/tab?own=%s", site->stack->url, own),
                        .cookie = text_printf("mid=%s", cookie)};
    cr_assert_eq(pthread_create(&tab->thread, NULL, run_tab, tab), 0);
}

static void end_tab(struct tab *tab)
{
    pthread_join(tab->thread, NULL);
    cr_expect_eq(tab->failures, 0, "%s failed %ld times", tab->url, tab->failures);
    free(tab->url);
    free(tab->cookie);
}

Test(sessions, two_tabs_and_a_stream_lose_no_increment)
{
    const char *program = getenv("INTEGRATION_APP");
    struct site site = site_open_with(&(struct stack_options){.workers = 2, .midstream = program});
    struct tab tabs[2];
    cr_assert_eq(site_send(&site, "GET", "/tab?own=start", NULL, NULL), 204);
    OWNED char *path = text_printf("/increments?times=%d&interval_ms=1&own=stream", TAB_REQUESTS);
    struct http_stream *stream = site_stream(&site, path);
    cr_assert_eq(http_stream_wait_head(stream, PATIENCE_MS), 200);
    start_tab(&tabs[0], &site, "left");
    start_tab(&tabs[1], &site, "right");
    end_tab(&tabs[0]);
    end_tab(&tabs[1]);
    cr_assert(http_stream_wait_text(stream, "{\"end\":true}", PATIENCE_MS));
    http_stream_close(stream, NULL);

    OWNED char *key = site_key(&site);
    cr_expect_eq(stored_number(&site, key, "left"), TAB_REQUESTS);
    cr_expect_eq(stored_number(&site, key, "right"), TAB_REQUESTS);
    cr_expect_eq(stored_number(&site, key, "stream"), TAB_REQUESTS);
    cr_expect_eq(stored_number(&site, key, "shared"), 3 * TAB_REQUESTS + 1);
    cr_expect_eq(stored_header(&site, key).revision, 3 * TAB_REQUESTS + 1);
    site_close(&site);
}

/* -------------------- operations -------------------- */

Test(sessions, fields_are_set_deleted_incremented_and_appended_to)
{
    struct http_response response;
    struct site site = site_open(NULL);
    OWNED char *none = site_get(&site, "/api/session");
    cr_expect_str_eq(none, "{\"session\":null}\n");

    cr_expect_eq(site_send(&site, "PUT", "/api/session/name", "Grace Hopper", NULL), 204);
    cr_expect_eq(site_send(&site, "PUT", "/api/session/gr%C3%BC%C3%9F", "a;b=c\r\n\"", NULL), 204);
    cr_expect_eq(site_send(&site, "PUT", "/api/session/empty", "", NULL), 204);
    cr_expect_eq(site_send(&site, "POST", "/api/session/visits/increment?by=5", NULL, &response), 200);
    cr_expect_str_eq(response.body.data, "{\"value\":5}\n");
    http_response_fini(&response);
    cr_expect_eq(site_send(&site, "POST", "/api/session/visits/increment?by=-7", NULL, &response), 200);
    cr_expect_str_eq(response.body.data, "{\"value\":-2}\n");
    http_response_fini(&response);
    cr_expect_eq(site_send(&site, "DELETE", "/api/session/name", NULL, NULL), 204);
    cr_expect_eq(site_send(&site, "DELETE", "/api/session/never-there", NULL, NULL), 204);

    char *name = site_field(&site, "name");
    OWNED char *greeting = site_field(&site, "gr\xc3\xbc\xc3\x9f");
    OWNED char *empty = site_field(&site, "empty");
    cr_expect_null(name);
    cr_expect_str_eq(greeting, "a;b=c\r\n\"");
    cr_expect_str_eq(empty, "");
    cr_expect_eq(site_number(&site, "visits"), -2);

    struct http_stream *chat = site_stream(&site, "/chat?prompt=Why%3F");
    cr_assert(http_stream_wait_text(chat, "event: end\n", PATIENCE_MS));
    http_stream_close(chat, NULL);
    OWNED char *transcript = site_field(&site, "transcript");
    cr_expect(strncmp(transcript, "You: Why?\nAnswer: Most frameworks ", 34) == 0, "%s", transcript);
    cr_expect(text_ends(transcript, "is already stored.\n"), "%s", transcript);
    site_close(&site);
}

Test(sessions, operations_with_an_answer_tell_what_they_found)
{
    struct site site = site_open_app(NULL);
    OWNED char *answers = site_get(&site, "/answers");
    cr_expect_str_eq(answers, "1 0 0 1 0 fourth nothing nothing\n");
    char *view = site_get(&site, "/view"); /* before the commit, which follows */
    cr_expect_str_eq(view, "0 10 cdef\n");
    free(view);
    view = site_get(&site, "/view");
    cr_expect_str_eq(view, "10 20 cdef\n");
    OWNED char *key = site_key(&site);
    cr_expect_eq(stored_number(&site, key, "counter"), 20);
    free(view);
    site_close(&site);
}

#define INT64_MAX_TEXT "9223372036854775807"
#define INT64_MIN_TEXT "-9223372036854775808"

Test(sessions, increments_are_exact_to_the_ends_of_64_bits)
{
    static const struct {
        const char *start;
        const char *by;
        const char *sum; /* NULL: refused */
    } rows[] = {
        {"9007199254740991", "1", "9007199254740992"}, /* 2^53: beyond it, a double is not exact */
        {"9007199254740992", "1", "9007199254740993"},
        {"9007199254740993", "2", "9007199254740995"},
        {"-9007199254740992", "-1", "-9007199254740993"},
        {"1", "9007199254740992", "9007199254740993"},
        {"9007199254740993", "-9007199254740993", "0"},
        {"9223372036854775806", "1", INT64_MAX_TEXT},
        {"-9223372036854775807", "-1", INT64_MIN_TEXT},
        {INT64_MAX_TEXT, INT64_MIN_TEXT, "-1"},
        {INT64_MIN_TEXT, INT64_MAX_TEXT, "-1"},
        {"0", INT64_MIN_TEXT, INT64_MIN_TEXT},
        {INT64_MAX_TEXT, "0", INT64_MAX_TEXT},
        {INT64_MAX_TEXT, "1", NULL},
        {INT64_MIN_TEXT, "-1", NULL},
        {"9223372036854775808", "0", NULL},
        {INT64_MAX_TEXT, INT64_MAX_TEXT, NULL},
        {"-1", INT64_MIN_TEXT, NULL},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        OWNED char *path = text_printf("/api/session/n/increment?by=%s", rows[i].by);
        cr_assert_eq(site_send(&site, "PUT", "/api/session/n", rows[i].start, NULL), 204);
        int status = site_send(&site, "POST", path, NULL, &response);
        OWNED char *stored = site_field(&site, "n");
        cr_expect_eq(status, rows[i].sum != NULL ? 200 : 422, "%s + %s", rows[i].start, rows[i].by);
        cr_expect_str_eq(stored, rows[i].sum != NULL ? rows[i].sum : rows[i].start, "%s + %s", rows[i].start,
                         rows[i].by);
        if (rows[i].sum != NULL) {
            OWNED char *told = text_printf("{\"value\":%s}\n", rows[i].sum);
            cr_expect_str_eq(response.body.data, told);
        }
        http_response_fini(&response);
    }
    OWNED char *key = site_key(&site);
    cr_expect_eq(redis_int(site.redis, "HLEN %s", key), 3); /* two of our own, and n */
    site_close(&site);
}

/* -------------------- lifetimes -------------------- */

static bool is_gone(void *arg)
{
    const struct expectation *wish = arg;
    return redis_int(wish->site->redis, "EXISTS %s", wish->field) == 0;
}

static bool key_goes(const struct site *site, const char *key)
{
    return wait_until(is_gone, &(struct expectation){.site = site, .field = key}, PATIENCE_MS);
}

Test(sessions, a_session_ends_when_its_visitor_was_away_for_the_idle_timeout)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_IDLE_MS=1000"));
    site_make_session(&site);
    OWNED char *key = site_key(&site);
    long long left_ms = redis_int(site.redis, "PTTL %s", key);
    cr_expect(left_ms > 0 && left_ms <= 1000, "%lld", left_ms);

    /* Reading is activity, too. */
    int64_t until_ms = clock_monotonic_ms() + 2000;
    while (clock_monotonic_ms() < until_ms)
        cr_assert_eq(site_number(&site, "counter"), 1);

    cr_assert(key_goes(&site, key));
    OWNED char *session = site_get(&site, "/api/session");
    cr_expect_str_eq(session, "{\"session\":null}\n");
    site_make_session(&site);
    cr_expect_eq(site_number(&site, "counter"), 1, "what begins then is another session");
    OWNED char *new_key = site_key(&site);
    cr_expect_str_neq(new_key, key);
    site_close(&site);
}

Test(sessions, no_activity_carries_a_session_past_its_absolute_timeout)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_IDLE_MS=1500", "MIDSTREAM_SESSION_ABSOLUTE_MS=2000"));
    site_make_session(&site);
    OWNED char *key = site_key(&site);
    int64_t created_ms = stored_number(&site, key, "@created");
    int64_t expires_ms = stored_header(&site, key).expires_ms;
    cr_expect_eq(expires_ms - created_ms, 2000);

    /* A stream is activity as well: it ends when its session does. */
    struct http_stream *stream = site_stream(&site, "/events?count=100000&interval_ms=20");
    cr_assert(stored_reaches(&site, key, "event", 2));
    while (redis_int(site.redis, "EXISTS %s", key) == 1) {
        long long end_ms = redis_int(site.redis, "PEXPIRETIME %s", key);
        cr_assert_leq(end_ms, expires_ms);
        usleep(20000);
    }
    cr_assert_geq(clock_unix_ms(), expires_ms, "it ended %lld ms early", (long long)(expires_ms - clock_unix_ms()));
    cr_expect(http_stream_wait_text(stream, "event: session-ended\n", PATIENCE_MS));
    cr_expect_eq(stored_sessions(&site), 0);
    http_stream_close(stream, NULL);
    site_close(&site);
}

Test(sessions, work_after_the_response_does_not_count_as_activity)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_IDLE_MS=3000"));
    cr_assert_eq(site_send(&site, "GET", "/after?delay_ms=1000", NULL, NULL), 200);
    OWNED char *key = site_key(&site);
    long long end_ms = redis_int(site.redis, "PEXPIRETIME %s", key);
    cr_assert(stored_reaches(&site, key, "after", 1));
    cr_expect_eq(redis_int(site.redis, "PEXPIRETIME %s", key), end_ms);
    site_close(&site);
}

/* -------------------- new visitors -------------------- */

Test(sessions, a_new_visitor_gets_one_cookie_and_only_once)
{
    static const char *const paths[] = {"/counter", "/stream?count=1", "/events?count=1", "/rows?count=1",
                                        "/after?delay_ms=0"};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_response response;
        struct site other = site;
        other.visitor = cookie_jar_new();
        cr_expect_eq(site_send(&other, "GET", paths[i], NULL, &response), 200);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1, "%s:\n%s", paths[i], response.head.data);
        http_response_fini(&response);
        cr_expect_eq(site_send(&other, "GET", paths[i], NULL, &response), 200);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s, again:\n%s", paths[i], response.head.data);
        http_response_fini(&response);
        cookie_jar_free(other.visitor);
    }
    cr_expect_eq(stored_sessions(&site), sizeof(paths) / sizeof(paths[0]));
    site_close(&site);
}

Test(sessions, who_only_looks_gets_neither_a_cookie_nor_a_session)
{
    static const struct {
        const char *method;
        const char *path;
    } rows[] = {{"GET", "/null"},    {"GET", "/api/session"}, {"DELETE", "/api/session/x"}, {"POST", "/logout"},
                {"GET", "/nowhere"}, {"GET", "/fail?at=1"},   {"GET", "/stream?count=no"}};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        OWNED char *url = stack_url(site.stack, rows[i].path);
        http_send(&(struct http_request){.method = rows[i].method, .url = url}, &response);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s:\n%s", rows[i].path, response.head.data);
        http_response_fini(&response);
    }
    cr_expect_eq(stored_sessions(&site), 0);
    site_close(&site);
}
