/* When new sessions are refused because of the memory of Redis. */
#include <criterion/criterion.h>

#include "http/request.h"
#include "session/memory_watch.h"

static bool is_full_at(int64_t used_bytes, int64_t max_bytes, int64_t percent)
{
    memory_watch_take(&(struct memory_figures){used_bytes, max_bytes}, percent);
    return memory_watch_is_full();
}

Test(memory_watch, it_is_full_from_the_share_on_and_has_room_a_percent_point_below)
{
    cr_expect_not(memory_watch_is_full());
    cr_expect_not(is_full_at(799, 1000, 80));
    cr_expect(is_full_at(800, 1000, 80));
    cr_expect(is_full_at(799, 1000, 80));
    cr_expect(is_full_at(790, 1000, 80));
    cr_expect_not(is_full_at(789, 1000, 80));
    cr_expect_not(is_full_at(799, 1000, 80));
    cr_expect(is_full_at(5000, 1000, 80));
}

Test(memory_watch, without_maxmemory_or_a_share_it_is_never_full)
{
    cr_expect_not(is_full_at(INT64_MAX, 0, 80));
    cr_expect_not(is_full_at(1000, 1000, 0));
    cr_expect(is_full_at(800, 1000, 80));
    cr_expect_not(is_full_at(800, 0, 80)); /* CONFIG SET maxmemory 0 */
}

Test(memory_watch, figures_may_be_as_large_as_they_like)
{
    cr_expect(is_full_at(INT64_MAX, INT64_MAX, 100));
    cr_expect_not(is_full_at(INT64_MAX / 2, INT64_MAX, 100));
    cr_expect(is_full_at(INT64_MAX, 1, 1));
}

Test(memory_watch, the_least_share_can_be_left_too)
{
    cr_expect(is_full_at(10, 1000, 1));
    cr_expect_not(is_full_at(9, 1000, 1));
}

Test(memory_watch, a_request_is_told_which_limit_it_is)
{
    struct mid_request rq;
    request_init_detached(&rq, "test");
    cr_assert_not(is_full_at(1, 1000, 80));
    cr_expect_eq(memory_watch_admit(&rq), MID_OK);
    cr_assert(is_full_at(900, 1000, 80));
    cr_expect_eq(memory_watch_admit(&rq), MID_OVERLOADED);
    cr_expect_str_eq(rq.error_detail, "the session store is filled to 80 %: no new sessions, those that exist go on");
    request_finish(&rq);
}
