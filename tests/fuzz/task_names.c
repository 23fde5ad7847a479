/* Names of queues and of tasks, and ids: what is accepted has nothing that means something in a key, a path or a log.
 */
#include "fuzz.h"

#include "task/queue.h"

static bool is_of(const char *text, const char *more)
{
    for (; *text != '\0'; text++)
        if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') && strchr(more, *text) == NULL)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char queue[QUEUE_NAME_BYTES];
    char again[MID_TASK_ID_BYTES + 1];
    if (queue_name_is_valid(text))
        CLAIM(strlen(text) >= 1 && strlen(text) < QUEUE_NAME_BYTES && is_of(text, "-_"));
    if (task_name_is_valid(text))
        CLAIM(strlen(text) >= 1 && strlen(text) <= 64 && is_of(text, "-_.ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    if (task_id_parse(text, queue)) {
        CLAIM(queue_name_is_valid(queue));
        CLAIM(strlen(text) < MID_TASK_ID_BYTES);
        snprintf(again, sizeof(again), "%s.%s", queue, text + strlen(queue) + 1);
        CLAIM(strcmp(text, again) == 0 && is_of(text, "-_."));
    }
    free(text);
    return 0;
}
