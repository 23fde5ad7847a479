/* What a configuration makes of a URL of Redis, and of settings that say the same. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings/configuration.h"

TestSuite(configuration);

/* NULL with the reason; of flags as a command line has them. */
static struct configuration *configure(size_t count, const char *const flags[], char *reason, size_t reason_size)
{
    char *argv[8];
    struct settings settings;
    cr_assert(sodium_init() >= 0 && count < 8);
    for (size_t i = 0; i < count; i++)
        argv[i] = (char *)(uintptr_t)flags[i];
    argv[count] = NULL;
    if (!settings_read(&settings, (int)count, argv, reason, reason_size))
        return NULL;
    return configuration_new(&settings, SECRETS_OF_REDIS, reason, reason_size);
}

Test(configuration, a_url_in_the_environment_says_it_all)
{
    static const char *const flags[] = {"--workers", "1"};
    char reason[512] = "";
    setenv("MIDSTREAM_REDIS", "redis://app:s%40cret@cache.example/4", 1);
    struct configuration *configuration = configure(2, flags, reason, sizeof(reason));
    cr_assert_not_null(configuration, "%s", reason);
    cr_expect_str_eq(configuration->settings.redis, "cache.example:6379");
    cr_expect_str_eq(configuration->settings.redis_user, "app");
    cr_expect_str_eq(configuration->password, "s@cret");
    cr_expect_eq(configuration->settings.redis_database, 4);
    configuration_free(configuration);
}

Test(configuration, a_password_on_the_command_line_is_refused_and_not_shown)
{
    static const char *const flags[] = {"--redis", "redis://app:secret@cache.example"};
    char reason[512] = "";
    cr_expect_null(configure(2, flags, reason, sizeof(reason)));
    cr_expect_not_null(strstr(reason, "other users can see"), "%s", reason);
    cr_expect_null(strstr(reason, "secret"), "%s", reason);
}

Test(configuration, what_is_said_twice_or_not_at_all_is_refused)
{
    static const struct {
        const char *url;
        const char *flag;
        const char *value;
        const char *says;
    } rows[] = {
        {"redis://app:secret@h", "--redis-user", "other", "the user has to be in the URL of redis or in redis-user"},
        {"redis://:secret@h", "--redis-password-file", "/etc/passwd", "the password has to be in the URL"},
        {"redis://h/1", "--redis-database", "2", "the database has to be in the URL"},
        {"redis://app@h", "--workers", "1", "redis-user is \"app\", and there is no password"},
        {"redis+ring://app:secret@h", "--workers", "1", "the scheme has to be redis, redis+sentinel, redis+cluster"},
        {"redis+cluster://h", "--redis-database", "1", "redis-database is 1, and a cluster has the database 0 only"},
        {"redis:/u:secret@h", "--workers", "1", "not shown, as it has an '@'"},
        {"u:secret@h:6379", "--workers", "1", "not shown, as it has an '@'"},
        {"redis://h", "--redis-tls-ca", "ca.pem", "redis-tls-ca is set, but redis is not a rediss:// URL"},
        {"h:6379", "--redis-tls-verify", "no", "redis-tls-verify is set, but redis is not a rediss:// URL"},
        {"rediss://h", "--redis-tls-name", ".example.com", "redis-tls-name is \".example.com\""},
        {"rediss://.example.com", "--workers", "1", "the host holds a character"},
        {"rediss://h", "--redis-tls-key", "x.key", "redis-tls-certificate is missing"},
        {"rediss://h", "--redis-tls-certificate", "x.pem", "redis-tls-key is missing"},
        {"redis+sentinel://h/ours", "--redis-sentinel-user", "asks", "set redis-sentinel-password-file"},
        {"redis+sentinel://h/ours", "--redis-sentinel-password-file", "/none",
         "cannot read a password from /none (setting redis-sentinel-password-file): No such file"},
        {"redis://h", "--redis-password-file", "/tmp",
         "cannot read a password from /tmp (setting redis-password-file): "
         "it is not a regular file"},
        {"redis://h", "--redis-sentinel-user", "asks", "redis-sentinel-user is set, but redis is not a redis+sentinel"},
        {"rediss://h", "--redis-tls-ca", "/none/ca.pem", "/none/ca.pem (setting redis-tls-ca): No such file"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[512] = "";
        const char *const flags[] = {rows[i].flag, rows[i].value};
        setenv("MIDSTREAM_REDIS", rows[i].url, 1);
        cr_expect_null(configure(2, flags, reason, sizeof(reason)), "%s", rows[i].url);
        cr_expect_not_null(strstr(reason, rows[i].says), "%s: %s", rows[i].url, reason);
        cr_expect_null(strstr(reason, "secret"), "%s: %s", rows[i].url, reason);
    }
}
