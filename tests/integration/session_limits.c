/* What a session may not hold, and that what was refused changes nothing. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "site.h"

TestSuite(session_limits, .timeout = 90);

/* -------------------- limits -------------------- */

Test(session_limits, an_increment_of_what_is_no_number_is_refused_and_changes_nothing)
{
    static const char *const values[] = {"abc", "",    "1.5", "0x10", " 1", "1 ",   "1e3", "+1", "99999999999999999999",
                                         "nan", "inf", "-",   "007",  "-0", "1\n2", "--1"};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct http_response response;
        cr_assert_eq(site_send(&site, "PUT", "/api/session/n", values[i], NULL), 204);
        OWNED char *key = site_key(&site);
        int64_t revision = stored_header(&site, key).revision;
        int status = site_send(&site, "POST", "/api/session/n/increment", NULL, &response);
        OWNED char *stored = site_field(&site, "n");
        cr_expect_eq(status, 422, "\"%s\": %d", values[i], status);
        cr_expect(strstr(response.body.data, "the field \"n\" is not a whole number") != NULL, "%s",
                  response.body.data);
        cr_expect_str_eq(stored, values[i]);
        cr_expect_eq(stored_header(&site, key).revision, revision);
        http_response_fini(&response);
    }
    site_close(&site);
}

#define X16 "xxxxxxxxxxxxxxxx"

Test(session_limits, a_field_name_outside_of_the_rules_is_refused_naming_the_rule)
{
    static const struct {
        const char *name;
        const char *rule;
    } rows[] = {
        {"%40user", "a field name does not begin with '@'"},     {"%40", "a field name does not begin with '@'"},
        {X16 X16 X16 X16 "x", "a field name has 1 to 64 bytes"}, {"a%01b", "a field name has no control characters"},
        {"a%0Ab", "a field name has no control characters"},     {"a%7F", "a field name has no control characters"},
        {"a%C2%85", "a field name has no control characters"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response put;
        struct http_response increment;
        OWNED char *path = text_printf("/api/session/%s", rows[i].name);
        OWNED char *increment_path = text_printf("%s/increment", path);
        int put_status = site_send(&site, "PUT", path, "value", &put);
        int increment_status = site_send(&site, "POST", increment_path, NULL, &increment);
        cr_expect_eq(put_status, 422, "PUT %s: %d", path, put_status);
        cr_expect_eq(increment_status, 422, "POST %s: %d", increment_path, increment_status);
        cr_expect(strstr(put.body.data, rows[i].rule) != NULL, "%s: %s", path, put.body.data);
        cr_expect(strstr(increment.body.data, rows[i].rule) != NULL, "%s: %s", increment_path, increment.body.data);
        http_response_fini(&put);
        http_response_fini(&increment);
    }
    cr_expect_eq(stored_sessions(&site), 0, "a refused visitor was given a session");
    site_close(&site);
}

Test(session_limits, a_session_has_so_many_fields_and_no_more)
{
    struct http_response response;
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_FIELDS_MAX=3"));
    cr_assert_eq(site_send(&site, "PUT", "/api/session/one", "1", NULL), 204);
    cr_assert_eq(site_send(&site, "PUT", "/api/session/two", "2", NULL), 204);
    cr_assert_eq(site_send(&site, "PUT", "/api/session/three", "3", NULL), 204);
    cr_expect_eq(site_send(&site, "PUT", "/api/session/four", "4", &response), 422);
    cr_expect(strstr(response.body.data, "a session has at most 3 fields") != NULL, "%s", response.body.data);
    http_response_fini(&response);
    cr_expect_eq(site_send(&site, "POST", "/api/session/four/increment", NULL, NULL), 422);

    OWNED char *key = site_key(&site);
    cr_expect_eq(stored_header(&site, key).revision, 3);
    cr_expect_eq(redis_int(site.redis, "HEXISTS %s four", key), 0);
    cr_expect_eq(site_send(&site, "PUT", "/api/session/three", "new", NULL), 204, "a field that is there may change");
    cr_expect_eq(site_send(&site, "DELETE", "/api/session/one", NULL, NULL), 204);
    cr_expect_eq(site_send(&site, "PUT", "/api/session/four", "4", NULL), 204, "there is room for another one");
    site_close(&site);
}

Test(session_limits, a_value_has_so_many_bytes_and_no_more)
{
    struct http_response response;
    struct site site = site_open(SETTINGS("MIDSTREAM_SESSION_VALUE_MAX_BYTES=32"));
    cr_expect_eq(site_send(&site, "PUT", "/api/session/value", X16 X16, NULL), 204);
    cr_expect_eq(site_send(&site, "PUT", "/api/session/value", X16 X16 "x", &response), 422);
    cr_expect(strstr(response.body.data, "the field \"value\" would have more than 32 bytes") != NULL, "%s",
              response.body.data);
    OWNED char *value = site_field(&site, "value");
    cr_expect_str_eq(value, X16 X16);
    http_response_fini(&response);
    site_close(&site);
}

Test(session_limits, a_commit_that_a_limit_refuses_changes_nothing)
{
    struct http_response response;
    struct site site = site_open_app(NULL);
    cr_assert_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    OWNED char *key = site_key(&site);
    redis_int(site.redis, "HSET %s kept yes counter 7", key);
    cr_expect_eq(site_send(&site, "GET", "/beyond-a-limit", NULL, &response), 422);
    cr_expect(strstr(response.body.data, "16384 bytes") != NULL, "%s", response.body.data);
    cr_expect_eq(stored_number(&site, key, "counter"), 7);
    cr_expect_eq(stored_header(&site, key).revision, 1);
    cr_expect_eq(redis_int(site.redis, "HEXISTS %s kept", key), 1);
    cr_expect_eq(redis_int(site.redis, "HEXISTS %s first", key), 0);
    http_response_fini(&response);

    cr_expect_eq(site_send(&site, "GET", "/endless-operations", NULL, &response), 422);
    cr_expect(strstr(response.body.data, "256 operations") != NULL, "%s", response.body.data);
    cr_expect_eq(stored_number(&site, key, "counter"), 7);
    http_response_fini(&response);
    site_close(&site);
}

Test(session_limits, an_error_after_a_commit_keeps_what_was_committed_and_sends_the_cookie)
{
    struct http_response response;
    struct site site = site_open_app(NULL);
    cr_assert_eq(site_send(&site, "GET", "/fail-after-commit", NULL, &response), 403);
    OWNED char *cookie = cookie_jar_get(site.visitor, "mid");
    cr_assert_not_null(cookie, "the visitor's new session is lost:\n%s", response.head.data);
    OWNED char *key = site_key(&site);
    OWNED char *committed = redis_text(site.redis, "HGET %s committed", key);
    cr_expect_str_eq(committed, "yes");
    cr_expect_eq(redis_int(site.redis, "HEXISTS %s dropped", key), 0);
    http_response_fini(&response);

    /* A login whose handler fails afterwards has raised the generation: the old cookie is of no use any more. */
    cr_assert_eq(site_send(&site, "GET", "/fail-after-login", NULL, NULL), 403);
    OWNED char *renewed = cookie_jar_get(site.visitor, "mid");
    cr_expect_str_neq(renewed, cookie);
    cr_expect_eq(site_send(&site, "GET", "/tab", NULL, NULL), 204);
    cr_expect_eq(stored_number(&site, key, "shared"), 1);
    site_close(&site);
}
