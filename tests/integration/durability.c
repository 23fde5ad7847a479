/* What commit-durability promises to visitors: what is answered OK is where it says, and what is not, is a 503. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage.h"
#include "support/redis_node.h"

TestSuite(durability, .timeout = 60);

/* The site's Redis has a unix socket only. */
struct replica {
    int master_port;
    int port;
    pid_t pid;
};

static struct replica add_replica(const struct site *site)
{
    site_needs_one_redis(site);
    struct replica replica = {.master_port = redis_node_port(), .port = redis_node_port()};
    OWNED char *data = text_printf("%s/redis", site->stack->dir);
    free(redis_text(site->redis, "CONFIG SET port %d repl-diskless-sync-delay 0", replica.master_port));
    replica.pid = redis_node_start(data, replica.port, replica.master_port);
    cr_assert(wait_until(redis_node_is_in_step, &replica.port, PATIENCE_MS));
    return replica;
}

static void end_replica(const struct replica *replica)
{
    process_signal(replica->pid, SIGKILL);
    cr_assert_geq(process_wait(replica->pid, PATIENCE_MS), 0);
}

static bool session_works(void *arg)
{
    return site_send(arg, "GET", "/counter", NULL, NULL) == 200;
}

/* As the replica has it. */
static long long counter_at(const struct replica *replica, const char *key)
{
    struct redis_probe *probe = redis_probe_open_port(replica->port);
    OWNED char *text = redis_text(probe, "HGET %s counter", key);
    redis_probe_close(probe);
    return text != NULL ? atoll(text) : 0;
}

static bool exists_at(const struct replica *replica, const char *key)
{
    struct redis_probe *probe = redis_probe_open_port(replica->port);
    bool exists = redis_int(probe, "EXISTS %s", key) == 1;
    redis_probe_close(probe);
    return exists;
}

static void await_key(const struct replica *replica, const char *key)
{
    for (int left_ms = PATIENCE_MS; left_ms > 0 && !exists_at(replica, key); left_ms -= 10)
        usleep(10000);
}

/* What is stored from now on does not reach it, nor stay for it in a socket. */
static void cut_off(const struct site *site, const struct replica *replica)
{
    process_signal(replica->pid, SIGSTOP);
    cr_assert_eq(redis_int(site->redis, "CLIENT KILL TYPE replica"), 1);
}

static bool change_is_confirmed(void *arg)
{
    return stage_act(arg, "increment:n,commit,return&who=w", NULL) == 200;
}

static bool logout_is_confirmed(void *arg)
{
    return stage_act(arg, "find,return", NULL) == 200;
}

/* -------------------- the setting -------------------- */

#define REPLICA "MIDSTREAM_COMMIT_DURABILITY=replica", "MIDSTREAM_REDIS_TIMEOUT_MS=3000"

Test(durability, with_replica_a_commit_that_was_answered_and_a_logout_are_in_the_replica)
{
    enum { REQUESTS = 50 };
    struct site site = site_open(SETTINGS(REPLICA));
    struct replica replica = add_replica(&site);
    cr_assert(wait_until(session_works, &site, PATIENCE_MS));
    OWNED char *key = site_key(&site);
    long long counter = counter_at(&replica, key);
    for (int i = 1; i <= REQUESTS; i++) {
        cr_assert_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
        cr_assert_eq(counter_at(&replica, key), counter + i);
    }
    cr_assert(exists_at(&replica, key));
    cr_assert_lt(site_send(&site, "POST", "/logout", NULL, NULL), 400);
    cr_expect_not(exists_at(&replica, key));
    site_close(&site);
    end_replica(&replica);
}

/* The same with memory is what could be lost. */
Test(durability, what_a_replica_that_is_away_has_not_got_is_answered_ok_only_with_memory)
{
    static const struct {
        const char *setting;
        int status;
    } kinds[] = {{"MIDSTREAM_COMMIT_DURABILITY=memory", 200}, {"MIDSTREAM_COMMIT_DURABILITY=replica", 503}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct site site = site_open(SETTINGS(kinds[i].setting, "MIDSTREAM_REDIS_TIMEOUT_MS=3000"));
        struct replica replica = add_replica(&site);
        cr_assert(wait_until(session_works, &site, PATIENCE_MS));
        OWNED char *key = site_key(&site);
        await_key(&replica, key);
        cut_off(&site, &replica);
        int64_t before = stored_number(&site, key, "counter");
        struct http_response response;
        cr_expect_eq(site_send(&site, "GET", "/counter", NULL, &response), kinds[i].status, "%s", kinds[i].setting);
        http_response_fini(&response);
        cr_expect_eq(stored_number(&site, key, "counter"), before + 1, "the master has it in any case");
        cr_expect_eq(site_send(&site, "POST", "/logout", NULL, NULL) < 400, kinds[i].status == 200);
        cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);

        process_signal(site.stack->redis, SIGKILL); /* and a failover */
        process_signal(replica.pid, SIGCONT);
        struct redis_probe *promoted = redis_probe_open_port(replica.port);
        free(redis_text(promoted, "REPLICAOF NO ONE"));
        redis_probe_close(promoted);
        cr_expect(exists_at(&replica, key), "the logout was undone, and was acknowledged only with memory");
        site_close(&site);
        end_replica(&replica);
    }
}

/* What nobody has confirmed is no logout, and stays none when the visitor asks again. */
Test(durability, a_logout_that_was_not_confirmed_is_not_confirmed_by_repeating_it)
{
    struct stage stage = stage_open(SETTINGS(REPLICA));
    struct site *site = &stage.site;
    struct replica replica = add_replica(site);
    cr_assert(wait_until(change_is_confirmed, &stage, PATIENCE_MS));
    cr_assert_eq(stage_act(&stage, "increment:a,commit", NULL), 200);
    OWNED char *key = site_key(site);
    cut_off(site, &replica);
    stage_act(&stage, "destroy&who=a", NULL);
    EXPECT_NOTE(&stage, "a.1", "destroy MID_UNAVAILABLE");
    cr_assert_eq(redis_int(site->redis, "EXISTS %s", key), 0);
    stage_act(&stage, "find&who=b", NULL); /* "there is no session" would be taken for "you are logged out" */
    EXPECT_NOTE(&stage, "b.1", "find MID_UNAVAILABLE");
    stage_act(&stage, "destroy,get:a,destroy&who=c", NULL);
    EXPECT_NOTE(&stage, "c.1", "destroy MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "c.3", "destroy MID_UNAVAILABLE");
    process_signal(replica.pid, SIGCONT);
    while (exists_at(&replica, key))
        usleep(10000);
    cr_assert(wait_until(logout_is_confirmed, &stage, PATIENCE_MS));
    stage_close(&stage);
    end_replica(&replica);
}

/* What is read is in memory, whoever has written it: a commit with nothing to write confirms what was seen. */
Test(durability, a_commit_of_nothing_confirms_what_was_read)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=3000"));
    struct site *site = &stage.site;
    struct replica replica = add_replica(site);
    cr_assert_eq(stage_act(&stage, "set:paid:1,commit,get:paid,durable:replica,commit&who=a", NULL), 200);
    EXPECT_NOTE(&stage, "a.5", "commit MID_OK");
    cut_off(site, &replica);
    stage_act(&stage, "get:paid,commit,durable:replica,commit&who=b", NULL);
    EXPECT_NOTE(&stage, "b.1", "get:paid MID_OK 1");
    EXPECT_NOTE(&stage, "b.2", "commit MID_OK");
    EXPECT_NOTE(&stage, "b.4", "commit MID_UNAVAILABLE");
    process_signal(replica.pid, SIGCONT);
    stage_close(&stage);
    end_replica(&replica);
}

/* A refusal is an answer, and nothing that could be lost. */
Test(durability, what_is_refused_is_told_whatever_the_replica_does)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=3000"));
    struct site *site = &stage.site;
    struct replica replica = add_replica(site);
    cr_assert_eq(stage_act(&stage, "set:a:x,commit,durable:replica,set:a:y,commit&who=a", NULL), 200);
    EXPECT_NOTE(&stage, "a.5", "commit MID_OK");
    cut_off(site, &replica);
    stage_act(&stage, "durable:replica,increment:a,commit&who=b", NULL);
    EXPECT_NOTE(&stage, "b.3", "commit MID_UNPROCESSABLE");
    process_signal(replica.pid, SIGCONT);
    stage_close(&stage);
    end_replica(&replica);
}

/* Redis answers itself where fields have lifetimes: what it has said once is not asked for again. */
Test(durability, a_result_that_was_heard_is_told_when_it_is_confirmed)
{
    struct stage stage = stage_open(SETTINGS(REPLICA));
    struct site *site = &stage.site;
    struct replica replica = add_replica(site);
    cr_assert(wait_until(change_is_confirmed, &stage, PATIENCE_MS));
    cr_assert_eq(stage_act(&stage, "set-for:other:x:60000,set:flash:saved,commit", NULL), 200);
    cut_off(site, &replica);
    struct http_stream *stream = stage_stream(&stage, "take:flash,gate:on,take:flash&who=b");
    EXPECT_NOTE(&stage, "b.1", "take:flash MID_UNAVAILABLE");
    process_signal(replica.pid, SIGCONT);
    cr_assert(wait_until(change_is_confirmed, &stage, PATIENCE_MS));
    stage_open_gate(&stage, "b", "on");
    EXPECT_NOTE(&stage, "b.3", "take:flash MID_OK saved");
    http_stream_close(stream, NULL);
    stage_close(&stage);
    end_replica(&replica);
}

/* A stream cannot be told 503: it waits until it is confirmed, and commits once. */
Test(durability, a_stream_waits_until_its_commits_are_confirmed)
{
    struct site site = site_open(SETTINGS(REPLICA, "MIDSTREAM_COMMIT_TIMEOUT_MS=30000"));
    struct replica replica = add_replica(&site);
    cr_assert(wait_until(session_works, &site, PATIENCE_MS));
    OWNED char *key = site_key(&site);
    struct http_stream *stream = site_stream(&site, "/events?count=20&interval_ms=20");
    cr_assert(stored_reaches(&site, key, "event", 3));
    process_signal(replica.pid, SIGSTOP);
    usleep(2500000);
    process_signal(replica.pid, SIGCONT);
    struct http_response response;
    cr_expect(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(text_count(response.body.data, "data: {\"event\":"), 20, "%s", response.body.data);
    cr_expect_eq(stored_number(&site, key, "event"), 20);
    http_response_fini(&response);
    site_close(&site);
    end_replica(&replica);
}

/* More commits of a session than its record knows by their identifiers: each was heard, and none is sent again. */
Test(durability, streams_of_one_session_wait_for_the_replica_together)
{
    enum { STREAMS = 8, EVENTS = 40 };
    struct http_stream *streams[STREAMS];
    struct site site = site_open(SETTINGS(REPLICA, "MIDSTREAM_COMMIT_TIMEOUT_MS=30000"));
    struct replica replica = add_replica(&site);
    cr_assert(wait_until(session_works, &site, PATIENCE_MS));
    for (int i = 0; i < STREAMS; i++)
        streams[i] = site_stream(&site, "/stream?count=40&interval_ms=20");
    for (int i = 0; i < STREAMS; i++)
        cr_assert(http_stream_wait_text(streams[i], "\n", PATIENCE_MS));
    OWNED char *key = site_key(&site);
    int64_t before = stored_header(&site, key).revision;
    process_signal(replica.pid, SIGSTOP);
    usleep(2500000); /* two rounds and a half */
    cr_expect_lt(stored_header(&site, key).revision, before + STREAMS * EVENTS, "they have all ended before");
    process_signal(replica.pid, SIGCONT);
    for (int i = 0; i < STREAMS; i++) {
        struct http_response response;
        cr_expect(http_stream_wait_end(streams[i], PATIENCE_MS));
        http_stream_close(streams[i], &response);
        cr_expect(response.curl_code == 0, "stream %d: %s", i, response.error != NULL ? response.error : "");
        http_response_fini(&response);
    }
    cr_expect(wait_until(session_works, &site, PATIENCE_MS));
    site_close(&site);
    end_replica(&replica);
}

/* -------------------- the call -------------------- */

Test(durability, a_handler_chooses_for_itself)
{
    struct stage stage = stage_open(SETTINGS("MIDSTREAM_REDIS_TIMEOUT_MS=3000"));
    struct site *site = &stage.site;
    site_needs_one_redis(site);
    stage_act(&stage, "increment:a,commit,durable:replica,increment:a,commit", NULL);
    EXPECT_NOTE(&stage, "h.2", "commit MID_OK");
    EXPECT_NOTE(&stage, "h.5", "commit MID_UNAVAILABLE"); /* there is no replica */
    struct replica replica = add_replica(site);
    cr_assert(site_wait_log(site, " durability=replica after_ms="));
    cr_assert_eq(stage_act(&stage, "durable:replica,increment:a,commit&who=i", NULL), 200);
    EXPECT_NOTE(&stage, "i.3", "commit MID_OK");
    process_signal(replica.pid, SIGSTOP);
    stage_act(&stage, "durable:replica,increment:a,commit,durable:default,commit,durable:replica,destroy&who=j", NULL);
    EXPECT_NOTE(&stage, "j.3", "commit MID_UNAVAILABLE");
    EXPECT_NOTE(&stage, "j.5", "commit MID_OK"); /* of what was in doubt */
    EXPECT_NOTE(&stage, "j.7", "destroy MID_UNAVAILABLE");
    process_signal(replica.pid, SIGCONT);
    stage_close(&stage);
    end_replica(&replica);
}

/* A task that is accepted is where it was asked to be; one that is not may be there all the same. */
Test(durability, a_task_is_accepted_when_the_replica_has_it)
{
    struct site site = site_open(SETTINGS(REPLICA));
    struct replica replica = add_replica(&site);
    cr_assert(wait_until(session_works, &site, PATIENCE_MS));
    cr_expect_eq(site_send(&site, "POST", "/report", NULL, NULL), 202);
    struct redis_probe *probe = redis_probe_open_port(replica.port);
    struct redis_texts tasks = redis_texts(probe, "KEYS mid:q:{default}:task:*");
    cr_expect_eq(tasks.count, 1);
    redis_texts_fini(&tasks);
    redis_probe_close(probe);
    process_signal(replica.pid, SIGSTOP);
    cr_expect_eq(site_send(&site, "POST", "/report", NULL, NULL), 503);
    process_signal(replica.pid, SIGCONT);
    site_close(&site);
    end_replica(&replica);
}

/* -------------------- metrics -------------------- */

Test(durability, what_cannot_be_confirmed_is_told_in_the_log_and_in_metrics)
{
    struct site site = site_open(SETTINGS(REPLICA));
    site_needs_one_redis(&site);
    OWNED char *begin = text_printf("redis.not-durable address=unix:%s durability=replica reason=\"in 0 replicas in "
                                    "time, of 1 that are wanted\"",
                                    site.stack->redis_socket);
    OWNED char *end = text_printf("redis.durable address=unix:%s durability=replica", site.stack->redis_socket);
    cr_expect(site_wait_log(&site, begin));
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 503);
    struct replica replica = add_replica(&site);
    cr_expect(site_wait_log(&site, end));
    cr_expect_eq(site_send(&site, "GET", "/counter", NULL, NULL), 200);
    site_close(&site);
    end_replica(&replica);
}
