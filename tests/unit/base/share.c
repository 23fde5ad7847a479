/* Shares of a time lie evenly, however many are taken. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/share.h"

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

Test(share, any_number_of_them_lie_evenly)
{
    enum { WHOLE = 1000000, MOST = 500 };
    for (int count = 2; count <= MOST; count++) {
        int64_t at[MOST];
        for (int i = 0; i < count; i++) {
            at[i] = share_of(WHOLE, share_next());
            cr_assert(at[i] >= 0 && at[i] < WHOLE);
        }
        qsort(at, (size_t)count, sizeof(at[0]), by_size);
        for (int i = 1; i < count; i++)
            cr_assert(at[i] - at[i - 1] < 2 * WHOLE / count, "%d shares leave a gap of %lld of %d", count,
                      (long long)(at[i] - at[i - 1]), WHOLE);
    }
}
