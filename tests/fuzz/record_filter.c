/*
 * Any bytes in any pieces get the verdicts, and give the bytes, that they do in one piece; and what passes of a
 * complete request is one without padding by a second reading of the standard, which is slow and looks at whole
 * records.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/record_filter.h"

enum { PARAMS_MAX = 512, OUTPUT_MAX = 64 * 1024 };

struct outcome {
    enum record_filter_verdict verdict;
    size_t events; /* verdicts in between, each weighed by its place */
    size_t consumed;
    size_t output_length;
    uint8_t output[OUTPUT_MAX];
};

static bool goes_on(enum record_filter_verdict verdict)
{
    return verdict == RECORDS_PASS || verdict == RECORDS_VALUES || verdict == RECORDS_UNKNOWN ||
           verdict == RECORDS_UNKNOWN_ROLE || verdict == RECORDS_MULTIPLEXED;
}

static void feed_piece(struct record_filter *filter, struct outcome *outcome, const uint8_t *data, size_t length)
{
    uint8_t *room = malloc(RECORD_FILTER_HELD_MAX + length);
    uint8_t *piece = room + RECORD_FILTER_HELD_MAX;
    size_t given = 0;
    if (length > 0)
        memcpy(piece, data, length);
    for (size_t at = 0; at < length && goes_on(outcome->verdict);) {
        size_t consumed;
        size_t passed;
        outcome->verdict = record_filter_feed(filter, piece + at, length - at, room + given, &consumed, &passed);
        CLAIM(consumed <= length - at && (outcome->verdict != RECORDS_PASS || consumed == length - at));
        CLAIM((outcome->verdict == RECORDS_MALFORMED) == (filter->reason != NULL));
        at += consumed;
        given += passed;
        CLAIM(given <= at + RECORD_FILTER_HELD_MAX);
        outcome->consumed += consumed;
        if (outcome->verdict != RECORDS_PASS)
            outcome->events = 31 * outcome->events + outcome->verdict;
    }
    CLAIM(outcome->output_length + given <= OUTPUT_MAX);
    memcpy(outcome->output + outcome->output_length, room, given);
    outcome->output_length += given;
    free(room);
}

static void feed(const uint8_t *data, size_t size, size_t piece_bytes, struct outcome *outcome)
{
    struct record_filter filter = {0};
    outcome->verdict = RECORDS_PASS;
    outcome->events = outcome->consumed = outcome->output_length = 0;
    record_filter_begin(&filter, PARAMS_MAX);
    for (size_t at = 0; at < size && goes_on(outcome->verdict); at += piece_bytes)
        feed_piece(&filter, outcome, data + at, size - at < piece_bytes ? size - at : piece_bytes);
}

/* Whether the bytes are name-value pairs from the first to the last (section 3.4). */
static bool are_pairs(const uint8_t *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t sum = 0;
        for (int field = 0; field < 2; field++) {
            size_t size = at < length && bytes[at] >= 0x80 ? 4 : 1;
            if (length - at < size)
                return false;
            size_t value = bytes[at] & 0x7f;
            for (size_t i = 1; i < size; i++)
                value = value << 8 | bytes[at + i];
            sum += value;
            at += size;
        }
        if (length - at < sum)
            return false;
        at += sum;
    }
    return true;
}

/* Whether the bytes are exactly one request of a responder, by whole records. */
static bool is_request(const uint8_t *data, size_t size)
{
    static uint8_t params[PARAMS_MAX + 1];
    size_t params_length = 0;
    int stage = 0; /* of BEGIN_REQUEST, PARAMS, STDIN */
    for (size_t at = 0; at < size;) {
        const uint8_t *header = data + at;
        if (size - at < RECORD_HEADER_BYTES || header[0] != 1)
            return false;
        size_t content = (size_t)header[4] << 8 | header[5];
        at += RECORD_HEADER_BYTES;
        if (size - at < content || header[6] != 0)
            return false;
        const uint8_t *bytes = data + at;
        at += content;
        if (stage == 0) {
            if (header[1] != RECORD_BEGIN_REQUEST || content != 8 || bytes[0] != 0 || bytes[1] != 1)
                return false;
            stage = 1;
        } else if (header[2] != data[2] || header[3] != data[3]) {
            return false;
        } else if (stage == 1) {
            if (header[1] != RECORD_PARAMS || content > PARAMS_MAX - params_length)
                return false;
            memcpy(params + params_length, bytes, content);
            params_length += content;
            stage += content == 0;
        } else {
            if (header[1] != RECORD_STDIN)
                return false;
            if (content == 0)
                return at == size && (data[2] != 0 || data[3] != 0) && are_pairs(params, params_length);
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole;
    static struct outcome split;
    static const size_t pieces[] = {1, 2, 3, 7, 8, 9, 64};
    feed(data, size, size + 1, &whole);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        feed(data, size, pieces[i], &split);
        CLAIM(split.verdict == whole.verdict && split.events == whole.events);
        if (whole.verdict != RECORDS_PASS && goes_on(whole.verdict))
            continue;
        CLAIM(whole.verdict == RECORDS_TOO_LARGE || whole.verdict == RECORDS_MALFORMED ||
              (split.output_length == whole.output_length &&
               memcmp(split.output, whole.output, whole.output_length) == 0));
    }
    if (whole.verdict == RECORDS_END)
        CLAIM(is_request(whole.output, whole.output_length));
    struct record_filter ended = {.phase = FILTER_END, .request_id = 1};
    record_filter_finds_abort(&ended, data, size);
    return 0;
}
