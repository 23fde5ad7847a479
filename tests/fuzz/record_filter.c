/*
 * Any bytes in any pieces get the verdict that they get in one piece; and what passes is a request by a second reading
 * of the standard, which is slow and looks at whole records.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "fcgi/record_filter.h"

enum { PARAMS_MAX = 512 };

static enum record_filter_verdict feed(const uint8_t *data, size_t size, size_t piece_bytes, size_t *passed)
{
    struct record_filter filter;
    enum record_filter_verdict verdict = RECORDS_PASS;
    record_filter_begin(&filter, PARAMS_MAX);
    *passed = 0;
    for (size_t at = 0; at < size && verdict == RECORDS_PASS; at += piece_bytes) {
        size_t length = size - at < piece_bytes ? size - at : piece_bytes;
        size_t of_piece;
        verdict = record_filter_feed(&filter, data + at, length, &of_piece);
        CLAIM(of_piece <= length && (verdict != RECORDS_PASS || of_piece == length));
        CLAIM((verdict == RECORDS_MALFORMED) == (filter.reason != NULL));
        *passed += of_piece;
    }
    return verdict;
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
        if (size - at < content + header[6])
            return false;
        const uint8_t *bytes = data + at;
        at += content + header[6];
        if (stage == 0) {
            if (header[1] != RECORD_BEGIN_REQUEST || content != 8 || bytes[0] != 0 || bytes[1] != 1)
                return false;
            stage = 1;
        } else if (header[2] != data[2] || header[3] != data[3] || (content == 0 && header[6] > 0)) {
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
    size_t passed;
    enum record_filter_verdict verdict = feed(data, size, size + 1, &passed);
    static const size_t pieces[] = {1, 2, 3, 7, 8, 9, 64};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t passed_in_pieces;
        CLAIM(feed(data, size, pieces[i], &passed_in_pieces) == verdict);
        CLAIM(verdict != RECORDS_END || passed_in_pieces == passed);
    }
    if (verdict == RECORDS_END)
        CLAIM(is_request(data, passed));
    else
        CLAIM(!is_request(data, size));
    return 0;
}
