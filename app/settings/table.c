/* The settings' table. See table.h. */
#include "settings/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "http/origin.h"
#include "session/new_limit.h"

#define AT(member) offsetof(struct settings, member)
#define HOUR_MS    (60 * 60 * 1000)

const struct setting settings_table[] = {
    {"config", SETTING_TEXT, AT(config), NULL, 0, 0, "FILE",
     "settings file with lines of the form name = value; flags and environment variables take precedence"},
    {"listen", SETTING_TEXT, AT(listen), "unix:midstream.sock", 0, 0, "ADDRESS[,ADDRESS]...",
     "listening sockets: unix:PATH, HOST:PORT or [IPV6]:PORT; % is replaced by the worker's number and gives each worker its own socket; fd:N is an inherited listening socket (fd:0 from spawn-fcgi or lighttpd); systemd takes those of the socket units"},
    {"listen-group", SETTING_TEXT, AT(listen_group), NULL, 0, 0, "GROUP",
     "group of the unix sockets, whose mode is 0660; normally nginx's group"},
    {"workers", SETTING_NUMBER, AT(workers), "0", 0, WORKERS_MAX, "processes",
     "number of worker processes; 0: one per core"},
    {"pidfile", SETTING_TEXT, AT(pidfile), NULL, 0, 0, "FILE", "file for the master's process id"},
    {"keys", SETTING_TEXT, AT(keys), "midstream.keys", 0, 0, "FILE",
     "file with the keys that sign cookies, created by `midstream keygen`"},
    {"cookie-secure", SETTING_YES_NO, AT(cookie_secure), "yes", 0, 0, "yes|no",
     "send cookies over https only, named __Host-mid; with no, for http on a local machine, the cookie is named mid"},
    {"redis", SETTING_TEXT, AT(redis), "127.0.0.1:6379", 0, 0, "ADDRESS", "address of Redis: unix:PATH or HOST:PORT"},
    {"redis-user", SETTING_TEXT, AT(redis_user), NULL, 0, 0, "NAME", "ACL user"},
    {"redis-password-file", SETTING_TEXT, AT(redis_password_file), NULL, 0, 0, "FILE",
     "file whose first line is the password"},
    {"redis-database", SETTING_NUMBER, AT(redis_database), "0", 0, 65535, "", "database number"},
    {"redis-timeout-ms", SETTING_NUMBER, AT(redis_timeout_ms), "3000", 10, 60000, "ms",
     "timeout of a command and of connecting; when it expires, the connection is closed"},
    {"redis-head-timeout-ms", SETTING_NUMBER, AT(redis_head_timeout_ms), "1000", 10, 60000, "ms",
     "how long a request waits for Redis before it gets 503; further requests get 503 immediately until Redis replies; after the head has been sent, redis-timeout-ms applies"},
    {"session-idle-ms", SETTING_NUMBER, AT(session_idle_ms), "1800000", 1000, 30ll * 24 * HOUR_MS, "ms",
     "idle timeout of sessions without a user"},
    {"session-absolute-ms", SETTING_NUMBER, AT(session_absolute_ms), "43200000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "absolute lifetime of sessions without a user"},
    {"session-user-idle-ms", SETTING_NUMBER, AT(session_user_idle_ms), "1800000", 1000, 30ll * 24 * HOUR_MS, "ms",
     "idle timeout of sessions with a user"},
    {"session-user-absolute-ms", SETTING_NUMBER, AT(session_user_absolute_ms), "43200000", 1000, 365ll * 24 * HOUR_MS,
     "ms", "absolute lifetime of sessions with a user, from the login"},
    {"session-fields-max", SETTING_NUMBER, AT(session_fields_max), "64", 1, 10000, "fields",
     "maximum number of fields of a session"},
    {"session-value-max-bytes", SETTING_NUMBER, AT(session_value_max_bytes), "16384", 20, 1 << 20, "bytes",
     "maximum size of a field's value"},
    {"session-max-bytes", SETTING_NUMBER, AT(session_max_bytes), "65536", 1024, 64ll << 20, "bytes",
     "maximum size of all fields of a session; a field counts its name and at least 20 bytes for its value"},
    {"body-max-bytes", SETTING_NUMBER, AT(body_max_bytes), "1048576", 0, INT64_MAX, "bytes",
     "maximum size of a request body, unless the route has its own limit"},
    {"params-max-bytes", SETTING_NUMBER, AT(params_max_bytes), "65535", 1024, 1 << 20, "bytes",
     "maximum size of a request's FastCGI parameters"},
    {"read-timeout-ms", SETTING_NUMBER, AT(read_timeout_ms), "60000", 100, HOUR_MS, "ms",
     "timeout for the next bytes of a request"},
    {"stall-timeout-ms", SETTING_NUMBER, AT(stall_timeout_ms), "30000", 100, HOUR_MS, "ms",
     "a stream ends if its client receives nothing for this time"},
    {"heartbeat-ms", SETTING_NUMBER, AT(heartbeat_ms), "15000", 100, HOUR_MS, "ms",
     "interval of heartbeats while a stream sends nothing else"},
    {"commit-timeout-ms", SETTING_NUMBER, AT(commit_timeout_ms), "5000", 0, HOUR_MS, "ms",
     "how long a stream's commit is retried while Redis is unavailable"},
    {"after-timeout-ms", SETTING_NUMBER, AT(after_timeout_ms), "60000", 100, 24ll * HOUR_MS, "ms",
     "time limit of after-response functions"},
    {"offload-threads", SETTING_NUMBER, AT(offload_threads), "4", 1, 1024, "threads",
     "threads per worker for mid_offload(); further calls wait"},
    {"drain-timeout-ms", SETTING_NUMBER, AT(drain_timeout_ms), "10000", 0, 24ll * HOUR_MS, "ms",
     "how long a stopping worker waits for requests in progress; clients of streams are told to reconnect after half of it"},
    {"reload-timeout-ms", SETTING_NUMBER, AT(reload_timeout_ms), "300000", 0, 24ll * HOUR_MS, "ms",
     "the same for a worker that was replaced by a reload"},
    {"reconnect-ms", SETTING_NUMBER, AT(reconnect_ms), "2000", 1, HOUR_MS, "ms",
     "mean time after which clients of an ended stream reconnect; each waits for half to one and a half of it"},
    {"watchdog-ms", SETTING_NUMBER, AT(watchdog_ms), "10000", 0, HOUR_MS, "ms",
     "a worker whose event loop is blocked for this time is killed and replaced; 0: never"},
    {"request-timeout-ms", SETTING_NUMBER, AT(request_timeout_ms), "50000", 100, 24ll * HOUR_MS, "ms",
     "time limit from the first byte of a request to the beginning of its response: 408 if head or body are incomplete by then, MID_TIMEOUT and 504 if the handler is waiting. Each KiB of the body adds a second"},
    {"requests-max", SETTING_NUMBER, AT(requests_max), "25000", 1, 1000000, "requests",
     "maximum of concurrent requests per worker, including streams; above it, 503"},
    {"streams-max", SETTING_NUMBER, AT(streams_max), "20000", 1, 1000000, "streams",
     "maximum of open streams per worker; above it, 503"},
    {"session-streams-max", SETTING_NUMBER, AT(session_streams_max), "100", 1, 1000000, "streams",
     "maximum of open streams per session and worker; above it, 429"},
    {"session-new-max", SETTING_NUMBER, AT(session_new_max), "600", 0, NEW_LIMIT_MAX, "sessions",
     "maximum of new sessions per address (for IPv6, per /64) and minute; above it, 429; 0: no limit"},
    {"session-memory-percent", SETTING_NUMBER, AT(session_memory_percent), "80", 0, 100, "percent",
     "share of Redis's maxmemory above which no new sessions are created and such requests get 503; existing sessions are not affected; 0: no limit"},
    {"trusted-origins", SETTING_ORIGINS, AT(trusted_origins), NULL, 0, 0, "ORIGIN,...",
     "other origins that may send unsafe requests, as in https://a.example,https://b.example:8443"},
    {"hosts", SETTING_TEXT, AT(hosts), NULL, 0, 0, "NAME,...",
     "host names that are served, with any port; others get 421; as in a.example,[2001:db8::1]"},
    {"task-queues", SETTING_TEXT, AT(task_queues), "default", 0, 0, "NAME,...",
     "queues that `midstream work` processes, at most 8"},
    {"task-concurrency", SETTING_NUMBER, AT(task_concurrency), "64", 1, 10000, "tasks",
     "maximum of concurrent tasks per queue and worker"},
    {"task-attempts", SETTING_NUMBER, AT(task_attempts), "5", 1, 1000, "attempts",
     "maximum of attempts, unless the task was added with another value"},
    {"task-queue-max", SETTING_NUMBER, AT(task_queue_max), "100000", 1, 100000000, "tasks",
     "maximum of unfinished tasks per queue, and of dead letters; above it, 503"},
    {"task-lease-ms", SETTING_NUMBER, AT(task_lease_ms), "15000", 500, HOUR_MS, "ms",
     "lease of a running task; it is renewed five times in this time, and a worker that does not has lost the task. Has to be longer than watchdog-ms, so that a task that hangs does not affect others"},
    {"task-deadline-ms", SETTING_NUMBER, AT(task_deadline_ms), "3600000", 0, 30 * 24ll * HOUR_MS, "ms",
     "time limit of an attempt, unless the task was added with another; 0: no limit. When it has passed, calls that wait return MID_TIMEOUT; an attempt that continues for another task-lease-ms has failed"},
    {"task-losses-max", SETTING_NUMBER, AT(task_losses_max), "5", 0, 1000, "losses",
     "how often a task's worker may be lost, in addition to failed attempts, before the task becomes a dead letter"},
    {"task-backoff-ms", SETTING_NUMBER, AT(task_backoff_ms), "1000", 1, HOUR_MS, "ms",
     "pause after the first failed attempt of a task; doubles with each further one, with jitter"},
    {"task-backoff-max-ms", SETTING_NUMBER, AT(task_backoff_max_ms), "300000", 1, 24ll * HOUR_MS, "ms",
     "maximum of that pause"},
    {"task-keep-ms", SETTING_NUMBER, AT(task_keep_ms), "86400000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "how long finished and cancelled tasks can be looked up"},
    {"task-dead-keep-ms", SETTING_NUMBER, AT(task_dead_keep_ms), "604800000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "how long dead letters are kept"},
    {"task-silence-ms", SETTING_NUMBER, AT(task_silence_ms), "30000", 1000, HOUR_MS, "ms",
     "a worker that has been unable to ask for tasks for this time is restarted"},
    {"fibers-max", SETTING_NUMBER, AT(fibers_max), "30000", 16, 1000000, "fibers",
     "maximum of fibers per worker: each request, task and after-response function needs one"},
    {"stack-kib", SETTING_NUMBER, AT(stack_kib), "64", 32, 65536, "KiB",
     "stack size of a fiber; four times as much in programs built with a sanitizer"},
    {"admin", SETTING_TEXT, AT(admin), NULL, 0, 0, "ADDRESS",
     "address of the HTTP listener for /metrics, /live and /ready: unix:PATH or HOST:PORT"},
    {"core-files", SETTING_YES_NO, AT(core_files), "no", 0, 0, "yes|no",
     "allow core files, which contain keys and passwords, and let other processes of the user read memory"},
    {"system-call-filter", SETTING_YES_NO, AT(system_call_filter), "yes", 0, 0, "yes|no",
     "deny handlers, and programs that they start, system calls that web handlers do not need, and privileges of setuid programs"},
    {"log-format", SETTING_CHOICE, AT(log_format), "text", 0, 0, "text|json", "format of log lines"},
    {"log-level", SETTING_CHOICE, AT(log_level), "info", 0, 0, "debug|info|warn|error", "minimum level of log lines"},
    {"log-file", SETTING_TEXT, AT(log_file), NULL, 0, 0, "FILE",
     "log file, which SIGUSR1 reopens; without it, standard error"},
    {"slow-ms", SETTING_NUMBER, AT(slow_ms), "3000", 0, HOUR_MS, "ms",
     "requests that take longer (streams: to their first byte) are logged with the time of each phase; 0: never"},
};

const size_t settings_table_count = sizeof(settings_table) / sizeof(settings_table[0]);

bool setting_needs_restart(const struct setting *setting)
{
    static const size_t fixed[] = {
        AT(config), AT(listen), AT(listen_group), AT(pidfile), AT(admin), AT(system_call_filter), AT(core_files)};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (setting->offset == fixed[i])
            return true;
    return false;
}

const struct setting *setting_find(const char *name, size_t length)
{
    for (size_t i = 0; i < settings_table_count; i++)
        if (strncmp(settings_table[i].name, name, length) == 0 && settings_table[i].name[length] == '\0')
            return &settings_table[i];
    return NULL;
}

void setting_variable(const struct setting *setting, char name[static SETTING_VARIABLE_BYTES])
{
    snprintf(name, SETTING_VARIABLE_BYTES, "MIDSTREAM_%s", setting->name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* Whether `value` is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
    size_t length = strcspn(value, "|"); /* "a|b" is none of them */
    if (value[length] != '\0')
        return false;
    for (const char *choice = choices; choice != NULL; choice = strchr(choice, '|')) {
        choice += *choice == '|';
        if (strncmp(choice, value, length) == 0 && (choice[length] == '|' || choice[length] == '\0'))
            return length > 0;
    }
    return false;
}

bool setting_store(struct settings *settings, const struct setting *setting, const char *value)
{
    char *at = (char *)settings + setting->offset;
    int64_t number;
    switch (setting->type) {
    case SETTING_NUMBER:
        if (!number_parse(value, &number) || number < setting->min || number > setting->max)
            return false;
        memcpy(at, &number, sizeof(number));
        return true;
    case SETTING_YES_NO:
        if (!is_choice(setting->unit_or_choices, value))
            return false;
        *(bool *)(void *)at = strcmp(value, "yes") == 0;
        return true;
    case SETTING_CHOICE:
        if (!is_choice(setting->unit_or_choices, value))
            return false;
        memcpy(at, &value, sizeof(value));
        return true;
    case SETTING_ORIGINS:
        if (!origin_list_is_valid(value))
            return false;
        memcpy(at, &value, sizeof(value));
        return true;
    case SETTING_TEXT:
        if (value[0] == '\0')
            return false;
        memcpy(at, &value, sizeof(value));
        return true;
    }
    return false;
}

void setting_describe(const struct setting *setting, char *text, size_t size)
{
    if (setting->type == SETTING_NUMBER)
        snprintf(text, size, "a whole number from %" PRId64 " to %" PRId64 "%s%s", setting->min, setting->max,
                 setting->unit_or_choices[0] != '\0' ? " " : "", setting->unit_or_choices);
    else if (setting->type == SETTING_TEXT)
        snprintf(text, size, "%s, not empty", setting->unit_or_choices);
    else
        snprintf(text, size, "one of %s", setting->unit_or_choices);
}

static const char *text_at(const struct settings *settings, size_t offset)
{
    const char *text;
    memcpy(&text, (const char *)settings + offset, sizeof(text));
    return text;
}

bool setting_is_equal(const struct setting *setting, const struct settings *a, const struct settings *b)
{
    if (setting->type == SETTING_NUMBER)
        return memcmp((const char *)a + setting->offset, (const char *)b + setting->offset, sizeof(int64_t)) == 0;
    if (setting->type == SETTING_YES_NO)
        return memcmp((const char *)a + setting->offset, (const char *)b + setting->offset, sizeof(bool)) == 0;
    const char *text_a = text_at(a, setting->offset);
    const char *text_b = text_at(b, setting->offset);
    return text_a == text_b || (text_a != NULL && text_b != NULL && strcmp(text_a, text_b) == 0);
}
