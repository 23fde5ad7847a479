/*
 * docs/session-format.md: a program in another language, which knows nothing but that document, agrees with this one
 * about cookies and headers, and works on the sessions of a running site.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "integration/site.h"

#define STRANGER "tests/format/stranger.py"
#define DOCUMENT "docs/session-format.md"

enum { STRANGER_TIMEOUT_MS = 100 * 1000 };

TestSuite(format, .timeout = 120);

/* The program has to end with 0. Its arguments are up to three, NULL where there is none. */
static void ask_stranger(const char *what, const char *first, const char *second, const char *third)
{
    struct buffer output = {0};
    const char *const argv[] = {"python3", "-B", STRANGER, what, first, second, third, NULL};
    int code = process_run(argv, NULL, &output, STRANGER_TIMEOUT_MS);
    cr_assert_eq(code, 0, "%s %s ended with %d:\n%.*s", STRANGER, what, code, (int)output.length, output.data);
    buffer_fini(&output);
}

Test(format, the_vectors_of_the_document_are_what_it_says)
{
    ask_stranger("document", DOCUMENT, NULL, NULL);
}

Test(format, ten_thousand_cookies_are_the_same_for_an_independent_program)
{
    const char *oracle = getenv("FORMAT_ORACLE");
    ask_stranger("oracle", oracle != NULL ? oracle : "build/asan/tests/format-oracle", NULL, NULL);
}

/* What the stranger expects of the settings: see site_checks.py. */
Test(format, a_strangers_program_verifies_a_cookie_and_commits_beside_the_server)
{
    struct site site = site_open(SETTINGS(
        "MIDSTREAM_SESSION_IDLE_MS=300000", "MIDSTREAM_SESSION_ABSOLUTE_MS=7200000",
        "MIDSTREAM_SESSION_USER_IDLE_MS=3600000", "MIDSTREAM_SESSION_USER_ABSOLUTE_MS=86400000",
        "MIDSTREAM_SESSION_FIELDS_MAX=8", "MIDSTREAM_SESSION_MAX_BYTES=1024", "MIDSTREAM_SESSION_VALUE_MAX_BYTES=512"));
    ask_stranger("site", site.stack->url, site.stack->dir, DOCUMENT);
    site_close(&site);
}

Test(format, a_strangers_form_tokens_are_the_servers)
{
    struct site site = site_open_app(NULL);
    ask_stranger("forms", site.stack->url, site.stack->dir, NULL);
    site_close(&site);
}
