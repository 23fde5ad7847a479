/* What a request may not do: come from another site, bring a form that is not the session's, or wait for ever. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

TestSuite(forms, .timeout = 60);

Test(forms, a_form_is_taken_with_a_token_of_its_own_session_only)
{
    struct site site = site_open_app(NULL);
    char *token = site_get(&site, "/form");
    cr_expect_eq(strlen(token), 44, "%s", token);
    cr_expect_eq(site_send(&site, "POST", "/form", token, NULL), 200);
    cr_expect_eq(site_send(&site, "POST", "/form", "", NULL), 403);
    cr_expect_eq(site_send(&site, "POST", "/form", "none", NULL), 403);
    for (size_t i = 0; i < 44; i += 7) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        cr_expect_eq(site_send(&site, "POST", "/form", token, NULL), 403, "with another character at %zu", i);
        token[i] = kept;
    }

    struct site other = site;
    other.visitor = cookie_jar_new();
    free(site_get(&other, "/form"));
    cr_expect_eq(site_send(&other, "POST", "/form", token, NULL), 403, "it is another visitor's");
    cookie_jar_free(other.visitor);
    free(token);
    site_close(&site);
}

Test(forms, a_handler_that_only_waits_is_ended_by_the_request_timeout)
{
    struct site site = site_open_app(SETTINGS("MIDSTREAM_REQUEST_TIMEOUT_MS=200"));
    cr_expect_eq(site_send(&site, "GET", "/sleep", NULL, NULL), 504);
    site_close(&site);
}
