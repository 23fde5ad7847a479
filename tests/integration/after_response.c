/* What goes on when the response is over. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "site.h"

TestSuite(after_response, .timeout = 90);

/* -------------------- after the response -------------------- */

Test(after_response, what_is_changed_after_the_response_is_stored)
{
    struct site site = site_open(NULL);
    struct http_response response;
    cr_assert_eq(site_send(&site, "GET", "/after?delay_ms=200", NULL, &response), 200);
    cr_expect_str_eq(response.body.data, "{\"answered\":true,\"then_ms\":200}\n");
    cr_expect_eq(site_number(&site, "after"), -1, "the response has waited for what comes after it");
    OWNED char *key = site_key(&site);
    cr_assert(stored_reaches(&site, key, "after", 1));
    cr_expect_eq(site_send(&site, "GET", "/after?delay_ms=0", NULL, NULL), 200);
    cr_assert(stored_reaches(&site, key, "after", 2));
    http_response_fini(&response);
    site_close(&site);
}

/* The outcomes that the after-response functions of a request noted, in order. */
static char *outcomes_of(const struct site *site, const char *path)
{
    struct http_response response;
    OWNED char *key = site_key(site);
    redis_int(site->redis, "HDEL %s outcomes", key);
    OWNED char *url = stack_url(site->stack, path);
    http_send(&(struct http_request){.url = url, .visitor = site->visitor}, &response);
    char *log = stored_wait(site, key, "outcomes");
    while (text_count(log, ":") < 3) {
        free(log);
        log = stored_wait(site, key, "outcomes");
    }
    http_response_fini(&response);
    return log;
}

Test(after_response, functions_after_the_response_run_once_in_order_and_know_its_outcome)
{
    static const char *const rows[][2] = {
        {"/after", "one:complete two:complete three:complete "},
        {"/after?how=fail", "one:cut two:cut three:cut "},
        {"/after?how=cut", "one:cut two:cut three:cut "},
    };
    struct site site = site_open_app(NULL);
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OWNED char *outcomes = outcomes_of(&site, rows[i][0]);
        cr_expect_str_eq(outcomes, rows[i][1], "%s: %s", rows[i][0], outcomes);
    }
    site_close(&site);
}

Test(after_response, functions_after_the_response_run_when_the_client_has_left)
{
    struct site site = site_open_app(NULL);
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    struct http_stream *stream = site_stream(&site, "/rest");
    cr_assert(http_stream_wait_text(stream, "resting\n", PATIENCE_MS));
    http_stream_close(stream, NULL);
    OWNED char *outcomes = stored_wait(&site, key, "outcomes");
    cr_expect_str_eq(outcomes, "rest:left ");
    site_close(&site);
}

Test(after_response, functions_after_the_response_have_a_deadline_and_hold_nobody_up)
{
    struct site site = site_open_app(SETTINGS("MIDSTREAM_AFTER_TIMEOUT_MS=500"));
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    for (int i = 0; i < 20; i++) /* one worker, and few connections: they have to be free for the next request */
        cr_assert_eq(site_send(&site, "GET", "/after?how=long", NULL, NULL), 200);
    cr_expect_eq(redis_int(site.redis, "HEXISTS %s slept", key), 0);
    OWNED char *slept = stored_wait(&site, key, "slept");
    cr_expect_str_eq(slept, "MID_TIMEOUT");
    site_close(&site);
}
