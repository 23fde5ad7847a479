/*
 * The library for tests of handlers (midstream/test.h), used as an application would: linked instead of the library,
 * with the public headers alone. Sleeps of hours take no time, clients leave and stall.
 */
#include <criterion/criterion.h>
#include <midstream/test.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

static void begin(void)
{
    mid_test_begin(&app, NULL);
}

TestSuite(handlers, .init = begin, .timeout = 60);

static struct mid_test_exchange *send_get(const char *target)
{
    return mid_test_send(&(struct mid_test_request){.target = target});
}

Test(handlers, a_stream_is_followed_while_the_clock_is_put_forward)
{
    struct mid_test_exchange *stream = send_get("/countdown");
    cr_expect_eq(mid_test_status(stream), 200);
    cr_expect_str_eq(mid_test_header(stream, "content-type"), "text/plain");
    cr_expect_str_eq(mid_test_body(stream, NULL), "3\n");
    mid_test_advance_ms(1000);
    cr_expect_str_eq(mid_test_body(stream, NULL), "3\n2\n");
    mid_test_advance_ms(3600 * 1000);
    cr_expect(mid_test_is_over(stream));
    cr_expect(mid_test_finish(stream));
    cr_expect_str_eq(mid_test_body(stream, NULL), "3\n2\n1\n");
    mid_test_end();
}

Test(handlers, what_is_waited_for_is_found_once)
{
    struct mid_test_exchange *stream = send_get("/countdown");
    cr_expect(mid_test_wait_for(stream, "3\n"));
    cr_expect(mid_test_wait_for(stream, "2\n"));
    cr_expect(mid_test_wait_for(stream, "1\n"));
    cr_expect_not(mid_test_wait_for(stream, "1\n"));
    mid_test_exchange_free(stream);
    mid_test_end();
}

Test(handlers, a_visitor_has_a_session_and_another_one_has_another)
{
    struct mid_test_visitor *visitor = mid_test_visitor_new();
    struct mid_test_visitor *other = mid_test_visitor_new();
    cr_expect_null(mid_test_visitor_cookie(visitor, "mid"));
    cr_expect_str_eq(mid_test_body(mid_test_post("/count", "", visitor), NULL), "1");
    cr_expect_not_null(mid_test_visitor_cookie(visitor, "mid"));
    cr_expect_str_eq(mid_test_body(mid_test_post("/count", "", visitor), NULL), "2");
    cr_expect_str_eq(mid_test_body(mid_test_post("/count", "", other), NULL), "1");
    cr_expect_eq(mid_test_status(mid_test_post("/logout", "", visitor)), 204);
    cr_expect_null(mid_test_visitor_cookie(visitor, "mid"));
    mid_test_visitor_free(other);
    mid_test_visitor_free(visitor);
    mid_test_end();
}

Test(handlers, requests_are_those_of_the_sites_own_pages_unless_they_say_otherwise)
{
    static const char *const elsewhere[] = {"Origin: https://evil.example", NULL};
    struct mid_test_exchange *refused =
        mid_test_send(&(struct mid_test_request){.target = "/echo", .body = "text=a", .headers = elsewhere});
    cr_expect_eq(mid_test_status(refused), 403, "%d", mid_test_status(refused));
    cr_expect_str_eq(mid_test_body(mid_test_post("/echo", "text=a%20b", NULL), NULL), "a b");
    cr_expect_eq(mid_test_status(mid_test_get("/echo", NULL)), 405);
    cr_expect_str_eq(mid_test_header(mid_test_get("/echo", NULL), "Allow"), "POST, OPTIONS");
    cr_expect_null(mid_test_header(refused, "X-None"));
    mid_test_end();
}

Test(handlers, numbers_of_forms_have_bounds_and_a_fallback)
{
    cr_expect_str_eq(mid_test_body(mid_test_post("/number", "n=-5", NULL), NULL), "-5");
    cr_expect_str_eq(mid_test_body(mid_test_post("/number", "m=1", NULL), NULL), "3");
    struct mid_test_exchange *refused = mid_test_post("/number", "n=6", NULL);
    cr_expect_eq(mid_test_status(refused), 400);
    cr_expect_not_null(
        strstr(mid_test_body(refused, NULL), "the form field \"n\" has to be a whole number from -5 to 5"));
    cr_expect_eq(mid_test_status(mid_test_post("/number", "n=1x", NULL)), 400);
    cr_expect_eq(mid_test_status(mid_test_post("/number", "n=", NULL)), 400);
    cr_expect_eq(mid_test_status(mid_test_post("/number", "n=5%00", NULL)), 400);
    mid_test_end();
}

Test(handlers, a_parameter_with_a_wrong_name_is_empty_and_ends_nothing)
{
    cr_expect_str_eq(mid_test_body(mid_test_get("/hello/a%20b", NULL), NULL), "a b,");
    cr_expect_str_eq(mid_test_body(mid_test_get("/hello/c", NULL), NULL), "c,");
    mid_test_end();
}

Test(handlers, heartbeats_come_while_a_handler_sleeps_for_an_hour)
{
    struct mid_test_exchange *stream = send_get("/wait");
    size_t before;
    size_t after;
    mid_test_body(stream, &before);
    mid_test_advance_ms(60 * 1000);
    mid_test_body(stream, &after);
    cr_expect_gt(after, before);
    cr_expect_not(mid_test_is_over(stream));
    mid_test_advance_ms(3600 * 1000);
    cr_expect(mid_test_finish(stream));
    cr_expect_not_null(strstr(mid_test_body(stream, NULL), "an hour later"));
    mid_test_end();
}

Test(handlers, a_client_that_leaves_is_noticed)
{
    struct mid_test_exchange *stream = send_get("/wait");
    cr_expect_not(notes.has_returned);
    mid_test_leave(stream);
    cr_expect(notes.has_returned);
    cr_expect_eq(notes.slept, MID_GONE);
    mid_test_end();
}

Test(handlers, a_client_that_stops_reading_is_given_up_after_a_while)
{
    struct mid_test_exchange *stream =
        mid_test_send(&(struct mid_test_request){.target = "/for-ever", .is_stalled = true});
    cr_expect_not(notes.has_returned);
    mid_test_advance_ms(60 * 1000);
    cr_expect(notes.has_returned);
    cr_expect_eq(notes.slept, MID_STALLED);
    mid_test_stall(stream, false);
    cr_expect_not(mid_test_finish(stream), "it was cut");
    mid_test_end();
}

Test(handlers, a_response_that_was_cut_can_be_told_from_a_whole_one)
{
    struct mid_test_exchange *stream = mid_test_get("/fail-later", NULL);
    cr_expect(mid_test_is_over(stream));
    cr_expect_not(mid_test_finish(stream));
    cr_expect_str_eq(mid_test_body(stream, NULL), "half of it");
    mid_test_end();
}

Test(handlers, a_loop_that_releases_what_it_got_needs_no_more_memory)
{
    cr_expect_str_eq(mid_test_body(mid_test_get("/often", NULL), NULL), "the same");
    mid_test_end();
}

Test(handlers, time_limits_end_without_anybody_waiting)
{
    struct mid_test_exchange *exchange = send_get("/sleep");
    cr_expect_eq(mid_test_status(exchange), 0);
    mid_test_advance_ms(6000);
    cr_expect_eq(mid_test_status(exchange), 504);
    mid_test_end();
}

Test(handlers, the_application_starts_and_stops_and_open_requests_end)
{
    cr_expect_eq(notes.starts, 1);
    send_get("/wait");
    send_get("/countdown");
    mid_test_end();
    cr_expect_eq(notes.stops, 1);
    cr_expect(notes.has_returned);
}

/* -------------------- misuse -------------------- */

static void send_with_header(const char *header)
{
    mid_test_send(&(struct mid_test_request){.target = "/countdown", .headers = (const char *const[]){header, NULL}});
}

Test(handlers, a_header_that_no_web_server_passes_on_is_misuse, .signal = SIGABRT)
{
    send_with_header("X-A: a\r\nX-B: b");
}

Test(handlers, a_header_without_a_name_is_misuse, .signal = SIGABRT)
{
    send_with_header(": a");
}

Test(handlers, a_content_type_among_the_headers_is_misuse, .signal = SIGABRT)
{
    send_with_header("content-type: application/json");
}

Test(handlers, a_request_without_a_target_is_misuse, .signal = SIGABRT)
{
    mid_test_send(&(struct mid_test_request){.method = "GET"});
}

Test(handlers, a_handler_that_ignores_its_clients_end_in_a_loop_ends_the_test, .signal = SIGABRT)
{
    mid_test_leave(send_get("/deaf"));
}

Test(in_process, a_call_before_the_beginning_is_misuse, .signal = SIGABRT)
{
    mid_test_advance_ms(1);
}

Test(in_process, no_application_is_misuse, .signal = SIGABRT)
{
    mid_test_begin(NULL, NULL);
}

/* As make, timeout(1) or Ctrl-C would. */
Test(in_process, a_signal_that_ends_tests_ends_this_one, .signal = SIGTERM)
{
    mid_test_begin(&app, NULL);
    raise(SIGTERM);
}

/* -------------------- settings -------------------- */

Test(in_process, settings_are_those_of_the_program, .timeout = 60)
{
    static const char *const settings[] = {"hosts=a.example", NULL};
    mid_test_begin(&app, settings);
    cr_expect_eq(mid_test_status(mid_test_get("/countdown", NULL)), 421);
    mid_test_end();
}
