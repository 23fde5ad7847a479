/* An input that is what Redis answers. See redis_input.h. */
#include "redis_input.h"

#include "../fuzz.h"
#include "made_answer.h"

static struct {
    struct bytes bytes;
    bool is_one; /* as they are, they are exactly one answer */
    bool was_asked;
} input;

unsigned redis_input_flags;

void redis_input_take(const uint8_t *data, size_t size)
{
    redis_input_flags = data[1];
    input.bytes = (struct bytes){data + REDIS_INPUT_HEAD, size - REDIS_INPUT_HEAD};
    input.is_one = fake_is_one_answer(data + REDIS_INPUT_HEAD, size - REDIS_INPUT_HEAD);
    input.was_asked = false;
}

bool redis_input_answer(struct buffer *out, size_t count, const struct fake_word words[])
{
    (void)count;
    (void)words;
    bool is_raw = (redis_input_flags & IS_RAW) != 0 && !input.was_asked;
    input.was_asked = true;
    if (!is_raw) {
        make_answer(out, &input.bytes);
        return true;
    }
    buffer_append(out, input.bytes.at, input.bytes.left);
    input.bytes.left = 0;
    return input.is_one;
}

void check_redis_error(enum mid_error error)
{
    CLAIM(error == MID_OK || error == MID_UNAVAILABLE || error == MID_OVERLOADED || error == MID_FAILED ||
          error == MID_NOT_FOUND || error == MID_LOST_LEASE);
}

void check_redis_text(const char *text)
{
    CLAIM(text != NULL && strlen(text) < 1u << 20);
}
