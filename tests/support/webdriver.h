/*
 * A browser for the tests: headless Chromium through chromedriver and the WebDriver protocol (W3C WebDriver).
 *
 * chromedriver is started on a free port with a fresh profile, and ended with the browser. A command that the protocol
 * refuses (no such element, a script that throws) ends the test with panic() and the browser's sentence.
 */
#ifndef SUPPORT_WEBDRIVER_H
#define SUPPORT_WEBDRIVER_H

#include <jansson.h>
#include <stdbool.h>

struct browser;

struct browser_options {
    int width; /* of the page, in CSS pixels; 0: 1280 by 800 */
    int height;
    bool is_dark; /* what prefers-color-scheme says */
};

/* Never NULL: a browser that does not start ends the test. `options` may be NULL. */
struct browser *browser_open(const struct browser_options *options);
void browser_close(struct browser *browser);

/* Loads the page and waits for its load event. */
void browser_visit(struct browser *browser, const char *url);

/*
 * Elements are named by a CSS selector, and the first one found is used. Clicking and typing are the visitor's own: an
 * element that cannot be seen or reached is an error. Typing replaces what an input held.
 */
void browser_click(struct browser *browser, const char *css);
void browser_type(struct browser *browser, const char *css, const char *text);

/* The text as it is rendered, for the caller to free. */
char *browser_text(struct browser *browser, const char *css);

/*
 * Runs the body of a function with the page's window. Returns what it returns, as JSON, for the caller to
 * json_decref(); a promise is awaited.
 */
json_t *browser_run(struct browser *browser, const char *script);

/* The same for a result that is a number, which has to be one. */
double browser_number(struct browser *browser, const char *script);

/* Runs `return (EXPRESSION);` until it is truthy. Returns false when the time is over. */
bool browser_wait(struct browser *browser, const char *expression, int timeout_ms);

/* Tabs, as window handles for the caller to free. A new tab is not switched to. */
char *browser_tab(struct browser *browser);
char *browser_new_tab(struct browser *browser);
void browser_switch(struct browser *browser, const char *tab);

/* What the page sends leaves at that rate at most (Chromium's network conditions); 0: without limit. */
void browser_limit_upload(struct browser *browser, int bytes_per_s);

/*
 * The lines of the console at level SEVERE since the last call: uncaught exceptions, console.error(), refused or failed
 * loads. Lines that contain `expected` (NULL: none) are left out. An array of strings, for the caller to json_decref().
 */
json_t *browser_console_errors(struct browser *browser, const char *expected);

/* Writes what the window shows as a PNG file. */
void browser_screenshot(struct browser *browser, const char *path);

#endif
