/* The header of a session's record. */
#include <criterion/criterion.h>

#include <string.h>

#include "session/header.h"

/* docs/session-format.md has these bytes. */
static const uint8_t bytes[HEADER_BYTES] = {
    2,    1,                                     /* version, flags */
    0,    0,    0,    3,                         /* generation */
    0,    0,    0,    2,                         /* login */
    0,    0,    0,    0,    1,    0,             /* revision 256 */
    0x01, 0x8f, 0xcd, 0x2a, 0x4b, 0x00,          /* touched */
    0x01, 0x8f, 0xcf, 0xbd, 0x77, 0x80,          /* expires */
    0x01, 0x8f, 0xcd, 0x2a, 0x4a, 0xff,          /* renewed */
    0,    7,                                     /* fields */
    0,    0,    1,    0x2c,                      /* size 300 */
    1,    2,    3,    4,    5,    6,    7, 8, 9, /* commits */
    10,   11,   12,
};

Test(header, its_numbers_stand_at_their_places)
{
    struct header header;
    cr_assert(header_parse(bytes, sizeof(bytes), &header));
    cr_expect_eq(header.flags, HEADER_HAS_USER);
    cr_expect_eq(header.generation, 3);
    cr_expect_eq(header.login, 2);
    cr_expect_eq(header.revision, 256);
    cr_expect_eq(header.touched_ms, 0x018fcd2a4b00);
    cr_expect_eq(header.expires_ms, 0x018fcfbd7780);
    cr_expect_eq(header.renewed_ms, 0x018fcd2a4aff);
    cr_expect_eq(header.fields, 7);
    cr_expect_eq(header.size, 300);
    cr_expect_arr_eq(header.commits[1], ((uint8_t[]){7, 8, 9, 10, 11, 12}), HEADER_COMMIT_BYTES);

    uint8_t packed[HEADER_BYTES];
    memset(packed, 0xff, sizeof(packed));
    header_pack(&header, packed);
    cr_expect_arr_eq(packed, bytes, sizeof(bytes));
}

Test(header, another_version_or_length_is_none)
{
    struct header header = {.generation = 77};
    uint8_t other[HEADER_BYTES + 1] = {0};
    memcpy(other, bytes, sizeof(bytes));
    cr_expect_not(header_parse(other, HEADER_BYTES - 1, &header));
    cr_expect_not(header_parse(other, HEADER_BYTES + 1, &header));
    cr_expect_not(header_parse(other, 0, &header));
    other[0] = 3;
    cr_expect_not(header_parse(other, HEADER_BYTES, &header));
    cr_expect_eq(header.generation, 77, "it was written all the same");
}

Test(header, a_number_never_changes_what_a_field_counts)
{
    cr_expect_eq(header_field_size(5, 0), 25);
    cr_expect_eq(header_field_size(5, 1), 25);
    cr_expect_eq(header_field_size(5, strlen("-9223372036854775808")), 25);
    cr_expect_eq(header_field_size(5, 21), 26);
}

/* As watch.lua marks it, by Redis's clock. */
static struct header marked_at(int64_t now_ms)
{
    int64_t last = (now_ms / HEADER_WATCH_UNIT_MS + 1) % HEADER_WATCH_UNITS;
    return (struct header){.flags = (uint8_t)(HEADER_HAS_USER | (1 + last) << HEADER_WATCH_SHIFT)};
}

Test(header, a_mark_is_in_force_for_its_unit_and_the_next_and_a_little_before)
{
    for (int64_t unit = 0; unit < 2 * HEADER_WATCH_UNITS; unit++) {
        int64_t begin_ms = unit * HEADER_WATCH_UNIT_MS + 1000000LL * HEADER_WATCH_UNIT_MS;
        struct header header = marked_at(begin_ms);
        cr_expect(header_is_watched(&header, begin_ms - 5), "unit %d, by a clock that is behind", (int)unit);
        cr_expect(header_is_watched(&header, begin_ms));
        cr_expect(header_is_watched(&header, begin_ms + 2 * HEADER_WATCH_UNIT_MS - 1));
        cr_expect_not(header_is_watched(&header, begin_ms + 2 * HEADER_WATCH_UNIT_MS), "unit %d", (int)unit);
        cr_expect_not(header_is_watched(&header, begin_ms - HEADER_WATCH_UNIT_MS - 5), "unit %d", (int)unit);
        cr_expect_eq(header_watch_last_ms(&header, begin_ms), begin_ms + HEADER_WATCH_UNIT_MS);
        cr_expect_eq(header_watch_last_ms(&header, begin_ms + HEADER_WATCH_UNIT_MS), begin_ms + HEADER_WATCH_UNIT_MS);
        cr_expect_eq(header_watch_last_ms(&header, begin_ms + 2 * HEADER_WATCH_UNIT_MS), 0);
    }
    cr_expect_not(header_is_watched(&(struct header){.flags = HEADER_HAS_USER}, 0));
    cr_expect_eq(header_watch_last_ms(&(struct header){.flags = HEADER_HAS_USER}, 0), 0);
}
