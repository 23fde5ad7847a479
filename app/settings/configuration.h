/*
 * A configuration: the settings and the secrets that they name, read and checked as a whole. A reload replaces one by
 * another, or by none.
 */
#ifndef SETTINGS_CONFIGURATION_H
#define SETTINGS_CONFIGURATION_H

#include "keys/keyring.h"
#include "midstream.h"
#include "redis/tls.h"
#include "redis/url.h"
#include "settings/settings.h"

enum { PASSWORD_BYTES_MAX = 511 };

struct configuration {
    struct settings settings; /* those of a URL of Redis are in their own places, and it is an address */
    char redis_address[sizeof(((struct redis_url *)NULL)->address)]; /* what they point to then */
    bool is_redis_cluster;                                           /* the address lists nodes of one */
    const char *redis_master; /* its name with the Sentinels that the address lists; NULL: there are none */
    char redis_master_name[REDIS_MASTER_NAME_BYTES];
    char redis_user[REDIS_USER_BYTES_MAX + 1];
    struct keyring *keyring; /* NULL: it was not asked for */
    struct redis_tls *tls;   /* to Redis; NULL: without TLS */
    char *password;          /* of Redis, in memory that is locked and wiped (sodium_malloc(3)); NULL: none */
    char *sentinel_password; /* the same, of its Sentinels */
};

/* What is read of the files that the settings name. */
enum configuration_secrets { SECRETS_OF_ALL, SECRETS_OF_REDIS };

/*
 * Takes the settings and reads the secrets and what TLS needs; checks the address of Redis and the log file. NULL with
 * a sentence in `reason`; the settings are given back then. Wiped and freed by configuration_free().
 */
struct configuration *configuration_new(struct settings *settings, enum configuration_secrets secrets, char *reason,
                                        size_t reason_size);
void configuration_free(struct configuration *configuration); /* NULL is fine */

/* In a new process, which inherits no lock of memory: keeps the secrets from being swapped out, as far as the limit
 * allows. */
void configuration_lock_secrets(const struct configuration *configuration);

/* What commit-durability says. */
enum mid_durability configuration_durability(const struct configuration *configuration);

/* How many workers it asks for. */
int configuration_workers(const struct configuration *configuration);

/* Sends the log where the configuration says. False with a reason; the log goes on as before then. */
bool configuration_apply_log(const struct settings *settings, char *reason, size_t reason_size);

#endif
