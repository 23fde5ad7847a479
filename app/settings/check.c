/* Settings that contradict each other. See check.h. */
#include "settings/check.h"

#include <stdio.h>
#include <string.h>

#include "settings/table.h"
#include "task/consumer.h"

/* The first may be at most the second. */
static const struct {
    const char *less;
    const char *more;
    const char *why;
} pairs[] = {
    {"session-idle-ms", "session-absolute-ms", "a session cannot be idle for longer than it lives"},
    {"session-user-idle-ms", "session-user-absolute-ms", "a session cannot be idle for longer than it lives"},
    {"streams-max", "fibers-max", "each stream has a fiber"},
    {"task-backoff-ms", "task-backoff-max-ms", "pauses grow from the first to the second"},
};

static int64_t value_of(const struct settings *settings, const char *name)
{
    const struct setting *setting = setting_find(name, strlen(name));
    return *(const int64_t *)(const void *)((const char *)settings + setting->offset);
}

/* A list of what Clear-Site-Data has (W3C Clear Site Data, 3.1). */
static bool clears_are_valid(const char *list)
{
    static const char *const known[] = {"cache", "cookies", "storage"};
    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, ",");
        bool is_known = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            is_known = is_known || (strlen(known[i]) == length && strncmp(known[i], list, length) == 0);
        if (!is_known || (list[length] == ',' && list[length + 1] == '\0'))
            return false;
        list += length + (list[length] == ',');
    }
    return true;
}

static bool cookies_agree(const struct settings *settings, char *reason, size_t reason_size)
{
    if (strcmp(settings->cookie_same_site, "none") == 0 && !settings->cookie_secure) {
        snprintf(
            reason, reason_size,
            "cookie-same-site is none and cookie-secure is no; browsers refuse such a cookie: set cookie-secure yes");
        return false;
    }
    if (clears_are_valid(settings->logout_clears))
        return true;
    snprintf(reason, reason_size,
             "logout-clears is \"%s\"; it has to be cache, cookies and storage, with commas between",
             settings->logout_clears);
    return false;
}

bool settings_agree(const struct settings *settings, char *reason, size_t reason_size)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int64_t less = value_of(settings, pairs[i].less);
        int64_t more = value_of(settings, pairs[i].more);
        if (less <= more)
            continue;
        snprintf(reason, reason_size, "%s is %lld and %s is %lld; the first has to be at most the second: %s",
                 pairs[i].less, (long long)less, pairs[i].more, (long long)more, pairs[i].why);
        return false;
    }
    if (!cookies_agree(settings, reason, reason_size))
        return false;
    if (consumers_names_are_valid(settings->task_queues))
        return true;
    snprintf(reason, reason_size,
             "task-queues is \"%s\"; it has to be 1 to 8 names of 1 to 32 lower-case letters, digits, '-' and '_', "
             "with commas between",
             settings->task_queues);
    return false;
}
