/*
 * One hostile visitor: how many sessions there may be, by address and by the memory of Redis, and how many streams a
 * session may have open. Sessions that exist are written as ever.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(session_bounds, .timeout = 90);

/* A request of somebody who has no cookie. */
static int new_visitor(const struct site *site, const char *path, struct http_response *response)
{
    struct http_response own;
    struct http_response *answer = response != NULL ? response : &own;
    OWNED char *url = stack_url(site->stack, path);
    http_send(&(struct http_request){.url = url}, answer);
    int status = answer->status;
    if (response == NULL)
        http_response_fini(&own);
    return status;
}

static int retry_after(const struct http_response *response)
{
    OWNED char *text = http_response_header(response, "Retry-After", 0);
    int seconds = text != NULL ? atoi(text) : -1;
    return seconds;
}

struct shown {
    const struct site *site;
    const char *line; /* of /metrics */
};

static bool is_shown(void *arg)
{
    const struct shown *shown = arg;
    struct http_response response;
    OWNED char *line = text_printf("\n%s\n", shown->line);
    http_send(&(struct http_request){.url = "http://admin/metrics", .unix_socket = shown->site->stack->admin_socket},
              &response);
    bool is_there = response.status == 200 && strstr(response.body.data, line) != NULL;
    http_response_fini(&response);
    return is_there;
}

/* How many of so many new visitors get a session. */
static int begun(const struct site *site, int visitors)
{
    int count = 0;
    for (int i = 0; i < visitors; i++)
        count += new_visitor(site, "/counter", NULL) == 200;
    return count;
}

Test(session_bounds, an_address_begins_so_many_sessions_in_a_minute_in_all_workers_together)
{
    enum { MOST = 20 };
    struct site site =
        site_open_with(&(struct stack_options){.workers = 2, .environment = SETTINGS("MIDSTREAM_SESSION_NEW_MAX=20")});
    struct http_response response;
    site_make_session(&site);
    int count = begun(&site, 3 * MOST);
    cr_expect(count >= MOST - 1 && count <= 2 * MOST, "%d", count); /* a minute may end in between */

    /* Until one is refused; the next minute has begun at most once. */
    int status = 200;
    for (int i = 0; i < 2 * MOST && status == 200; i++) {
        status = new_visitor(&site, "/counter", &response);
        if (status == 200)
            http_response_fini(&response);
    }
    cr_assert_eq(status, 429);
    cr_expect_not_null(strstr(response.body.data, "this address has created 20 sessions within a minute"), "%s",
                       response.body.data);
    cr_expect(retry_after(&response) >= 1 && retry_after(&response) <= 60, "%d", retry_after(&response));
    http_response_fini(&response);

    cr_expect_eq(new_visitor(&site, "/null", NULL), 200);
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
    cr_expect_eq(site_number(&site, "counter"), 2);
    cr_expect_not(is_shown(&(struct shown){&site, "midstream_session_refused_total{reason=\"address\"} 0"}));
    site_close(&site);
}

Test(session_bounds, when_redis_fills_up_sessions_are_written_and_none_is_begun)
{
    struct site site = site_open(NULL);
    struct http_response response;
    site_make_session(&site);
    /* So much that the share leaves megabytes, against which what Redis needs now and then for its clients is little.
     */
    cr_assert_eq(redis_int(site.redis, "SETRANGE ballast %s x", "33554431"), 33554432);
    long long used = redis_int(site.redis, "EVAL %s 0",
                               "return tonumber(string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)'))");
    /* Between the share and the whole. */
    OWNED char *bytes = text_printf("%lld", used * 100 / 90);
    free(redis_text(site.redis, "CONFIG SET maxmemory %s", bytes));
    cr_assert(site_wait_log(&site, "session.store-full"));
    cr_expect_eq(new_visitor(&site, "/counter", &response), 503);
    cr_expect_not_null(strstr(response.body.data, "the session store is filled to 80 %"), "%s", response.body.data);
    cr_expect_eq(retry_after(&response), 1);
    http_response_fini(&response);
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
    cr_expect_eq(site_number(&site, "counter"), 2);
    cr_expect_eq(new_visitor(&site, "/null", NULL), 200);
    cr_expect_eq(stored_sessions(&site), 1);
    cr_expect(wait_until(is_shown, &(struct shown){&site, "midstream_session_refused_total{reason=\"memory\"} 1"},
                         PATIENCE_MS));

    free(redis_text(site.redis, "CONFIG SET maxmemory 0"));
    cr_assert(site_wait_log(&site, "session.store-has-room"));
    cr_expect_eq(begun(&site, 1), 1);
    site_close(&site);
}

/* -------------------- streams of one session -------------------- */

static const char *const endless = "/events?count=1000000&interval_ms=100";

/* Whether the visitor gets a stream; it is left at once. */
static bool is_admitted(void *arg)
{
    const struct site *site = arg;
    struct http_stream *stream = site_stream(site, endless);
    int status = http_stream_wait_head(stream, PATIENCE_MS);
    http_stream_close(stream, NULL);
    return status == 200;
}

Test(session_bounds, a_session_has_as_many_streams_as_the_setting_says_and_not_one_more)
{
    enum { MOST = 3 };
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_STREAMS_MAX=3"));
    struct http_stream *streams[MOST];
    site_make_session(&site);
    for (int i = 0; i < MOST; i++) {
        streams[i] = site_stream(&site, endless);
        cr_assert_eq(http_stream_wait_head(streams[i], PATIENCE_MS), 200, "stream %d", i + 1);
    }
    struct http_stream *refused = site_stream(&site, endless);
    cr_expect_eq(http_stream_wait_head(refused, PATIENCE_MS), 429);
    cr_expect(http_stream_wait_text(refused, "this session has 3 open streams, which is the maximum", PATIENCE_MS));
    http_stream_close(refused, NULL);

    /* Only this session, only its streams; and the place of one that has ended is free. */
    OWNED char *url = stack_url(site.stack, endless);
    struct http_stream *other = http_stream_open(&(struct http_request){.url = url}, NULL, NULL);
    cr_expect_eq(http_stream_wait_head(other, PATIENCE_MS), 200);
    http_stream_close(other, NULL);
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
    http_stream_close(streams[0], NULL);
    cr_expect(wait_until(is_admitted, &site, PATIENCE_MS));
    for (int i = 1; i < MOST; i++)
        http_stream_close(streams[i], NULL);
    site_close(&site);
}
