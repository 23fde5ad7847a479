/* Bytes that grow at the end. */
#include <criterion/criterion.h>

#include <string.h>

#include "base/buffer.h"

Test(buffer, appended_pieces_stand_one_behind_the_other)
{
    struct buffer buffer = {0};
    buffer_append(&buffer, "a\0b", 3);
    buffer_append_text(&buffer, "cd");
    buffer_append(&buffer, NULL, 0);
    buffer_printf(&buffer, "%d", 42);
    cr_assert(buffer.length == 7);
    cr_assert_arr_eq(buffer.data, "a\0bcd42", 7);
    buffer_fini(&buffer);
}

Test(buffer, it_grows_without_losing_a_byte)
{
    struct buffer buffer = {0};
    for (int i = 0; i < 20000; i++)
        buffer_append(&buffer, &(char){(char)(i % 101)}, 1);
    cr_assert(buffer.length == 20000);
    for (int i = 0; i < 20000; i++)
        cr_assert(buffer.data[i] == (char)(i % 101));
    buffer_fini(&buffer);
}

Test(buffer, formatted_text_of_every_length_arrives_whole)
{
    for (int width = 1; width < 1200; width++) {
        struct buffer buffer = {0};
        buffer_append_text(&buffer, "x");
        buffer_printf(&buffer, "%0*d", width, 7);
        cr_assert(buffer.length == 1 + (size_t)width);
        cr_assert(buffer.data[buffer.length - 1] == '7');
        buffer_fini(&buffer);
    }
}

Test(buffer, an_empty_format_adds_nothing_to_an_empty_buffer)
{
    struct buffer buffer = {0};
    buffer_printf(&buffer, "%s", "");
    cr_assert(buffer.length == 0);
    buffer_fini(&buffer);
}

Test(buffer, reserved_room_is_written_by_the_caller)
{
    struct buffer buffer = {0};
    memset(buffer_reserve(&buffer, 5000), 'z', 5000);
    buffer.length += 5000;
    buffer_append_text(&buffer, "!");
    cr_assert(buffer.data[4999] == 'z' && buffer.data[5000] == '!');
    buffer_fini(&buffer);
}

Test(buffer, it_can_be_used_again_after_fini)
{
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "old");
    buffer_fini(&buffer);
    cr_assert(buffer.data == NULL && buffer.length == 0 && buffer.capacity == 0);
    buffer_append_text(&buffer, "new");
    cr_assert_arr_eq(buffer.data, "new", 3);
    buffer_fini(&buffer);
}
