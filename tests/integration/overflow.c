/* A handler that hurts its worker, and what an application gets from the header and the library besides. */
#include <criterion/criterion.h>
#include <signal.h>
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
    OWNED char *log = site_log(&site);
    /* At least: nginx sends a GET once more when its first try fails. */
    size_t overflows = text_count(log, " error fiber.stack-overflow stack_kib=");
    cr_expect_geq(overflows, 2, "%s", log);
    cr_expect(strstr(log, "setting=stack-kib") != NULL);
    cr_expect_eq(text_count(log, "worker.killed"), overflows, "%s", log);
    site_close(&site);
}

Test(overflow, a_handler_that_returns_no_error_of_the_header_has_failed_and_no_more)
{
    static const char *const paths[] = {"/number?is=9999", "/number?is=-7", "/number?is=-2147483648"};
    struct site site = site_open_app(NULL);
    pid_t worker = site_worker(&site);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        cr_expect_eq(site_send(&site, "GET", paths[i], NULL, NULL), 500, "%s", paths[i]);
    cr_expect(site_wait_log(&site, "the handler returned 9999, which is not an error of midstream.h"));
    cr_expect_eq(site_worker(&site), worker);
    site_close(&site);
}

Test(overflow, a_handler_that_closes_standard_error_does_not_silence_the_log)
{
    struct site site = site_open_app(NULL);
    cr_expect_eq(site_send(&site, "GET", "/close", NULL, NULL), 500);
    cr_expect(site_wait_log(&site, "standard error was closed"));
    cr_expect_eq(site_send(&site, "GET", "/number?is=9999", NULL, NULL), 500);
    cr_expect(site_wait_log(&site, "the handler returned 9999"));
    site_close(&site);
}

/* It does not touch the pages in between, as code that is compiled with -fstack-clash-protection would. */
Test(overflow, a_frame_that_is_larger_than_the_stack_does_not_reach_other_memory)
{
    struct site site = site_open_app(NULL);
    pid_t worker = site_worker(&site);
    int status = site_send(&site, "GET", "/frame", NULL, NULL);
    cr_expect(status >= 502 && status <= 504, "%d", status);
    site_wait_new_worker(&site, worker);
    cr_expect(site_wait_log(&site, "fiber.stack-overflow stack_kib="));
    site_close(&site);
}

Test(overflow, a_fault_that_somebody_sends_ends_a_worker_at_the_first_time)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        pid_t worker = site_worker(&site);
        process_signal(worker, signals[i]);
        site_wait_new_worker(&site, worker);
    }
    OWNED char *log = site_log(&site);
    cr_expect_null(strstr(log, "stack-overflow"), "%s", log);
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
    OWNED char *answer = site_get(&site, "/wait");
    cr_expect_str_eq(answer, "MID_OK MID_OK MID_TIMEOUT MID_FAILED\n");
    site_close(&site);
}
