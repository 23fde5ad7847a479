/*
 * The keys that sign session cookies. Several at once: the first of the file signs, all verify, so keys can be rotated
 * without logging anybody out.
 *
 * The file holds a line a key, `id hexkey`: the id is 0 to 255 and part of the cookie, the key is 64 hexadecimal
 * digits. '#' begins a comment. It must not be readable by others. `midstream keygen` adds a new first line.
 */
#ifndef KEYS_KEYRING_H
#define KEYS_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream.h"

enum { KEYRING_KEY_BYTES = 32, KEYRING_MAC_BYTES = 32, KEYRING_KEYS_MAX = 16 };

struct keyring;

/*
 * Reads a key file. NULL with a sentence in `reason` (NUL-terminated, cut at its size) that names the file, the line
 * and what was expected. The memory is locked and wiped by keyring_free().
 */
struct keyring *keyring_load(const char *path, char *reason, size_t reason_size);

/* The same from text, for tests and the fuzzer; `name` stands in the reason. */
struct keyring *keyring_parse(const char *name, const char *text, size_t length, char *reason, size_t reason_size);

void keyring_free(struct keyring *keyring); /* NULL is fine */

/* In a new process, which inherits no lock of memory (fork(2)): locks it again, as far as the limit allows. */
void keyring_lock(const struct keyring *keyring);

/* The id of the key that signs. */
uint8_t keyring_signing_id(const struct keyring *keyring);

/* The cookie key derived from key `id` (crypto_kdf, context "midcooki"), or NULL when there is none of that id. */
const uint8_t *keyring_cookie_key(const struct keyring *keyring, uint8_t id);

/*
 * The MAC of a message (crypto_auth) under that cookie key. False, with nothing written: there is no key of that id.
 * Half as dear as crypto_auth() itself: what depends on the key alone was computed when it was read.
 */
MID_CHECK bool keyring_cookie_mac(const struct keyring *keyring, uint8_t id, const void *message, size_t length,
                                  uint8_t mac[static KEYRING_MAC_BYTES]);

/* Writes a new random key as the first line of the file (created with mode 0600), keeping the others. False with a
 * reason. */
bool keyring_generate(const char *path, char *reason, size_t reason_size);

#endif
