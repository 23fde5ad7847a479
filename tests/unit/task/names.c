/* The names of queues and tasks, and the ids that visitors send. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "task/consumer.h"
#include "task/queue.h"

#define HEX "0123456789abcdef0123456789abcdef"

Test(task_names, an_id_is_a_queue_a_dot_and_32_digits)
{
    static const struct {
        const char *id;
        const char *queue; /* NULL: it is none */
    } rows[] = {
        {"default." HEX, "default"},
        {"a." HEX, "a"},
        {"mail-2_b." HEX, "mail-2_b"},
        {"abcdefghijklmnopqrstuvwxyz012345." HEX, "abcdefghijklmnopqrstuvwxyz012345"},
        {"abcdefghijklmnopqrstuvwxyz0123456." HEX, NULL},
        {"", NULL},
        {"default", NULL},
        {"default.", NULL},
        {"." HEX, NULL},
        {HEX, NULL},
        {"default." HEX "0", NULL},
        {"default.0123456789abcdef0123456789abcde", NULL},
        {"default.0123456789ABCDEF0123456789ABCDEF", NULL},
        {"default.0123456789abcdef0123456789abcde\n", NULL},
        {"Default." HEX, NULL},
        {"de}fault." HEX, NULL},
        {"default.." HEX, NULL},
        {"default:" HEX, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char queue[QUEUE_NAME_BYTES] = "untouched";
        bool is_id = task_id_parse(rows[i].id, queue);
        cr_expect_eq(is_id, rows[i].queue != NULL, "\"%s\"", rows[i].id);
        cr_expect_str_eq(queue, rows[i].queue != NULL ? rows[i].queue : "untouched");
    }
}

Test(task_names, an_id_that_was_made_here_is_one)
{
    char id[MID_TASK_ID_BYTES];
    char other[MID_TASK_ID_BYTES];
    char queue[QUEUE_NAME_BYTES];
    mid_task_new_id(NULL, id);
    mid_task_new_id("abcdefghijklmnopqrstuvwxyz012345", other);
    cr_expect(task_id_parse(id, queue));
    cr_expect_str_eq(queue, "default");
    cr_expect(task_id_parse(other, queue));
    cr_expect_str_eq(queue, "abcdefghijklmnopqrstuvwxyz012345");
    cr_expect_lt(strlen(other), (size_t)MID_TASK_ID_BYTES);
}

Test(task_names, a_list_of_queues_is_one_to_eight_names)
{
    static const struct {
        const char *queues;
        bool is_valid;
    } rows[] = {
        {"default", true},
        {"a,b,c", true},
        {"a,b,c,d,e,f,g,h", true},
        {"a,b,c,d,e,f,g,h,i", false},
        {"", false},
        {",", false},
        {"a,", false},
        {",a", false},
        {"a,,b", false},
        {"A", false},
        {"a b", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(consumers_names_are_valid(rows[i].queues), rows[i].is_valid, "\"%s\"", rows[i].queues);
}
