/* UTF-8: what RFC 3629 allows, and each of the ways to get it wrong. */
#include <criterion/criterion.h>

#include <string.h>

#include "base/utf8.h"

struct row {
    const char *text;
    size_t length; /* of the sequence; 0: malformed */
    const char *why;
};

static const struct row rows[] = {
    {"a", 1, "ASCII"},
    {"\x7f", 1, "DEL"},
    {"\xc2\x80", 2, "the first of two bytes"},
    {"\xdf\xbf", 2, "the last of two bytes"},
    {"\xe0\xa0\x80", 3, "the first of three bytes"},
    {"\xed\x9f\xbf", 3, "the last before the surrogates"},
    {"\xee\x80\x80", 3, "the first behind the surrogates"},
    {"\xef\xbf\xbf", 3, "the last of three bytes"},
    {"\xf0\x90\x80\x80", 4, "the first of four bytes"},
    {"\xf4\x8f\xbf\xbf", 4, "U+10FFFF"},
    {"\x80", 0, "a tail without a head"},
    {"\xc0\x80", 0, "an overlong NUL"},
    {"\xc1\xbf", 0, "an overlong ASCII character"},
    {"\xe0\x9f\xbf", 0, "overlong in three bytes"},
    {"\xf0\x8f\xbf\xbf", 0, "overlong in four bytes"},
    {"\xed\xa0\x80", 0, "a surrogate"},
    {"\xf4\x90\x80\x80", 0, "above U+10FFFF"},
    {"\xf5\x80\x80\x80", 0, "a head that does not exist"},
    {"\xff", 0, "a byte that never occurs"},
    {"\xc3", 0, "cut in two bytes"},
    {"\xe2\x82", 0, "cut in three bytes"},
    {"\xf0\x9f\x92", 0, "cut in four bytes"},
    {"\xc3(", 0, "a head without its tail"},
    {"\xe2\x82(", 0, "a wrong third byte"},
    {"\xf0\x9f\x92(", 0, "a wrong fourth byte"},
};

Test(utf8, sequences_are_told_from_malformed_ones)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t length = strlen(rows[i].text);
        cr_expect(utf8_sequence_length(rows[i].text, length) == rows[i].length, "%s", rows[i].why);
        cr_expect(utf8_is_valid(rows[i].text, length) == (rows[i].length > 0), "%s", rows[i].why);
    }
}

Test(utf8, a_sequence_never_reaches_behind_the_given_length)
{
    cr_assert(utf8_sequence_length("\xe2\x82\xac", 2) == 0);
    cr_assert(utf8_sequence_length("a", 0) == 0);
    cr_assert(utf8_is_valid("", 0));
}

Test(utf8, one_malformed_byte_makes_a_text_malformed)
{
    cr_assert(utf8_is_valid("gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac", 15));
    cr_assert_not(utf8_is_valid("gr\xc3\xbc\xc3\x9f dich \xe2\x82", 14));
    cr_assert_not(utf8_is_valid("ab\xff"
                                "cd",
                                5));
}
