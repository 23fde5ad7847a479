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
    enum record_filter_verdict verdict; /* the last */
    const char *events;                 /* those before it, which are answered: V, U, R and M, as below */
    const char *output;                 /* what passes; NULL: of no interest */
    size_t output_length;
    const char *reason;
};

#define ROW(name, bytes, verdict, events, output, reason)                                                              \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1, verdict, events, output, sizeof(output) - 1, reason                            \
    }
#define GOOD(name, bytes)                ROW(name, bytes, RECORDS_END, "", bytes, NULL)
#define CHANGED(name, bytes, output)     ROW(name, bytes, RECORDS_END, "", output, NULL)
#define EVENTS(name, bytes, events, out) ROW(name, bytes, RECORDS_END, events, out, NULL)
#define OPEN(name, bytes, output)        ROW(name, bytes, RECORDS_PASS, "", output, NULL)
#define BAD(name, bytes, reason)                                                                                       \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1, RECORDS_MALFORMED, "", NULL, 0, reason                                         \
    }
#define ENDED(name, bytes, verdict)                                                                                    \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1, verdict, "", NULL, 0, NULL                                                     \
    }

#define REQUEST     BEGIN PARAMS_OF_PAIR PARAMS_END STDIN_END
#define GET_VALUES  "\x01\x09\x00\x00\x00\x02\x03\x00\x00\x00pad"
#define OTHER_BEGIN "\x01\x01\x00\x02\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00"
#define OTHER_REQUEST                                                                                                  \
    OTHER_BEGIN "\x01\x04\x00\x02\x00\x00\x00\x00\x01\x05\x00\x02\x00\x01\x01\x00xp\x01\x05\x00\x02\x00\x00\x00\x00"

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
    CHANGED("padding",
            BEGIN "\x01\x04\x00\x01\x00\x0a\x03\x00" PAIR "pad" PARAMS_END
                  "\x01\x05\x00\x01\x00\x01\x07\x00x1234567" STDIN_END,
            BEGIN PARAMS_OF_PAIR PARAMS_END "\x01\x05\x00\x01\x00\x01\x00\x00x" STDIN_END),
    CHANGED("padding of BEGIN_REQUEST",
            "\x01\x01\x00\x01\x00\x08\x01\x00\x00\x01\x01\x00\x00\x00\x00\x00p" PARAMS_END STDIN_END,
            BEGIN PARAMS_END STDIN_END),
    CHANGED("padding of an empty record", BEGIN "\x01\x04\x00\x01\x00\x00\x02\x00pp" STDIN_END,
            BEGIN PARAMS_END STDIN_END),
    CHANGED("records of a request that is over",
            "\x01\x02\x00\x07\x00\x00\x00\x00\x01\x05\x00\x07\x00\x03\x00\x00xyz" REQUEST, REQUEST),
    CHANGED("records of another request inside", BEGIN "\x01\x04\x00\x02\x00\x01\x01\x00xp" PARAMS_END STDIN_END,
            BEGIN PARAMS_END STDIN_END),
    EVENTS("GET_VALUES before", GET_VALUES REQUEST, "V", REQUEST),
    EVENTS("GET_VALUES without content", "\x01\x09\x00\x00\x00\x00\x00\x00" REQUEST, "V", REQUEST),
    EVENTS("GET_VALUES inside", BEGIN GET_VALUES PARAMS_OF_PAIR GET_VALUES PARAMS_END GET_VALUES STDIN_END, "VVV",
           REQUEST),
    EVENTS("an unknown type", "\x01\xff\x00\x00\x00\x01\x01\x00xp" REQUEST, "U", REQUEST),
    EVENTS("an unknown type without content", "\x01\x0c\x00\x00\x00\x00\x00\x00" REQUEST, "U", REQUEST),
    EVENTS("an authorizer",
           "\x01\x01\x00\x05\x00\x08\x01\x00\x00\x02\x01\x00\x00\x00\x00\x00p\x01\x04\x00\x05\x00\x00\x00\x00" REQUEST,
           "R", REQUEST),
    EVENTS("a role of 257", "\x01\x01\x00\x05\x00\x08\x00\x00\x01\x01\x01\x00\x00\x00\x00\x00" REQUEST, "R", REQUEST),
    EVENTS("another request inside", BEGIN OTHER_REQUEST PARAMS_OF_PAIR PARAMS_END OTHER_REQUEST STDIN_END, "MM",
           REQUEST),
    GOOD("another id", "\x01\x01\xab\xcd\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                       "\x01\x04\xab\xcd\x00\x00\x00\x00\x01\x05\xab\xcd\x00\x00\x00\x00"),
    CHANGED("the next request is not of this one", BEGIN PARAMS_END STDIN_END BEGIN, BEGIN PARAMS_END STDIN_END),

    OPEN("nothing", "", ""),
    OPEN("half a header", "\x01\x01\x00", ""),
    OPEN("half a BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01", ""),
    OPEN("without the end of the parameters", BEGIN PARAMS_OF_PAIR, BEGIN PARAMS_OF_PAIR),
    OPEN("without the end of the body", BEGIN PARAMS_END STDIN_OF_ABC, BEGIN PARAMS_END STDIN_OF_ABC),
    OPEN("parameters of no request", PARAMS_END, ""),

    ENDED("given up", BEGIN PARAMS_OF_PAIR ABORT, RECORDS_ABORT),
    ENDED("given up in the body", BEGIN PARAMS_END STDIN_OF_ABC ABORT, RECORDS_ABORT),
    ENDED("a huge value", BEGIN "\x01\x04\x00\x01\x00\x05\x00\x00\x00\xff\xff\xff\xff", RECORDS_TOO_LARGE),
    ENDED("a huge name", BEGIN "\x01\x04\x00\x01\x00\x05\x00\x00\xff\xff\xff\xff\x00", RECORDS_TOO_LARGE),
    ENDED("a huge name and value", BEGIN "\x01\x04\x00\x01\x00\x08\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
          RECORDS_TOO_LARGE),

    BAD("HTTP", "GET / HTTP/1.1\r\n", "not FastCGI version 1"),
    BAD("version 0", "\x00\x01\x00\x01\x00\x08\x00\x00", "not FastCGI version 1"),
    BAD("version 2", "\x02\x01\x00\x01\x00\x08\x00\x00", "not FastCGI version 1"),
    BAD("a later record of another version", BEGIN "\x00\x04\x00\x01\x00\x00\x00\x00", "not FastCGI version 1"),
    BAD("request 0", "\x01\x01\x00\x00\x00\x08\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("a short BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x07\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("a long BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x09\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("an empty BEGIN_REQUEST", "\x01\x01\x00\x01\x00\x00\x00\x00", "malformed BEGIN_REQUEST"),
    BAD("two begins", BEGIN BEGIN, "BEGIN_REQUEST of a request that has begun"),
    BAD("a begin in the body", BEGIN PARAMS_END BEGIN, "BEGIN_REQUEST of a request that has begun"),
    BAD("GET_VALUES with the request's id", BEGIN "\x01\x09\x00\x01\x00\x10\x00\x00",
        "a record type that no responder gets"),
    BAD("body before the parameters' end", BEGIN STDIN_OF_ABC, "STDIN out of order"),
    BAD("parameters after their end", BEGIN PARAMS_END PARAMS_OF_PAIR, "PARAMS out of order"),
    BAD("a second end of the parameters", BEGIN PARAMS_END PARAMS_END, "PARAMS out of order"),
    BAD("DATA", BEGIN PARAMS_END "\x01\x08\x00\x01\x00\x00\x00\x00", "a record type that no responder gets"),
    BAD("END_REQUEST", BEGIN "\x01\x03\x00\x01\x00\x08\x00\x00", "a record type that no responder gets"),
    BAD("STDOUT", BEGIN PARAMS_END "\x01\x06\x00\x01\x00\x01\x00\x00x", "a record type that no responder gets"),
    BAD("type 0", BEGIN "\x01\x00\x00\x01\x00\x00\x00\x00", "a record type that no responder gets"),
    BAD("type 255", BEGIN "\x01\xff\x00\x01\x00\x00\x00\x00", "a record type that no responder gets"),
    BAD("an end inside of a value", BEGIN "\x01\x04\x00\x01\x00\x04\x00\x00\x03\x05KE" PARAMS_END,
        "PARAMS end inside of a pair"),
    BAD("an end before a value's length", BEGIN "\x01\x04\x00\x01\x00\x01\x00\x00\x03" PARAMS_END,
        "PARAMS end inside of a pair"),
    BAD("an end inside of a length", BEGIN "\x01\x04\x00\x01\x00\x02\x00\x00\x80\x00" PARAMS_END,
        "PARAMS end inside of a pair"),
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* What came of bytes that were fed. */
struct outcome {
    enum record_filter_verdict verdict;
    char events[16];
    uint8_t output[16384];
    size_t output_length;
};

static bool is_event(enum record_filter_verdict verdict)
{
    return verdict == RECORDS_VALUES || verdict == RECORDS_UNKNOWN || verdict == RECORDS_UNKNOWN_ROLE ||
           verdict == RECORDS_MULTIPLEXED;
}

static void note_event(struct outcome *outcome)
{
    static const char letters[] = {
        [RECORDS_VALUES] = 'V', [RECORDS_UNKNOWN] = 'U', [RECORDS_UNKNOWN_ROLE] = 'R', [RECORDS_MULTIPLEXED] = 'M'};
    size_t count = strlen(outcome->events);
    cr_assert_lt(count, sizeof(outcome->events) - 1);
    outcome->events[count] = letters[outcome->verdict];
    outcome->verdict = RECORDS_PASS;
}

/* Feeds one piece, which has memory of its own size, for ASan; as a connection does, in front of itself. */
static void feed_piece(struct record_filter *filter, struct outcome *outcome, const char *bytes, size_t length)
{
    uint8_t *room = malloc(RECORD_FILTER_HELD_MAX + length);
    uint8_t *piece = room + RECORD_FILTER_HELD_MAX;
    memcpy(piece, bytes, length);
    size_t given = 0;
    for (size_t at = 0; at < length && outcome->verdict == RECORDS_PASS;) {
        size_t consumed = SIZE_MAX;
        size_t passed = SIZE_MAX;
        outcome->verdict = record_filter_feed(filter, piece + at, length - at, room + given, &consumed, &passed);
        cr_assert_leq(consumed, length - at);
        at += consumed;
        given += passed;
        cr_assert_leq(given, at + RECORD_FILTER_HELD_MAX);
        if (outcome->verdict == RECORDS_PASS)
            cr_assert_eq(at, length, "less was consumed than was fed");
        else if (is_event(outcome->verdict))
            note_event(outcome);
    }
    cr_assert_leq(outcome->output_length + given, sizeof(outcome->output));
    memcpy(outcome->output + outcome->output_length, room, given);
    outcome->output_length += given;
    free(room);
}

static void expect_outcome(const struct row *row, const struct record_filter *filter, const struct outcome *outcome,
                           size_t split)
{
    cr_expect_eq(outcome->verdict, row->verdict, "%s, split at %zu: %d", row->name, split, outcome->verdict);
    cr_expect_str_eq(outcome->events, row->events, "%s, split at %zu: %s", row->name, split, outcome->events);
    if (row->output != NULL)
        cr_expect(outcome->output_length == row->output_length &&
                      memcmp(outcome->output, row->output, row->output_length) == 0,
                  "%s, split at %zu: %zu other bytes passed", row->name, split, outcome->output_length);
    if (outcome->verdict == RECORDS_MALFORMED && row->reason != NULL)
        cr_expect_str_eq(filter->reason, row->reason, "%s, split at %zu: %s", row->name, split, filter->reason);
}

Test(record_filter, every_sequence_gets_its_verdict_wherever_it_is_split)
{
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t split = 0; split <= rows[i].length; split++) {
            struct record_filter filter = {0};
            struct outcome outcome = {.verdict = RECORDS_PASS};
            record_filter_begin(&filter, PARAMS_MAX);
            feed_piece(&filter, &outcome, rows[i].bytes, split);
            if (outcome.verdict == RECORDS_PASS)
                feed_piece(&filter, &outcome, rows[i].bytes + split, rows[i].length - split);
            expect_outcome(&rows[i], &filter, &outcome, split);
        }
    }
}

Test(record_filter, bytes_that_come_one_by_one_get_the_same_verdict)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct record_filter filter = {0};
        struct outcome outcome = {.verdict = RECORDS_PASS};
        record_filter_begin(&filter, PARAMS_MAX);
        for (size_t at = 0; at < rows[i].length && outcome.verdict == RECORDS_PASS; at++)
            feed_piece(&filter, &outcome, rows[i].bytes + at, 1);
        expect_outcome(&rows[i], &filter, &outcome, 1);
    }
}

Test(record_filter, padding_behind_the_last_record_belongs_to_no_request)
{
    static const char padded[] = BEGIN PARAMS_END "\x01\x05\x00\x01\x00\x00\x03\x00";
    static const char next[] = "pad" REQUEST;
    struct record_filter filter = {0};
    struct outcome outcome = {.verdict = RECORDS_PASS};
    record_filter_begin(&filter, PARAMS_MAX);
    feed_piece(&filter, &outcome, padded, sizeof(padded) - 1);
    cr_assert_eq(outcome.verdict, RECORDS_END);
    record_filter_begin(&filter, PARAMS_MAX);
    cr_expect(record_filter_is_fresh(&filter));
    outcome = (struct outcome){.verdict = RECORDS_PASS};
    feed_piece(&filter, &outcome, next, sizeof(next) - 1);
    cr_expect_eq(outcome.verdict, RECORDS_END);
    cr_expect(outcome.output_length == sizeof(REQUEST) - 1 &&
              memcmp(outcome.output, REQUEST, sizeof(REQUEST) - 1) == 0);
}

Test(record_filter, the_flag_says_whether_the_connection_is_kept)
{
    static const char kept[] = "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00";
    static const char closed[] = "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    struct record_filter filter = {0};
    struct outcome outcome = {.verdict = RECORDS_PASS};
    record_filter_begin(&filter, PARAMS_MAX);
    feed_piece(&filter, &outcome, kept, sizeof(kept) - 1);
    cr_expect_not(filter.closes_connection);
    record_filter_begin(&filter, PARAMS_MAX);
    feed_piece(&filter, &outcome, closed, sizeof(closed) - 1);
    cr_expect(filter.closes_connection);
}

Test(record_filter, an_abort_is_found_behind_a_complete_request)
{
    static const char found[] = GET_VALUES ABORT;
    static const char not_found[] = GET_VALUES "\x01\x02\x00\x02\x00\x00\x00\x00";
    struct record_filter filter = {.phase = FILTER_END, .request_id = 1};
    cr_expect(record_filter_finds_abort(&filter, (const uint8_t *)found, sizeof(found) - 1));
    for (size_t length = 0; length < sizeof(found) - 1; length++)
        cr_expect_not(record_filter_finds_abort(&filter, (const uint8_t *)found, length));
    cr_expect_not(record_filter_finds_abort(&filter, (const uint8_t *)not_found, sizeof(not_found) - 1));
}

/* A request of one pair whose value fills up the limit, or goes `more` bytes beyond it. */
static enum record_filter_verdict verdict_of_params(size_t bytes, size_t record_bytes)
{
    struct record_filter filter = {0};
    struct buffer all = {0};
    struct outcome outcome = {.verdict = RECORDS_PASS};
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
    feed_piece(&filter, &outcome, all.data, all.length);
    buffer_fini(&all);
    return outcome.verdict;
}

Test(record_filter, parameters_have_so_many_bytes_and_no_more)
{
    for (size_t record_bytes = 1; record_bytes <= 2 * PARAMS_MAX; record_bytes++) {
        cr_expect_eq(verdict_of_params(PARAMS_MAX, record_bytes), RECORDS_END, "in records of %zu bytes", record_bytes);
        cr_expect_eq(verdict_of_params(PARAMS_MAX + 1, record_bytes), RECORDS_TOO_LARGE, "in records of %zu bytes",
                     record_bytes);
    }
}

Test(record_filter, a_request_is_fresh_until_its_first_byte)
{
    struct record_filter filter = {0};
    struct outcome outcome = {.verdict = RECORDS_PASS};
    record_filter_begin(&filter, PARAMS_MAX);
    cr_expect(record_filter_is_fresh(&filter));
    for (size_t i = 0; i < sizeof(BEGIN PARAMS_END STDIN_END) - 1; i++) {
        feed_piece(&filter, &outcome, &BEGIN PARAMS_END STDIN_END[i], 1);
        cr_expect_not(record_filter_is_fresh(&filter), "after %zu bytes", i + 1);
    }
    record_filter_begin(&filter, PARAMS_MAX);
    cr_expect(record_filter_is_fresh(&filter));
}
