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
     "a file of settings, a line each: name = value; flags and environment go before it"},
    {"listen", SETTING_TEXT, AT(listen), "unix:midstream.sock", 0, 0, "ADDRESS[,ADDRESS]...",
     "where nginx connects: unix:PATH, HOST:PORT or [IPV6]:PORT; a % in it is each worker's number, for a socket of its "
     "own; fd:N is a listening socket that this process was started with (fd:0: by spawn-fcgi or lighttpd), systemd "
     "those of its socket units"},
    {"listen-group", SETTING_TEXT, AT(listen_group), NULL, 0, 0, "GROUP",
     "the group that may connect to unix sockets, which have mode 0660: nginx's"},
    {"workers", SETTING_NUMBER, AT(workers), "0", 0, WORKERS_MAX, "processes",
     "how many workers; 0 means one for each core"},
    {"pidfile", SETTING_TEXT, AT(pidfile), NULL, 0, 0, "FILE", "where the master writes its process id"},
    {"keys", SETTING_TEXT, AT(keys), "midstream.keys", 0, 0, "FILE",
     "the keys that sign cookies, made by `midstream keygen`"},
    {"cookie-secure", SETTING_YES_NO, AT(cookie_secure), "yes", 0, 0, "yes|no",
     "cookies for https only, named __Host-mid; no is for local http, and names them mid"},
    {"redis", SETTING_TEXT, AT(redis), "127.0.0.1:6379", 0, 0, "ADDRESS", "where Redis is: unix:PATH or HOST:PORT"},
    {"redis-user", SETTING_TEXT, AT(redis_user), NULL, 0, 0, "NAME", "the ACL user"},
    {"redis-password-file", SETTING_TEXT, AT(redis_password_file), NULL, 0, 0, "FILE",
     "a file with the password in its first line"},
    {"redis-database", SETTING_NUMBER, AT(redis_database), "0", 0, 65535, "", "the database's number"},
    {"redis-timeout-ms", SETTING_NUMBER, AT(redis_timeout_ms), "3000", 10, 60000, "ms",
     "how long to wait for an answer of Redis, and for a connection to it; then the connection is given up"},
    {"redis-head-timeout-ms", SETTING_NUMBER, AT(redis_head_timeout_ms), "1000", 10, 60000, "ms",
     "how long a request waits for Redis before it answers 503; the next ones do so at once, until Redis answers; once "
     "its head is out, redis-timeout-ms holds"},
    {"session-idle-ms", SETTING_NUMBER, AT(session_idle_ms), "1800000", 1000, 30ll * 24 * HOUR_MS, "ms",
     "a session ends when its visitor, who is not logged in, was away for so long"},
    {"session-absolute-ms", SETTING_NUMBER, AT(session_absolute_ms), "43200000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "a session of a visitor who is not logged in ends after so long, whatever happens"},
    {"session-user-idle-ms", SETTING_NUMBER, AT(session_user_idle_ms), "1800000", 1000, 30ll * 24 * HOUR_MS, "ms",
     "a session ends when its visitor, who is logged in, was away for so long"},
    {"session-user-absolute-ms", SETTING_NUMBER, AT(session_user_absolute_ms), "43200000", 1000, 365ll * 24 * HOUR_MS,
     "ms", "a session ends so long after the login, whatever happens"},
    {"session-fields-max", SETTING_NUMBER, AT(session_fields_max), "64", 1, 10000, "fields",
     "the most fields of a session"},
    {"session-value-max-bytes", SETTING_NUMBER, AT(session_value_max_bytes), "16384", 20, 1 << 20, "bytes",
     "the longest value of a field"},
    {"session-max-bytes", SETTING_NUMBER, AT(session_max_bytes), "65536", 1024, 64ll << 20, "bytes",
     "the most that a session's fields may have in all, where each counts its name and at least 20 bytes of value"},
    {"body-max-bytes", SETTING_NUMBER, AT(body_max_bytes), "1048576", 0, INT64_MAX, "bytes",
     "the longest request body, where a route sets no limit of its own"},
    {"params-max-bytes", SETTING_NUMBER, AT(params_max_bytes), "65535", 1024, 1 << 20, "bytes",
     "the longest head of a request, as FastCGI parameters"},
    {"read-timeout-ms", SETTING_NUMBER, AT(read_timeout_ms), "60000", 100, HOUR_MS, "ms",
     "how long to wait for the next bytes of a request"},
    {"stall-timeout-ms", SETTING_NUMBER, AT(stall_timeout_ms), "30000", 100, HOUR_MS, "ms",
     "a stream ends when its client takes nothing for so long"},
    {"heartbeat-ms", SETTING_NUMBER, AT(heartbeat_ms), "15000", 100, HOUR_MS, "ms",
     "a stream that is silent for so long sends a heartbeat"},
    {"commit-timeout-ms", SETTING_NUMBER, AT(commit_timeout_ms), "5000", 0, HOUR_MS, "ms",
     "how long a stream's commit is repeated while Redis is away"},
    {"after-timeout-ms", SETTING_NUMBER, AT(after_timeout_ms), "60000", 100, 24ll * HOUR_MS, "ms",
     "how long after-response functions may take"},
    {"offload-threads", SETTING_NUMBER, AT(offload_threads), "4", 1, 1024, "threads",
     "how many threads a worker has for mid_offload(); what exceeds them waits"},
    {"drain-timeout-ms", SETTING_NUMBER, AT(drain_timeout_ms), "10000", 0, 24ll * HOUR_MS, "ms",
     "how long a stopping worker waits for what is under way; streams are told to come back after half of it"},
    {"reload-timeout-ms", SETTING_NUMBER, AT(reload_timeout_ms), "300000", 0, 24ll * HOUR_MS, "ms",
     "the same for a worker that a reload has replaced"},
    {"reconnect-ms", SETTING_NUMBER, AT(reconnect_ms), "2000", 1, HOUR_MS, "ms",
     "when the clients of a stream that is told to come back do so: each after a half to one and a half of it"},
    {"watchdog-ms", SETTING_NUMBER, AT(watchdog_ms), "10000", 0, HOUR_MS, "ms",
     "a worker whose loop has not turned for so long is killed and replaced; 0: never"},
    {"request-timeout-ms", SETTING_NUMBER, AT(request_timeout_ms), "50000", 100, 24ll * HOUR_MS, "ms",
     "time from the first byte of a request until its response begins: 408 for a head or body that is not complete by "
     "then, MID_TIMEOUT and 504 for a handler that waits. Each KiB of body adds a second"},
    {"requests-max", SETTING_NUMBER, AT(requests_max), "25000", 1, 1000000, "requests",
     "the most requests at a time in a worker, streams included; above it, 503"},
    {"streams-max", SETTING_NUMBER, AT(streams_max), "20000", 1, 1000000, "streams",
     "the most open streams of a worker; above it, 503"},
    {"session-streams-max", SETTING_NUMBER, AT(session_streams_max), "100", 1, 1000000, "streams",
     "the most open streams of one session in a worker; above it, 429"},
    {"session-new-max", SETTING_NUMBER, AT(session_new_max), "600", 0, NEW_LIMIT_MAX, "sessions",
     "how many sessions one address (of IPv6: its /64) may begin within a minute; above it, 429; 0: any number"},
    {"session-memory-percent", SETTING_NUMBER, AT(session_memory_percent), "80", 0, 100, "percent",
     "the share of Redis's maxmemory from which on no session is begun, and 503 answered; those that exist go on; 0: no "
     "limit"},
    {"trusted-origins", SETTING_ORIGINS, AT(trusted_origins), NULL, 0, 0, "ORIGIN,...",
     "other origins whose pages may send unsafe requests: https://a.example,https://b.example:8443"},
    {"hosts", SETTING_TEXT, AT(hosts), NULL, 0, 0, "NAME,...",
     "the names in Host that alone are served, with any port: a.example,[2001:db8::1]"},
    {"task-queues", SETTING_TEXT, AT(task_queues), "default", 0, 0, "NAME,...",
     "the queues whose tasks `midstream work` does, at most 8"},
    {"task-concurrency", SETTING_NUMBER, AT(task_concurrency), "64", 1, 10000, "tasks",
     "the most tasks of a queue at a time in a worker"},
    {"task-attempts", SETTING_NUMBER, AT(task_attempts), "5", 1, 1000, "attempts",
     "how often a task is tried, where it was not added with another number"},
    {"task-queue-max", SETTING_NUMBER, AT(task_queue_max), "100000", 1, 100000000, "tasks",
     "the most tasks of a queue that have not ended, and the most dead letters; above it, 503"},
    {"task-lease-ms", SETTING_NUMBER, AT(task_lease_ms), "15000", 500, HOUR_MS, "ms",
     "a worker that does not renew its lease of a task for so long, five times over, has lost it; longer than "
     "watchdog-ms, so that one task that hangs costs the others nothing"},
    {"task-deadline-ms", SETTING_NUMBER, AT(task_deadline_ms), "3600000", 0, 30 * 24ll * HOUR_MS, "ms",
     "how long an attempt may take, where the task was not added with another limit; 0: no limit. Then calls that wait return "
     "MID_TIMEOUT; an attempt that still runs after another task-lease-ms has failed"},
    {"task-losses-max", SETTING_NUMBER, AT(task_losses_max), "5", 0, 1000, "losses",
     "how often a task's worker may be lost, not counted as attempts, before the task is given up"},
    {"task-backoff-ms", SETTING_NUMBER, AT(task_backoff_ms), "1000", 1, HOUR_MS, "ms",
     "the pause after a task's first failed attempt; doubles with each, with jitter"},
    {"task-backoff-max-ms", SETTING_NUMBER, AT(task_backoff_max_ms), "300000", 1, 24ll * HOUR_MS, "ms",
     "the longest such pause"},
    {"task-keep-ms", SETTING_NUMBER, AT(task_keep_ms), "86400000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "how long a task that is done or cancelled can be looked up"},
    {"task-dead-keep-ms", SETTING_NUMBER, AT(task_dead_keep_ms), "604800000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "how long a dead letter is kept"},
    {"task-silence-ms", SETTING_NUMBER, AT(task_silence_ms), "30000", 1000, HOUR_MS, "ms",
     "a worker that could not ask for tasks for so long ends and is started again"},
    {"fibers-max", SETTING_NUMBER, AT(fibers_max), "30000", 16, 1000000, "fibers",
     "the most requests at a time in a worker"},
    {"stack-kib", SETTING_NUMBER, AT(stack_kib), "64", 32, 65536, "KiB",
     "a fiber's stack; programs built with a sanitizer take four times as much"},
    {"admin", SETTING_TEXT, AT(admin), NULL, 0, 0, "ADDRESS",
     "where /metrics, /live and /ready are answered over HTTP: unix:PATH or HOST:PORT"},
    {"core-files", SETTING_YES_NO, AT(core_files), "no", 0, 0, "yes|no",
     "whether a process that crashes may leave a core file, which holds keys and passwords, and whether others of its "
     "user may look into its memory"},
    {"system-call-filter", SETTING_YES_NO, AT(system_call_filter), "yes", 0, 0, "yes|no",
     "refuse system calls that no web handler needs, and privileges that a program could gain by its setuid bit, to "
     "handlers and what they start; no is for those that need them"},
    {"log-format", SETTING_CHOICE, AT(log_format), "text", 0, 0, "text|json", "how a log line looks"},
    {"log-level", SETTING_CHOICE, AT(log_level), "info", 0, 0, "debug|info|warn|error",
     "the least level that is logged"},
    {"log-file", SETTING_TEXT, AT(log_file), NULL, 0, 0, "FILE",
     "where log lines go, and SIGUSR1 opens it anew; without it, to standard error"},
    {"slow-ms", SETTING_NUMBER, AT(slow_ms), "3000", 0, HOUR_MS, "ms",
     "a request that takes so long (a stream: to its first byte) is logged with its phases; 0: none is"},
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
