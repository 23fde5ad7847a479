/*
 * Takes the picture of the README: the page in the middle of a stream, with the session following it.
 *
 *     screenshot URL FILE [dark] [WIDTHxHEIGHT]
 *
 * scripts/screenshot starts a stack, and calls it.
 */
#include <stdio.h>
#include <string.h>

#include "base/panic.h"
#include "support/webdriver.h"

enum { STEP_TIMEOUT_MS = 20000 };

static void await(struct browser *browser, const char *expression)
{
    if (!browser_wait(browser, expression, STEP_TIMEOUT_MS))
        panic("the page did not come so far: %s", expression);
}

/* A session with a little history looks like one in use. */
static void fill_session(struct browser *browser)
{
    browser_click(browser, "#login");
    await(browser, "document.querySelector('#session-user').textContent === 'ada'");
    browser_click(browser, "#field-set");
    await(browser, "document.querySelector('#fields tr[data-field=colour]')");
}

static void stream_to_the_middle(struct browser *browser)
{
    browser_run(browser, "scrollTo(0, 0);");
    browser_click(browser, "#stream-start");
    await(browser, "document.querySelector('#pieces').dataset.count >= 3");
    browser_run(browser, "document.querySelector('#field-increment').focus({preventScroll: true});"
                         "document.querySelector('#field-name').value = 'clicks';"
                         "document.querySelector('#field-increment').click();"
                         "document.activeElement.blur();");
    await(browser, "document.querySelector('#pieces').dataset.count >= 6");
    await(browser, "[...document.querySelectorAll('#changes li')].some((li) => li.textContent.includes('5 → 6'))");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: screenshot URL FILE [dark] [WIDTHxHEIGHT]\n");
        return 2;
    }
    struct browser_options options = {0};
    for (int i = 3; i < argc; i++) {
        options.is_dark = options.is_dark || strcmp(argv[i], "dark") == 0;
        sscanf(argv[i], "%dx%d", &options.width, &options.height);
    }
    struct browser *browser = browser_open(&options);
    browser_visit(browser, argv[1]);
    fill_session(browser);
    stream_to_the_middle(browser);
    browser_screenshot(browser, argv[2]);
    browser_close(browser);
    return 0;
}
