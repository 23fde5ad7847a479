/* Who waits for an answer, against a model: a list of numbers of which the front is taken. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "redis/answer_queue.h"

static void hear(void *arg, const struct redisReply *reply)
{
    (void)arg;
    (void)reply;
}

static void *number(uintptr_t n)
{
    return (void *)n; /* NOLINT(performance-no-int-to-ptr): never followed */
}

static uintptr_t take(struct answer_queue *queue)
{
    struct waiting_answer waiting = {0};
    cr_assert(answer_queue_take(queue, &waiting));
    cr_assert_eq(waiting.fn, hear);
    return (uintptr_t)waiting.arg;
}

Test(answer_queue, an_empty_one_has_nobody)
{
    struct answer_queue queue = {0};
    struct waiting_answer waiting;
    cr_assert_not(answer_queue_take(&queue, &waiting));
    answer_queue_append(&queue, hear, number(7));
    cr_assert_eq(take(&queue), 7);
    cr_assert_not(answer_queue_take(&queue, &waiting));
    answer_queue_fini(&queue);
    cr_assert_not(answer_queue_take(&queue, &waiting));
}

/* Bursts of up to 200, so that the ring grows at any place of its beginning. */
Test(answer_queue, whoever_came_first_is_taken_first)
{
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "answer_queue: seed %u\n", seed);
    for (int round = 0; round < 200; round++) {
        struct answer_queue queue = {0};
        uintptr_t appended = 0, taken = 0;
        for (int burst = 0; burst < 20; burst++) {
            for (int count = rand_r(&seed) % 200; count > 0; count--)
                answer_queue_append(&queue, hear, number(++appended));
            for (int count = rand_r(&seed) % 200; count > 0 && taken < appended; count--)
                cr_assert_eq(take(&queue), ++taken);
            cr_assert_eq(queue.count, appended - taken);
        }
        while (taken < appended)
            cr_assert_eq(take(&queue), ++taken);
        answer_queue_fini(&queue);
    }
}
