/*
 * The first byte of the input chooses what Redis is asked, the second how the rest is to be taken: as the answer on the
 * wire, or as what whole answers are made of. Whatever it is, the call returns with one of its errors, and with
 * something of its own types.
 */
#include "fuzz.h"

#include <hiredis/hiredis.h>

#include "journal/journal.h"
#include "redis/value.h"
#include "session/commit_try.h"
#include "session/memory_info.h"
#include "session/store.h"
#include "support/fake_redis.h"
#include "support/redis_input.h"
#include "user/index.h"
#include "task/queue.h"

static const char id[] = "default.00112233445566778899aabbccddeeff";
static const char key[] = "mid:s:{00112233445566778899aabbccddeeff}";

static struct redis_client *client;

/* -------------------- sessions -------------------- */

static void check_finding(enum mid_error error, const struct store_finding *finding)
{
    check_redis_error(error);
    if (error == MID_OK)
        CLAIM(finding->verdict >= STORE_NO_ANSWER && finding->verdict <= STORE_VERDICT_LAST);
}

static void check_view(struct view *view)
{
    for (struct view_field *field = view->fields; field != NULL; field = field->next) {
        check_redis_text(field->name);
        if (view_has_value(field))
            CLAIM(field->value[field->value_bytes] == '\0');
    }
}

static void load(void)
{
    struct view view = {.revision = -1};
    struct store_finding finding;
    int64_t created_ms;
    enum mid_error error = store_load(key, &view, &created_ms, 0, &finding);
    check_finding(error, &finding);
    if (error == MID_OK && finding.verdict == STORE_OK)
        CLAIM(view.is_complete && finding.has_header && view.revision == finding.header.revision);
    check_view(&view);
    view_fini(&view);
}

static void load_part(void)
{
    struct view view = {.revision = -1};
    struct store_finding finding;
    int64_t created_ms;
    struct store_part part = {.names = {"a", "b"}, .count = 2};
    enum mid_error error = store_load_part(key, &part, &view, &created_ms, 0, &finding);
    check_finding(error, &finding);
    if (error == MID_OK && finding.verdict == STORE_OK)
        CLAIM(view.is_part && view_find(&view, "a") != NULL && view_find(&view, "b") != NULL);
    check_view(&view);
    view_fini(&view);
}

static void look(void)
{
    struct store_finding finding;
    check_finding(store_look(key, &finding), &finding);
}

static void create(void)
{
    struct store_finding finding;
    check_finding(store_create(key, 0, &finding), &finding);
}

static void destroy(void)
{
    struct store_finding finding;
    struct store_ending ending = {.durability = MID_DURABLE_MEMORY};
    check_finding(store_destroy(key, 3, true, NULL, &ending, &finding), &finding);
    check_redis_text(ending.user);
    CLAIM(strlen(ending.user) < sizeof(ending.user));
}

static void end_of_user(void)
{
    struct store_finding finding;
    struct store_ending ending = {.durability = MID_DURABLE_MEMORY};
    check_finding(store_end(key, "grace", 7, &ending, &finding), &finding);
    check_redis_text(ending.user);
}

static void watch(void)
{
    struct store_finding finding;
    check_finding(store_watch(key, 0, &finding), &finding);
}

static void summarize(void)
{
    struct store_summary summary;
    enum mid_error error = store_summarize(key, 0, &summary);
    check_redis_error(error);
    if (error != MID_OK)
        return;
    check_redis_text(summary.user);
    check_redis_text(summary.address);
    check_redis_text(summary.agent);
}

/* -------------------- the index of a user's sessions -------------------- */

static void enter_index(void)
{
    struct user_entrance entrance;
    bool is_revoked;
    int64_t number;
    const struct user_index_terms terms = {.durability = MID_DURABLE_MEMORY};
    check_redis_error(user_index_enter("grace", "00112233445566778899aabbccddeeff", 0, &terms, &entrance));
    check_redis_error(user_index_keep("grace", "00112233445566778899aabbccddeeff", 5, 0, &is_revoked));
    check_redis_error(user_index_revoke("grace", "", &terms, &number));
}

static void read_index(void)
{
    struct user_index_page page;
    enum mid_error error =
        user_index_read("grace", &(struct user_index_range){.below = 1000, .newest_first = true}, 0, &page);
    check_redis_error(error);
    CLAIM(page.count <= USER_INDEX_PAGE);
    for (size_t i = 0; error == MID_OK && i < page.count; i++)
        CLAIM(strlen(page.names[i].rid) == USER_RID_BYTES - 1);
}

static void claim(void)
{
    struct store_finding finding;
    struct store_fence fence = {.task = id, .generation = 2, .until_ms = 1800000005000, .session_generation = 1};
    check_finding(store_claim(key, &fence, &finding), &finding);
}

static void try_commit(bool has_entry)
{
    struct commit commit = {0};
    struct commit_answer heard;
    struct header header = {.revision = 7, .generation = 1, .expires_ms = 1900000000000, .touched_ms = 1800000000000};
    struct commit_terms terms = {
        .key = key, .generation = 1, .header = (redis_input_flags & KNOWS_HEADER) != 0 ? &header : NULL};
    operations_init(&commit.operations);
    operations_add(&commit.operations, OPERATION_SET, (struct operation_text){"a", 1}, (struct operation_text){"v", 1},
                   0);
    operations_add(&commit.operations, OPERATION_TAKE, (struct operation_text){"b", 1}, (struct operation_text){"", 0},
                   0);
    operations_add(&commit.operations, OPERATION_INCREMENT, (struct operation_text){"c", 1},
                   (struct operation_text){"1", 1}, 0);
    if (has_entry) {
        struct buffer value = {0};
        operation_entry_pack(&value, &(struct journal_append){.data = "x", .bytes = 1, .event = "e"});
        commit.entry = operations_add(&commit.operations, OPERATION_ENTRY, (struct operation_text){"mid:d:{0}:0", 11},
                                      (struct operation_text){value.data, value.length}, 1);
        buffer_fini(&value);
    }
    commit.is_asked_there = (redis_input_flags & IS_ASKED_THERE) != 0;
    enum mid_error error = commit_try(&commit, &terms, &heard);
    check_finding(error, &heard.finding);
    if (error == MID_OK) {
        CLAIM(!commit.is_in_doubt);
        enum store_verdict verdict = heard.finding.verdict;
        bool is_refused = verdict == STORE_LIMIT || verdict == STORE_NOT_A_NUMBER || verdict == STORE_STEPS;
        CLAIM((heard.refused != NULL) == is_refused);
        CLAIM(verdict != STORE_DONE || heard.was_fast);
        CLAIM(verdict != STORE_STREAM || (has_entry && commit.entry_state.verdict != 0));
        CLAIM(strlen(commit.entry_state.incarnation) < JOURNAL_INCARNATION_BYTES);
    }
    commit_drop(&commit);
}

static void commit(void)
{
    try_commit(false);
}

static void commit_with_entry(void)
{
    try_commit(true);
}

/* -------------------- tasks -------------------- */

static void add(void)
{
    char stored[MID_TASK_ID_BYTES] = "";
    struct queue_task task = {.id = id,
                              .name = "n",
                              .payload = "p",
                              .payload_bytes = 1,
                              .attempts = 1,
                              .dedup_key = "",
                              .rid = "",
                              .request_id = ""};
    enum mid_error error = queue_add(&task, stored);
    check_redis_error(error);
    check_redis_text(stored);
}

static void read_stream(void)
{
    struct queue_delivery deliveries[4];
    size_t count = 0;
    enum mid_error error = queue_read(client, "default", 4, 0, deliveries, &count);
    check_redis_error(error);
    CLAIM(count <= 4);
    for (size_t i = 0; error == MID_OK && i < count; i++)
        CLAIM(strlen(deliveries[i].entry) < QUEUE_ENTRY_BYTES && strlen(deliveries[i].id) < MID_TASK_ID_BYTES);
}

static void on_start(const struct queue_start *start, void *arg)
{
    (void)arg;
    check_redis_text(start->id);
    check_redis_text(start->name);
    check_redis_text(start->rid);
    CLAIM(start->payload[start->payload_bytes] == '\0');
}

static void start(void)
{
    struct queue_delivery deliveries[1] = {{.entry = "1-1"}};
    strcpy(deliveries[0].id, id);
    check_redis_error(queue_start("default", "w", 1, deliveries, on_start, NULL));
}

static void heartbeat(void)
{
    struct queue_beat beats[2] = {{.lease = {id, 1}, .progress = ""}, {.lease = {id, 2}, .progress = "1/2"}};
    enum mid_error error = queue_heartbeat("default", 2, beats);
    check_redis_error(error);
    CLAIM(beats[0].verdict <= LEASE_HELD_AND_CANCELLED && beats[1].verdict <= LEASE_HELD_AND_CANCELLED);
}

static void recover(void)
{
    check_redis_error(queue_recover((struct queue_lease){id, 1}, BLAME_NOBODY, "", 0));
}

static void sweep(void)
{
    struct queue_sweep swept;
    check_redis_error(queue_sweep("default", &swept));
}

static void on_field(const char *field, const char *value, size_t bytes, void *arg)
{
    (void)arg;
    check_redis_text(field);
    CLAIM(value[bytes] == '\0');
}

static void show(void)
{
    check_redis_error(queue_show(id, on_field, NULL));
}

static void on_row(const struct queue_row *row, void *arg)
{
    (void)arg;
    check_redis_text(row->id);
    check_redis_text(row->state);
    check_redis_text(row->name);
    check_redis_text(row->attempt);
    check_redis_text(row->attempts);
    check_redis_text(row->progress);
    check_redis_text(row->error);
}

static void list_tasks(void)
{
    check_redis_error(queue_list("default", "dead", 10, on_row, NULL));
}

static void stats(void)
{
    struct queue_stats stats;
    check_redis_error(queue_stats("default", &stats));
}

static void cancel(void)
{
    char state[QUEUE_STATE_BYTES] = "";
    check_redis_error(queue_cancel(id, state));
    check_redis_text(state);
}

/* -------------------- what applications ask -------------------- */

static void walk(const struct mid_redis_value *value)
{
    if (value->type == MID_REDIS_TEXT || value->type == MID_REDIS_ERROR)
        CLAIM(value->text[value->bytes] == '\0');
    for (size_t i = 0; value->type == MID_REDIS_LIST && i < value->count; i++)
        walk(&value->elements[i]);
}

static enum mid_error on_value(const struct redisReply *reply, void *arg)
{
    struct arena *arena = arg;
    struct memory_figures figures;
    walk(redis_value_copy(reply, arena));
    if (reply->type == REDIS_REPLY_STRING)
        memory_info_parse(reply->str, (size_t)reply->len, &figures);
    return MID_OK;
}

static void value(void)
{
    struct arena arena;
    arena_init(&arena);
    struct redis_call call = {.on_reply = on_value, .arg = &arena};
    check_redis_error(redis_command(client, 1, (struct redis_argument[]){REDIS_TEXT("INFO")}, &call));
    arena_fini(&arena);
}

/* -------------------- durable streams -------------------- */

static const struct journal_terms journal_terms = {.durability = MID_DURABLE_MEMORY};

static void check_state(enum mid_error error, const struct journal_state *state)
{
    check_redis_error(error);
    if (error != MID_OK)
        return;
    CLAIM(state->verdict >= JOURNAL_OK && state->verdict < JOURNAL_VERDICTS);
    CLAIM(strlen(state->incarnation) < JOURNAL_INCARNATION_BYTES && strlen(state->type) < JOURNAL_TYPE_BYTES);
}

static void check_entry(const struct journal_entry *entry, void *end)
{
    CLAIM(entry->end > *(int64_t *)end && entry->bytes > 0 && entry->bytes <= (size_t)entry->end);
    check_redis_text(entry->event);
    *(int64_t *)end = entry->end;
}

static void create_durable(void)
{
    struct journal_state state;
    const struct journal_creation creation = {.type = "text/plain", .ttl_ms = 5, .until_ms = -1, .bytes_max = 9};
    check_state(journal_create(key, &creation, &journal_terms, &state), &state);
}

static void append_durable(void)
{
    struct journal_state state;
    const struct journal_append append = {.data = "x", .bytes = 1, .producer = "p"};
    check_state(journal_append(key, &append, &journal_terms, &state), &state);
}

static void claim_durable(void)
{
    struct journal_state state;
    const struct journal_claim claim = {.producer = "p", .epoch = 3, .number = -1};
    check_state(journal_claim(key, &claim, &journal_terms, &state), &state);
}

static void watch_durable(void)
{
    struct journal_state state;
    check_state(journal_watch(key, "0011", &journal_terms, &state), &state);
}

static void read_durable(void)
{
    struct journal_state state;
    int64_t end = INT64_MIN;
    const struct journal_reading reading = {.bytes_least = 9, .on_entry = check_entry, .arg = &end};
    check_state(journal_read(key, &reading, &journal_terms, &state), &state);
}

static void (*const calls[])(void) = {
    load,           load_part,    look,          create,        destroy,          claim,
    commit,         add,          read_stream,   start,         heartbeat,        recover,
    sweep,          show,         list_tasks,    stats,         cancel,           value,
    end_of_user,    watch,        summarize,     enter_index,   read_index,       create_durable,
    append_durable, read_durable, claim_durable, watch_durable, commit_with_entry};

static void ask(void *arg)
{
    calls[*(const uint8_t *)arg % (sizeof(calls) / sizeof(calls[0]))]();
}

static void set_up(void)
{
    client = fake_redis_start(redis_input_answer);
    store_init(&(struct store_settings){.redis = client,
                                        .idle_ms = 60000,
                                        .absolute_ms = 600000,
                                        .user_idle_ms = 60000,
                                        .user_absolute_ms = 600000,
                                        .fields_max = 64,
                                        .value_bytes_max = 1000,
                                        .size_max = 10000});
    commit_init();
    user_index_init(&(struct user_index_settings){.redis = client, .lifetime_ms = 600000});
    journal_init(&(struct journal_settings){.redis = client, .lifetime_ms = 600000});
    queue_init(&(struct queue_settings){.redis = client, .tasks_max = 100, .lease_ms = 1000});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (client == NULL)
        set_up();
    if (size < REDIS_INPUT_HEAD)
        return 0;
    uint8_t call = data[0];
    redis_input_take(data, size);
    fake_redis_run(ask, &call);
    return 0;
}
