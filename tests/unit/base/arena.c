/* A request's memory: aligned, of any size, and given back at once. */
#include <criterion/criterion.h>

#include <stdint.h>
#include <string.h>

#include "base/arena.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena);
}

static void tear_down(void)
{
    arena_fini(&arena);
}

TestSuite(arena, .init = set_up, .fini = tear_down);

Test(arena, memory_is_aligned_and_pieces_do_not_overlap)
{
    enum { COUNT = 500 };
    char *pieces[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        pieces[i] = arena_alloc(&arena, i);
        cr_assert((uintptr_t)pieces[i] % 16 == 0, "piece %zu is not aligned", i);
        memset(pieces[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert((unsigned char)pieces[i][k] == i % 251, "piece %zu was written over", i);
}

Test(arena, a_piece_larger_than_every_chunk_is_served)
{
    enum { BYTES = 1000 * 1000 };
    char *large = arena_zalloc(&arena, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        cr_assert(large[i] == 0);
    memset(large, 1, BYTES);
    cr_assert_str_eq(arena_strdup(&arena, "after"), "after");
}

Test(arena, zeroed_memory_is_zeroed_also_when_it_is_used_again)
{
    memset(arena_alloc(&arena, 900), 0xff, 900);
    arena_reset(&arena);
    const char *again = arena_zalloc(&arena, 900);
    for (size_t i = 0; i < 900; i++)
        cr_assert(again[i] == 0);
}

Test(arena, texts_are_copied_with_a_nul_behind)
{
    cr_assert_str_eq(arena_strndup(&arena, "session", 4), "sess");
    cr_assert_str_eq(arena_strndup(&arena, NULL, 0), "");
    cr_assert_str_eq(arena_strdup(&arena, "session"), "session");
}

Test(arena, formatted_texts_of_every_length_arrive_whole)
{
    for (int width = 1; width < 3000; width += 7) {
        const char *text = arena_printf(&arena, "%0*d", width, 7);
        cr_assert(strlen(text) == (size_t)width, "%zu instead of %d", strlen(text), width);
        cr_assert(text[width - 1] == '7');
    }
}

Test(arena, a_reset_keeps_the_first_chunk_for_the_next_request)
{
    arena_alloc(&arena, 100);
    struct arena_chunk *first = arena.chunk;
    for (int i = 0; i < 100; i++)
        arena_alloc(&arena, 1000);
    cr_assert(arena.chunk != first);
    arena_reset(&arena);
    cr_assert(arena.chunk == first);
    arena_alloc(&arena, 100);
    cr_assert(arena.chunk == first, "the first chunk was not used again");
}

Test(arena, an_arena_can_be_used_again_after_fini_and_reset_without_memory)
{
    arena_reset(&arena);
    arena_fini(&arena);
    cr_assert_str_eq(arena_strdup(&arena, "again"), "again");
}
