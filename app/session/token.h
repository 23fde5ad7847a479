/*
 * The signed session cookie.
 *
 * base64url, without padding, of: version 1 B | key id 1 B | rid 16 B | generation 4 B, big-endian | MAC 32 B. The MAC
 * is libsodium's crypto_auth over a purpose string, the cookie's name and the bytes before it. A token has one spelling
 * only: anything that does not decode and re-encode to itself is refused. Nothing here asks Redis.
 */
#ifndef SESSION_TOKEN_H
#define SESSION_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "midstream.h"
#include "keys/keyring.h"

enum {
    TOKEN_RID_BYTES = 16,
    TOKEN_BYTES = 1 + 1 + TOKEN_RID_BYTES + 4 + 32,
    TOKEN_TEXT_LENGTH = 72, /* base64url of 54 bytes */
};

struct token {
    uint8_t key_id;
    uint8_t rid[TOKEN_RID_BYTES]; /* which session; no credential by itself */
    uint32_t generation;          /* raised by every renewal */
};

/* What became of a cookie; the names are for metrics and logs. */
#define TOKEN_VERDICTS(X)                                                                                              \
    X(TOKEN_VALID, "valid")                                                                                            \
    X(TOKEN_VALID_OLD_KEY, "valid_old_key") /* valid, and to be re-issued */                                           \
    X(TOKEN_MALFORMED, "malformed")         /* length, alphabet, spelling or version */                                \
    X(TOKEN_UNKNOWN_KEY, "unknown_key")                                                                                \
    X(TOKEN_FORGED, "forged")
enum token_verdict {
#define TOKEN_VERDICT_NAME(name, text) name,
    TOKEN_VERDICTS(TOKEN_VERDICT_NAME)
#undef TOKEN_VERDICT_NAME
        TOKEN_VERDICT_COUNT
};
const char *token_verdict_name(enum token_verdict verdict);

/* A fresh random rid. */
void token_new_rid(uint8_t rid[static TOKEN_RID_BYTES]);

/* Signs with the keyring's signing key, whatever token->key_id says; writes the text and a NUL. */
void token_sign(const struct token *token, const struct keyring *keyring, const char *cookie_name,
                char text[static TOKEN_TEXT_LENGTH + 1]);

/* Verifies in constant time. *token is written for the two valid verdicts only. */
MID_CHECK enum token_verdict token_verify(const char *text, size_t length, const struct keyring *keyring,
                                          const char *cookie_name, struct token *token);

#endif
