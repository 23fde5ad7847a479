/*
 * Every metric, once: its name, what kind it is, where its words lie, what it means, its labels. The reference of all
 * of them, docs/metrics.md, has a row for each row here; a test compares them.
 */
#include <assert.h>

#include "base/panic.h"
#include "metrics/layout.h"

/* -------------------- labels -------------------- */

#define LABEL_TEXT(name, text) text,
#define LABEL_NAME(name)       #name,
#define LABEL_VALUES(function, ...)                                                                                    \
    static const char *function(size_t index)                                                                          \
    {                                                                                                                  \
        static const char *const values[] = {__VA_ARGS__};                                                             \
        ENSURE(index < sizeof(values) / sizeof(values[0]));                                                            \
        return values[index];                                                                                          \
    }

LABEL_VALUES(stream_end_name, STREAM_ENDS(LABEL_TEXT))
LABEL_VALUES(verdict_name, TOKEN_VERDICTS(LABEL_TEXT))
LABEL_VALUES(action_name, SESSION_ACTIONS(LABEL_TEXT))
LABEL_VALUES(phase_name, SESSION_PHASES(LABEL_TEXT))
LABEL_VALUES(result_name, SESSION_RESULTS(LABEL_TEXT))
LABEL_VALUES(way_name, SESSION_WAYS(LABEL_TEXT))
LABEL_VALUES(refusal_name, SESSION_REFUSALS(LABEL_TEXT))
LABEL_VALUES(restart_name, WORKER_RESTARTS(LABEL_TEXT))
LABEL_VALUES(reload_name, "refused", "accepted")
LABEL_VALUES(broken_name, "malformed", "read_timeout")
LABEL_VALUES(depth_name, "waiting", "delayed", "running", "dead")
LABEL_VALUES(event_name, QUEUE_COUNTS(LABEL_NAME))
LABEL_VALUES(state_name, "up", "starting", "silent", "draining")
LABEL_VALUES(version_name, MIDSTREAM_VERSION)

/* All of them have three digits. */
static const char *status_name(size_t kind)
{
    static char name[4];
    int status = status_of_kind(kind);
    if (status == 0)
        return "other";
    for (int i = 2; i >= 0; i--, status /= 10)
        name[i] = (char)('0' + status % 10);
    return name;
}

/* -------------------- the table -------------------- */

#define OF_ROUTE(member)  METRIC_OF_ROUTE, offsetof(struct route_counts, member)
#define OF_WORKER(member) METRIC_OF_WORKER, offsetof(struct worker_counts, member)
#define OF_QUEUE(member)  METRIC_OF_QUEUE, offsetof(struct queue_figures, member)
#define OF_POOL(member)   METRIC_OF_POOL, offsetof(struct pool_counts, member)

/* clang-format off */
#define NO_LABELS {{0}}
/* clang-format on */

static const struct metric table[] = {
    {"midstream_requests_total",
     METRIC_COUNTER,
     OF_ROUTE(by_status),
     1,
     "Requests that are over, by the status that their head had.",
     {{"status", status_name, STATUS_KINDS}}},
    {"midstream_request_duration_seconds", METRIC_HISTOGRAM, OF_ROUTE(duration), 1,
     "From the request's parameters to the end of its response, streams included.", NO_LABELS},
    {"midstream_request_first_byte_seconds", METRIC_HISTOGRAM, OF_ROUTE(first_byte), 1,
     "From the request's parameters to the head of its response.", NO_LABELS},
    {"midstream_requests_in_flight", METRIC_GAUGE, OF_WORKER(gauges.requests), 1,
     "Connections of nginx with a request under way, streams included.", NO_LABELS},

    {"midstream_log_lines_dropped_total", METRIC_COUNTER, OF_WORKER(log_dropped), 1,
     "Log lines that were dropped, because nobody read them in time or they could not be written.", NO_LABELS},

    {"midstream_streams_begun_total", METRIC_COUNTER, OF_WORKER(stream.begun), 1, "Streams whose head was sent.",
     NO_LABELS},
    {"midstream_streams_ended_total",
     METRIC_COUNTER,
     OF_WORKER(stream_ends),
     1,
     "Streams that ended, by the reason.",
     {{"reason", stream_end_name, STREAM_END_COUNT}}},
    {"midstream_streams_open", METRIC_GAUGE, OF_WORKER(streams_open), 1, "Streams that are open.", NO_LABELS},

    {"midstream_connections_accepted_total", METRIC_COUNTER, OF_WORKER(connection.accepted), 1,
     "Connections accepted from nginx.", NO_LABELS},
    {"midstream_connections_open", METRIC_GAUGE, OF_WORKER(gauges.connections), 1,
     "Connections of nginx that are open, idle ones included.", NO_LABELS},
    {"midstream_connections_broken_total",
     METRIC_COUNTER,
     OF_WORKER(connection.malformed),
     1,
     "Connections ended because of what nginx sent, or did not send in time.",
     {{"cause", broken_name, 2}}},
    {"midstream_accept_pauses_total", METRIC_COUNTER, OF_WORKER(connection.accept_pauses), 1,
     "Times that accepting paused because no descriptor was left.", NO_LABELS},
    {"midstream_received_bytes_total", METRIC_COUNTER, OF_WORKER(connection.received_bytes), 1,
     "Bytes received from nginx, FastCGI's own included.", NO_LABELS},
    {"midstream_sent_bytes_total", METRIC_COUNTER, OF_WORKER(connection.sent_bytes), 1,
     "Bytes sent to nginx, FastCGI's own included.", NO_LABELS},

    {"midstream_session_cookies_total",
     METRIC_COUNTER,
     OF_WORKER(session.cookies),
     1,
     "Session cookies that came, by what they were found to be.",
     {{"verdict", verdict_name, TOKEN_VERDICT_COUNT}}},
    {"midstream_session_commits_total",
     METRIC_COUNTER,
     OF_WORKER(session.ways),
     1,
     "Commits that were stored: fast, as the worker had computed them, or slow, by Redis from the record.",
     {{"way", way_name, SESSION_WAY_COUNT}}},
    {"midstream_session_operations_total",
     METRIC_COUNTER,
     OF_WORKER(session.operations),
     1,
     "Operations on sessions, by the phase of the request and the result.",
     {{"operation", action_name, SESSION_ACTION_COUNT},
      {"phase", phase_name, SESSION_PHASE_COUNT},
      {"result", result_name, SESSION_RESULT_COUNT}}},
    {"midstream_session_refused_total",
     METRIC_COUNTER,
     OF_WORKER(session.refusals),
     1,
     "New sessions that were refused, by the limit that was reached.",
     {{"reason", refusal_name, SESSION_REFUSAL_COUNT}}},

    {"midstream_redis_connected", METRIC_GAUGE, OF_WORKER(gauges.is_redis_ready), 1,
     "Workers that are connected to Redis.", NO_LABELS},
    {"midstream_redis_commands_total", METRIC_COUNTER, OF_WORKER(redis.commands), 1, "Commands sent to Redis.",
     NO_LABELS},
    {"midstream_redis_command_duration_seconds", METRIC_HISTOGRAM, OF_WORKER(redis.latency), 1,
     "From a command to its answer, as the request that waits for it sees it.", NO_LABELS},
    {"midstream_redis_writes_total", METRIC_COUNTER, OF_WORKER(redis.writes), 1,
     "Writes to Redis; each carries the commands of a turn of the loop.", NO_LABELS},
    {"midstream_redis_connects_total", METRIC_COUNTER, OF_WORKER(redis.connects), 1,
     "Connections to Redis that became ready: each worker's first, and its reconnections.", NO_LABELS},
    {"midstream_redis_disconnects_total", METRIC_COUNTER, OF_WORKER(redis.disconnects), 1,
     "Connections to Redis that were lost.", NO_LABELS},
    {"midstream_redis_timeouts_total", METRIC_COUNTER, OF_WORKER(redis.timeouts), 1,
     "Times that Redis did not answer in time.", NO_LABELS},
    {"midstream_redis_suspect", METRIC_GAUGE, OF_WORKER(redis.is_suspect), 1,
     "Workers whose connection to Redis is silent, so that requests do not wait for it.", NO_LABELS},
    {"midstream_redis_suspicions_total", METRIC_COUNTER, OF_WORKER(redis.suspicions), 1,
     "Times that a worker began to suspect Redis, because a request had waited for redis-head-timeout-ms.", NO_LABELS},
    {"midstream_redis_errors_total", METRIC_COUNTER, OF_WORKER(redis.errors), 1, "Error replies of Redis.", NO_LABELS},
    {"midstream_redis_used_memory_bytes", METRIC_GAUGE, OF_POOL(redis_used_bytes), 1,
     "Memory that Redis uses, as it said last; 0: not known.", NO_LABELS},
    {"midstream_redis_maxmemory_bytes", METRIC_GAUGE, OF_POOL(redis_max_bytes), 1,
     "Redis's setting maxmemory; 0: none, or not known.", NO_LABELS},

    {"midstream_fibers", METRIC_GAUGE, OF_WORKER(gauges.fibers), 1, "Fibers in use, each with a stack.", NO_LABELS},
    {"midstream_fiber_stacks_pooled", METRIC_GAUGE, OF_WORKER(gauges.stacks_pooled), 1,
     "Stacks that wait to be used again.", NO_LABELS},
    {"midstream_loop_turn_seconds", METRIC_HISTOGRAM, OF_WORKER(turns), 1,
     "The longest turn of a worker's loop in each 100 ms: for so long, everything else waited.", NO_LABELS},

    {"midstream_task_depth",
     METRIC_GAUGE,
     OF_QUEUE(depth),
     1,
     "Tasks that are kept, by their state; done and cancelled ones are not counted.",
     {{"state", depth_name, QUEUE_DEPTH_COUNT}}},
    {"midstream_task_oldest_waiting_seconds", METRIC_GAUGE, OF_QUEUE(oldest_waiting_ms), 1000,
     "How long the oldest of the waiting tasks has waited; 0 when there is none.", NO_LABELS},
    {"midstream_task_events_total",
     METRIC_COUNTER,
     OF_QUEUE(events),
     1,
     "What has happened to tasks, since the queue exists.",
     {{"event", event_name, QUEUE_EVENT_COUNT}}},

    {"midstream_workers",
     METRIC_GAUGE,
     OF_POOL(workers),
     1,
     "Worker processes; silent ones have not turned their loop for 2 s.",
     {{"state", state_name, WORKER_STATE_COUNT}}},
    {"midstream_workers_wanted", METRIC_GAUGE, OF_POOL(workers_wanted), 1, "How many workers there should be.",
     NO_LABELS},
    {"midstream_worker_silence_seconds", METRIC_GAUGE, OF_POOL(silent_us), 1000000,
     "The longest time since a living worker's loop last turned.", NO_LABELS},
    {"midstream_worker_restarts_total",
     METRIC_COUNTER,
     OF_POOL(restarts),
     1,
     "Workers that ended unasked and were replaced, by how they ended.",
     {{"cause", restart_name, WORKER_RESTART_COUNT}}},
    {"midstream_reloads_total",
     METRIC_COUNTER,
     OF_POOL(reloads),
     1,
     "Reloads of the settings, by their result.",
     {{"result", reload_name, 2}}},
    {"midstream_start_time_seconds", METRIC_GAUGE, OF_POOL(started_unix_ms), 1000,
     "When the master started, in seconds since 1970.", NO_LABELS},
    {"midstream_build_info",
     METRIC_GAUGE,
     OF_POOL(build),
     1,
     "Always 1; its label tells the version.",
     {{"version", version_name, 1}}},
};

static_assert(offsetof(struct connection_counts, read_timeouts) ==
                  offsetof(struct connection_counts, malformed) + sizeof(uint64_t),
              "the two causes of a broken connection lie side by side");

const struct metric *metrics_table(size_t *count)
{
    *count = sizeof(table) / sizeof(table[0]);
    return table;
}

size_t metric_words(const struct metric *metric)
{
    size_t words = metric->type == METRIC_HISTOGRAM ? sizeof(struct histogram) / sizeof(uint64_t) : 1;
    for (int i = 0; i < METRIC_LABELS_MAX && metric->labels[i].name != NULL; i++)
        words *= metric->labels[i].count;
    return words;
}

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[type];
}
