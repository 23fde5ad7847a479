/* Pauses before the next try. */
#include "base/backoff.h"

#include <criterion/criterion.h>

enum { DRAWS = 2000 };

/* The shortest and the longest of many. */
static void draw(int failures, int64_t first_ms, int64_t longest_ms, int64_t *least, int64_t *most)
{
    *least = INT64_MAX;
    *most = INT64_MIN;
    for (int i = 0; i < DRAWS; i++) {
        int64_t ms = backoff_ms(failures, first_ms, longest_ms);
        *least = ms < *least ? ms : *least;
        *most = ms > *most ? ms : *most;
    }
}

Test(backoff, pauses_double_up_to_the_longest_and_half_of_each_is_random)
{
    static const struct {
        int failures;
        int64_t whole_ms;
    } rows[] = {{0, 20}, {1, 20}, {2, 40}, {3, 80}, {5, 320}, {6, 500}, {7, 500}, {1000, 500}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t least;
        int64_t most;
        draw(rows[i].failures, 20, 500, &least, &most);
        cr_expect(least >= rows[i].whole_ms / 2 && least < rows[i].whole_ms * 6 / 10, "after %d: least %lld",
                  rows[i].failures, (long long)least);
        cr_expect(most <= rows[i].whole_ms && most > rows[i].whole_ms * 9 / 10, "after %d: most %lld", rows[i].failures,
                  (long long)most);
    }
}

Test(backoff, a_pause_of_nothing_or_of_a_millisecond_is_one)
{
    cr_expect_eq(backoff_jitter(0), 0);
    cr_expect_eq(backoff_jitter(1), 1);
}
