/* Query strings and paths: forgiving where browsers are, strict where a second reading would be a hole. */
#include <criterion/criterion.h>

#include <string.h>

#include "http/query.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena);
}

static void tear_down(void)
{
    arena_fini(&arena);
}

TestSuite(query, .init = set_up, .fini = tear_down);

struct query_row {
    const char *query;
    const char *name;
    const char *value; /* NULL: absent */
};

static const struct query_row queries[] = {
    {"count=10&interval_ms=1000", "count", "10"},
    {"count=10&interval_ms=1000", "interval_ms", "1000"},
    {"count=10&interval_ms=1000", "interval", NULL},
    {"count=10", "counter", NULL},
    {"a=1&a=2", "a", "1"},
    {"a=1=2", "a", "1=2"},
    {"a", "a", ""},
    {"a&b=1", "a", ""},
    {"a=", "a", ""},
    {"=1", "a", NULL},
    {"", "a", NULL},
    {NULL, "a", NULL},
    {"&&a=1&", "a", "1"},
    {"x=a=1", "a", NULL},
    {"prompt=one+two%20three", "prompt", "one two three"},
    {"a=1%2B1", "a", "1+1"},
    {"a=%26%3D", "a", "&="},
    {"%61=1", "a", "1"},
    {"a+b=1", "a b", "1"},
    {"a=gr%C3%BC%c3%9f", "a", "gr\xc3\xbc\xc3\x9f"},
    {"a=100%", "a", "100%"},
    {"a=%4", "a", "%4"},
    {"a=%zz%41", "a", "%zzA"},
    {"a=%%41", "a", "%A"},
    {"a=%4&b=1", "a", "%4"},
    {"a=x%00y", "a", NULL},
    {"a=%00&a=2", "a", NULL},
    {"a%00=1&a=2", "a", "2"},
    {"%00=1", "", NULL},
    {"a=%ff", "a", "\xef\xbf\xbd"},
    {"a=x\xe2\x82y", "a", "x\xef\xbf\xbd\xef\xbf\xbdy"},
    {"a=1;b=2", "b", NULL},
};

Test(query, parameters_are_found_and_decoded)
{
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        const struct query_row *row = &queries[i];
        const char *value = query_find(row->query, row->name, &arena);
        if (row->value == NULL)
            cr_expect_null(value, "row %zu (%s) gave %s", i, row->query, value);
        else
            cr_expect(value != NULL && strcmp(value, row->value) == 0, "row %zu (%s) gave %s", i, row->query, value);
    }
}

struct path_row {
    const char *path;
    const char *decoded; /* NULL: malformed */
};

static const struct path_row paths[] = {
    {"", ""},
    {"/null", "/null"},
    {"/a+b", "/a+b"},
    {"/%61%2Fb", "/a/b"},
    {"/gr%C3%BC\xc3\x9f", "/gr\xc3\xbc\xc3\x9f"},
    {"/%25", "/%"},
    {"/%2541", "/%41"},
    {"/%", NULL},
    {"/%4", NULL},
    {"/%g1", NULL},
    {"/%1g", NULL},
    {"/%%41", NULL},
    {"/%+1", NULL},
    {"/%00", NULL},
    {"/a%00b", NULL},
    {"/%ff", NULL},
    {"/\xff", NULL},
    {"/%c3", NULL},
    {"/%c0%af", NULL},
    {"/%ed%a0%80", NULL},
};

Test(query, a_path_is_decoded_or_refused)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        static char untouched[] = "untouched";
        char *decoded = untouched;
        bool is_well_formed = percent_decode_path(paths[i].path, strlen(paths[i].path), &arena, &decoded);
        cr_expect(is_well_formed == (paths[i].decoded != NULL), "%s", paths[i].path);
        cr_expect_str_eq(decoded, paths[i].decoded != NULL ? paths[i].decoded : "untouched");
    }
}

Test(query, a_path_is_not_read_behind_its_length)
{
    char *decoded = NULL;
    cr_assert(percent_decode_path("ab%41", 2, &arena, &decoded));
    cr_assert_str_eq(decoded, "ab");
    cr_assert_not(percent_decode_path("ab%41", 4, &arena, &decoded));
    cr_assert_not(percent_decode_path("a\0b", 3, &arena, &decoded));
}
