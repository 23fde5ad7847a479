/* What may identify a request or a trace. */
#include <criterion/criterion.h>

#include <string.h>

#include "http/request_id.h"

Test(request_id, letters_digits_and_three_others_up_to_64)
{
    static const char *const good[] = {"a", "0af7651916cd43dd8448eb211c80319c", "A.b_c-9",
                                       "1234567890123456789012345678901234567890123456789012345678901234"};
    static const char *const bad[] = {
        "",    "a b", "a\nb",
        "a\"", "a=b", "\xc3\xa4",
        "a;b", "a/b", "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(request_id_is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(request_id_is_valid(bad[i]), "%s", bad[i]);
}

Test(request_id, own_ones_are_valid_and_differ)
{
    struct arena arena = {0};
    const char *one = request_id_new(&arena);
    const char *other = request_id_new(&arena);
    cr_expect(request_id_is_valid(one) && request_id_is_valid(other));
    cr_expect_str_neq(one, other);
    arena_fini(&arena);
}

Test(request_id, a_trace_parent_is_what_the_recommendation_says)
{
    static const char *const good[] = {
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    };
    static const char *const bad[] = {
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c8031\n9c-b7ad6b7169203331-1",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(trace_parent_is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(trace_parent_is_valid(bad[i]), "%s", bad[i]);
    char trace_id[TRACE_ID_LENGTH + 1];
    cr_assert(trace_id_of(good[0], trace_id));
    cr_expect_str_eq(trace_id, "0af7651916cd43dd8448eb211c80319c");
    cr_expect_not(trace_id_of(NULL, trace_id));
}
