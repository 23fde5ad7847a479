/* Who waits for an answer. See answer_queue.h. */
#include "redis/answer_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

enum { CAPACITY_MIN = 64 };

/* The ring's two halves are put in order in the new memory. */
static void grow(struct answer_queue *queue)
{
    size_t capacity = queue->capacity == 0 ? CAPACITY_MIN : queue->capacity * 2;
    struct waiting_answer *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        panic("out of memory for %zu commands of Redis", capacity);
    for (size_t i = 0; i < queue->count; i++)
        slots[i] = queue->slots[(queue->first + i) & (queue->capacity - 1)];
    free(queue->slots);
    queue->slots = slots;
    queue->capacity = capacity;
    queue->first = 0;
}

void answer_queue_append(struct answer_queue *queue, redis_answer_fn *fn, void *arg)
{
    if (queue->count == queue->capacity)
        grow(queue);
    size_t last = (queue->first + queue->count) & (queue->capacity - 1);
    queue->slots[last] = (struct waiting_answer){fn, arg};
    queue->count++;
}

bool answer_queue_take(struct answer_queue *queue, struct waiting_answer *answer)
{
    if (queue->count == 0)
        return false;
    *answer = queue->slots[queue->first];
    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return true;
}

void answer_queue_fini(struct answer_queue *queue)
{
    free(queue->slots);
    *queue = (struct answer_queue){0};
}
