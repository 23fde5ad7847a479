/* Server-sent events: what the client's parser will read, and nothing that was smuggled in. */
#include <criterion/criterion.h>

#include <string.h>

#include "stream/sse.h"

struct row {
    struct mid_event event;
    const char *bytes;
};

static const struct row rows[] = {
    {{.data = "hello"}, "data: hello\n\n"},
    {{.data = ""}, "data: \n\n"},
    {{.data = " leading blank"}, "data:  leading blank\n\n"},
    {{.data = "one\ntwo"}, "data: one\ndata: two\n\n"},
    {{.data = "one\r\ntwo\rthree\n"}, "data: one\ndata: two\ndata: three\ndata: \n\n"},
    {{.data = "\n\n"}, "data: \ndata: \ndata: \n\n"},
    {{.data = "\r\r\n"}, "data: \ndata: \ndata: \n\n"},
    {{.data = "x\n\nevent: forged\ndata: y"}, "data: x\ndata: \ndata: event: forged\ndata: data: y\n\n"},
    {{.data = ": comment?"}, "data: : comment?\n\n"},
    {{.name = "tick", .data = "1"}, "event: tick\ndata: 1\n\n"},
    {{.id = "7", .data = "1"}, "id: 7\ndata: 1\n\n"},
    {{.id = "", .data = "1"}, "id: \ndata: 1\n\n"}, /* forgets the last id */
    {{.retry_ms = 1500}, "retry: 1500\n\n"},
    {{.name = "tick", .id = "7", .data = "a\nb", .retry_ms = 10},
     "event: tick\nid: 7\nretry: 10\ndata: a\ndata: b\n\n"},
    {{.name = NULL}, "\n"},
};

Test(sse, an_event_becomes_its_fields_and_a_blank_line)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer out = {0};
        cr_assert(sse_event_is_valid(&rows[i].event));
        sse_format(&out, &rows[i].event);
        cr_expect(out.length == strlen(rows[i].bytes) && memcmp(out.data, rows[i].bytes, out.length) == 0,
                  "row %zu gave %.*s", i, (int)out.length, out.data);
        buffer_fini(&out);
    }
}

Test(sse, events_stand_one_behind_the_other)
{
    struct buffer out = {0};
    sse_format(&out, &(struct mid_event){.data = "1"});
    sse_comment(&out, "heartbeat");
    sse_format(&out, &(struct mid_event){.data = "2"});
    static const char expected[] = "data: 1\n\n: heartbeat\n\ndata: 2\n\n";
    cr_assert_eq(out.length, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.length);
    buffer_fini(&out);
}

Test(sse, a_line_break_in_id_or_name_and_a_negative_retry_are_refused)
{
    static const struct mid_event bad[] = {
        {.name = "a\nb"}, {.name = "a\rb"}, {.name = "\r\n"}, {.id = "1\n"}, {.id = "\r1"}, {.retry_ms = -1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(sse_event_is_valid(&bad[i]), "row %zu", i);
}

Test(sse, a_comment_of_several_lines_stays_a_comment)
{
    struct buffer out = {0};
    sse_comment(&out, "a\ndata: b");
    static const char expected[] = ": a\n: data: b\n\n";
    cr_assert_eq(out.length, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.length);
    buffer_fini(&out);
}
