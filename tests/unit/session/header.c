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
