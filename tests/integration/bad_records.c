/*
 * What Redis holds or says is not what it should be: the session is refused, the log says which one it is, and the
 * worker goes on.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy.h"
#include "stage.h"

TestSuite(bad_records, .timeout = 120);

/* The ways in which a request comes to its session: reading it, changing it unread, beginning a stream. */
static const char *const ways[] = {"get:x,return", "increment:x,commit,return", "increment:x",
                                   "open,begin:bytes,get:x,return"};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* The visitor's session is as the test has made it. */
static void expect_refused(const struct stage *stage, const char *key, const char *what)
{
    pid_t worker = site_worker(&stage->site);
    for (int i = 0; i < WAYS; i++) {
        struct http_response response;
        char *log = site_log(&stage->site);
        size_t before = text_count(log, key);
        free(log);
        int status = stage_act(stage, ways[i], &response);
        cr_expect_eq(status, 500, "%s, %s: %d %s", what, ways[i], status, response.body.data);
        cr_expect_eq(text_count(response.head.data, "Set-Cookie"), 0, "%s, %s: the cookie was touched", what, ways[i]);
        log = site_log(&stage->site);
        bool is_summarised = text_count(log, "session.foreign-record") >= LOG_BURST; /* one of many */
        cr_expect(text_count(log, key) > before || is_summarised, "%s, %s: the log does not name the session", what,
                  ways[i]);
        free(log);
        http_response_fini(&response);
    }
    cr_expect(process_is_alive(worker), "%s: the worker has ended", what);
}

static char *make_session(const struct stage *stage)
{
    cr_assert_eq(stage_act(stage, "set:made:1,commit", NULL), 200);
    return site_key(&stage->site);
}

Test(bad_records, a_key_of_another_type_is_refused)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    redis_int(stage.site.redis, "DEL %s", key);
    free(redis_text(stage.site.redis, "SET %s somebody's", key));
    expect_refused(&stage, key, "a string");
    OWNED char *value = redis_text(stage.site.redis, "GET %s", key);
    cr_expect_str_eq(value, "somebody's");
    redis_int(stage.site.redis, "DEL %s", key);
    redis_int(stage.site.redis, "RPUSH %s a b", key);
    expect_refused(&stage, key, "a list");
    stage_close(&stage);
}

Test(bad_records, a_header_of_another_length_or_version_is_refused)
{
    static const struct {
        const char *what;
        size_t bytes;
        unsigned char first;
        unsigned char others;
    } rows[] = {
        {"an empty header", 0, 0, 0},
        {"a header that is its version only", 1, HEADER_VERSION, 0},
        {"a short header", HEADER_BYTES - 1, HEADER_VERSION, 0},
        {"a long header", HEADER_BYTES + 1, HEADER_VERSION, 0},
        {"version 0", HEADER_BYTES, 0, 0},
        {"version 1", HEADER_BYTES, 1, 0},
        {"version 3", HEADER_BYTES, 3, 0},
        {"garbage", HEADER_BYTES, 0xff, 0xff},
        {"text", HEADER_BYTES, '2', '2'},
    };
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char header[HEADER_BYTES + 1];
        memset(header, rows[i].others, sizeof(header));
        header[0] = rows[i].first;
        redis_int(stage.site.redis, "DEL %s", key);
        redis_int(stage.site.redis, "HSET %s @ %b made 1", key, header, rows[i].bytes);
        expect_refused(&stage, key, rows[i].what);
        cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s x", key), 0, "%s: it was written", rows[i].what);
    }
    stage_close(&stage);
}

Test(bad_records, a_hash_without_a_header_is_refused)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    redis_int(stage.site.redis, "DEL %s", key);
    redis_int(stage.site.redis, "HSET %s name value", key);
    expect_refused(&stage, key, "somebody's hash");
    redis_int(stage.site.redis, "HSET %s @generation none @revision 1 @created 1", key);
    expect_refused(&stage, key, "numbers that are none, in the first format");
    cr_expect_eq(redis_int(stage.site.redis, "HEXISTS %s x", key), 0, "it was written");
    stage_close(&stage);
}

Test(bad_records, a_bad_record_is_not_looked_for_in_vain_when_it_is_gone)
{
    struct stage stage = stage_open(NULL);
    OWNED char *key = make_session(&stage);
    redis_int(stage.site.redis, "DEL %s", key);
    free(redis_text(stage.site.redis, "SET %s somebody's", key));
    cr_expect_eq(stage_act(&stage, "find,return", NULL), 500);
    cr_expect_eq(stage_act(&stage, "ping", NULL), 200, "who needs no session is served");
    redis_int(stage.site.redis, "DEL %s", key);
    cr_expect_eq(stage_act(&stage, "increment:x,commit,return", NULL), 200, "it is gone: the visitor gets another one");
    cr_expect_eq(redis_int(stage.site.redis, "EXISTS %s", key), 0);
    stage_close(&stage);
}

/* -------------------- answers -------------------- */

static void expect_answers_refused(struct stage *stage, const char *acts, size_t count, const char *const replies[])
{
    free(make_session(stage));
    struct proxy *proxy = proxy_open(&stage->site);
    cr_assert_eq(stage_act(stage, "ping", NULL), 200);
    pid_t worker = site_worker(&stage->site);
    for (size_t i = 0; i < count; i++) {
        proxy_answer_next(proxy, replies[i]);
        int status = stage_act(stage, acts, NULL);
        cr_expect_eq(status, 500, "%d after %s", status, replies[i]);
        cr_assert(proxy_wait_lost(proxy), "nobody has asked for the session");
    }
    cr_expect(process_is_alive(worker), "the worker has ended");
    cr_expect_eq(stage_act(stage, "get:made,return", NULL), 200, "the session is as it was");
    proxy_close(proxy);
}

/* A machine that is busy is not a Redis that is away. */
static const char *const patient[] = {"MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=15000", "MIDSTREAM_REDIS_TIMEOUT_MS=15000",
                                      NULL};

/* Instead of a record. */
static const char *const no_records[] = {
    "*2\r\n:1\r\n:2\r\n",                 /* integers where texts are expected */
    "*2\r\n$1\r\na\r\n:2\r\n",            /* for a value */
    "*2\r\n:1\r\n$1\r\na\r\n",            /* for a name */
    "*2\r\n$5\r\n@user\r\n:2\r\n",        /* for the user */
    "*2\r\n$5\r\n@user\r\n$-1\r\n",       /* nothing */
    "*2\r\n$1\r\n@\r\n:2\r\n",            /* for the header */
    "*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", /* a list */
    "*2\r\n*0\r\n*0\r\n",
    "*1\r\n$1\r\na\r\n", /* a name without a value */
    ":1\r\n",
    "+OK\r\n",
    "$3\r\nabc\r\n",
};
enum { NO_RECORDS = sizeof(no_records) / sizeof(no_records[0]) };

Test(bad_records, a_request_that_reads_what_is_no_record_is_refused)
{
    struct stage stage = stage_open(patient);
    expect_answers_refused(&stage, "get:x,return", NO_RECORDS, no_records);
    stage_close(&stage);
}

Test(bad_records, a_stream_that_would_begin_with_what_is_no_record_is_refused)
{
    struct stage stage = stage_open(patient);
    expect_answers_refused(&stage, "open,begin:bytes,return", NO_RECORDS, no_records);
    stage_close(&stage);
}

/* Not with OK: nobody knows whether it was stored. */
Test(bad_records, a_commit_whose_answer_makes_no_sense_has_failed)
{
    static const char *const replies[] = {"*2\r\n*0\r\n*0\r\n", "*1\r\n$1\r\na\r\n", "+NONSENSE\r\n", "$3\r\nabc\r\n"};
    struct stage stage = stage_open(patient);
    expect_answers_refused(&stage, "increment:x,commit,return", sizeof(replies) / sizeof(replies[0]), replies);
    stage_close(&stage);
}
