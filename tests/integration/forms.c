/* What a request may not do: come from another site, bring a form that is not the session's, or wait for ever. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

TestSuite(forms, .timeout = 60);

Test(forms, a_form_is_taken_with_a_token_of_its_own_session_only)
{
    struct site site = site_open_app(NULL);
    OWNED char *token = site_get(&site, "/form");
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
    site_close(&site);
}

/* -------------------- where a request comes from -------------------- */

static int send_as(const struct site *site, const char *method, const char *path, const char *field, char **said)
{
    struct http_response response;
    OWNED char *url = stack_url(site->stack, path);
    OWNED char *cookie = cookie_jar_field(site->visitor);
    const char *headers[] = {field, cookie, NULL};
    if (field == NULL)
        headers[0] = cookie, headers[1] = NULL;
    http_send(&(struct http_request){.method = method, .url = url, .headers = headers}, &response);
    int status = response.status;
    if (said != NULL)
        *said = strdup(response.body.data);
    http_response_fini(&response);
    return status;
}

Test(forms, a_cookie_without_a_word_of_where_the_request_comes_from_opens_no_session)
{
    struct stage stage = stage_open(NULL);
    struct site site = stage.site;
    char *said;
    OWNED char *own = text_printf("Origin: %s", site.stack->url);
    OWNED char *other_scheme = text_printf("Origin: https%s", strchr(site.stack->url, ':'));
    OWNED char *other_port = text_printf("Origin: %s1", site.stack->url);
    cr_assert_eq(stage_act(&stage, "increment:x,commit,return", NULL), 200);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=increment:x,commit,return", NULL, &said), 403);
    cr_expect_not_null(strstr(said, "needs an Origin or Sec-Fetch-Site header"), "%s", said);
    free(said);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=find,return", NULL, NULL), 403);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=ping,return", NULL, NULL), 200, "it needs no session");
    cr_expect_eq(send_as(&site, "POST", "/act?acts=allow-missing-origin,increment:x,commit,return", NULL, NULL), 200);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=increment:x,commit,return", own, NULL), 200);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=increment:x,commit,return", "Sec-Fetch-Site: none", NULL), 200);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=ping,return", other_scheme, NULL), 403);
    cr_expect_eq(send_as(&site, "POST", "/act?acts=ping,return", other_port, NULL), 403);
    cr_expect_eq(send_as(&site, "GET", "/act?acts=increment:x,commit,return", NULL, NULL), 200, "a safe method");
    stage_close(&stage);
}

Test(forms, a_visitor_without_a_cookie_need_not_say_where_he_comes_from)
{
    struct stage stage = stage_open(NULL);
    struct site site = stage.site;
    struct http_response response;
    OWNED char *url = stack_url(site.stack, "/act?acts=increment:x,commit,return");
    http_send(&(struct http_request){.method = "POST", .url = url}, &response);
    cr_expect_eq(response.status, 200);
    http_response_fini(&response);
    stage_close(&stage);
}

Test(forms, only_hosts_that_are_named_are_served)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_HOSTS=shop.example,127.0.0.1"));
    char *said;
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    cr_expect_eq(send_as(&site, "GET", "/null", "Host: shop.example", NULL), 200);
    cr_expect_eq(send_as(&site, "GET", "/null", "Host: evil.example", &said), 421);
    cr_expect_str_eq(said, "421 Misdirected Request: the host \"evil.example\" is not served here\n");
    free(said);
    site_close(&site);
}

Test(forms, a_handler_that_only_waits_is_ended_by_the_request_timeout)
{
    struct site site = site_open_app(SETTINGS("MIDSTREAM_REQUEST_TIMEOUT_MS=200"));
    cr_expect_eq(site_send(&site, "GET", "/sleep", NULL, NULL), 504);
    site_close(&site);
}
