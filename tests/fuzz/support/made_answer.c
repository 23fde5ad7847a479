/* Answers of Redis made out of a few bytes of the input. See made_answer.h. */
#include "made_answer.h"

#include <inttypes.h>

#include "session/header.h"

enum { DEPTH_MAX = 5, ELEMENTS_MAX = 12, TEXT_MAX = 80 };

static const char *const words[] = {"@",           "@user",    "@created",
                                    "@generation", "@until:a", "a",
                                    "b",           "c",        "",
                                    "1-1",         "fields",   "size",
                                    "OK",          "done",     "1",
                                    "-1",          "42",       "9223372036854775807",
                                    "state",       "error",    "waiting",
                                    "dead",        "id",       "1x",
                                    "alice",       "\377",     "default.00112233445566778899aabbccddeeff"};

uint8_t bytes_take(struct bytes *bytes)
{
    if (bytes->left == 0)
        return 0;
    bytes->left--;
    return *bytes->at++;
}

void make_text(struct buffer *out, const void *text, size_t length)
{
    buffer_printf(out, "$%zu\r\n", length);
    buffer_append(out, text, length);
    buffer_append_text(out, "\r\n");
}

static void make_bytes(struct buffer *out, struct bytes *bytes)
{
    size_t length = bytes_take(bytes) % TEXT_MAX;
    if (length > bytes->left)
        length = bytes->left;
    make_text(out, bytes->at, length);
    bytes->at += length;
    bytes->left -= length;
}

static void make_number(struct buffer *out, struct bytes *bytes)
{
    int64_t number = (int8_t)bytes_take(bytes);
    if (number < -100)
        number = INT64_MIN;
    if (number > 100)
        number *= 1000000000000;
    buffer_printf(out, ":%" PRId64 "\r\n", number);
}

static void make_header(struct buffer *out, struct bytes *bytes)
{
    uint8_t packed[HEADER_BYTES];
    struct header header = {
        .flags = bytes_take(bytes),
        .generation = bytes_take(bytes),
        .login = bytes_take(bytes),
        .revision = bytes_take(bytes),
        .touched_ms = 1800000000000,
        .expires_ms = 1900000000000,
        .fields = bytes_take(bytes),
        .size = 100u * bytes_take(bytes),
    };
    header_pack(&header, packed);
    make_text(out, packed, sizeof(packed));
}

static void make_one(struct buffer *out, struct bytes *bytes, int depth)
{
    uint8_t kind = bytes_take(bytes);
    switch (kind % 8) {
    case 0:
        buffer_append_text(out, kind & 8 ? "*-1\r\n" : "$-1\r\n");
        break;
    case 1:
        make_number(out, bytes);
        break;
    case 2:
        make_bytes(out, bytes);
        break;
    case 3:
        buffer_append_text(out, kind & 8 ? "-ERR an error\r\n" : "+OK\r\n");
        break;
    case 4:
        make_header(out, bytes);
        break;
    case 5:
    case 6: {
        const char *word = words[bytes_take(bytes) % (sizeof(words) / sizeof(words[0]))];
        make_text(out, word, strlen(word));
        break;
    }
    default: {
        size_t count = depth < DEPTH_MAX ? (kind >> 3) % ELEMENTS_MAX : 0;
        buffer_printf(out, "*%zu\r\n", count);
        for (size_t i = 0; i < count; i++)
            make_one(out, bytes, depth + 1);
        break;
    }
    }
}

void make_answer(struct buffer *out, struct bytes *bytes)
{
    make_one(out, bytes, 0);
}
