/* Settings that contradict each other are refused, and both are named. */
#include <criterion/criterion.h>

#include <stdint.h>
#include <string.h>

#include "settings/check.h"
#include "settings/settings.h"

static char reason[512];

static bool agree(int count, char **flags)
{
    struct settings settings;
    cr_assert(settings_read(&settings, count, flags, reason, sizeof(reason)), "%s", reason);
    bool is_so = settings_agree(&settings, reason, sizeof(reason));
    settings_fini(&settings);
    return is_so;
}

Test(settings_check, the_defaults_agree)
{
    cr_expect(agree(0, NULL), "%s", reason);
}

Test(settings_check, contradictions_are_named)
{
    static const char *const rows[][3] = {
        {"--session-idle-ms=50000000", "session-idle-ms is 50000000", "session-absolute-ms is 43200000"},
        {"--session-absolute-ms=1000000", "session-idle-ms is 1800000", "session-absolute-ms is 1000000"},
        {"--session-user-idle-ms=50000000", "session-user-idle-ms is 50000000", "session-user-absolute-ms"},
        {"--streams-max=40000", "streams-max is 40000", "fibers-max is 30000"},
        {"--task-backoff-ms=400000", "task-backoff-ms is 400000", "task-backoff-max-ms is 300000"},
        {"--task-queues=a,,b", "task-queues is \"a,,b\"", "1 to 8 names"},
        {"--task-queues=Upper", "task-queues is \"Upper\"", "lower-case"},
        {"--logout-clears=cache,all", "logout-clears is \"cache,all\"", "cache, cookies and storage"},
        {"--logout-clears=cache,", "logout-clears is \"cache,\"", "commas between"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_not(agree(1, (char *[]){(char *)(uintptr_t)rows[i][0]}), "%s", rows[i][0]);
        cr_expect_not_null(strstr(reason, rows[i][1]), "%s: %s", rows[i][0], reason);
        cr_expect_not_null(strstr(reason, rows[i][2]), "%s: %s", rows[i][0], reason);
    }
}

Test(settings_check, a_cookie_for_other_sites_has_to_be_secure)
{
    char none[] = "--cookie-same-site=none";
    char insecure[] = "--cookie-secure=no";
    cr_expect(agree(1, (char *[]){none}), "%s", reason);
    cr_expect_not(agree(2, (char *[]){none, insecure}));
    cr_expect_not_null(strstr(reason, "cookie-secure is no"), "%s", reason);
}

Test(settings_check, both_together_agree_again)
{
    char idle[] = "--session-idle-ms=50000000";
    char absolute[] = "--session-absolute-ms=50000000";
    cr_expect(agree(2, (char *[]){idle, absolute}), "%s", reason);
}
