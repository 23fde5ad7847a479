/* What Redis says about its memory. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "session/memory_info.h"

Test(memory_info, both_figures_are_found_among_whatever_else_there_is)
{
    static const struct {
        const char *text;
        int64_t used_bytes;
        int64_t max_bytes;
    } good[] = {
        {"used_memory:1\nmaxmemory:2", 1, 2},
        {"used_memory:0\r\nmaxmemory:0\r\n", 0, 0},
        {"maxmemory:2\r\nused_memory:1\r\n", 1, 2},
        {"# Memory\r\nused_memory:1024\r\nused_memory_human:1.00K\r\nused_memory_rss:5000\r\nmaxmemory:4096\r\n"
         "maxmemory_human:4.00K\r\nmaxmemory_policy:noeviction\r\n",
         1024, 4096},
        {"\n\n\r\nused_memory:1\n\nold_used_memory:7\nmaxmemory:2\nxmaxmemory:9\nused_memory\nmaxmemory", 1, 2},
        {"used_memory:007\nmaxmemory:9000000000000000000\n", 7, INT64_C(9000000000000000000)},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct memory_figures figures = {-1, -1};
        cr_expect(memory_info_parse(good[i].text, strlen(good[i].text), &figures), "%s", good[i].text);
        cr_expect(figures.used_bytes == good[i].used_bytes && figures.max_bytes == good[i].max_bytes,
                  "%s: %" PRId64 ", %" PRId64, good[i].text, figures.used_bytes, figures.max_bytes);
    }
}

Test(memory_info, what_lacks_one_of_them_or_has_no_number_is_refused)
{
    static const char *const bad[] = {
        "",
        "\n",
        "used_memory:1\n",
        "maxmemory:1\n",
        "used_memory:\nmaxmemory:1\n",
        "used_memory:-1\nmaxmemory:1\n",
        "used_memory: 1\nmaxmemory:1\n",
        "used_memory:1k\nmaxmemory:1\n",
        "used_memory:1.5\nmaxmemory:1\n",
        "used_memory:1\rmaxmemory:1\r",
        "used_memory:1\nmaxmemory:9223372036854775808\n",
        "used_memory:99999999999999999999999\nmaxmemory:1\n",
        "used_memory:1\nused_memory:1\nmaxmemory:1\n",
        "used_memory:1\nmaxmemory:1\nmaxmemory:1\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct memory_figures figures = {-7, -7};
        cr_expect_not(memory_info_parse(bad[i], strlen(bad[i]), &figures), "%s", bad[i]);
        cr_expect(figures.used_bytes == -7 && figures.max_bytes == -7, "%s", bad[i]);
    }
}

Test(memory_info, the_text_is_read_to_its_length)
{
    static const char text[] = "used_memory:12\nmaxmemory:34567";
    struct memory_figures figures;
    cr_assert(memory_info_parse(text, strlen(text) - 3, &figures));
    cr_expect_eq(figures.max_bytes, 34);
}
