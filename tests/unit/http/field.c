/* HTTP fields: what may stand in one, media types, and what Accept asks for. */
#include <criterion/criterion.h>

#include <string.h>

#include "http/field.h"

Test(http_field, a_name_is_a_token)
{
    static const char *const good[] = {"Accept", "x", "X-Request-Id", "a!#$%&'*+-.^_`|~9"};
    static const char *const bad[] = {"",     "a b", " a",  "a:",   "a\r\nb", "a\n",     "(a)", "a/b",
                                      "a\"b", "a,b", "a;b", "a=b",  "{a}",    "a@b",     "[a]", "a\\",
                                      "<a>",  "a?b", "a\t", "\x7f", "\x01",   "\xc3\xbc"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(field_name_is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(field_name_is_valid(bad[i]), "%s", bad[i]);
}

Test(http_field, a_value_has_no_control_character_but_htab)
{
    cr_expect(field_value_is_valid(""));
    cr_expect(field_value_is_valid("no-store, max-age=0"));
    cr_expect(field_value_is_valid("a\tb"));
    cr_expect(field_value_is_valid("gr\xc3\xbc\xff")); /* obs-text */
    for (char c = 1; c < 0x20; c++)
        cr_expect(field_value_is_valid((char[]){'a', c, 'b', '\0'}) == (c == '\t'), "byte %d", c);
    cr_expect_not(field_value_is_valid("a\x7f"));
    cr_expect_not(field_value_is_valid("a\r\nSet-Cookie: x=1"));
}

/* Either may be NULL. */
static bool text_is(const char *text, const char *expected)
{
    return text == NULL || expected == NULL ? text == expected : strcmp(text, expected) == 0;
}

struct row {
    const char *text;
    bool is_so;
};

Test(http_field, a_media_type_is_compared_without_case_and_parameters)
{
    static const struct row types[] = {
        {"application/x-www-form-urlencoded", true},
        {"Application/X-WWW-Form-URLencoded", true},
        {"application/x-www-form-urlencoded; charset=utf-8", true},
        {" application/x-www-form-urlencoded ;charset=utf-8", true},
        {"application/x-www-form-urlencoded\t", true},
        {"application/x-www-form-urlencoded2", false},
        {"application/x-www-form", false},
        {"application/json", false},
        {"application/x-www-form-urlencoded, text/plain", false},
        {"text/plain; application/x-www-form-urlencoded", false},
        {"", false},
        {NULL, false},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        cr_expect(media_type_is(types[i].text, "application/x-www-form-urlencoded") == types[i].is_so, "%s",
                  types[i].text);
}

Test(http_field, json_is_preferred_only_by_who_names_it)
{
    static const struct row accepts[] = {
        {"application/json", true},
        {"APPLICATION/JSON", true},
        {"application/json, */*;q=0.5", true},
        {"text/html;q=0.9, application/json", true},
        {"text/html, application/json", true}, /* equal weights */
        {"application/json;q=0.001", true},
        {"application/json ; q=0.8 , text/plain ; q=0.8", true},
        {"application/json;charset=utf-8;q=0.7,text/html;Q=0.6", true},
        {"text/*, application/json;q=0.1", true}, /* a wildcard names nothing */
        {"application/json;profile=\"a,text/html;q=1\"", true},
        {"application/json;q=1.000, text/html;q=1.0", true},
        {"application/json;q=0.2, application/json;q=0.9, text/html;q=0.5", true},
        {"application/json;q=0", false},
        {"application/json;q=0.000", false},
        {"application/json;q=0.8, text/html", false},
        {"application/json;q=0.8, text/plain;q=0.801", false},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
        {"*/*", false},
        {"application/*", false},
        {"text/plain", false},
        {"application/jsonp", false},
        {"application/json;q=2", false},
        {"application/json;q=1.001", false},
        {"application/json;q=x", false},
        {"application/json;q=0.5x", false},
        {"text/plain;x=\"application/json\"", false},
        {"text/plain;x=\",application/json,\"", false},
        {"x=\"\\\", application/json\"", false},
        {"", false},
        {",,", false},
        {";;q=1", false},
        {NULL, false},
    };
    for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++)
        cr_expect(accept_prefers_json(accepts[i].text) == accepts[i].is_so, "%s", accepts[i].text);
}

Test(http_field, parameters_are_tokens_or_quoted_strings_and_malformed_ones_are_told_from_absent_ones)
{
    static const struct {
        const char *text;
        bool is_well_formed;
        const char *name; /* NULL: none */
        const char *filename;
    } rows[] = {
        {"form-data; name=a", true, "a", NULL},
        {" Form-Data ;NAME=\"a b\" ; filename=c", true, "a b", "c"},
        {"form-data; name=\"a\\\"b\\\\c\"", true, "a\"b\\c", NULL},
        {"form-data; filename=\"C:\\dir\\file\"", true, NULL, "C:\\dir\\file"},
        {"form-data; name=\"\"", true, "", NULL},
        {"form-data; name=\"a;b=\\\"c\"", true, "a;b=\"c", NULL},
        {"form-data", true, NULL, NULL},
        {"form-data;", true, NULL, NULL},
        {"form-data; ; name=a;", true, "a", NULL},
        {"form-data; xname=a", true, NULL, NULL},
        {"form-data; name=----x", true, "----x", NULL},
        {"form-data; name=\"a\"; name=b", false, NULL, NULL},
        {"form-data; name=\"a; filename=b", false, NULL, NULL},
        {"form-data; name=\"a\"b", false, NULL, NULL},
        {"form-data; name=a b", false, NULL, NULL},
        {"form-data; name=a\"b\"", false, NULL, NULL},
        {"form-data; name=a, text/plain", false, NULL, NULL},
        {"form-data, text/plain; name=a", false, NULL, NULL},
        {"form-data x; name=a", false, NULL, NULL},
        {"form-data; name=\"dir\\\"", false, NULL, NULL}, /* a backslash before the last quote takes it away */
        {"form-data; other; name=a", false, NULL, NULL},
        {"form-data; name =a", false, NULL, NULL},
        {"form-data; name=", false, NULL, NULL},
        {"form-data; name= a", false, NULL, NULL},
        {"form-data; =a", false, NULL, NULL},
        {"form-data2; name=a", false, NULL, NULL},
        {"", false, NULL, NULL},
        {NULL, false, NULL, NULL},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct field_parameter wanted[] = {{.name = "name"}, {.name = "filename"}};
        bool is_well_formed = field_parse(rows[i].text, "form-data", wanted, 2, &arena);
        cr_expect(is_well_formed == rows[i].is_well_formed, "%s", rows[i].text);
        if (is_well_formed) {
            cr_expect(text_is(wanted[0].value, rows[i].name), "%s: name %s", rows[i].text, wanted[0].value);
            cr_expect(text_is(wanted[1].value, rows[i].filename), "%s: filename %s", rows[i].text, wanted[1].value);
        }
    }
    arena_fini(&arena);
}
