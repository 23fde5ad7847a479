/*
 * The settings, a row for each: what --help, docs/settings.md and midstream(8) say of it as well. See table.h.
 */
#include "session/new_limit.h"
#include "settings/table.h"

#define SECOND_MS ((int64_t)1000)
#define HOUR_MS   (3600 * SECOND_MS)
#define DAY_MS    (24 * HOUR_MS)

#define AT(member) .offset = offsetof(struct settings, member)
#define FIXED      .needs_restart = true

/* clang-format off */
/* The last arguments are the help, and then other members by their names. */
#define TEXT(name_, member, fallback_, form_, ...)                                                                     \
    {.name = (name_), .type = SETTING_TEXT, AT(member), .fallback = (fallback_), .form = (form_), .help = __VA_ARGS__}
#define CHOICE(name_, type_, member, fallback_, form_, ...)                                                            \
    {.name = (name_), .type = (type_), AT(member), .fallback = (fallback_), .form = (form_), .help = __VA_ARGS__}
#define NUMBER(name_, member, fallback_, min_, max_, unit_, ...)                                                       \
    {.name = (name_), .type = SETTING_NUMBER, AT(member), .fallback = (fallback_), .min = (min_), .max = (max_),       \
     .form = (unit_), .help = __VA_ARGS__}
/* clang-format on */

const struct setting settings_table[] = {
    TEXT("config", config, NULL, "FILE",
         "settings file with lines of the form name = value; flags and environment variables take "
         "precedence",
         .title = "The pool", FIXED),
    TEXT("listen", listen, "unix:midstream.sock", "ADDRESS[,ADDRESS]...",
         "listening sockets: unix:PATH, HOST:PORT or [IPV6]:PORT; % is replaced by the worker's "
         "number and gives each worker its own socket; fd:N is an inherited listening socket (fd:0 "
         "from spawn-fcgi or lighttpd); systemd takes those of the socket units",
         FIXED,
         .more = "The file of a unix socket has mode 0660, because whoever can connect to it can act as "
                 "the web server. Without % all workers accept on one socket; with it, the web server "
                 "distributes the load."),
    TEXT("listen-group", listen_group, NULL, "GROUP",
         "group of the unix sockets, whose mode is 0660; normally nginx's group", FIXED,
         .more = "Without it, they have the group of the process."),
    NUMBER("workers", workers, "0", 0, WORKERS_MAX, "processes", "number of worker processes; 0: one per core",
           .more = "It cannot be changed by a reload if each worker has its own socket."),
    TEXT("pidfile", pidfile, NULL, "FILE", "file for the master's process id", FIXED),
    TEXT("admin", admin, NULL, "ADDRESS",
         "address of the HTTP listener for /metrics, /live and /ready: unix:PATH or HOST:PORT", FIXED,
         .more = "A separate process answers, even when the workers are busy or Redis is unavailable. The "
                 "address should not be public."),
    NUMBER("watchdog-ms", watchdog_ms, "10000", 0, HOUR_MS, "ms",
           "a worker whose event loop is blocked for this time is killed and replaced; 0: never",
           .more = "A handler that computes or blocks for this long ends its worker, and all requests of "
                   "this worker."),
    NUMBER("drain-timeout-ms", drain_timeout_ms, "10000", 0, DAY_MS, "ms",
           "how long a stopping worker waits for requests in progress; clients of streams are told "
           "to reconnect after half of it",
           .more = "Requests that are not finished by then are cut."),
    NUMBER("reload-timeout-ms", reload_timeout_ms, "300000", 0, DAY_MS, "ms",
           "the same for a worker that was replaced by a reload"),
    NUMBER("reconnect-ms", reconnect_ms, "2000", 1, HOUR_MS, "ms",
           "mean time after which clients of an ended stream reconnect; each waits for half to one "
           "and a half of it"),
    NUMBER("request-timeout-ms", request_timeout_ms, "50000", 100, DAY_MS, "ms",
           "time limit from the first byte of a request to the beginning of its response: 408 if "
           "head or body are incomplete by then, MID_TIMEOUT and 504 if the handler is waiting. Each "
           "KiB of the body adds a second"),
    NUMBER("requests-max", requests_max, "25000", 1, 1000000, "requests",
           "maximum of concurrent requests per worker, including streams; above it, 503"),
    NUMBER("streams-max", streams_max, "20000", 1, 1000000, "streams",
           "maximum of open streams per worker; above it, 503"),
    NUMBER("session-streams-max", session_streams_max, "100", 1, 1000000, "streams",
           "maximum of open streams per session and worker; above it, 429"),
    NUMBER("session-new-max", session_new_max, "600", 0, NEW_LIMIT_MAX, "sessions",
           "maximum of new sessions per address (for IPv6, per /64) and minute; above it, 429; 0: no "
           "limit",
           .more = "It applies to the whole pool. The address is REMOTE_ADDR, as sent by the web server; "
                   "behind a proxy, configure the web server to trust the proxy, or all visitors share the "
                   "proxy's address."),
    NUMBER("user-sessions-max", user_sessions_max, "0", 0, 1000000, "sessions",
           "maximum of sessions of a user; 0: no limit",
           .more = "A user is who the application names at a login. Applies to logins from now on."),
    CHOICE(
        "user-sessions-full", SETTING_CHOICE, user_sessions_full, "end-oldest", "end-oldest|refuse",
        "what happens at a login of a user with user-sessions-max sessions: the session with the oldest login ends, or "
        "the login gets 429"),
    NUMBER("session-memory-percent", session_memory_percent, "80", 0, 100, "percent",
           "share of Redis's maxmemory above which no new sessions and durable streams are created and such "
           "requests get 503; existing ones are not affected; 0: no limit",
           .more = "Each worker queries INFO memory once a second. If an ACL does not allow this, it is "
                   "logged once and there is no limit; nor is there one if Redis has no maxmemory."),
    NUMBER("fibers-max", fibers_max, "30000", 16, 1000000, "fibers",
           "maximum of fibers per worker: each request, task and after-response function needs one",
           .more = "When all are in use, further requests wait."),
    NUMBER("stack-kib", stack_kib, "64", 32, 65536, "KiB",
           "stack size of a fiber; four times as much in programs built with a sanitizer",
           .more = "Only used pages occupy memory. A handler that needs more ends its worker, with a message "
                   "in the log."),

    TEXT("redis", redis, "127.0.0.1:6379", "ADDRESS",
         "address of Redis: redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], "
         "redis+sentinel://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]].../MASTER[/DATABASE], "
         "redis+cluster://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]]..., the same with rediss for TLS, "
         "unix:///PATH[?db=DATABASE], HOST:PORT or unix:PATH",
         .title = "Redis",
         .more = "In a URL, special characters are percent-encoded. A password in it is not accepted on "
                 "the command line, where other users could see it; prefer redis-password-file."),
    TEXT("redis-user", redis_user, NULL, "NAME", "ACL user",
         .more = "It requires redis-password-file, or a password in the URL."),
    TEXT("redis-password-file", redis_password_file, NULL, "FILE", "file whose first line is the password"),
    NUMBER("redis-database", redis_database, "0", 0, 65535, "", "database number"),
    TEXT("redis-sentinel-user", redis_sentinel_user, NULL, "NAME", "ACL user of the Sentinels",
         .more = "It requires redis-sentinel-password-file."),
    TEXT("redis-sentinel-password-file", redis_sentinel_password_file, NULL, "FILE",
         "file whose first line is the password of the Sentinels; without it, they are asked without one"),
    TEXT("redis-tls-ca", redis_tls_ca, NULL, "PATH",
         "certificates that are trusted for rediss://: a PEM file, or a directory prepared by openssl rehash",
         .more = "Without it, those of the system. When this file or the two below have changed, the next "
                 "connection to Redis reads them again; a directory and the system's need a reload."),
    TEXT("redis-tls-certificate", redis_tls_certificate, NULL, "FILE",
         "PEM file with the client's certificate and its chain, if Redis requires one"),
    TEXT("redis-tls-key", redis_tls_key, NULL, "FILE", "PEM file with the key of redis-tls-certificate",
         .more = "Others must not be able to read it. A key with a passphrase is not supported."),
    TEXT("redis-tls-name", redis_tls_name, NULL, "NAME",
         "name that the certificate of Redis must have, if it is not the host of the URL"),
    CHOICE("redis-tls-verify", SETTING_YES_NO, redis_tls_verify, "yes", "yes|no",
           "verify the certificate of Redis; with no, anyone on the network path can read and change "
           "everything"),
    NUMBER("redis-timeout-ms", redis_timeout_ms, "3000", 10, 60000, "ms",
           "timeout of a command and of connecting; when it expires, the connection is closed"),
    NUMBER("redis-head-timeout-ms", redis_head_timeout_ms, "1000", 10, 60000, "ms",
           "how long a request waits for Redis before it gets 503; further requests get 503 "
           "immediately until Redis replies; after the head has been sent, redis-timeout-ms applies, and so it "
           "does to what commit-durability waits for"),
    CHOICE("commit-durability", SETTING_CHOICE, commit_durability, "memory", "memory|disk|replica",
           "where commits, logouts and added tasks have to be before they count as stored: in Redis's memory, in its "
           "append-only file on disk (WAITAOF, Redis 7.2), or in the memory of its replicas (WAIT)",
           .more = "An application can choose another one with mid_set_durability(). What each survives is in "
                   "docs/reliability.md."),
    NUMBER("commit-replicas", commit_replicas, "1", 1, 100, "replicas",
           "how many replicas must have received what is stored, with the durability replica"),

    TEXT("keys", keys, "midstream.keys", "FILE", "file with the keys that sign cookies, created by `midstream keygen`",
         .title = "Sessions"),
    CHOICE("cookie-secure", SETTING_YES_NO, cookie_secure, "yes", "yes|no",
           "send cookies over https only, named __Host-mid; with no, for http on a local machine, "
           "the cookie is named mid"),
    CHOICE(
        "cookie-same-site", SETTING_CHOICE, cookie_same_site, "lax", "lax|strict|none",
        "requests of other sites that get the cookie: lax, those that open a page of this site; strict, none; none, all",
        .more =
            "With strict, a visitor who follows a link from another site has no session until the next request. None is "
            "for sites that are shown inside others, and requires cookie-secure yes."),
    CHOICE("cookie-persistent", SETTING_YES_NO, cookie_persistent, "yes", "yes|no",
           "keep the cookie when the browser is closed; with no, it has no Max-Age"),
    TEXT("logout-clears", logout_clears, NULL, "WHAT,...",
         "what browsers are to delete of this site at a logout: cache, cookies, storage (Clear-Site-Data)",
         .more = "Browsers do so over https only. Without it, only the session's cookie is deleted."),
    NUMBER("session-idle-ms", session_idle_ms, "1800000", SECOND_MS, 30 * DAY_MS, "ms",
           "idle timeout of sessions without a user"),
    NUMBER("session-absolute-ms", session_absolute_ms, "43200000", SECOND_MS, 365 * DAY_MS, "ms",
           "absolute lifetime of sessions without a user", .more = "It is also the maximum age of the cookie."),
    NUMBER("session-user-idle-ms", session_user_idle_ms, "1800000", SECOND_MS, 30 * DAY_MS, "ms",
           "idle timeout of sessions with a user"),
    NUMBER("session-user-absolute-ms", session_user_absolute_ms, "43200000", SECOND_MS, 365 * DAY_MS, "ms",
           "absolute lifetime of sessions with a user, from the login",
           .more = "It is also the maximum age of the cookie."),
    NUMBER("session-fields-max", session_fields_max, "64", 1, 10000, "fields", "maximum number of fields of a session",
           .more = "Fields of the runtime do not count."),
    NUMBER("session-value-max-bytes", session_value_max_bytes, "16384", 20, 1 << 20, "bytes",
           "maximum size of a field's value"),
    NUMBER("session-max-bytes", session_max_bytes, "65536", 1024, 64ll << 20, "bytes",
           "maximum size of all fields of a session; a field counts its name and at least 20 bytes "
           "for its value"),
    NUMBER("commit-timeout-ms", commit_timeout_ms, "5000", 0, HOUR_MS, "ms",
           "how long a stream's commit is retried while Redis is unavailable",
           .more = "Before the head has been sent, a commit is tried once."),

    NUMBER("body-max-bytes", body_max_bytes, "1048576", 0, INT64_MAX, "bytes",
           "maximum size of a request body, unless the route has its own limit", .title = "Requests and responses",
           .more = "The web server's own limit applies first (client_max_body_size in nginx)."),
    NUMBER("params-max-bytes", params_max_bytes, "65535", 1024, 1 << 20, "bytes",
           "maximum size of a request's FastCGI parameters"),
    CHOICE("trusted-origins", SETTING_ORIGINS, trusted_origins, NULL, "ORIGIN,...",
           "other origins that may send unsafe requests, as in "
           "https://a.example,https://b.example:8443",
           .more = "Unsafe requests are all but GET, HEAD and OPTIONS. Those of other origins get 403."),
    TEXT("hosts", hosts, NULL, "NAME,...",
         "host names that are served, with any port; others get 421; as in a.example,[2001:db8::1]"),
    NUMBER("read-timeout-ms", read_timeout_ms, "60000", 100, HOUR_MS, "ms", "timeout for the next bytes of a request"),
    NUMBER("stall-timeout-ms", stall_timeout_ms, "30000", 100, HOUR_MS, "ms",
           "a stream ends if its client receives nothing for this time"),
    NUMBER("heartbeat-ms", heartbeat_ms, "15000", 100, HOUR_MS, "ms",
           "interval of heartbeats while a stream sends nothing else",
           .more = "A heartbeat is a comment, or an empty line. At the same interval a waiting stream checks "
                   "whether its session still exists, in case that a notification was lost."),
    NUMBER("after-timeout-ms", after_timeout_ms, "60000", 100, DAY_MS, "ms", "time limit of after-response functions"),
    NUMBER("offload-threads", offload_threads, "4", 1, 1024, "threads",
           "threads per worker for mid_offload(); further calls wait"),

    NUMBER("durable-lifetime-ms", durable_lifetime_ms, "86400000", SECOND_MS, 3650 * DAY_MS, "ms",
           "lifetime of durable streams since their last use, unless they were created with another",
           .title = "Durable streams"),
    NUMBER("durable-max-bytes", durable_max_bytes, "4194304", 1024, 256ll << 20, "bytes",
           "maximum size of a durable stream"),

    TEXT("task-queues", task_queues, "default", "NAME,...", "queues that `midstream work` processes, at most 8",
         .title = "Background tasks", .more = "`midstream task` lists them."),
    NUMBER("task-concurrency", task_concurrency, "64", 1, 10000, "tasks",
           "maximum of concurrent tasks per queue and worker"),
    NUMBER("task-attempts", task_attempts, "5", 1, 1000, "attempts",
           "maximum of attempts, unless the task was added with another value"),
    NUMBER("task-queue-max", task_queue_max, "100000", 1, 100000000, "tasks",
           "maximum of unfinished tasks per queue, and of dead letters; above it, 503"),
    NUMBER("task-lease-ms", task_lease_ms, "15000", 500, HOUR_MS, "ms",
           "lease of a running task; it is renewed five times in this time, and a worker that does "
           "not has lost the task. Has to be longer than watchdog-ms, so that a task that hangs does "
           "not affect others"),
    NUMBER("task-deadline-ms", task_deadline_ms, "3600000", 0, 30 * DAY_MS, "ms",
           "time limit of an attempt, unless the task was added with another; 0: no limit. When it "
           "has passed, calls that wait return MID_TIMEOUT; an attempt that continues for another "
           "task-lease-ms has failed"),
    NUMBER("task-losses-max", task_losses_max, "5", 0, 1000, "losses",
           "how often a task's worker may be lost, in addition to failed attempts, before the task "
           "becomes a dead letter",
           .more = "A loss is the end of a worker for reasons that are not known, such as a machine that "
                   "failed."),
    NUMBER("task-backoff-ms", task_backoff_ms, "1000", 1, HOUR_MS, "ms",
           "pause after the first failed attempt of a task; doubles with each further one, with "
           "jitter"),
    NUMBER("task-backoff-max-ms", task_backoff_max_ms, "300000", 1, DAY_MS, "ms", "maximum of that pause"),
    NUMBER("task-keep-ms", task_keep_ms, "86400000", SECOND_MS, 365 * DAY_MS, "ms",
           "how long finished and cancelled tasks can be looked up"),
    NUMBER("task-dead-keep-ms", task_dead_keep_ms, "604800000", SECOND_MS, 365 * DAY_MS, "ms",
           "how long dead letters are kept"),
    NUMBER("task-silence-ms", task_silence_ms, "30000", SECOND_MS, HOUR_MS, "ms",
           "a worker that has been unable to ask for tasks for this time is restarted"),

    CHOICE("core-files", SETTING_YES_NO, core_files, "no", "yes|no",
           "allow core files, which contain keys and passwords, and let other processes of the user "
           "read memory",
           .title = "Hardening", FIXED,
           .more = "With no, RLIMIT_CORE is 0 and PR_SET_DUMPABLE is off (setrlimit(2), prctl(2)); a "
                   "debugger then has to run as root."),
    CHOICE("system-call-filter", SETTING_YES_NO, system_call_filter, "yes", "yes|no",
           "deny handlers, and programs that they start, system calls that web handlers do not need, "
           "and privileges of setuid programs",
           FIXED,
           .more = "These are calls that trace or read other processes, and those for key rings, namespaces, "
                   "mounts, kernel modules and the clock; they fail with EPERM (seccomp(2)). Handlers that "
                   "start a setuid program, a 32-bit program or a browser with its own sandbox need no."),

    CHOICE("log-format", SETTING_CHOICE, log_format, "text", "text|json", "format of log lines", .title = "Log"),
    CHOICE("log-level", SETTING_CHOICE, log_level, "info", "debug|info|warn|error", "minimum level of log lines"),
    TEXT("log-file", log_file, NULL, "FILE", "log file, which SIGUSR1 reopens; without it, standard error",
         .more = "Lines are appended."),
    NUMBER("slow-ms", slow_ms, "3000", 0, HOUR_MS, "ms",
           "requests that take longer (streams: to their first byte) are logged with the time of "
           "each phase; 0: never"),
};

const size_t settings_table_count = sizeof(settings_table) / sizeof(settings_table[0]);
