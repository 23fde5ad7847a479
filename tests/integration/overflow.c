/* A handler that hurts its worker, and what an application gets from the header and the library besides. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(overflow, .timeout = 60);

Test(overflow, a_handler_that_overflows_its_stack_kills_its_worker_with_a_clear_line_and_the_pool_goes_on)
{
    struct site site = site_open_app(NULL);
    for (int round = 1; round <= 2; round++) {
        pid_t worker = site_worker(&site);
        struct http_response response;
        int status = site_send(&site, "GET", "/overflow", NULL, &response);
        cr_expect(status >= 502 && status <= 504, "%d %s", status, response.body.data);
        http_response_fini(&response);
        site_wait_new_worker(&site, worker);
        cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
        cr_expect_eq(site_send(&site, "GET", "/tab", NULL, NULL) / 100, 2);
    }
    cr_expect(site_wait_log(&site, "worker.killed"));
    char *log = site_log(&site);
    /* At least: nginx sends a GET once more when its first try fails (FACTS 21). */
    size_t overflows = text_count(log, "fiber.stack-overflow: a handler used more than its ");
    cr_expect_geq(overflows, 2, "%s", log);
    cr_expect(strstr(log, "(setting stack-kib)") != NULL);
    cr_expect_eq(text_count(log, "worker.killed"), overflows, "%s", log);
    free(log);
    site_close(&site);
}

Test(overflow, a_thread_that_blocks_holds_nobody_else_up)
{
    struct site site = site_open_app(NULL);
    struct http_response response;
    struct http_stream *blocked[8];
    for (int i = 0; i < 8; i++)
        blocked[i] = site_stream(&site, "/offload");
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    for (int i = 0; i < 8; i++) {
        cr_assert(http_stream_wait_end(blocked[i], PATIENCE_MS));
        http_stream_close(blocked[i], &response);
        cr_expect_str_eq(response.body.data, "1 x\n");
        http_response_fini(&response);
    }
    site_close(&site);
}

Test(overflow, a_handler_waits_for_descriptors_and_for_time)
{
    struct site site = site_open_app(NULL);
    char *answer = site_get(&site, "/wait");
    cr_expect_str_eq(answer, "MID_OK MID_OK MID_TIMEOUT MID_FAILED\n");
    free(answer);
    site_close(&site);
}
