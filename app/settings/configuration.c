/* A configuration. See configuration.h. */
#include "settings/configuration.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "redis/address.h"
#include "settings/check.h"

/* -------------------- secrets -------------------- */

static char *new_password(void)
{
    char *password = sodium_malloc(PASSWORD_BYTES_MAX + 1);
    if (password == NULL)
        panic("out of memory for a password");
    password[0] = '\0';
    return password;
}

struct password_file {
    const char *path; /* NULL: there is none */
    const char *setting;
};

/* NULL with a sentence. It is read again by every reload, so it has to be one that stays: opening a FIFO would wait. */
static FILE *open_password(const struct password_file *from, char *reason, size_t reason_size)
{
    struct stat status = {0};
    int fd = open(from->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        snprintf(reason, reason_size, "cannot read a password from %s (setting %s): %s", from->path, from->setting,
                 strerror(errno));
    else if (!S_ISREG(status.st_mode))
        snprintf(reason, reason_size, "cannot read a password from %s (setting %s): it is not a regular file",
                 from->path, from->setting);
    else if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0)
        snprintf(reason, reason_size,
                 "%s (setting %s): others may read or write it (mode %04o); expected mode 0600 or 0640", from->path,
                 from->setting, (unsigned)(status.st_mode & 07777));
    else
        return fdopen(fd, "r");
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* The first line of the file. */
static bool read_line(const struct password_file *from, FILE *file, char *password, char *reason, size_t reason_size)
{
    setvbuf(file, NULL, _IONBF, 0); /* no copy in a buffer that nobody wipes */
    if (fgets(password, PASSWORD_BYTES_MAX + 1, file) == NULL) {
        snprintf(reason, reason_size, "cannot read a password from %s (setting %s): it is empty", from->path,
                 from->setting);
        return false;
    }
    size_t length = strcspn(password, "\r\n");
    if (length == PASSWORD_BYTES_MAX) {
        snprintf(reason, reason_size, "the password in %s is longer than %d bytes", from->path, PASSWORD_BYTES_MAX - 1);
        return false;
    }
    if (length == 0) {
        snprintf(reason, reason_size, "the first line of %s (setting %s) is empty", from->path, from->setting);
        return false;
    }
    password[length] = '\0';
    return true;
}

/* Into memory of *password; nothing where no file is named. */
static bool read_password(const struct password_file *from, char **password, char *reason, size_t reason_size)
{
    if (from->path == NULL)
        return true;
    FILE *file = open_password(from, reason, reason_size);
    if (file == NULL)
        return false;
    *password = new_password();
    bool is_read = read_line(from, file, *password, reason, reason_size);
    fclose(file);
    return is_read;
}

static bool read_passwords(struct configuration *configuration, char *reason, size_t reason_size)
{
    const struct settings *settings = &configuration->settings;
    const struct password_file of_redis = {settings->redis_password_file, "redis-password-file"};
    const struct password_file of_sentinels = {settings->redis_sentinel_password_file, "redis-sentinel-password-file"};
    return read_password(&of_redis, &configuration->password, reason, reason_size) &&
           read_password(&of_sentinels, &configuration->sentinel_password, reason, reason_size);
}

static bool read_keys(struct configuration *configuration, char *reason, size_t reason_size)
{
    configuration->keyring = keyring_load(configuration->settings.keys, reason, reason_size);
    return configuration->keyring != NULL;
}

/* -------------------- checks -------------------- */

static bool check_redis_address(const struct settings *settings, char *reason, size_t reason_size)
{
    struct redis_address address;
    char problem[REDIS_HOST_LENGTH_MAX * 2];
    if (redis_address_parse(settings->redis, &address, problem, sizeof(problem)))
        return true;
    snprintf(reason, reason_size, "%s (setting redis)", problem);
    return false;
}

/* Half of a pair of settings is a mistake, and so are all of them without TLS. */
static bool check_tls(const struct settings *settings, bool is_tls, char *reason, size_t reason_size)
{
    const struct {
        const char *name;
        bool is_set;
    } rows[] = {
        {"redis-tls-ca", settings->redis_tls_ca != NULL},
        {"redis-tls-certificate", settings->redis_tls_certificate != NULL},
        {"redis-tls-key", settings->redis_tls_key != NULL},
        {"redis-tls-name", settings->redis_tls_name != NULL},
        {"redis-tls-verify", !settings->redis_tls_verify},
    };
    for (size_t i = 0; !is_tls && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!rows[i].is_set)
            continue;
        snprintf(reason, reason_size, "%s is set, but redis is not a rediss:// URL, so there is no TLS", rows[i].name);
        return false;
    }
    const char *name = settings->redis_tls_name;
    if (name != NULL && (name[0] == '.' || strlen(name) > REDIS_HOST_LENGTH_MAX)) {
        snprintf(reason, reason_size, "redis-tls-name is \"%.100s\": a name has at most %d bytes, and no '.' at first",
                 name, REDIS_HOST_LENGTH_MAX);
        return false;
    }
    if ((settings->redis_tls_certificate == NULL) == (settings->redis_tls_key == NULL))
        return true;
    snprintf(reason, reason_size, "%s is missing: a certificate and its key are set together",
             settings->redis_tls_key == NULL ? "redis-tls-key" : "redis-tls-certificate");
    return false;
}

static bool read_tls(struct configuration *configuration, char *reason, size_t reason_size)
{
    const struct settings *settings = &configuration->settings;
    const struct redis_tls_options options = {
        .ca = settings->redis_tls_ca,
        .certificate = settings->redis_tls_certificate,
        .key = settings->redis_tls_key,
        .name = settings->redis_tls_name,
        .is_unverified = !settings->redis_tls_verify,
    };
    configuration->tls = redis_tls_new(&options, reason, reason_size);
    return configuration->tls != NULL;
}

static bool said_twice(const char *what, const char *setting, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s has to be in the URL of redis or in %s, not in both", what, setting);
    return false;
}

/* Puts what the URL says where the settings for it have theirs. */
static bool take_redis_url(struct configuration *configuration, const struct redis_url *url, char *reason,
                           size_t reason_size)
{
    struct settings *settings = &configuration->settings;
    if (url->user[0] != '\0' && settings->redis_user != NULL)
        return said_twice("the user", "redis-user", reason, reason_size);
    if (url->password[0] != '\0' && settings->redis_password_file != NULL)
        return said_twice("the password", "redis-password-file", reason, reason_size);
    if (url->database >= 0 && settings->redis_database != 0)
        return said_twice("the database", "redis-database", reason, reason_size);
    strcpy(configuration->redis_address, url->address);
    settings->redis = configuration->redis_address;
    configuration->is_redis_cluster = url->is_cluster;
    if (url->master[0] != '\0') {
        strcpy(configuration->redis_master_name, url->master);
        configuration->redis_master = configuration->redis_master_name;
    }
    if (url->user[0] != '\0') {
        strcpy(configuration->redis_user, url->user);
        settings->redis_user = configuration->redis_user;
    }
    if (url->password[0] != '\0') {
        configuration->password = new_password();
        strcpy(configuration->password, url->password);
    }
    if (url->database >= 0)
        settings->redis_database = url->database;
    return !url->is_tls || read_tls(configuration, reason, reason_size);
}

static bool read_redis(struct configuration *configuration, char *reason, size_t reason_size)
{
    struct redis_url url;
    if (!redis_url_is(configuration->settings.redis))
        return check_redis_address(&configuration->settings, reason, reason_size) &&
               check_tls(&configuration->settings, false, reason, reason_size);
    bool is_good = redis_url_parse(configuration->settings.redis, &url, reason, reason_size) &&
                   check_tls(&configuration->settings, url.is_tls, reason, reason_size) &&
                   take_redis_url(configuration, &url, reason, reason_size);
    explicit_bzero(&url, sizeof(url));
    return is_good;
}

static bool check_user(const struct configuration *configuration, char *reason, size_t reason_size)
{
    const char *user = configuration->settings.redis_user;
    if (user == NULL || configuration->password != NULL)
        return true;
    snprintf(reason, reason_size, "redis-user is \"%s\", and there is no password: set redis-password-file", user);
    return false;
}

static bool check_cluster(const struct configuration *configuration, char *reason, size_t reason_size)
{
    if (!configuration->is_redis_cluster || configuration->settings.redis_database == 0)
        return true;
    snprintf(reason, reason_size, "redis-database is %" PRId64 ", and a cluster has the database 0 only",
             configuration->settings.redis_database);
    return false;
}

static bool check_sentinels(const struct configuration *configuration, char *reason, size_t reason_size)
{
    const struct settings *settings = &configuration->settings;
    bool has_any = settings->redis_sentinel_user != NULL || configuration->sentinel_password != NULL;
    if (has_any && configuration->redis_master == NULL) {
        snprintf(reason, reason_size, "%s is set, but redis is not a redis+sentinel:// URL",
                 settings->redis_sentinel_user != NULL ? "redis-sentinel-user" : "redis-sentinel-password-file");
        return false;
    }
    if (!has_any || configuration->sentinel_password != NULL)
        return true;
    snprintf(reason, reason_size,
             "redis-sentinel-user is \"%s\", and there is no password: set redis-sentinel-password-file",
             settings->redis_sentinel_user);
    return false;
}

/* Without making it: a check leaves nothing behind. */
static bool check_log_file(const struct settings *settings, char *reason, size_t reason_size)
{
    const char *path = settings->log_file;
    if (path == NULL || access(path, W_OK) == 0)
        return true;
    if (errno == ENOENT) {
        const char *slash = strrchr(path, '/');
        char directory[4096] = ".";
        if (slash != NULL)
            snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
        if (access(directory, W_OK | X_OK) == 0)
            return true;
    }
    snprintf(reason, reason_size, "cannot write the log file %s: %s", path, strerror(errno));
    return false;
}

/* -------------------- the interface -------------------- */

struct configuration *configuration_new(struct settings *settings, enum configuration_secrets secrets, char *reason,
                                        size_t reason_size)
{
    struct configuration *configuration = calloc(1, sizeof(*configuration));
    if (configuration == NULL)
        panic("out of memory for a configuration");
    configuration->settings = *settings;
    settings->file_text = NULL;
    settings = &configuration->settings;
    if (settings_agree(settings, reason, reason_size) && read_redis(configuration, reason, reason_size) &&
        check_log_file(settings, reason, reason_size) &&
        (secrets == SECRETS_OF_REDIS || read_keys(configuration, reason, reason_size)) &&
        read_passwords(configuration, reason, reason_size) && check_user(configuration, reason, reason_size) &&
        check_sentinels(configuration, reason, reason_size) && check_cluster(configuration, reason, reason_size))
        return configuration;
    configuration_free(configuration);
    return NULL;
}

void configuration_free(struct configuration *configuration)
{
    if (configuration == NULL)
        return;
    keyring_free(configuration->keyring);
    settings_fini(&configuration->settings);
    redis_tls_free(configuration->tls);
    sodium_free(configuration->password); /* wipes it */
    sodium_free(configuration->sentinel_password);
    free(configuration);
}

void configuration_lock_secrets(const struct configuration *configuration)
{
    if (configuration->keyring != NULL)
        keyring_lock(configuration->keyring);
    if (configuration->password != NULL)
        (void)mlock(configuration->password, PASSWORD_BYTES_MAX + 1);
    if (configuration->sentinel_password != NULL)
        (void)mlock(configuration->sentinel_password, PASSWORD_BYTES_MAX + 1);
}

int configuration_workers(const struct configuration *configuration)
{
    if (configuration->settings.workers > 0)
        return (int)configuration->settings.workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores < WORKERS_MAX ? (int)cores : WORKERS_MAX;
}

enum mid_durability configuration_durability(const struct configuration *configuration)
{
    const char *name = configuration->settings.commit_durability;
    return strcmp(name, "disk") == 0      ? MID_DURABLE_DISK
           : strcmp(name, "replica") == 0 ? MID_DURABLE_REPLICA
                                          : MID_DURABLE_MEMORY;
}

static enum mid_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (enum mid_level level = MID_DEBUG; level < MID_ERROR; level++)
        if (strcmp(names[level], name) == 0)
            return level;
    return MID_ERROR;
}

bool configuration_apply_log(const struct settings *settings, char *reason, size_t reason_size)
{
    if (!log_open(settings->log_file)) {
        snprintf(reason, reason_size, "cannot open the log file %s: %s", settings->log_file, strerror(errno));
        return false;
    }
    log_init(strcmp(settings->log_format, "json") == 0 ? LOG_JSON : LOG_TEXT, level_of(settings->log_level));
    return true;
}
