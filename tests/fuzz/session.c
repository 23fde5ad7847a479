/*
 * A request's session as a state machine: the input is a program of what a handler does, and of what Redis answers each
 * time it is asked. The answers are those of a record that others write, too, that is logged out, or lost; and of a
 * Redis that breaks off, or says what makes no sense.
 *
 * Whatever happens, the handle keeps its word: OK to a commit was Redis's OK; what is set is seen; who is over stays
 * over; a cookie leaves only for a record that Redis has told of.
 */
#include "fuzz.h"

#include <inttypes.h>

#include "http/request.h"
#include "keys/keyring.h"
#include "session/session.h"
#include "user/index.h"
#include "support/fake_redis.h"
#include "support/made_answer.h"

enum { CALLS_MAX = 40, TERMS_BYTES = 25, FIRST_ARGUMENT = 4, RESULTS = 4 };

static struct redis_client *client;
static struct keyring *keyring;

static struct {
    struct bytes bytes;
    struct header header; /* of the record */
    int commits_ok;       /* answers since the call began, by which a commit is stored, or was before */
    int records;          /* answers with the header of a record, since the request began */
    int asked;            /* since the call began */
} redis;

/* -------------------- what Redis says -------------------- */

static void say_header(struct buffer *out)
{
    uint8_t packed[HEADER_BYTES];
    header_pack(&redis.header, packed);
    make_text(out, packed, sizeof(packed));
    redis.records++;
}

static void say_record(struct buffer *out, uint8_t how)
{
    buffer_append_text(out, how & 1 ? "*10\r\n" : "*6\r\n");
    make_text(out, "@", 1);
    say_header(out);
    make_text(out, "@created", 8);
    make_text(out, "1790000000000", 13);
    make_text(out, "a", 1);
    make_text(out, how & 2 ? "1" : "text", how & 2 ? 1 : 4);
    if (how & 1) {
        make_text(out, "@user", 5);
        make_text(out, "alice", 5);
        make_text(out, "@until:a", 8);
        make_text(out, how & 4 ? "1900000000000" : "1", how & 4 ? 13 : 1);
    }
}

/* What others have done to the record since the last question. */
static void let_others_write(uint8_t how)
{
    redis.header.revision += how & 7;
    redis.header.generation += how >> 3 & 1;
    if (how >> 4 & 1)
        redis.header.login = redis.header.generation;
    redis.header.flags = (uint8_t)(how >> 5 & (HEADER_HAS_USER | HEADER_HAS_DEADLINES));
    if (how >> 7 & 1)
        redis.header.flags |= HEADER_OWES_COOKIE;
}

static void say_verdict(struct buffer *out, enum store_verdict verdict, bool is_commit, bool is_fast)
{
    bool is_stored =
        verdict == STORE_OK || verdict == STORE_DONE || verdict == STORE_APPLIED || verdict == STORE_SKIPPED;
    if (verdict == STORE_OK && is_commit && is_fast)
        verdict = STORE_DONE;
    if (is_commit && (verdict == STORE_OK || verdict == STORE_DONE))
        redis.header.revision++;
    redis.commits_ok += is_commit && is_stored;
    buffer_printf(out, "*%d\r\n:%d\r\n", 2 + RESULTS, (int)verdict);
    say_header(out);
    for (int i = 0; i < RESULTS; i++)
        make_answer(out, &redis.bytes);
}

static bool is_commit_script(size_t count, const struct fake_word words[])
{
    return count > FIRST_ARGUMENT + 2 && words[0].bytes == 7 && words[FIRST_ARGUMENT + 2].bytes == TERMS_BYTES;
}

static bool answer(struct buffer *out, size_t count, const struct fake_word words[])
{
    bool is_script = words[0].bytes == 7 && memcmp(words[0].data, "EVALSHA", 7) == 0;
    bool is_commit = is_script && is_commit_script(count, words);
    bool is_fast = is_commit && words[FIRST_ARGUMENT].bytes == HEADER_BYTES;
    uint8_t how = bytes_take(&redis.bytes);
    redis.asked++;
    if (how >= 0xf0) {
        if (how & 1)
            make_answer(out, &redis.bytes);
        if (how & 2)
            buffer_append_text(out, how & 4 ? "-LOADING it is\r\n" : "-ERR it is\r\n");
        if (out->length == 0)
            return false;
        redis.records++; /* it may be anything */
        redis.commits_ok++;
        return true;
    }
    if (how & 0x80)
        let_others_write(bytes_take(&redis.bytes));
    if (is_script) {
        static const enum store_verdict verdicts[] = {
            STORE_OK,      STORE_OK,         STORE_OK,           STORE_OK,          STORE_MISSING, STORE_LOGGED_OUT,
            STORE_STALE,   STORE_SUPERSEDED, STORE_LIMIT,        STORE_MOVED,       STORE_MOVED,   STORE_APPLIED,
            STORE_SKIPPED, STORE_FOREIGN,    STORE_NOT_A_NUMBER, STORE_ANOTHER_USER};
        say_verdict(out, verdicts[how & 15], is_commit, is_fast);
    } else if (words[0].bytes == 7 && memcmp(words[0].data, "HGETALL", 7) == 0) {
        if ((how & 15) == 15)
            buffer_append_text(out, "*0\r\n");
        else
            say_record(out, how);
    } else if (words[0].bytes == 6 && memcmp(words[0].data, "EXISTS", 6) == 0) {
        buffer_append_text(out, how & 1 ? ":1\r\n" : ":0\r\n");
    } else { /* HMGET */
        buffer_printf(out, "*%zu\r\n", count - 2);
        for (size_t i = 2; i < count; i++)
            if (words[i].bytes == 1 && words[i].data[0] == '@')
                say_header(out);
            else if (how & 1)
                make_text(out, "1", 1);
            else
                buffer_append_text(out, "$-1\r\n");
    }
    return true;
}

/* -------------------- what the handler does -------------------- */

struct play {
    struct mid_request rq;
    struct connection connection;
    struct mid_session *session;
    size_t recorded; /* and not committed, as far as was said */
};

static void check_error(enum mid_error error)
{
    static const enum mid_error expected[] = {MID_OK,        MID_ENDED,     MID_UNAVAILABLE, MID_OVERLOADED,
                                              MID_FAILED,    MID_TOO_MANY,  MID_HEAD_SENT,   MID_UNPROCESSABLE,
                                              MID_FORBIDDEN, MID_LOST_LEASE};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if (error == expected[i])
            return;
    fprintf(stderr, "the error %d\n", (int)error);
    CLAIM(false);
}

static const char *take_field(void)
{
    static const char *const fields[] = {"a", "b", "counter", "@", "", "a field with blanks", "a", "b"};
    return fields[bytes_take(&redis.bytes) & 7];
}

static const char *take_value(void)
{
    static const char *const values[] = {"", "1", "text", "-9223372036854775808"};
    return values[bytes_take(&redis.bytes) & 3];
}

static void note_recorded(struct play *play, enum mid_error error)
{
    check_error(error);
    if (session_is_over(play->session))
        CLAIM(error == MID_ENDED);
    play->recorded += error == MID_OK;
}

static void set(struct play *play)
{
    const char *field = take_field();
    const char *value = take_value();
    const char *seen;
    enum mid_error error = mid_session_set(play->session, field, value);
    note_recorded(play, error);
    if (error != MID_OK)
        return;
    error = mid_session_get(play->session, field, &seen);
    check_error(error);
    if (error == MID_OK)
        CLAIM(seen != NULL && strcmp(seen, value) == 0);
}

static void delete (struct play *play)
{
    const char *field = take_field();
    const char *seen;
    enum mid_error error = mid_session_delete(play->session, field);
    note_recorded(play, error);
    if (error == MID_OK && mid_session_get(play->session, field, &seen) == MID_OK)
        CLAIM(seen == NULL);
}

static void add(struct play *play)
{
    note_recorded(play, mid_session_increment(play->session, take_field(), (int8_t)bytes_take(&redis.bytes)));
}

static void append(struct play *play)
{
    note_recorded(play, mid_session_append(play->session, take_field(), take_value(), 8));
}

static void set_for(struct play *play)
{
    note_recorded(play, mid_session_set_for(play->session, take_field(), take_value(), 1000));
}

static void get(struct play *play)
{
    const char *seen;
    enum mid_error error = mid_session_get(play->session, take_field(), &seen);
    check_error(error);
    if (error == MID_OK && seen != NULL)
        CLAIM(strlen(seen) < 1000);
}

static void get_int(struct play *play)
{
    int64_t number;
    check_error(mid_session_get_int(play->session, take_field(), 0, &number));
}

static void visit(const char *field, const char *value, size_t bytes, void *arg)
{
    (void)arg;
    CLAIM(field[0] != '@' && value[bytes] == '\0');
}

static void each(struct play *play)
{
    check_error(mid_session_each(play->session, visit, NULL));
}

static void info(struct play *play)
{
    struct mid_session_info info;
    enum mid_error error = mid_session_info(play->session, &info);
    check_error(error);
    if (error == MID_OK && info.user != NULL)
        CLAIM(strlen(info.user) < 1000);
}

static void refresh(struct play *play)
{
    check_error(mid_session_refresh(play->session));
}

/* A call that commits what is recorded before it. What may be tried again stays recorded. */
static void note_committed(struct play *play, enum mid_error error)
{
    check_error(error);
    if (error == MID_OK && play->recorded > 0)
        CLAIM(redis.commits_ok > 0);
    if (error != MID_UNAVAILABLE && error != MID_OVERLOADED)
        play->recorded = 0;
}

static void commit(struct play *play)
{
    note_committed(play, mid_session_commit(play->session));
}

static void take(struct play *play)
{
    const char *value;
    play->recorded++;
    note_committed(play, mid_session_take(play->session, take_field(), &value));
}

static void set_if_absent(struct play *play)
{
    bool was_set;
    const char *field = take_field();
    play->recorded++;
    note_committed(play, mid_session_set_if_absent(play->session, field, take_value(), &was_set));
}

static void compare_and_set(struct play *play)
{
    bool was_set;
    const char *field = take_field();
    const char *expected = take_value();
    play->recorded++;
    note_committed(play, mid_session_compare_and_set(play->session, field, expected, take_value(), &was_set));
}

static void renew(struct play *play)
{
    play->recorded++;
    note_committed(play, mid_session_renew(play->session, bytes_take(&redis.bytes) & 1 ? "bob" : NULL));
}

static void destroy(struct play *play)
{
    enum mid_error error = mid_session_destroy(play->session);
    check_error(error);
    if (error == MID_OK) {
        CLAIM(session_is_over(play->session));
        play->recorded = 0;
    }
}

static void check_form(struct play *play)
{
    const char *token;
    char other[64] = "AAAA";
    enum mid_error error = mid_form_token(play->session, &token);
    check_error(error);
    if (error == MID_OK) {
        check_error(mid_form_token_check(play->session, token));
        snprintf(other, sizeof(other), "%s", token);
        size_t at = bytes_take(&redis.bytes) % (strlen(other) + 1); /* its end, too */
        char was = other[at];
        other[at] = "-_=A/ z"[bytes_take(&redis.bytes) % 7];
        if (other[at] == was)
            return;
    }
    error = mid_form_token_check(play->session, other);
    check_error(error);
    CLAIM(error != MID_OK);
}

static void send_head(struct play *play)
{
    bool is_stream = bytes_take(&redis.bytes) & 1;
    struct mid_request *rq = &play->rq;
    if (rq->client == NULL || rq->response.phase != RESPONSE_NONE)
        return;
    enum mid_error error = rq->hooks.before_head(rq, is_stream);
    check_error(error);
    if (!is_stream)
        note_committed(play, error);
    if (error != MID_OK)
        rq->hooks.before_error(rq);
    for (const struct response_field *field = rq->response.fields; field != NULL; field = field->next)
        if (strcmp(field->name, "Set-Cookie") == 0 && strstr(field->value, "mid=;") == NULL)
            CLAIM(redis.records > 0);
    rq->response.phase = error == MID_OK && is_stream ? RESPONSE_STREAMING : RESPONSE_OVER;
    if (rq->response.phase == RESPONSE_OVER)
        rq->client = NULL;
}

static void leave(struct play *play)
{
    play->connection.is_gone = true;
}

static void wait_on(struct play *play)
{
    if (play->rq.response.phase == RESPONSE_STREAMING)
        check_error(play->rq.hooks.still_wanted(&play->rq));
}

static void (*const calls[])(struct play *play) = {
    set,     commit,     get,       add,    delete,  append,        set_for,         get_int,
    each,    info,       refresh,   commit, take,    set_if_absent, compare_and_set, renew,
    destroy, check_form, send_head, leave,  wait_on, commit};

static void one_call(struct play *play)
{
    bool was_over = session_is_over(play->session);
    redis.commits_ok = redis.asked = 0;
    calls[bytes_take(&redis.bytes) % (sizeof(calls) / sizeof(calls[0]))](play);
    if (was_over)
        CLAIM(session_is_over(play->session));
    if (redis.asked > 0)
        fake_redis_await(); /* it may have broken off; to be away is another matter */
}

/* -------------------- the request -------------------- */

static const char *own_cookie(struct arena *arena)
{
    struct token token = {.generation = 1, .rid = {1, 2, 3}};
    char text[TOKEN_TEXT_LENGTH + 1];
    token_sign(&token, keyring, "mid", text);
    return arena_printf(arena, "HTTP_COOKIE=mid=%s", text);
}

static void play_program(void *arg)
{
    struct play *play = arg;
    struct mid_request *rq = &play->rq;
    uint8_t begin = bytes_take(&redis.bytes);
    request_init_detached(rq, "fuzz");
    arena_init(&rq->arena);
    char *params[] = {begin & 1 ? arena_strdup(&rq->arena, own_cookie(&rq->arena)) : NULL, NULL};
    rq->method = "POST";
    rq->params = params;
    rq->client = &play->connection;
    rq->response.phase = RESPONSE_NONE;
    rq->is_head = (begin & 6) == 6;
    CLAIM(mid_session_open(rq, &play->session) == MID_OK);
    for (int i = 0; i < CALLS_MAX && redis.bytes.left > 0; i++)
        one_call(play);
    session_close(play->session);
    arena_fini(&rq->arena);
}

static void set_up(void)
{
    static const char key[] = "7 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    char reason[160];
    keyring = keyring_parse("fuzz", key, strlen(key), reason, sizeof(reason));
    client = fake_redis_start(answer);
    session_init(&(struct session_settings){.store = {.redis = client,
                                                      .idle_ms = 60000,
                                                      .absolute_ms = 600000,
                                                      .user_idle_ms = 60000,
                                                      .user_absolute_ms = 600000,
                                                      .fields_max = 64,
                                                      .value_bytes_max = 1000,
                                                      .size_max = 10000},
                                            .cookie = {.keyring = keyring, .same_site = "Lax", .is_persistent = true},
                                            .head_timeout_ms = 1000,
                                            .commit_timeout_ms = 5,
                                            .streams_max = 10});
    user_index_init(&(struct user_index_settings){.redis = client, .lifetime_ms = 600000});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play play;
    if (client == NULL)
        set_up();
    memset(&redis, 0, sizeof(redis));
    redis.bytes = (struct bytes){data, size};
    redis.header = (struct header){.revision = 5,
                                   .generation = 1,
                                   .login = 1,
                                   .touched_ms = 1799999999000,
                                   .expires_ms = 1900000000000,
                                   .fields = 1};
    play = (struct play){0};
    fake_redis_run(play_program, &play);
    return 0;
}
