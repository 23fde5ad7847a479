/*
 * The settings: one table that feeds flags, environment, --help and the manual.
 *
 * A setting's value is its default, unless the environment (MIDSTREAM_NAME) or, before that, a flag (--name VALUE) says
 * otherwise.
 */
#ifndef RUNTIME_SETTINGS_H
#define RUNTIME_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct settings {
    const char *listen;
    int64_t workers;
    const char *pidfile;
    const char *keys;
    bool cookie_secure;
    const char *redis;
    const char *redis_user;
    const char *redis_password_file;
    int64_t redis_database;
    int64_t redis_timeout_ms;
    int64_t redis_head_timeout_ms;
    int64_t session_idle_ms;
    int64_t session_absolute_ms;
    int64_t session_fields_max;
    int64_t session_value_max_bytes;
    int64_t body_max_bytes;
    int64_t params_max_bytes;
    int64_t read_timeout_ms;
    int64_t stall_timeout_ms;
    int64_t heartbeat_ms;
    int64_t commit_timeout_ms;
    int64_t after_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t requests_max;
    int64_t streams_max;
    int64_t session_streams_max;
    const char *trusted_origins;
    const char *admin; /* NULL: no admin listener */
    int64_t fibers_max;
    int64_t stack_kib;
    const char *log_format;
    const char *log_level;
};

/*
 * Fills *settings from the defaults, the environment and the flags. Texts point into those. False with a sentence in
 * `reason` that names the setting, its value and what was expected.
 */
bool settings_read(struct settings *settings, int argc, char **argv, char *reason, size_t reason_size);

/* The table, as --help shows it. */
void settings_print(FILE *out);

#endif
