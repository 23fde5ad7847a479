/*
 * A configuration: the settings and the secrets that they name, read and checked as a whole. A reload replaces one by
 * another, or by none.
 */
#ifndef RUNTIME_CONFIGURATION_H
#define RUNTIME_CONFIGURATION_H

#include "runtime/settings.h"
#include "session/keyring.h"

enum { PASSWORD_BYTES_MAX = 511 };

struct configuration {
    struct settings settings;
    struct keyring *keyring;
    char password[PASSWORD_BYTES_MAX + 1]; /* of Redis; empty: none */
};

/*
 * Takes the settings and reads the secrets; checks addresses, group and log file, without opening any socket. NULL with
 * a sentence in `reason`; the settings are given back then. Wiped and freed by configuration_free().
 */
struct configuration *configuration_new(struct settings *settings, char *reason, size_t reason_size);
void configuration_free(struct configuration *configuration); /* NULL is fine */

/* How many workers it asks for. */
int configuration_workers(const struct configuration *configuration);

/* Sends the log where the configuration says. False with a reason; the log goes on as before then. */
bool configuration_apply_log(const struct settings *settings, char *reason, size_t reason_size);

#endif
