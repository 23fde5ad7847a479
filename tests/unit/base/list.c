/* Intrusive lists: order, removal in the middle, and the element behind a link. */
#include <criterion/criterion.h>

#include "base/list.h"

struct number {
    int value;
    struct list link;
};

static int take_value(struct list *head)
{
    return LIST_ELEMENT(list_take_first(head), struct number, link)->value;
}

Test(list, a_new_list_is_empty)
{
    struct list head;
    list_init(&head);
    cr_assert(list_is_empty(&head));
    cr_assert_null(list_take_first(&head));
}

Test(list, appended_elements_come_out_in_their_order)
{
    struct list head;
    struct number numbers[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    list_init(&head);
    for (int i = 0; i < 3; i++)
        list_append(&head, &numbers[i].link);
    cr_assert_eq(take_value(&head), 1);
    cr_assert_eq(take_value(&head), 2);
    cr_assert_eq(take_value(&head), 3);
    cr_assert(list_is_empty(&head));
}

Test(list, a_prepended_element_comes_first)
{
    struct list head;
    struct number last = {.value = 2}, first = {.value = 1};
    list_init(&head);
    list_append(&head, &last.link);
    list_prepend(&head, &first.link);
    cr_assert_eq(take_value(&head), 1);
    cr_assert_eq(take_value(&head), 2);
}

Test(list, an_element_leaves_the_middle_and_may_be_removed_again)
{
    struct list head;
    struct number numbers[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    list_init(&head);
    for (int i = 0; i < 3; i++)
        list_append(&head, &numbers[i].link);
    list_remove(&numbers[1].link);
    list_remove(&numbers[1].link);
    cr_assert_eq(take_value(&head), 1);
    cr_assert_eq(take_value(&head), 3);
    cr_assert(list_is_empty(&head));
}

Test(list, a_taken_element_is_in_no_list_and_can_join_another)
{
    struct list first, second;
    struct number number = {.value = 1};
    list_init(&first);
    list_init(&second);
    list_append(&first, &number.link);
    list_append(&second, list_take_first(&first));
    cr_assert(list_is_empty(&first));
    cr_assert_eq(take_value(&second), 1);
}
