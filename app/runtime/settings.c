/* The settings. See settings.h. */
#include "runtime/settings.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "http/origin.h"
#include "http/query.h"

enum setting_type { SETTING_TEXT, SETTING_ORIGINS, SETTING_CHOICE, SETTING_YES_NO, SETTING_NUMBER };

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;        /* in struct settings */
    const char *fallback; /* the default, as one would write it; NULL: none */
    int64_t min;          /* of a number */
    int64_t max;
    const char *unit_or_choices;
    const char *help;
};

#define AT(member) offsetof(struct settings, member)
#define HOUR_MS    (60 * 60 * 1000)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_KIB "256" /* the sanitizers' frames are larger */
#else
#define STACK_KIB "64"
#endif

static const struct setting table[] = {
    {"listen", SETTING_TEXT, AT(listen), "unix:midstream.sock", 0, 0, "ADDRESS",
     "where nginx connects: unix:PATH or HOST:PORT; a % in it is each worker's number, for a socket of its own"},
    {"workers", SETTING_NUMBER, AT(workers), "0", 0, 256, "processes", "how many workers; 0 means one for each core"},
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
    {"redis-timeout-ms", SETTING_NUMBER, AT(redis_timeout_ms), "1000", 10, 60000, "ms",
     "how long to wait for an answer of Redis"},
    {"redis-head-timeout-ms", SETTING_NUMBER, AT(redis_head_timeout_ms), "90", 10, 60000, "ms",
     "how long a request waits for Redis before it answers 503; once its head is out, redis-timeout-ms holds"},
    {"session-idle-ms", SETTING_NUMBER, AT(session_idle_ms), "1800000", 1000, 30ll * 24 * HOUR_MS, "ms",
     "a session ends when its visitor was away for so long"},
    {"session-absolute-ms", SETTING_NUMBER, AT(session_absolute_ms), "43200000", 1000, 365ll * 24 * HOUR_MS, "ms",
     "a session ends after so long, whatever happens"},
    {"session-fields-max", SETTING_NUMBER, AT(session_fields_max), "64", 1, 10000, "fields",
     "the most fields of a session"},
    {"session-value-max-bytes", SETTING_NUMBER, AT(session_value_max_bytes), "16384", 16, 1 << 20, "bytes",
     "the longest value of a field"},
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
    {"drain-timeout-ms", SETTING_NUMBER, AT(drain_timeout_ms), "10000", 0, 24ll * HOUR_MS, "ms",
     "how long a stopping worker waits for what is under way"},
    {"requests-max", SETTING_NUMBER, AT(requests_max), "25000", 1, 1000000, "requests",
     "the most requests at a time in a worker, streams included; above it, 503"},
    {"streams-max", SETTING_NUMBER, AT(streams_max), "20000", 1, 1000000, "streams",
     "the most open streams of a worker; above it, 503"},
    {"session-streams-max", SETTING_NUMBER, AT(session_streams_max), "100", 1, 1000000, "streams",
     "the most open streams of one session in a worker; above it, 429"},
    {"trusted-origins", SETTING_ORIGINS, AT(trusted_origins), NULL, 0, 0, "ORIGIN,...",
     "other origins whose pages may send unsafe requests: https://a.example,https://b.example:8443"},
    {"fibers-max", SETTING_NUMBER, AT(fibers_max), "30000", 16, 1000000, "fibers",
     "the most requests at a time in a worker"},
    {"stack-kib", SETTING_NUMBER, AT(stack_kib), STACK_KIB, 32, 65536, "KiB", "a fiber's stack"},
    {"admin", SETTING_TEXT, AT(admin), NULL, 0, 0, "ADDRESS",
     "where /metrics, /live and /ready are answered over HTTP: unix:PATH or HOST:PORT; read at the start only"},
    {"log-format", SETTING_CHOICE, AT(log_format), "text", 0, 0, "text|json", "how a log line looks"},
    {"log-level", SETTING_CHOICE, AT(log_level), "info", 0, 0, "debug|info|warn|error",
     "the least level that is logged"},
};

enum { SETTING_COUNT = sizeof(table) / sizeof(table[0]) };

/* -------------------- values -------------------- */

/* Whether `value` is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *choice = choices; choice != NULL; choice = strchr(choice, '|')) {
        choice += *choice == '|';
        if (strncmp(choice, value, length) == 0 && (choice[length] == '|' || choice[length] == '\0'))
            return length > 0;
    }
    return false;
}

/* What a value of this setting has to be. */
static void describe(const struct setting *setting, char *text, size_t size)
{
    if (setting->type == SETTING_NUMBER)
        snprintf(text, size, "a whole number from %" PRId64 " to %" PRId64 "%s%s", setting->min, setting->max,
                 setting->unit_or_choices[0] != '\0' ? " " : "", setting->unit_or_choices);
    else if (setting->type == SETTING_TEXT)
        snprintf(text, size, "%s, not empty", setting->unit_or_choices);
    else
        snprintf(text, size, "one of %s", setting->unit_or_choices);
}

static bool store(struct settings *settings, const struct setting *setting, const char *value)
{
    char *at = (char *)settings + setting->offset;
    int64_t number;
    switch (setting->type) {
    case SETTING_NUMBER:
        if (!parse_int64(value, &number) || number < setting->min || number > setting->max)
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

static bool store_from(struct settings *settings, const struct setting *setting, const char *source, const char *value,
                       char *reason, size_t reason_size)
{
    if (store(settings, setting, value))
        return true;
    char expected[160];
    describe(setting, expected, sizeof(expected));
    snprintf(reason, reason_size, "%s is \"%s\"; it has to be %s", source, value, expected);
    return false;
}

/* -------------------- where they come from -------------------- */

static void environment_name(const struct setting *setting, char *name, size_t size)
{
    snprintf(name, size, "MIDSTREAM_%s", setting->name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static bool read_environment(struct settings *settings, char *reason, size_t reason_size)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char name[64];
        environment_name(&table[i], name, sizeof(name));
        const char *value = getenv(name);
        if (value != NULL && !store_from(settings, &table[i], name, value, reason, reason_size))
            return false;
    }
    return true;
}

static const struct setting *find_setting(const char *name, size_t length)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strncmp(table[i].name, name, length) == 0 && table[i].name[length] == '\0')
            return &table[i];
    return NULL;
}

static bool read_flags(struct settings *settings, int argc, char **argv, char *reason, size_t reason_size)
{
    for (int i = 0; i < argc; i++) {
        const char *flag = argv[i];
        size_t length = strcspn(flag, "=");
        const struct setting *setting =
            strncmp(flag, "--", 2) == 0 && length > 2 ? find_setting(flag + 2, length - 2) : NULL;
        if (setting == NULL) {
            snprintf(reason, reason_size, "there is no setting %s; --help lists them", flag);
            return false;
        }
        const char *value = flag[length] == '=' ? flag + length + 1 : argv[++i];
        if (value == NULL) {
            snprintf(reason, reason_size, "%s has no value", flag);
            return false;
        }
        char source[64];
        snprintf(source, sizeof(source), "--%s", setting->name);
        if (!store_from(settings, setting, source, value, reason, reason_size))
            return false;
    }
    return true;
}

bool settings_read(struct settings *settings, int argc, char **argv, char *reason, size_t reason_size)
{
    *settings = (struct settings){0};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (table[i].fallback != NULL)
            store(settings, &table[i], table[i].fallback);
    return read_environment(settings, reason, reason_size) && read_flags(settings, argc, argv, reason, reason_size);
}

void settings_print(FILE *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char name[64];
        environment_name(&table[i], name, sizeof(name));
        fprintf(out, "  --%s %s\n        %s\n        default %s", table[i].name, table[i].unit_or_choices,
                table[i].help, table[i].fallback != NULL ? table[i].fallback : "none");
        if (table[i].type == SETTING_NUMBER)
            fprintf(out, ", from %" PRId64 " to %" PRId64, table[i].min, table[i].max);
        fprintf(out, "; environment %s\n", name);
    }
}
