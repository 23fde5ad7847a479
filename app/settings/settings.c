/* Where settings come from: defaults, file, environment, flags. See settings.h. */
#include "settings/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/panic.h"
#include "redis/url.h"
#include "settings/file.h"
#include "settings/table.h"

static bool store_from(struct settings *settings, const struct setting *setting, const char *source, const char *value,
                       char *reason, size_t reason_size)
{
    if (setting_store(settings, setting, value))
        return true;
    char expected[160];
    setting_describe(setting, expected, sizeof(expected));
    snprintf(reason, reason_size, "%s is \"%s\"; it has to be %s", source, value, expected);
    return false;
}

static void set_defaults(struct settings *settings)
{
    *settings = (struct settings){0};
    for (size_t i = 0; i < settings_table_count; i++)
        if (settings_table[i].fallback != NULL)
            setting_store(settings, &settings_table[i], settings_table[i].fallback);
}

/* -------------------- environment and flags -------------------- */

static const struct setting *find_by_variable(const char *variable, size_t length)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        char name[SETTING_VARIABLE_BYTES];
        setting_variable(&settings_table[i], name);
        if (strlen(name) == length && strncmp(name, variable, length) == 0)
            return &settings_table[i];
    }
    return NULL;
}

/* Every MIDSTREAM_* has to be a setting: one that is spelled wrong would otherwise silently not count. */
static bool read_environment(struct settings *settings, char *reason, size_t reason_size)
{
    static const char prefix[] = "MIDSTREAM_";
    for (char **pair = environ; pair != NULL && *pair != NULL; pair++) {
        size_t length = strcspn(*pair, "=");
        if (strncmp(*pair, prefix, sizeof(prefix) - 1) != 0 || (*pair)[length] != '=')
            continue;
        const struct setting *setting = find_by_variable(*pair, length);
        if (setting == NULL) {
            snprintf(reason, reason_size, "the environment has %.*s, but there is no such setting; --help lists them",
                     (int)length, *pair); /* without its value, which may be a secret */
            return false;
        }
        char name[SETTING_VARIABLE_BYTES];
        setting_variable(setting, name);
        if (!store_from(settings, setting, name, *pair + length + 1, reason, reason_size))
            return false;
    }
    return true;
}

static bool read_flags(struct settings *settings, int argc, char **argv, char *reason, size_t reason_size)
{
    for (int i = 0; i < argc; i++) {
        const char *flag = argv[i];
        size_t length = strcspn(flag, "=");
        const struct setting *setting =
            strncmp(flag, "--", 2) == 0 && length > 2 ? setting_find(flag + 2, length - 2) : NULL;
        if (setting == NULL) {
            snprintf(reason, reason_size, "there is no setting %s; --help lists them", flag);
            return false;
        }
        const char *value = flag[length] == '=' ? flag + length + 1 : argv[++i];
        if (value == NULL) {
            snprintf(reason, reason_size, "%s has no value", flag);
            return false;
        }
        if (setting->offset == offsetof(struct settings, redis) && redis_url_has_password(value)) {
            snprintf(reason, reason_size,
                     "--redis has a password in its URL, which other users can see (ps); use redis-password-file, the "
                     "settings file or MIDSTREAM_REDIS");
            return false;
        }
        char source[64];
        snprintf(source, sizeof(source), "--%s", setting->name);
        if (!store_from(settings, setting, source, value, reason, reason_size))
            return false;
    }
    return true;
}

/* -------------------- the file -------------------- */

static bool read_line(struct settings *settings, const char *source, const char *name, const char *value,
                      bool was_set[], char *reason, size_t reason_size)
{
    const struct setting *setting = setting_find(name, strlen(name));
    if (setting == NULL || setting->offset == offsetof(struct settings, config)) {
        snprintf(reason, reason_size, "%s: there is no setting \"%s\"%s", source, name,
                 setting != NULL ? " in a settings file" : "; --help lists them");
        return false;
    }
    bool *was_this_set = &was_set[setting - settings_table];
    if (*was_this_set) {
        snprintf(reason, reason_size, "%s: %s is set twice in this file", source, name);
        return false;
    }
    *was_this_set = true;
    char name_and_source[512];
    snprintf(name_and_source, sizeof(name_and_source), "%s: %s", source, name);
    return store_from(settings, setting, name_and_source, value, reason, reason_size);
}

enum { SETTINGS_MAX = 256 };

bool settings_parse(struct settings *settings, const char *name, char *text, size_t length, char *reason,
                    size_t reason_size)
{
    ENSURE(settings_table_count <= SETTINGS_MAX);
    bool was_set[SETTINGS_MAX] = {false};
    struct settings_file file;
    settings_file_init(&file, text, length);
    for (;;) {
        const char *line_name;
        const char *value;
        enum settings_line line = settings_file_next(&file, &line_name, &value);
        if (line == SETTINGS_END)
            return true;
        char source[256];
        snprintf(source, sizeof(source), "%s:%d", name, file.line);
        if (line == SETTINGS_LINE_BAD) {
            snprintf(reason, reason_size, "%s: %s", source, line_name);
            return false;
        }
        if (!read_line(settings, source, line_name, value, was_set, reason, reason_size))
            return false;
    }
}

/* The file's text with room for a NUL; NULL with a reason. */
static char *read_text(const char *path, size_t *length, char *reason, size_t reason_size)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(SETTINGS_FILE_BYTES_MAX + 1);
    size_t got = file != NULL && text != NULL ? fread(text, 1, SETTINGS_FILE_BYTES_MAX + 1, file) : 0;
    bool is_read = file != NULL && text != NULL && !ferror(file) && got <= SETTINGS_FILE_BYTES_MAX;
    if (!is_read)
        snprintf(reason, reason_size, "cannot read the settings file %s: %s", path,
                 got > SETTINGS_FILE_BYTES_MAX ? "it is too long" : strerror(errno));
    if (file != NULL)
        fclose(file);
    if (!is_read) {
        free(text);
        return NULL;
    }
    *length = got;
    return text;
}

static bool read_file(struct settings *settings, const char *path, char *reason, size_t reason_size)
{
    size_t length;
    settings->file_text = read_text(path, &length, reason, reason_size);
    return settings->file_text != NULL &&
           settings_parse(settings, path, settings->file_text, length, reason, reason_size);
}

/* -------------------- all of them -------------------- */

static bool read_in_order(struct settings *settings, const char *path, int argc, char **argv, char *reason,
                          size_t reason_size)
{
    set_defaults(settings);
    return (path == NULL || read_file(settings, path, reason, reason_size)) &&
           read_environment(settings, reason, reason_size) && read_flags(settings, argc, argv, reason, reason_size);
}

bool settings_read(struct settings *settings, int argc, char **argv, char *reason, size_t reason_size)
{
    /* Environment and flags go before the file, but say where it is. */
    if (!read_in_order(settings, NULL, argc, argv, reason, reason_size))
        return false;
    if (settings->config == NULL)
        return true;
    if (read_in_order(settings, settings->config, argc, argv, reason, reason_size))
        return true;
    settings_fini(settings);
    return false;
}

void settings_fini(struct settings *settings)
{
    free(settings->file_text);
    settings->file_text = NULL;
}

const char *settings_find_fixed_change(const struct settings *before, const struct settings *after)
{
    for (size_t i = 0; i < settings_table_count; i++)
        if (settings_table[i].needs_restart && !setting_is_equal(&settings_table[i], before, after))
            return settings_table[i].name;
    return NULL;
}
