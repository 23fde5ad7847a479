/*
 * The demonstration page in a real browser, on the real stack: what its visitor sees is what the README promises.
 *
 * A page shows the present only. So that a slow machine cannot miss what was to be seen, a small recorder in the page
 * writes down both sides whenever one of them changes, and the tests judge its rows.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/process.h"
#include "support/stack.h"
#include "support/webdriver.h"
#include "support/owned.h"

enum {
    PATIENCE_MS = 20000,
    UPLOAD_BYTES = 64 * 1024 * 1024,
    /* Slow enough for several readings of the session before the end. */
    UPLOAD_BYTES_PER_S = 16 * 1024 * 1024,
};

struct page {
    struct stack *stack;
    struct browser *browser;
};

static struct page open_page_with(const char *const environment[])
{
    struct page page = {.stack = stack_start(&(struct stack_options){.environment = environment})};
    page.browser = browser_open(NULL);
    browser_visit(page.browser, page.stack->url);
    return page;
}

static struct page open_page(void)
{
    return open_page_with(NULL);
}

/* The console has to be free of errors, save for loads of `expected`: the browser itself reports a cut response there.
 */
static void close_page(struct page *page, const char *expected)
{
    json_t *errors = browser_console_errors(page->browser, expected);
    OWNED char *text = json_dumps(errors, 0);
    cr_assert(json_array_size(errors) == 0, "the console has errors: %s", text);
    json_decref(errors);
    browser_close(page->browser);
    stack_stop(page->stack);
}

#define SEEN(page, expression)                                                                                         \
    cr_assert(browser_wait((page)->browser, expression, PATIENCE_MS), "never seen on the page: %s", expression)

/* JavaScript for parts of the page. */
#define PIECES              "Number(document.querySelector('#pieces').dataset.count)"
#define STREAM_STATE        "document.querySelector('#stream-state').dataset.state"
#define SESSION_STATE       "document.querySelector('#session-state').dataset.state"
#define FIELD(name)         "document.querySelector('#fields tr[data-field=\"" name "\"] td:nth-child(2)')?.textContent"
#define TEXT_OF(css)        "document.querySelector('" css "').textContent"
#define CHANGES_TELL(words) TEXT_OF("#changes") ".includes('" words "')"

static void set_number(struct page *page, const char *css, int number)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", number);
    browser_type(page->browser, css, text);
}

static void start_stream(struct page *page, const char *kind, int count, int interval_ms)
{
    char label[64];
    snprintf(label, sizeof(label), ".choice label:has([value=%s])", kind);
    browser_click(page->browser, label);
    set_number(page, "#stream-count", count);
    set_number(page, "#stream-interval", interval_ms);
    browser_click(page->browser, "#stream-start");
}

/* From now on window.seen has a row {pieces, chunk, state, bar} for every change of what the page shows. */
static void record_what_is_seen(struct page *page)
{
    json_decref(browser_run(
        page->browser, "window.seen = [];"
                       "const look = () => window.seen.push({pieces: " PIECES ", state: " STREAM_STATE ","
                       "    chunk: Number(" FIELD(
                           "chunk") " ?? 0), bar: document.querySelector('progress').value});"
                                    "new MutationObserver(look).observe(document.body,"
                                    "    {subtree: true, childList: true, characterData: true, attributes: true});"));
}

Test(page, shows_the_session_changing_while_the_response_streams)
{
    struct page page = open_page();
    record_what_is_seen(&page);
    start_stream(&page, "stream", 10, 300);
    SEEN(&page, STREAM_STATE " === 'complete'");
    SEEN(&page, FIELD("chunk") " === '10'");

    double in_between = browser_number(
        page.browser, "return new Set(seen.filter((row) => row.state === 'running' && row.pieces < 10 && row.chunk > 0)"
                      "    .map((row) => row.chunk)).size;");
    cr_expect_geq(in_between, 5, "the session's field was to be seen with several values before the end");
    double pieces_in_between = browser_number(
        page.browser, "return new Set(seen.filter((row) => row.state === 'running').map((row) => row.pieces)).size;");
    cr_expect_geq(pieces_in_between, 5, "the pieces were to arrive one by one");
    double backwards =
        browser_number(page.browser, "return seen.filter((row, i) => i > 0 && row.chunk < seen[i - 1].chunk).length;");
    cr_expect_eq((int)backwards, 0, "the field never goes back");
    double apart = browser_number(page.browser,
                                  "return Math.max(...seen.filter((row) => row.state === 'running' && row.pieces > 0)"
                                  "    .map((row) => row.chunk - row.pieces));");
    cr_expect_leq(apart, 1, "the field never tells of a piece that has not been sent");
    close_page(&page, NULL);
}

Test(page, shows_one_session_in_two_tabs)
{
    struct page page = open_page();
    start_stream(&page, "stream", 100, 200);
    SEEN(&page, FIELD("chunk") " >= 2");

    OWNED char *first = browser_tab(page.browser);
    OWNED char *second = browser_new_tab(page.browser);
    browser_switch(page.browser, second);
    browser_visit(page.browser, page.stack->url);
    SEEN(&page, FIELD("chunk") " >= 3");
    double chunk = browser_number(page.browser, "return Number(" FIELD("chunk") ");");
    char later[256];
    snprintf(later, sizeof(later), FIELD("chunk") " > %d", (int)chunk);
    SEEN(&page, later);
    browser_type(page.browser, "#field-name", "colour");
    browser_type(page.browser, "#field-value", "violet");
    browser_click(page.browser, "#field-set");
    SEEN(&page, FIELD("colour") " === 'violet'");

    browser_switch(page.browser, first);
    SEEN(&page, FIELD("colour") " === 'violet'");
    SEEN(&page, STREAM_STATE " === 'running'");
    browser_click(page.browser, "#stream-stop");
    SEEN(&page, TEXT_OF("#stream-state") " === 'You stopped reading'");
    SEEN(&page, FIELD("colour") " === 'violet'");
    close_page(&page, NULL);
}

Test(page, shows_a_login_and_a_logout_in_the_middle_of_a_stream)
{
    struct page page = open_page();
    start_stream(&page, "stream", 100, 200);
    SEEN(&page, FIELD("chunk") " >= 2");

    browser_type(page.browser, "#login-user", "grace");
    browser_click(page.browser, "#login");
    SEEN(&page, TEXT_OF("#session-user") " === 'grace'");
    double pieces = browser_number(page.browser, "return " PIECES ";");
    char later[256];
    snprintf(later, sizeof(later), FIELD("chunk") " > %d && " STREAM_STATE " === 'running'", (int)pieces + 1);
    SEEN(&page, later);

    browser_click(page.browser, "#field-set");
    SEEN(&page, TEXT_OF("#field-answer") " !== ''");
    browser_click(page.browser, "#logout");
    SEEN(&page, CHANGES_TELL("the session has ended"));
    SEEN(&page, STREAM_STATE " === 'cut'");
    SEEN(&page, TEXT_OF("#session-state") " === 'No session yet'");
    SEEN(&page, "document.querySelector('#fields tbody').rows.length === 0");
    SEEN(&page, TEXT_OF("#field-answer") " === ''");      /* it was of the session that has ended */
    close_page(&page, "ERR_INCOMPLETE_CHUNKED_ENCODING"); /* of the stream, and perhaps of /watch */
}

static void log_in(struct page *page, const char *user)
{
    char seen[128];
    snprintf(seen, sizeof(seen), TEXT_OF("#session-user") " === '%s'", user);
    browser_type(page->browser, "#login-user", user);
    browser_click(page->browser, "#login");
    SEEN(page, seen);
}

#define SESSIONS "document.querySelectorAll('#sessions li').length"

/* Two browsers, one user: each sees the other, and ends it; what streams there ends at once. */
Test(page, ends_the_session_of_another_browser_and_its_stream)
{
    struct page desk = open_page();
    struct page phone = {.stack = desk.stack, .browser = browser_open(NULL)};
    browser_visit(phone.browser, desk.stack->url);
    log_in(&phone, "ada");
    SEEN(&phone, SESSIONS " === 1");
    start_stream(&phone, "events", 1000, 1000);
    SEEN(&phone, PIECES " >= 1");
    log_in(&desk, "ada");
    SEEN(&desk, SESSIONS " === 2");
    browser_click(desk.browser, "#sessions li button");
    SEEN(&desk, TEXT_OF("#sessions-answer") " === '1 ended'");
    SEEN(&desk, SESSIONS " === 1");
    SEEN(&phone, STREAM_STATE " === 'cut'");
    SEEN(&phone, TEXT_OF("#session-state") " === 'No session yet'");
    SEEN(&phone, SESSIONS " === 0");

    log_in(&phone, "ada");
    SEEN(&phone, SESSIONS " === 2");
    browser_click(phone.browser, "#sessions-end-others");
    SEEN(&phone, TEXT_OF("#sessions-answer") " === '1 ended'");
    SEEN(&desk, TEXT_OF("#session-state") " === 'No session yet'");
    json_decref(browser_console_errors(phone.browser, NULL));
    browser_close(phone.browser);
    close_page(&desk, "/watch"); /* which was cut with its session, perhaps before the page had closed it */
}

/* What another tab has changed is told, and not asked for again and again. */
Test(page, asks_for_nothing_while_nothing_changes)
{
    struct page page = open_page();
    browser_click(page.browser, "#field-set");
    SEEN(&page, FIELD("colour") " === 'green'");
    double asked = browser_number(page.browser, "let asked = 0;"
                                                "const count = (target, args) => (asked++, new target(...args));"
                                                "window.EventSource = new Proxy(EventSource, {construct: count});"
                                                "const ask = window.fetch;"
                                                "window.fetch = (...args) => (asked++, ask(...args));"
                                                "return new Promise((done) => setTimeout(() => done(asked), 4000));");
    cr_expect_eq((int)asked, 0, "%d requests", (int)asked);
    close_page(&page, NULL);
}

/* What was read before must not look as if it were of now. The stream waits for Redis all the time. */
Test(page, says_that_the_session_cannot_be_read_while_redis_is_away)
{
    struct page page = open_page_with(
        (const char *const[]){"MIDSTREAM_REDIS_TIMEOUT_MS=1000", "MIDSTREAM_COMMIT_TIMEOUT_MS=60000", NULL});
    browser_click(page.browser, "#field-set");
    SEEN(&page, FIELD("colour") " === 'green'");
    start_stream(&page, "stream", 1000, 100);
    SEEN(&page, PIECES " >= 1"); /* or Redis may stop before the stream has a head, and it never begins */
    SEEN(&page, SESSION_STATE " === 'running'");
    process_signal(page.stack->redis, SIGSTOP);
    SEEN(&page, SESSION_STATE " === 'cut'");
    double other =
        browser_number(page.browser, "const states = [];"
                                     "const place = document.querySelector('#session-state');"
                                     "const look = new MutationObserver(() => states.push(place.dataset.state));"
                                     "look.observe(place, {attributes: true});"
                                     "return new Promise((done) => setTimeout(() => {"
                                     "    look.disconnect();"
                                     "    done(states.filter((state) => state !== 'cut').length);"
                                     "}, 1500));");
    cr_expect_eq((int)other, 0, "it looks readable now and then");
    process_signal(page.stack->redis, SIGCONT);
    SEEN(&page, SESSION_STATE " === 'running'");
    browser_click(page.browser, "#stream-stop");
    close_page(&page, "/watch");
}

/* A list in a log is none for who hears the page; and both sides are seen at once. */
Test(page, shows_both_sides_on_the_first_screen_of_a_phone)
{
    struct stack *stack = stack_start(NULL);
    struct page page = {.stack = stack,
                        .browser = browser_open(&(struct browser_options){.width = 390, .height = 844})};
    browser_visit(page.browser, stack->url);
    start_stream(&page, "stream", 10, 100);
    SEEN(&page, STREAM_STATE " === 'complete'");
    double below =
        browser_number(page.browser, "scrollTo(0, 0);"
                                     "return Math.max(...['#pieces', '#fields tr[data-field=chunk]', '#changes']"
                                     "    .map((css) => document.querySelector(css).getBoundingClientRect().bottom));");
    cr_expect_leq(below, 844, "something of the two sides is below the first screen: %g", below);
    double sideways = browser_number(page.browser, "return document.documentElement.scrollWidth;");
    cr_expect_leq(sideways, 390, "the page is %g wide", sideways);
    double orphans = browser_number(page.browser, "return [...document.querySelectorAll('li')].filter((li) =>"
                                                  "    li.parentElement.hasAttribute('role')).length;");
    cr_expect_eq((int)orphans, 0, "items of a list whose role is another");
    close_page(&page, NULL);
}

Test(page, links_to_the_handlers_that_it_shows)
{
    struct page page = open_page();
    double missing =
        browser_number(page.browser, "return Promise.all([...document.querySelectorAll('a[href^=\"/source/\"]')]"
                                     "    .map((link) => fetch(link.href)))"
                                     "    .then((all) => all.filter((one) => !one.ok ||"
                                     "        !one.headers.get('Content-Type').startsWith('text/plain')).length);");
    cr_expect_eq((int)missing, 0);
    close_page(&page, NULL);
}

Test(page, shows_that_a_failed_response_was_cut)
{
    struct page page = open_page();
    browser_click(page.browser, ".choice label:has([value=fail])");
    set_number(&page, "#stream-fail-at", 3);
    browser_click(page.browser, "#stream-start");
    SEEN(&page, STREAM_STATE " === 'cut'");
    SEEN(&page, TEXT_OF("#pieces") ".includes('the response was cut, and cannot be taken for complete')");
    SEEN(&page, PIECES " >= 1");
    close_page(&page, "/fail?");
}

Test(page, completes_events_and_rows_with_their_fields)
{
    struct page page = open_page();
    start_stream(&page, "events", 4, 50);
    SEEN(&page, STREAM_STATE " === 'complete'");
    SEEN(&page, FIELD("event") " === '4'");
    cr_expect_eq((int)browser_number(page.browser, "return " PIECES ";"), 4);

    start_stream(&page, "rows", 5, 50);
    SEEN(&page, FIELD("row") " === '5'");
    SEEN(&page, STREAM_STATE " === 'complete'");
    cr_expect_eq((int)browser_number(page.browser, "return " PIECES ";"), 5);
    close_page(&page, NULL);
}

Test(page, events_go_on_where_they_were_when_a_worker_is_killed)
{
    struct page page = open_page();
    pid_t workers[STACK_WORKERS_MAX];
    start_stream(&page, "events", 30, 100);
    SEEN(&page, PIECES " >= 5");
    size_t count = stack_workers(page.stack, workers);
    for (size_t i = 0; i < count; i++)
        process_signal(workers[i], SIGKILL);
    SEEN(&page, TEXT_OF("#pieces") ".includes('the connection was lost, and the browser opens another')");
    SEEN(&page, STREAM_STATE " === 'complete'");
    SEEN(&page, FIELD("event") " === '30'");
    cr_expect_eq((int)browser_number(page.browser, "return " PIECES ";"), 30);
    close_page(&page, "");
}

Test(page, an_event_source_whose_stream_has_ended_does_not_come_back)
{
    struct page page = open_page();
    json_decref(browser_run(page.browser, "window.messages = 0;"
                                          "window.source = new EventSource('/events?count=3&interval_ms=10');"
                                          "source.onmessage = () => messages++;"));
    SEEN(&page, "messages === 3 && source.readyState === EventSource.CLOSED");
    json_decref(browser_run(page.browser, "new BroadcastChannel('session').postMessage('begun');"));
    SEEN(&page, FIELD("event") " === '3'");
    close_page(&page, NULL);
}

Test(page, shows_the_transcript_growing_with_the_answer)
{
    struct page page = open_page();
    browser_click(page.browser, ".choice label:has([value=chat])");
    browser_type(page.browser, "#stream-prompt", "Where did my changes go?");
    browser_click(page.browser, "#stream-start");
    SEEN(&page, FIELD("transcript") "?.includes('Where did my changes go?')");
    cr_expect(browser_wait(page.browser, STREAM_STATE " === 'running'", 0),
              "the prompt is stored before the answer ends");
    SEEN(&page, STREAM_STATE " === 'complete'");
    SEEN(&page, PIECES " > 3");
    close_page(&page, NULL);
}

Test(page, follows_an_upload_by_its_session_field)
{
    struct page page = open_page();
    record_what_is_seen(&page);
    browser_limit_upload(page.browser, UPLOAD_BYTES_PER_S);
    browser_click(page.browser, "#upload");
    SEEN(&page, "document.querySelector('progress').value === 1");
    browser_limit_upload(page.browser, 0);
    double in_between = browser_number(
        page.browser, "return new Set(seen.map((row) => row.bar).filter((bar) => bar > 0 && bar < 1)).size;");
    cr_expect_geq(in_between, 2, "the bar was to be seen between its ends");
    char whole[256];
    snprintf(whole, sizeof(whole), FIELD("uploaded") " === '%d'", UPLOAD_BYTES);
    SEEN(&page, whole);
    close_page(&page, NULL);
}

#define REPORT_BAR "Number(document.querySelector('#report-progress').value)"

Test(page, shows_the_progress_of_a_background_task_while_the_visitor_does_other_things)
{
    struct page page = open_page();
    set_number(&page, "#report-seconds", 6);
    browser_click(page.browser, "#report-start");
    SEEN(&page, REPORT_BAR " > 0 && " REPORT_BAR " < 50");
    browser_click(page.browser, "#field-set");
    SEEN(&page, FIELD("colour") " === 'green' && " REPORT_BAR " < 100");
    SEEN(&page, REPORT_BAR " >= 50 && " REPORT_BAR " < 100");
    SEEN(&page, REPORT_BAR " === 100 && " TEXT_OF("#report-answer") " === 'The report is ready.'");

    set_number(&page, "#report-seconds", 60);
    browser_click(page.browser, "#report-start");
    SEEN(&page, REPORT_BAR " > 0 && " REPORT_BAR " < 50");
    browser_click(page.browser, "#report-cancel");
    SEEN(&page, TEXT_OF("#report-answer") ".startsWith('It is cancelled')");
    SEEN(&page, REPORT_BAR " === 0");
    close_page(&page, NULL);
}

Test(page, tells_of_work_after_the_response)
{
    struct page page = open_page();
    set_number(&page, "#after-delay", 500);
    browser_click(page.browser, "#after");
    SEEN(&page, FIELD("after") " === '1'");
    SEEN(&page, TEXT_OF("#after-answer") ".startsWith('Counted')");
    close_page(&page, NULL);
}
