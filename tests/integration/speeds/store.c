/* The store of the tests of the two speeds. See store.h. */
#include "store.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "integration/redis/server.h"
#include "random.h"
#include "record.h"
#include "session/commit_try.h"
#include "support/process.h"

redisContext *direct;
static fiber_fn *inner;

enum { REMOVAL_TIMEOUT_MS = 10000, AN_HOUR_MS = 3600 * 1000 };

struct redis_client *speeds_client(void)
{
    struct redis_options options = worker_options();
    options.timeout_ms = 30000;
    struct redis_client *client = redis_client_new(&options);
    cr_assert_not_null(client);
    store_init(&(struct store_settings){
        .redis = client,
        .idle_ms = 2 * AN_HOUR_MS,
        .absolute_ms = 24 * AN_HOUR_MS,
        .user_idle_ms = 4 * AN_HOUR_MS,
        .user_absolute_ms = 48 * AN_HOUR_MS,
        .fields_max = FIELDS_MAX,
        .value_bytes_max = VALUE_BYTES_MAX,
        .size_max = SIZE_MAX_BYTES,
    });
    commit_init();
    journal_init(&(struct journal_settings){.redis = client, .lifetime_ms = AN_HOUR_MS});
    cr_assert(redis_client_wait_ready(client, 10000));
    return client;
}

static void run_inner(void *arg)
{
    (void)arg;
    struct redis_client *client = speeds_client();
    inner(NULL);
    redis_client_free(client);
}

void speeds_run(fiber_fn *scenario)
{
    server_start_with_users((const char *const[]){"--appendonly", "yes", "--appendfsync", "no", NULL});
    direct = redisConnectUnix(server.socket_path);
    cr_assert(direct != NULL && direct->err == 0);
    inner = scenario;
    run_scenario(run_inner);
    redisFree(direct);
}

void speeds_fini(void)
{
    char path[128];
    if (server.pid != 0)
        server_stop(SIGKILL);
    snprintf(path, sizeof(path), "%s/appendonlydir", server.directory);
    struct buffer output = {0};
    process_run((const char *const[]){"rm", "-rf", path, NULL}, NULL, &output, REMOVAL_TIMEOUT_MS);
    buffer_fini(&output);
    server_fini();
}

void speeds_new_key(char key[static STORE_KEY_BYTES])
{
    static unsigned number;
    uint8_t rid[TOKEN_RID_BYTES] = {0};
    number++;
    memcpy(rid, &number, sizeof(number));
    store_key(rid, key);
}

void write_format_1(const char *key, const char *user, const char *counter)
{
    static int64_t began_ms; /* so that all have been created at once */
    int64_t now_ms = clock_unix_ms();
    if (began_ms == 0)
        began_ms = now_ms;
    redis_tell(direct,
               "HSET %s @created %lld @expires %lld @touched %lld @generation 3 @renewed %lld @revision 17 @commits %s "
               "@user %s",
               key, (long long)began_ms - 5000, (long long)now_ms + AN_HOUR_MS, (long long)now_ms - 1000,
               (long long)now_ms - 4000, "12:0123456789ab 13:0123456789ac", user);
    redis_tell(direct, "HSET %s n %s a %s count %b", key, counter, "a text", "\0\xff binary", (size_t)9);
    redis_tell(direct, "PEXPIREAT %s %lld", key, (long long)now_ms + AN_HOUR_MS);
}

void copy_record(const char *from, const char *to)
{
    redis_tell(direct, "COPY %s %s REPLACE", from, to);
}

/* The keys, and a digest of each. */
static redisReply *digest_all(redisReply **keys)
{
    *keys = redis_say(direct, "KEYS *");
    const char **arguments = calloc((*keys)->elements + 2, sizeof(*arguments));
    cr_assert_not_null(arguments);
    arguments[0] = "DEBUG";
    arguments[1] = "DIGEST-VALUE";
    for (size_t i = 0; i < (*keys)->elements; i++)
        arguments[i + 2] = (*keys)->element[i]->str;
    redisReply *digests = redisCommandArgv(direct, (int)(*keys)->elements + 2, arguments, NULL);
    cr_assert(digests != NULL && digests->type == REDIS_REPLY_ARRAY);
    free(arguments);
    return digests;
}

void expect_aof_is_the_records(void)
{
    redisReply *keys;
    redisReply *before = digest_all(&keys);
    cr_assert_gt(before->elements, 0);
    redis_tell(direct, "DEBUG LOADAOF");
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *after = redis_say(direct, "DEBUG DIGEST-VALUE %s", keys->element[i]->str);
        cr_assert_str_eq(after->element[0]->str, before->element[i]->str, "%s is another one by the AOF",
                         keys->element[i]->str);
        freeReplyObject(after);
    }
    freeReplyObject(before);
    freeReplyObject(keys);
}

void write_heavy(const char *key)
{
    static const char *const names[] = {"a", "b", "n", "c", "x1", "x2", "x3", "x4", "x5"};
    char value[VALUE_BYTES_MAX + 5];
    uint8_t bytes[HEADER_BYTES];
    struct record record;
    memset(value, '7', sizeof(value));
    record_read(direct, key, &record);
    struct header header = record.header;
    record_free(&record);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t value_bytes = i < 2 ? sizeof(value) : 30;
        redis_tell(direct, "HSET %s %s %b", key, names[i], value, value_bytes);
        header.fields++;
        header.size += header_field_size(strlen(names[i]), value_bytes);
    }
    header_pack(&header, bytes);
    redis_tell(direct, "HSET %s @ %b", key, bytes, sizeof(bytes));
}
