/* JSON in and out: no value breaks it, and no body does more harm than an answer that names its fault. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "site.h"

enum { DEPTH_MAX = 64, BODY_MAX = 64 * 1024 }; /* of http/json.c, and of the application's route */

TestSuite(json, .timeout = 60);

/* The status; *said, if it is asked for, is the caller's. */
static int send_json(const struct site *site, const char *path, const char *type, const char *body, size_t bytes,
                     char **said)
{
    struct http_response response;
    OWNED char *url = stack_url(site->stack, path);
    OWNED char *content_type = text_printf("Content-Type: %s", type);
    const char *headers[] = {content_type, NULL};
    http_send(
        &(struct http_request){.method = "POST", .url = url, .headers = headers, .body = body, .body_bytes = bytes},
        &response);
    int status = response.status;
    if (said != NULL)
        *said = strdup(response.body.data);
    http_response_fini(&response);
    return status;
}

static int send_text(const struct site *site, const char *body, char **said)
{
    return send_json(site, "/json/response", "application/json", body, strlen(body), said);
}

/* -------------------- any value comes back -------------------- */

/* Of characters that mean something in JSON, HTTP, events and rows, and of others. */
static json_t *random_string(void)
{
    static const char *const pieces[] = {
        "\"",      "\\", "\n",        "\r",    "\r\n", ":",         "{", "}",    "[",      "]",
        ",",       "\t", "\x01",      "%s",    "%n",   "</script>", "é", "\x7f", "\u2028", "\xf0\x9f\x8e\x89",
        "data: x", " ",  "\n\nid: 2", "\"}\n{"};
    char text[512] = "";
    for (size_t left = random_below(12); left > 0; left--)
        strcat(text, pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))]);
    return json_string(text);
}

static json_t *random_value(int depth)
{
    json_t *value;
    switch (random_below(depth > 0 ? 8 : 6)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(random_chance(50));
    case 2:
        return json_integer(random_chance(50) ? INT64_MIN : (json_int_t)random_below(SIZE_MAX / 2));
    case 3:
        return json_real((double)random_below(1000000) / 64);
    case 4:
    case 5:
        return random_string();
    case 6:
        value = json_array();
        for (size_t left = random_below(5); left > 0; left--)
            json_array_append_new(value, random_value(depth - 1));
        return value;
    default:
        value = json_object();
        for (size_t left = random_below(5); left > 0; left--) {
            json_t *name = random_string();
            json_object_set_new(value, json_string_value(name), random_value(depth - 1));
            json_decref(name);
        }
        return value;
    }
}

/* The line that holds the answer: the first row, or the first event's data. */
static json_t *answer_in(const char *form, char *said)
{
    const char *data = strcmp(form, "event") == 0 ? strstr(said, "data: ") : said;
    cr_assert_not_null(data, "%s", said);
    data += strcmp(form, "event") == 0 ? strlen("data: ") : 0;
    return json_loadb(data, strcspn(data, "\n"), 0, NULL);
}

Test(json, any_value_comes_back_as_it_was_in_responses_rows_and_events)
{
    enum { ROUNDS = 300 };
    static const char *const forms[] = {"response", "row", "event"};
    struct site site = site_open_app(NULL);
    random_begin("json");
    for (int round = 0; round < ROUNDS; round++) {
        const char *form = forms[round % 3];
        OWNED char *path = text_printf("/json/%s", form);
        json_t *value = random_value(4);
        OWNED char *body = json_dumps(value, JSON_ENCODE_ANY);
        char *said;
        cr_assert_eq(send_json(&site, path, "application/json", body, strlen(body), &said), 200, "%s: %s", body, said);
        json_t *answer = answer_in(form, said);
        cr_assert(json_equal(json_object_get(answer, "value"), value), "as %s, %s came back as %s", form, body, said);
        json_decref(answer);
        json_decref(value);
        free(said);
    }
    site_close(&site);
}

/* -------------------- bodies that are none -------------------- */

static void expect_refusal(const struct site *site, const char *body, const char *word)
{
    char *said;
    cr_expect_eq(send_text(site, body, &said), 400, "%s", body);
    cr_expect_not_null(strstr(said, word), "\"%s\" is not in: %s", word, said);
    free(said);
}

Test(json, a_body_that_is_none_is_refused_with_its_fault)
{
    struct site site = site_open_app(NULL);
    expect_refusal(&site, "", "line 1, column 0");
    expect_refusal(&site, "{\"a\":1", "line 1, column 6");
    expect_refusal(&site, "{\n\"a\": nul}", "line 2");
    expect_refusal(&site, "{\"a\":1,\"a\":2}", "duplicate object key");
    expect_refusal(&site, "\"\xff\"", "unable to decode byte 0xff");
    expect_refusal(&site, "\"a\\u0000b\"", "not JSON");
    expect_refusal(&site, "1 2", "not JSON");
    expect_refusal(&site, "99999999999999999999", "too big integer");

    char *said;
    cr_expect_eq(send_json(&site, "/json/response", "text/plain", "{}", 2, &said), 400);
    cr_expect_not_null(strstr(said, "application/json"), "%s", said);
    free(said);
    cr_expect_eq(send_json(&site, "/json/response", "application/merge-patch+json; charset=utf-8", "{}", 2, NULL), 200);
    cr_expect_eq(send_json(&site, "/json/response", "+json", "{}", 2, NULL), 400);

    static char large[BODY_MAX + 2];
    memset(large, ' ', sizeof(large));
    memcpy(large, "{}", 2);
    cr_expect_eq(send_json(&site, "/json/response", "application/json", large, BODY_MAX, NULL), 200);
    cr_expect_eq(send_json(&site, "/json/response", "application/json", large, BODY_MAX + 1, NULL), 413);
    site_close(&site);
}

/* jansson parses by recursion, and a fiber's stack is small: here the smallest that can be set. */
Test(json, nesting_has_a_limit_and_ends_no_worker)
{
    static const char *const openers[] = {"[", "{\"a\":"};
    static const char *const closers[] = {"]", "}"};
    struct site site = site_open_app(SETTINGS("MIDSTREAM_STACK_KIB=32"));
    for (size_t kind = 0; kind < 2; kind++)
        for (int depth = DEPTH_MAX - 1; depth <= 8000; depth = depth <= DEPTH_MAX ? depth + 1 : depth * 5) {
            static char body[BODY_MAX];
            char *at = body;
            for (int i = 0; i < depth; i++)
                at = stpcpy(at, openers[kind]);
            at = stpcpy(at, "1");
            for (int i = 0; i < depth; i++)
                at = stpcpy(at, closers[kind]);
            cr_expect_eq(send_text(&site, body, NULL), depth <= DEPTH_MAX ? 200 : 400, "%d of %s", depth,
                         openers[kind]);
        }
    cr_expect_eq(send_text(&site, "\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"", NULL),
                 200, "brackets in a string nest nothing");
    OWNED char *log = site_log(&site);
    cr_expect_null(strstr(log, "worker.exit"), "%s", log);
    site_close(&site);
}

/* -------------------- careless handlers -------------------- */

static void expect_careless(const struct site *site, const char *what, int status, const char *word)
{
    struct http_response response;
    OWNED char *path = text_printf("/json-careless/%s", what);
    OWNED char *url = stack_url(site->stack, path);
    http_send(&(struct http_request){.method = "GET", .url = url}, &response);
    cr_expect_eq(response.status, status, "%s: %d", what, response.status);
    cr_expect_not_null(strstr(response.body.data, word), "\"%s\" is not in: %s", word, response.body.data);
    http_response_fini(&response);
}

Test(json, what_cannot_be_packed_is_an_error_that_says_why)
{
    struct site site = site_open_app(NULL);
    expect_careless(&site, "bytes", 422, "UTF-8");
    expect_careless(&site, "null", 422, "NULL");
    expect_careless(&site, "optional", 200, "{\"name\":null}\n");
    expect_careless(&site, "format", 500, "JSON of the format");
    site_close(&site);
}

/* -------------------- deferred functions -------------------- */

Test(json, deferred_functions_are_called_once_at_the_end_last_first)
{
    struct site site = site_open_app(NULL);
    char *said = site_get(&site, "/deferred");
    free(said);
    said = site_get(&site, "/called");
    cr_expect_str_eq(said, "after-cba");
    free(said);
    cr_expect_eq(site_send(&site, "GET", "/deferred?fails=1", NULL, NULL), 403);
    said = site_get(&site, "/called");
    cr_expect_str_eq(said, "after-cba", "also when the handler has failed");
    free(said);
    site_close(&site);
}
