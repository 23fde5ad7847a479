/*
 * Forms with files: random ones, as libcurl writes them, come back part by part, whatever the pieces are in which they
 * are read; malformed ones are a 400 that says why.
 */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "site.h"

TestSuite(parts, .timeout = 120);

enum { FORMS = 60, PARTS_MOST = 6, BYTES_MOST = 100 * 1000 };

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    buffer_append(arg, data, size * count);
    return size * count;
}

/* Of bytes that look like a boundary here and there. */
static char *random_bytes_like_a_form(size_t bytes)
{
    static const char *const pieces[] = {"\r\n--", "\r\n", "--", "-", "\r", "\n", "x", "\r\n---------------------"};
    char *data = malloc(bytes + 64);
    for (size_t at = 0; at < bytes;) {
        const char *piece = pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))];
        size_t length = strlen(piece);
        if (random_below(4) == 0)
            data[at++] = (char)random_below(256);
        else
            for (size_t i = 0; i < length; i++)
                data[at++] = piece[i];
    }
    return data;
}

static size_t sum_of(const char *data, size_t bytes)
{
    size_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (sum * 31 + (unsigned char)data[i]) % 1000003;
    return sum;
}

/* Adds a part, and its line to what is expected. */
static void add_part(curl_mime *mime, size_t number, char **expected)
{
    curl_mimepart *part = curl_mime_addpart(mime);
    size_t bytes = random_below(10) == 0 ? random_below(BYTES_MOST) : random_below(200);
    OWNED char *data = random_bytes_like_a_form(bytes);
    OWNED char *name = text_printf("field %zu é", number);
    bool is_file = random_below(2) == 0;
    curl_mime_name(part, name);
    curl_mime_data(part, data, bytes);
    if (is_file) {
        curl_mime_filename(part, "C:\\a b; c.bin");
        curl_mime_type(part, "application/x-any");
    }
    char *more = text_printf("%s%s [%s] (%s) %zu %zu\n", *expected, name, is_file ? "C:\\a b; c.bin" : "-",
                             is_file ? "application/x-any" : "-", bytes, sum_of(data, bytes));
    free(*expected);
    *expected = more;
}

static void send_form(const struct site *site)
{
    CURL *curl = curl_easy_init();
    curl_mime *mime = curl_mime_init(curl);
    char *expected = strdup("");
    struct buffer body = {0};
    size_t count = 1 + random_below(PARTS_MOST);
    for (size_t i = 0; i < count; i++)
        add_part(mime, i, &expected);
    OWNED char *path = text_printf("/parts?piece=%zu", 1 + random_below(4096));
    OWNED char *url = stack_url(site->stack, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    cr_assert_eq(curl_easy_perform(curl), CURLE_OK);
    buffer_append(&body, "", 1);
    cr_expect_str_eq(body.data, expected);
    buffer_fini(&body);
    free(expected);
    curl_mime_free(mime);
    curl_easy_cleanup(curl);
}

Test(parts, random_forms_come_back_part_by_part)
{
    struct site site = site_open_app(SETTINGS("MIDSTREAM_BODY_MAX_BYTES=1000"));
    random_begin("parts");
    for (int i = 0; i < FORMS; i++)
        send_form(&site);
    site_close(&site);
}

/* -------------------- what is no form -------------------- */

static int send_body(const struct site *site, const char *path, const char *type, const char *body, char **said)
{
    struct http_response response;
    OWNED char *url = stack_url(site->stack, path);
    OWNED char *content_type = text_printf("Content-Type: %s", type);
    const char *headers[] = {content_type, NULL};
    http_send(&(struct http_request){.method = "POST", .url = url, .headers = headers, .body = body}, &response);
    *said = strdup(response.body.data);
    int status = response.status;
    http_response_fini(&response);
    return status;
}

#define TYPE                    "multipart/form-data; boundary=b"
#define NAME                    "Content-Disposition: form-data; name=\"a\"\r\n"
#define DISPOSITION(parameters) "--b\r\nContent-Disposition: form-data; " parameters "\r\n\r\nx\r\n--b--"

Test(parts, a_malformed_form_is_refused_with_its_fault)
{
    static const struct {
        const char *type;
        const char *body;
        int status;
        const char *says;
    } rows[] = {
        {TYPE, "--b\r\n" NAME "\r\nx\r\n--b--\r\n", 200, "a [-] (-) 1 "},
        {TYPE, "preamble\r\n--b\r\n" NAME "\r\nx\r\n--b--\r\nepilogue", 200, "a [-] (-) 1 "},
        {TYPE, "--b  \r\n" NAME "Content-Type: text/plain\r\n\r\n\r\n--b--", 200, "a [-] (text/plain) 0 0"},
        {TYPE, "--b--", 200, ""},
        {TYPE, "--b-- \t", 200, ""},
        {TYPE, "--b-- \r\nepilogue --b\r\n", 200, ""},
        {TYPE, "--b\r\n" NAME "Content-Transfer-Encoding: 8bit \r\n\r\nx\r\n--b--", 200, "a [-] (-) 1 "},
        {"multipart/form-data; boundary=\"b c\"", "--b c\r\n" NAME "\r\nx\r\n--b c--", 200, "a [-] (-) 1 "},
        {"text/plain", "x", 400, "has to be of type multipart/form-data"},
        {"multipart/form-data", "x", 400, "with one boundary"},
        {"multipart/form-data; boundary=\"b \"", "x", 400, "with one boundary"},
        {"multipart/form-data; boundary=", "x", 400, "with one boundary"},
        {TYPE, "", 400, "ends before its closing boundary"},
        {TYPE, "x", 400, "ends before its closing boundary"},
        {TYPE, "--b\r\n" NAME "\r\nx", 400, "ends before its closing boundary"},
        {TYPE, "--b\r\n" NAME "\r\nx\r\n--b-", 400, "ends before its closing boundary"},
        {TYPE, "--b\r\n" NAME, 400, "ends before its closing boundary"},
        {TYPE, "--b\r\n\r\nx\r\n--b--", 400, "needs one Content-Disposition"},
        {TYPE, "--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--", 400,
         "needs one Content-Disposition"},
        {TYPE, "--b\r\n" NAME NAME "\r\nx\r\n--b--", 400, "needs one Content-Disposition"},
        {TYPE, "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", 400, "the name of a part is missing"},
        {TYPE, "--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b--", 400, "UTF-8"},
        {TYPE, "--b\r\nno field\r\n\r\nx\r\n--b--", 400, "not a header field"},
        {TYPE, "--bc\r\n" NAME "\r\nx\r\n--b--", 400, "something else than a line break"},
        {TYPE, "--b--x", 400, "something else than a line break"},
        {TYPE, "--b--\r", 400, "something else than a line break"},
        {TYPE, "--b--\n", 400, "something else than a line break"},
        {TYPE, "--b\r\n" NAME "\r\nx\r\n--b--c\r\n", 400, "something else than a line break"},
        {TYPE, "--b\r\n" NAME "\r\n--b\r\n" NAME "\r\nx\r\n--b--", 400, "without a line break"},
        {TYPE, "--b\r\n" NAME "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\nx\r\n--b--", 400, "more than one"},
        {TYPE, "--b\r\n" NAME "Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--", 400, "not binary"},
        {TYPE, DISPOSITION("name=\"a\"; filename =\"b\""), 400, "well-formed"},
        {TYPE, DISPOSITION("name=\"a\"; filename=\"b"), 400, "well-formed"},
        {TYPE, DISPOSITION("name=\"a\"; name=\"b\""), 400, "well-formed"},
        {TYPE, DISPOSITION("name=\"a\"; filename=b; filename=c"), 400, "well-formed"},
        {TYPE, DISPOSITION("name=\"a\"x"), 400, "well-formed"},
        {TYPE, DISPOSITION("name=\"a\"; filename=\"dir\\\""), 400, "well-formed"},
        {TYPE, DISPOSITION("name=\"a\"; filename*=utf-8''b"), 400, "not in filename*"},
        {TYPE, "--b\r\nContent-Disposition: form-data, x; name=a\r\n\r\nx\r\n--b--", 400, "well-formed"},
        {"multipart/form-data; boundary=b; boundary=c", "--b--", 400, "with one boundary"},
        {"multipart/form-data; boundary=b, application/json", "--b--", 400, "with one boundary"},
    };
    struct site site = site_open_app(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *said;
        int status = send_body(&site, "/parts", rows[i].type, rows[i].body, &said);
        cr_expect_eq(status, rows[i].status, "%s, %s: %d %s", rows[i].type, rows[i].body, status, said);
        cr_expect(strstr(said, rows[i].says) != NULL, "%s, %s: %s", rows[i].type, rows[i].body, said);
        free(said);
    }
    site_close(&site);
}

Test(parts, parts_and_their_fields_have_limits)
{
    struct site site = site_open_app(NULL);
    struct buffer body = {0};
    char *said;
    for (int i = 0; i < 1001; i++)
        buffer_append(&body, "--b\r\n" NAME "\r\n\r\n", strlen("--b\r\n" NAME "\r\n\r\n"));
    buffer_append(&body, "--b--", 6);
    cr_expect_eq(send_body(&site, "/parts", TYPE, body.data, &said), 413);
    cr_expect(strstr(said, "more than 1000 parts") != NULL, "%s", said);
    free(said);
    body.length = 0;
    buffer_append(&body, "--b\r\n" NAME "X: ", strlen("--b\r\n" NAME "X: "));
    for (int i = 0; i < 9000; i++)
        buffer_append(&body, "x", 1);
    buffer_append(&body, "\r\n\r\n\r\n--b--", 12);
    cr_expect_eq(send_body(&site, "/parts", TYPE, body.data, &said), 413);
    cr_expect(strstr(said, "more than 8 KiB") != NULL, "%s", said);
    free(said);
    buffer_fini(&body);
    site_close(&site);
}

Test(parts, a_part_can_be_read_as_a_whole_and_the_others_skipped)
{
    static const char body[] = "--b\r\n" NAME "\r\nfirst\r\n--b\r\nContent-Disposition: form-data; name=\"it\"\r\n\r\n"
                               "all\r\nof it\r\n--b--";
    struct site site = site_open_app(NULL);
    char *said;
    cr_expect_eq(send_body(&site, "/part/it", TYPE, body, &said), 200);
    cr_expect_str_eq(said, "all\r\nof it");
    free(said);
    cr_expect_eq(send_body(&site, "/part/none", TYPE, body, &said), 404);
    free(said);
    site_close(&site);
}
