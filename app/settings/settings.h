/*
 * The settings: one table (table.c) that feeds flags, environment, settings file, --help and the reference.
 *
 * A setting's value is its default, unless the file (a line `name = value`) or, before that, the environment
 * (MIDSTREAM_NAME) or, before that, a flag (--name VALUE) says otherwise. SIGHUP lets the master read all of them
 * again.
 */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { WORKERS_MAX = 256 };

struct settings {
    const char *config;
    const char *listen;
    const char *listen_group;
    int64_t workers;
    const char *pidfile;
    const char *keys;
    bool cookie_secure;
    bool cookie_persistent;
    const char *cookie_same_site;
    const char *logout_clears; /* NULL: nothing else */
    const char *redis;
    const char *redis_user;
    const char *redis_password_file;
    int64_t redis_database;
    const char *redis_sentinel_user;
    const char *redis_sentinel_password_file;
    const char *redis_tls_ca;
    const char *redis_tls_certificate;
    const char *redis_tls_key;
    const char *redis_tls_name;
    bool redis_tls_verify;
    int64_t redis_timeout_ms;
    int64_t redis_head_timeout_ms;
    const char *commit_durability;
    const char *user_sessions_full;
    int64_t commit_replicas;
    int64_t session_idle_ms;
    int64_t session_absolute_ms;
    int64_t session_user_idle_ms;
    int64_t session_user_absolute_ms;
    int64_t session_fields_max;
    int64_t session_value_max_bytes;
    int64_t session_max_bytes;
    int64_t body_max_bytes;
    int64_t params_max_bytes;
    int64_t read_timeout_ms;
    int64_t stall_timeout_ms;
    int64_t heartbeat_ms;
    int64_t commit_timeout_ms;
    int64_t after_timeout_ms;
    int64_t offload_threads;
    int64_t drain_timeout_ms;
    int64_t reload_timeout_ms;
    int64_t reconnect_ms;
    int64_t watchdog_ms;
    int64_t request_timeout_ms;
    int64_t requests_max;
    int64_t streams_max;
    int64_t session_streams_max;
    int64_t session_new_max;
    int64_t session_memory_percent;
    int64_t user_sessions_max;
    const char *trusted_origins;
    const char *hosts; /* NULL: all */
    int64_t durable_lifetime_ms;
    int64_t durable_max_bytes;
    const char *task_queues;
    int64_t task_concurrency;
    int64_t task_attempts;
    int64_t task_queue_max;
    int64_t task_lease_ms;
    int64_t task_deadline_ms;
    int64_t task_losses_max;
    int64_t task_backoff_ms;
    int64_t task_backoff_max_ms;
    int64_t task_keep_ms;
    int64_t task_dead_keep_ms;
    int64_t task_silence_ms;
    const char *admin; /* NULL: no admin listener */
    int64_t fibers_max;
    int64_t stack_kib;
    bool system_call_filter;
    bool core_files;
    const char *log_format;
    const char *log_level;
    const char *log_file;
    int64_t slow_ms;

    char *file_text; /* owned: what texts from the settings file point into; NULL: there is none */
};

/*
 * Fills *settings from the defaults, the settings file, the environment and the flags, which texts point into;
 * settings_fini() gives back what was read of the file. False with a sentence in `reason` that names the setting, where
 * it was set, its value and what was expected; there is nothing to give back then.
 */
bool settings_read(struct settings *settings, int argc, char **argv, char *reason, size_t reason_size);
void settings_fini(struct settings *settings);

/* Reads the lines of a settings file into *settings, for tests and the fuzzer: `text` is changed, and texts point into
 * it. `name` stands in the reason. */
bool settings_parse(struct settings *settings, const char *name, char *text, size_t length, char *reason,
                    size_t reason_size);

/* The name of a setting that differs although it cannot change without a restart, or NULL. */
const char *settings_find_fixed_change(const struct settings *before, const struct settings *after);

/* The table, as --help shows it, and as the reference in Markdown (docs/settings.md). */
void settings_print_help(FILE *out);
void settings_print_markdown(FILE *out);

#endif
