/* The record filter: which sequences of records it lets pass, whatever the pieces that they come in. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "fcgi/record_filter.h"

enum { PARAMS_MAX = 300 };

/* Records as text: easier to read than bytes. */
#define BEGIN                                                                                                          \
    "\x01\x01\x00\x01\x00\x08\x00\x00"                                                                                 \
    "\x00\x01\x01\x00\x00\x00\x00\x00"
#define PARAMS_END "\x01\x04\x00\x01\x00\x00\x00\x00"
#define STDIN_END  "\x01\x05\x00\x01\x00\x00\x00\x00"
#define PAIR                                                                                                           \
    "\x03\x05"                                                                                                         \
    "KEY"                                                                                                              \
    "value"
#define PARAMS_OF_PAIR "\x01\x04\x00\x01\x00\x0a\x00\x00" PAIR
#define STDIN_OF_ABC                                                                                                   \
    "\x01\x05\x00\x01\x00\x03\x00\x00"                                                                                 \
    "abc"
#define ABORT "\x01\x02\x00\x01\x00\x00\x00\x00"

struct row {
    const char *name;
    const char *bytes;
    size_t length;
    enum record_filter_verdict verdict;
    size_t passed; /* at the end; SIZE_MAX: of no interest */
    const char *reason;
};

#define ROW(name, bytes, verdict, passed, reason)                                                                      \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1, verdict, passed, reason                                                        \
    }
#define GOOD(name, bytes)        ROW(name, bytes, RECORDS_END, sizeof(bytes) - 1, NULL)
#define BAD(name, bytes, reason) ROW(name, bytes, RECORDS_MALFORMED, SIZE_MAX, reason)
#define OPEN(name, bytes)        ROW(name, bytes, RECORDS_PASS, sizeof(bytes) - 1, NULL)

static const struct row rows[] = {
    GOOD("no parameters, no body", BEGIN PARAMS_END STDIN_END),
    GOOD("parameters", BEGIN PARAMS_OF_PAIR PARAMS_END STDIN_END),
    GOOD("two records of parameters", BEGIN PARAMS_OF_PAIR PARAMS_OF_PAIR PARAMS_END STDIN_END),
    GOOD("a pair over two records", BEGIN "\x01\x04\x00\x01\x00\x04\x00\x00\x03\x05KE"
                                          "\x01\x04\x00\x01\x00\x06\x00\x00Yvalue" PARAMS_END STDIN_END),
    GOOD("a length over two records", BEGIN "\x01\x04\x00\x01\x00\x03\x00\x00\x03\x80\x00"
                                            "\x01\x04\x00\x01\x00\x0a\x00\x00\x00\x05KEYvalue" PARAMS_END STDIN_END),
    GOOD("long lengths",
         BEGIN "\x01\x04\x00\x01\x00\x10\x00\x00\x80\x00\x00\x03\x80\x00\x00\x05KEYvalue" PARAMS_END STDIN_END),
    GOOD("an empty name and value", BEGIN "\x01\x04\x00\x01\x00\x02\x00\x00\x00\x00" PARAMS_END STDIN_END),
    GOOD("a body", BEGIN PARAMS_END STDIN_OF_ABC STDIN_OF_ABC STDIN_END),
    GOOD("padding", BEGIN "\x01\x04\x00\x01\x00\x0a\x03\x00" PAIR "pad" PARAMS_END
                          "\x01\x05\x00\x01\x00\x01\x07\x00x1234567" STDIN_END),
    GOOD("padding of BEGIN_REQUEST",
         "\x01\x01\x00\x01\x00\x08\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00p" PARAMS_END STDIN_END),
    GOOD("another id", "\x01\x01\xab\xcd\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                       "\x01\x04\xab\xcd\x00\x00\x00\x00\x01\x05\xab\xcd\x00\x00\x00\x00"),
    ROW("the next request is not of this one", BEGIN PARAMS_END STDIN_END BEGIN, RECORDS_END,
        sizeof(BEGIN PARAMS_END STDIN_END) - 1, NULL),

    OPEN("nothing", ""),
    OPEN("half a header", "\x01\x01\x00"),
    OPEN("without the end of the parameters", BEGIN PARAMS_OF_PAIR),
    OPEN("without the end of the body", BEGIN PARAMS_END STDIN_OF_ABC),

    ROW("given up", BEGIN PARAMS_OF_PAIR ABORT, RECORDS_ABORT, SIZE_MAX, NULL),
    ROW("given up in the body", BEGIN PARAMS_END STDIN_OF_ABC ABORT, RECORDS_ABORT, SIZE_MAX, NULL),

    BAD("HTTP", "GET / HTTP/1.1\r\n", "not FastCGI version 1"),
    BAD("version 0", "\x00\x01\x00\x01\x00\x08\x00\x00", "not FastCGI version 1"),
    BAD("version 2", "\x02\x01\x00\x01\x00\x08\x00\x00", "not FastCGI version 1"),
    BAD("a later record of another version", BEGIN "\x00\x04\x00\x01\x00\x00\x00\x00", "not FastCGI version 1"),
    BAD("request 0", "\x01\x01\x00\x00\x00\x08\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("a short BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x07\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("a long BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x09\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("an empty BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x00\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("an authorizer", "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00",
        "a role other than responder"),
    BAD("a role of 257", "\x01\x01\x00\x01\x00\x08\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00",
        "a role other than responder"),
    BAD("two begins", BEGIN BEGIN, "BEGIN_REQUEST inside of a request"),
    BAD("a begin in the body", BEGIN PARAMS_END BEGIN, "BEGIN_REQUEST inside of a request"),
    BAD("parameters first", PARAMS_END, "a record of no request"),
    BAD("GET_VALUES", "\x01\x09\x00\x00\x00\x10\x00\x00", "a record of no request"),
    BAD("GET_VALUES in a request", BEGIN "\x01\x09\x00\x00\x00\x10\x00\x00", "a record of no request"),
    BAD("GET_VALUES with the request's id", BEGIN "\x01\x09\x00\x01\x00\x10\x00\x00",
        "a record type that no responder gets"),
    BAD("parameters of another request", BEGIN "\x01\x04\x00\x02\x00\x00\x00\x00", "a record of no request"),
    BAD("an abort of another request", BEGIN "\x01\x02\x00\x02\x00\x00\x00\x00", "a record of no request"),
    BAD("body before the parameters' end", BEGIN STDIN_OF_ABC, "STDIN out of order"),
    BAD("parameters after their end", BEGIN PARAMS_END PARAMS_OF_PAIR, "PARAMS out of order"),
    BAD("a second end of the parameters", BEGIN PARAMS_END PARAMS_END, "PARAMS out of order"),
    BAD("DATA", BEGIN PARAMS_END "\x01\x08\x00\x01\x00\x00\x00\x00", "a record type that no responder gets"),
    BAD("END_REQUEST", BEGIN "\x01\x03\x00\x01\x00\x08\x00\x00", "a record type that no responder gets"),
    BAD("STDOUT", BEGIN PARAMS_END "\x01\x06\x00\x01\x00\x01\x00\x00x", "a record type that no responder gets"),
    BAD("type 0", BEGIN "\x01\x00\x00\x01\x00\x00\x00\x00", "a record type that no responder gets"),
    BAD("type 255", BEGIN "\x01\xff\x00\x01\x00\x00\x00\x00", "a record type that no responder gets"),
    BAD("padding of an empty record", BEGIN "\x01\x04\x00\x01\x00\x00\x01\x00", "padding without content"),
    BAD("an end inside of a value", BEGIN "\x01\x04\x00\x01\x00\x04\x00\x00\x03\x05KE" PARAMS_END,
        "PARAMS end inside of a pair"),
    BAD("an end before a value's length", BEGIN "\x01\x04\x00\x01\x00\x01\x00\x00\x03" PARAMS_END,
        "PARAMS end inside of a pair"),
    BAD("an end inside of a length", BEGIN "\x01\x04\x00\x01\x00\x02\x00\x00\x80\x00" PARAMS_END,
        "PARAMS end inside of a pair"),
    BAD("a huge value", BEGIN "\x01\x04\x00\x01\x00\x05\x00\x00\x00\xff\xff\xff\xff",
        "a parameter longer than allowed"),
    BAD("a huge name", BEGIN "\x01\x04\x00\x01\x00\x05\x00\x00\xff\xff\xff\xff\x00", "a parameter longer than allowed"),
    BAD("a huge name and value", BEGIN "\x01\x04\x00\x01\x00\x08\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
        "a parameter longer than allowed"),
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Feeds the bytes in two pieces; what was passed of both. Each piece has memory of its own size, for ASan. */
static enum record_filter_verdict feed_split(struct record_filter *filter, const struct row *row, size_t split,
                                             size_t *passed)
{
    enum record_filter_verdict verdict = RECORDS_PASS;
    const size_t ends[] = {split, row->length};
    size_t at = 0;
    *passed = 0;
    for (int i = 0; i < 2 && verdict == RECORDS_PASS; i++) {
        size_t length = ends[i] - at;
        size_t of_piece = SIZE_MAX;
        uint8_t *piece = malloc(length + 1);
        memcpy(piece, row->bytes + at, length);
        verdict = record_filter_feed(filter, piece, length, &of_piece);
        cr_assert_leq(of_piece, length, "%s: more was passed than was fed", row->name);
        if (verdict == RECORDS_PASS)
            cr_assert_eq(of_piece, length, "%s: less was passed than was fed", row->name);
        *passed += of_piece;
        at = ends[i];
        free(piece);
    }
    return verdict;
}

static void expect_row(const struct row *row, size_t split)
{
    struct record_filter filter;
    size_t passed;
    record_filter_begin(&filter, PARAMS_MAX);
    enum record_filter_verdict verdict = feed_split(&filter, row, split, &passed);
    cr_expect_eq(verdict, row->verdict, "%s, split at %zu: %d", row->name, split, verdict);
    if (row->passed != SIZE_MAX)
        cr_expect_eq(passed, row->passed, "%s, split at %zu: %zu bytes passed", row->name, split, passed);
    if (verdict == RECORDS_MALFORMED && row->reason != NULL)
        cr_expect_str_eq(filter.reason, row->reason, "%s, split at %zu: %s", row->name, split, filter.reason);
}

Test(record_filter, every_sequence_gets_its_verdict_wherever_it_is_split)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t split = 0; split <= rows[i].length; split++)
            expect_row(&rows[i], split);
}

Test(record_filter, bytes_that_come_one_by_one_get_the_same_verdict)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct record_filter filter;
        enum record_filter_verdict verdict = RECORDS_PASS;
        record_filter_begin(&filter, PARAMS_MAX);
        for (size_t at = 0; at < rows[i].length && verdict == RECORDS_PASS; at++) {
            size_t passed;
            verdict = record_filter_feed(&filter, (const uint8_t *)rows[i].bytes + at, 1, &passed);
        }
        cr_expect_eq(verdict, rows[i].verdict, "%s: %d", rows[i].name, verdict);
    }
}

/* A request of one pair whose value fills up the limit, or goes `more` bytes beyond it. */
static enum record_filter_verdict verdict_of_params(size_t bytes, size_t record_bytes)
{
    struct record_filter filter;
    struct buffer all = {0};
    size_t passed;
    size_t value = bytes - 5; /* two length fields, of 1 and 4 bytes */
    uint8_t pair[1024] = {0, (uint8_t)(0x80 | value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                          (uint8_t)value};
    buffer_append(&all, BEGIN, sizeof(BEGIN) - 1);
    for (size_t at = 0; at < bytes; at += record_bytes) {
        size_t content = bytes - at < record_bytes ? bytes - at : record_bytes;
        uint8_t header[RECORD_HEADER_BYTES] = {1, RECORD_PARAMS, 0, 1, (uint8_t)(content >> 8), (uint8_t)content};
        buffer_append(&all, header, sizeof(header));
        buffer_append(&all, pair + at, content);
    }
    buffer_append(&all, PARAMS_END STDIN_END, sizeof(PARAMS_END STDIN_END) - 1);
    record_filter_begin(&filter, PARAMS_MAX);
    enum record_filter_verdict verdict = record_filter_feed(&filter, (const uint8_t *)all.data, all.length, &passed);
    buffer_fini(&all);
    return verdict;
}

Test(record_filter, parameters_have_so_many_bytes_and_no_more)
{
    for (size_t record_bytes = 1; record_bytes <= 2 * PARAMS_MAX; record_bytes++) {
        cr_expect_eq(verdict_of_params(PARAMS_MAX, record_bytes), RECORDS_END, "in records of %zu bytes", record_bytes);
        cr_expect_eq(verdict_of_params(PARAMS_MAX + 1, record_bytes), RECORDS_MALFORMED, "in records of %zu bytes",
                     record_bytes);
    }
}

Test(record_filter, a_request_is_fresh_until_its_first_byte)
{
    struct record_filter filter;
    size_t passed;
    record_filter_begin(&filter, PARAMS_MAX);
    cr_expect(record_filter_is_fresh(&filter));
    for (size_t i = 0; i < sizeof(BEGIN PARAMS_END STDIN_END) - 1; i++) {
        record_filter_feed(&filter, (const uint8_t *)BEGIN PARAMS_END STDIN_END + i, 1, &passed);
        cr_expect_not(record_filter_is_fresh(&filter), "after %zu bytes", i + 1);
    }
    record_filter_begin(&filter, PARAMS_MAX);
    cr_expect(record_filter_is_fresh(&filter));
}
