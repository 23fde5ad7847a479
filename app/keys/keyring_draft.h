/*
 * Between keyring.c, which knows keys, and keyring_file.c, which knows their file.
 */
#ifndef KEYS_KEYRING_DRAFT_H
#define KEYS_KEYRING_DRAFT_H

#include "keys/keyring.h"

/* As keyring_parse(), but accepts a text without keys, and the keyring can still be written to. */
struct keyring *keyring_parse_draft(const char *name, const char *text, size_t length, char *reason,
                                    size_t reason_size);

/* The next id behind the signing one, so that an id comes back only after all others. */
uint8_t keyring_unused_id(const struct keyring *keyring);

bool keyring_is_full(const struct keyring *keyring);

#endif
