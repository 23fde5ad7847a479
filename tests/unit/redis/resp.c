/* Commands as RESP. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "redis/resp.h"

static void expect_bytes(const struct buffer *buffer, const char *bytes, size_t length)
{
    cr_assert_eq(buffer->length, length, "%zu bytes instead of %zu", buffer->length, length);
    cr_assert_eq(memcmp(buffer->data, bytes, length), 0);
}

Test(redis_resp, a_command_is_an_array_of_bulk_strings)
{
    struct buffer buffer = {0};
    resp_begin(&buffer, 3);
    resp_add_text(&buffer, "SET");
    resp_add(&buffer, "", 0);
    resp_add(&buffer, "a\0\r\n$1\r\n", 9);
    static const char expected[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$9\r\na\0\r\n$1\r\n\0\r\n";
    expect_bytes(&buffer, expected, sizeof(expected) - 1);
    buffer_fini(&buffer);
}

Test(redis_resp, an_absent_pointer_of_no_bytes_is_an_empty_argument)
{
    struct buffer buffer = {0};
    resp_begin(&buffer, 1);
    resp_add(&buffer, NULL, 0);
    expect_bytes(&buffer, "*1\r\n$0\r\n\r\n", 10);
    buffer_fini(&buffer);
}

Test(redis_resp, lengths_of_several_digits_are_written_in_order)
{
    struct buffer buffer = {0};
    char *big = calloc(1, 1234567);
    resp_begin(&buffer, 1020);
    resp_add(&buffer, big, 1234567);
    cr_assert_eq(buffer.length, strlen("*1020\r\n$1234567\r\n") + 1234567 + 2);
    cr_assert_eq(memcmp(buffer.data, "*1020\r\n$1234567\r\n", 17), 0);
    free(big);
    buffer_fini(&buffer);
}

Test(redis_resp, the_next_command_takes_the_place_of_the_last)
{
    struct buffer buffer = {0};
    resp_begin(&buffer, 1);
    resp_add_text(&buffer, "A-LONGER-ONE");
    resp_begin(&buffer, 1);
    resp_add_text(&buffer, "PING");
    expect_bytes(&buffer, "*1\r\n$4\r\nPING\r\n", 14);
    buffer_fini(&buffer);
}
