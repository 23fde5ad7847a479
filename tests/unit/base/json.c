/* JSON strings: what has to be escaped is, what is not UTF-8 becomes U+FFFD, and a cut never splits a character. */
#include <criterion/criterion.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

struct row {
    const char *text;
    const char *escaped;
};

static const struct row rows[] = {
    {"", ""},
    {"plain", "plain"},
    {"say \"hi\"", "say \\\"hi\\\""},
    {"C:\\x", "C:\\\\x"},
    {"a\nb", "a\\nb"},
    {"a\rb\tc", "a\\u000db\\u0009c"},
    {"\x01\x1f\x7f", "\\u0001\\u001f\\u007f"},
    {"\xe2\x82\xac", "\xe2\x82\xac"},
    {"a\xff"
     "b",
     "a\xef\xbf\xbd"
     "b"},
    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
};

Test(json, what_json_does_not_allow_in_a_string_is_escaped)
{
    char out[64];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t length = json_escape(out, sizeof(out), rows[i].text, strlen(rows[i].text));
        cr_expect_str_eq(out, rows[i].escaped);
        cr_expect(length == strlen(rows[i].escaped));
    }
}

Test(json, every_byte_gives_a_string_that_a_parser_accepts)
{
    for (int byte = 0; byte < 256; byte++) {
        char out[16], document[32];
        json_escape(out, sizeof(out), &(char){(char)byte}, 1);
        snprintf(document, sizeof(document), "[\"%s\"]", out);
        json_t *parsed = json_loads(document, JSON_ALLOW_NUL, NULL);
        cr_assert_not_null(parsed, "byte %d gave %s", byte, document);
        if (byte < 0x80)
            cr_assert(json_string_value(json_array_get(parsed, 0))[0] == byte);
        json_decref(parsed);
    }
}

Test(json, a_cut_falls_between_two_characters)
{
    static const char text[] = "a\"\xe2\x82\xac\xf0\x9f\x92\xa7\n\x02z";
    for (size_t size = 1; size < 40; size++) {
        char out[40];
        memset(out, 'X', sizeof(out));
        size_t length = json_escape(out, size, text, strlen(text));
        cr_assert(length < size && out[length] == '\0');
        cr_assert(utf8_is_valid(out, length), "size %zu", size);
        char document[64];
        snprintf(document, sizeof(document), "[\"%s\"]", out);
        json_t *parsed = json_loads(document, 0, NULL);
        cr_assert_not_null(parsed, "size %zu gave %s", size, document);
        json_decref(parsed);
    }
}
