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
LABEL_VALUES(ending_name, SESSION_ENDINGS(LABEL_TEXT))
LABEL_VALUES(notification_name, LIVE_NOTIFICATIONS(LABEL_TEXT))
LABEL_VALUES(durable_result_name, DURABLE_RESULTS(LABEL_TEXT))
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
     "Completed requests, by response status.",
     {{"status", status_name, STATUS_KINDS}}},
    {"midstream_request_duration_seconds", METRIC_HISTOGRAM, OF_ROUTE(duration), 1,
     "Time from the request's parameters to the end of the response, including streams.", NO_LABELS},
    {"midstream_request_first_byte_seconds", METRIC_HISTOGRAM, OF_ROUTE(first_byte), 1,
     "Time from the request's parameters to the response header.", NO_LABELS},
    {"midstream_requests_in_flight", METRIC_GAUGE, OF_WORKER(gauges.requests), 1,
     "Requests in progress, including streams.", NO_LABELS},

    {"midstream_log_lines_dropped_total", METRIC_COUNTER, OF_WORKER(log_dropped), 1,
     "Log lines dropped because they could not be written in time, or at all.", NO_LABELS},

    {"midstream_streams_begun_total", METRIC_COUNTER, OF_WORKER(stream.begun), 1,
     "Streams whose response header was sent.", NO_LABELS},
    {"midstream_streams_ended_total",
     METRIC_COUNTER,
     OF_WORKER(stream_ends),
     1,
     "Ended streams, by reason.",
     {{"reason", stream_end_name, STREAM_END_COUNT}}},
    {"midstream_streams_open", METRIC_GAUGE, OF_WORKER(streams_open), 1, "Open streams.", NO_LABELS},

    {"midstream_connections_accepted_total", METRIC_COUNTER, OF_WORKER(connection.accepted), 1,
     "Connections accepted from nginx.", NO_LABELS},
    {"midstream_connections_open", METRIC_GAUGE, OF_WORKER(gauges.connections), 1,
     "Open connections from nginx, including idle ones.", NO_LABELS},
    {"midstream_connections_broken_total",
     METRIC_COUNTER,
     OF_WORKER(connection.malformed),
     1,
     "Connections closed because of invalid or late input from nginx.",
     {{"cause", broken_name, 2}}},
    {"midstream_accept_pauses_total", METRIC_COUNTER, OF_WORKER(connection.accept_pauses), 1,
     "Pauses in accepting connections because no file descriptor was available.", NO_LABELS},
    {"midstream_received_bytes_total", METRIC_COUNTER, OF_WORKER(connection.received_bytes), 1,
     "Bytes received from nginx, including FastCGI framing.", NO_LABELS},
    {"midstream_sent_bytes_total", METRIC_COUNTER, OF_WORKER(connection.sent_bytes), 1,
     "Bytes sent to nginx, including FastCGI framing.", NO_LABELS},

    {"midstream_session_cookies_total",
     METRIC_COUNTER,
     OF_WORKER(session.cookies),
     1,
     "Received session cookies, by the result of their verification.",
     {{"verdict", verdict_name, TOKEN_VERDICT_COUNT}}},
    {"midstream_session_commits_total",
     METRIC_COUNTER,
     OF_WORKER(session.ways),
     1,
     "Stored commits: fast (computed by the worker) or slow (computed by Redis from the record).",
     {{"way", way_name, SESSION_WAY_COUNT}}},
    {"midstream_session_operations_total",
     METRIC_COUNTER,
     OF_WORKER(session.operations),
     1,
     "Session operations, by phase of the request and result.",
     {{"operation", action_name, SESSION_ACTION_COUNT},
      {"phase", phase_name, SESSION_PHASE_COUNT},
      {"result", result_name, SESSION_RESULT_COUNT}}},
    {"midstream_session_refused_total",
     METRIC_COUNTER,
     OF_WORKER(session.refusals),
     1,
     "New sessions refused, by the limit that was reached.",
     {{"reason", refusal_name, SESSION_REFUSAL_COUNT}}},

    {"midstream_session_ended_total",
     METRIC_COUNTER,
     OF_WORKER(session.endings),
     1,
     "Sessions of users that were ended from elsewhere, by how.",
     {{"by", ending_name, SESSION_ENDING_COUNT}}},
    {"midstream_live_connected", METRIC_GAUGE, OF_WORKER(live.is_ready), 1,
     "Workers with a connection to Redis for notifications; a worker makes it when the first stream of a session begins.",
     NO_LABELS},
    {"midstream_live_connects_total", METRIC_COUNTER, OF_WORKER(live.connects), 1,
     "Connections for notifications that became ready. After each, all that wait look at their sessions.", NO_LABELS},
    {"midstream_live_watchers", METRIC_GAUGE, OF_WORKER(live.watchers), 1,
     "Requests and tasks that wait for changes of a session or a durable stream, or have done so.", NO_LABELS},
    {"midstream_live_notifications_total",
     METRIC_COUNTER,
     OF_WORKER(live.heard),
     1,
     "Notifications received, by kind: sessions that ended, changes of a session or a durable stream that is waited for.",
     {{"kind", notification_name, LIVE_NOTIFICATION_COUNT}}},
    {"midstream_live_wakes_total", METRIC_COUNTER, OF_WORKER(live.wakes), 1,
     "Calls of mid_session_wait() that returned because the session had changed.", NO_LABELS},

    {"midstream_durable_created_total", METRIC_COUNTER, OF_WORKER(durable.created), 1, "Durable streams created.",
     NO_LABELS},
    {"midstream_durable_appends_total",
     METRIC_COUNTER,
     OF_WORKER(durable.appends),
     1,
     "Appends to durable streams, and closings, by result.",
     {{"result", durable_result_name, DURABLE_RESULT_COUNT}}},
    {"midstream_durable_append_bytes_total", METRIC_COUNTER, OF_WORKER(durable.bytes), 1,
     "Bytes that were stored in durable streams.", NO_LABELS},

    {"midstream_redis_connected", METRIC_GAUGE, OF_WORKER(gauges.is_redis_ready), 1, "Workers connected to Redis.",
     NO_LABELS},
    {"midstream_redis_commands_total", METRIC_COUNTER, OF_WORKER(redis.commands), 1, "Commands sent to Redis.",
     NO_LABELS},
    {"midstream_redis_command_duration_seconds", METRIC_HISTOGRAM, OF_WORKER(redis.latency), 1,
     "Time from a command to its reply, as seen by the waiting request.", NO_LABELS},
    {"midstream_redis_writes_total", METRIC_COUNTER, OF_WORKER(redis.writes), 1,
     "Writes to Redis; each contains all commands of one iteration of the event loop.", NO_LABELS},
    {"midstream_redis_connects_total", METRIC_COUNTER, OF_WORKER(redis.connects), 1,
     "Connections to Redis that became ready, including each worker's first.", NO_LABELS},
    {"midstream_redis_disconnects_total", METRIC_COUNTER, OF_WORKER(redis.disconnects), 1, "Lost connections to Redis.",
     NO_LABELS},
    {"midstream_redis_connections", METRIC_GAUGE, OF_WORKER(redis.connections), 1,
     "Connections to Redis that are ready; with Redis Cluster one to each master per worker. Not those for durability, "
     "nor of task readers.",
     NO_LABELS},
    {"midstream_redis_unserved_slots", METRIC_GAUGE, OF_WORKER(redis.unserved_slots), 1,
     "With Redis Cluster: slots without a master that the worker is connected to and that takes commands, summed over "
     "the workers.",
     NO_LABELS},
    {"midstream_redis_redirections_total", METRIC_COUNTER, OF_WORKER(redis.redirections), 1,
     "With Redis Cluster: commands that a node sent elsewhere or told to wait (MOVED, ASK, TRYAGAIN, CLUSTERDOWN).",
     NO_LABELS},
    {"midstream_redis_timeouts_total", METRIC_COUNTER, OF_WORKER(redis.timeouts), 1,
     "Commands or connection attempts that Redis did not answer in time.", NO_LABELS},
    {"midstream_redis_suspect", METRIC_GAUGE, OF_WORKER(redis.is_suspect), 1,
     "Connections whose Redis is suspected of not responding; requests do not wait for it.", NO_LABELS},
    {"midstream_redis_suspicions_total", METRIC_COUNTER, OF_WORKER(redis.suspicions), 1,
     "Times a worker started to suspect Redis, after a request waited for redis-head-timeout-ms.", NO_LABELS},
    {"midstream_redis_durability_rounds_total", METRIC_COUNTER, OF_WORKER(redis.durability_rounds), 1,
     "WAIT and WAITAOF sent to Redis; each covers all that was stored before.", NO_LABELS},
    {"midstream_redis_durability_failures_total", METRIC_COUNTER, OF_WORKER(redis.durability_failures), 1,
     "Changes whose durability could not be confirmed.", NO_LABELS},
    {"midstream_redis_not_durable", METRIC_GAUGE, OF_WORKER(redis.is_not_durable), 1,
     "Connections on which durability cannot be confirmed at this time.", NO_LABELS},
    {"midstream_redis_errors_total", METRIC_COUNTER, OF_WORKER(redis.errors), 1, "Error replies from Redis.",
     NO_LABELS},
    {"midstream_redis_used_memory_bytes", METRIC_GAUGE, OF_POOL(redis_used_bytes), 1,
     "Memory used by Redis, as last reported; 0 if unknown.", NO_LABELS},
    {"midstream_redis_maxmemory_bytes", METRIC_GAUGE, OF_POOL(redis_max_bytes), 1,
     "Redis's maxmemory; 0 if unlimited or unknown.", NO_LABELS},

    {"midstream_fibers", METRIC_GAUGE, OF_WORKER(gauges.fibers), 1, "Fibers in use, each with its own stack.",
     NO_LABELS},
    {"midstream_fiber_stacks_pooled", METRIC_GAUGE, OF_WORKER(gauges.stacks_pooled), 1, "Unused stacks kept for reuse.",
     NO_LABELS},
    {"midstream_loop_turn_seconds", METRIC_HISTOGRAM, OF_WORKER(turns), 1,
     "Longest iteration of a worker's event loop in each 100 ms; all other requests of the worker waited that long.",
     NO_LABELS},

    {"midstream_task_depth",
     METRIC_GAUGE,
     OF_QUEUE(depth),
     1,
     "Tasks by state, except done and cancelled ones.",
     {{"state", depth_name, QUEUE_DEPTH_COUNT}}},
    {"midstream_task_oldest_waiting_seconds", METRIC_GAUGE, OF_QUEUE(oldest_waiting_ms), 1000,
     "How long the oldest waiting task has been waiting; 0 if there is none.", NO_LABELS},
    {"midstream_task_events_total",
     METRIC_COUNTER,
     OF_QUEUE(events),
     1,
     "Task events since the queue was created.",
     {{"event", event_name, QUEUE_EVENT_COUNT}}},

    {"midstream_workers",
     METRIC_GAUGE,
     OF_POOL(workers),
     1,
     "Worker processes by state.",
     {{"state", state_name, WORKER_STATE_COUNT}}},
    {"midstream_workers_wanted", METRIC_GAUGE, OF_POOL(workers_wanted), 1, "Configured number of workers.", NO_LABELS},
    {"midstream_worker_silence_seconds", METRIC_GAUGE, OF_POOL(silent_us), 1000000,
     "Longest time since the last event loop iteration of a running worker.", NO_LABELS},
    {"midstream_worker_restarts_total",
     METRIC_COUNTER,
     OF_POOL(restarts),
     1,
     "Workers that ended unexpectedly and were replaced, by cause.",
     {{"cause", restart_name, WORKER_RESTART_COUNT}}},
    {"midstream_reloads_total",
     METRIC_COUNTER,
     OF_POOL(reloads),
     1,
     "Configuration reloads, by result.",
     {{"result", reload_name, 2}}},
    {"midstream_start_time_seconds", METRIC_GAUGE, OF_POOL(started_unix_ms), 1000,
     "Start time of the master, in seconds since 1970-01-01 UTC.", NO_LABELS},
    {"midstream_build_info",
     METRIC_GAUGE,
     OF_POOL(build),
     1,
     "Always 1; the label contains the version.",
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
