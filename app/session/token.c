/*
 * The signed session cookie. See token.h.
 *
 * Verification is on the path of every request: it allocates nothing, and its cost is base64, there and back, and a MAC
 * over less than a block. The name of the cookie is part of the message, so that a value signed for one cookie is worth
 * nothing under another name.
 */
#include "session/token.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include <sodium.h>

#include "base/panic.h"

enum {
    VERSION = 1,
    KEY_ID_AT = 1,
    RID_AT = 2,
    GENERATION_AT = RID_AT + TOKEN_RID_BYTES,
    MAC_AT = GENERATION_AT + 4,
    COOKIE_NAME_BYTES_MAX = 64,
};

static const char purpose[] = "midstream session cookie v1";

enum { MESSAGE_BYTES_MAX = sizeof(purpose) - 1 + 1 + COOKIE_NAME_BYTES_MAX + MAC_AT };

static_assert(MAC_AT + crypto_auth_BYTES == TOKEN_BYTES, "the layout of token.h");
static_assert(crypto_auth_KEYBYTES == KEYRING_KEY_BYTES, "the keyring's keys fit crypto_auth");
static_assert(TOKEN_BYTES % 3 == 0 && TOKEN_TEXT_LENGTH == TOKEN_BYTES / 3 * 4, "the text has no spare bits");

static const char *const verdict_names[] = {
#define VERDICT_ROW(name, text) text,
    TOKEN_VERDICTS(VERDICT_ROW)
#undef VERDICT_ROW
};

const char *token_verdict_name(enum token_verdict verdict)
{
    ENSURE((size_t)verdict < TOKEN_VERDICT_COUNT);
    return verdict_names[verdict];
}

void token_new_rid(uint8_t rid[static TOKEN_RID_BYTES])
{
    randombytes_buf(rid, TOKEN_RID_BYTES);
}

/* Purpose, the name with its length before it (so that no two names give one message), and the token up to its MAC. */
static size_t token_message(uint8_t message[static MESSAGE_BYTES_MAX], const char *cookie_name,
                            const uint8_t bytes[static MAC_AT])
{
    size_t name_length = strlen(cookie_name);
    ENSURE(name_length <= COOKIE_NAME_BYTES_MAX);

    uint8_t *end = mempcpy(message, purpose, sizeof(purpose) - 1);
    *end++ = (uint8_t)name_length;
    end = mempcpy(end, cookie_name, name_length);
    end = mempcpy(end, bytes, MAC_AT);
    return (size_t)(end - message);
}

void token_sign(const struct token *token, const struct keyring *keyring, const char *cookie_name,
                char text[static TOKEN_TEXT_LENGTH + 1])
{
    uint8_t bytes[TOKEN_BYTES] = {VERSION, keyring_signing_id(keyring)};
    memcpy(bytes + RID_AT, token->rid, TOKEN_RID_BYTES);
    for (size_t i = 0; i < 4; i++)
        bytes[GENERATION_AT + i] = (uint8_t)(token->generation >> (24 - 8 * i));

    uint8_t message[MESSAGE_BYTES_MAX];
    size_t length = token_message(message, cookie_name, bytes);
    crypto_auth(bytes + MAC_AT, message, length, keyring_cookie_key(keyring, bytes[KEY_ID_AT]));
    sodium_bin2base64(text, TOKEN_TEXT_LENGTH + 1, bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/*
 * False unless the text is the one spelling of *bytes. Encoding again is the check: the decoder of libsodium 1.0.18
 * takes every byte above 127 for a '_'.
 */
static bool decode(uint8_t bytes[static TOKEN_BYTES], const char *text, size_t length)
{
    char again[TOKEN_TEXT_LENGTH + 1];
    size_t decoded;
    if (length != TOKEN_TEXT_LENGTH)
        return false;
    if (sodium_base642bin(bytes, TOKEN_BYTES, text, length, NULL, &decoded, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        decoded != TOKEN_BYTES)
        return false;
    sodium_bin2base64(again, sizeof(again), bytes, TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return memcmp(again, text, TOKEN_TEXT_LENGTH) == 0;
}

enum token_verdict token_verify(const char *text, size_t length, const struct keyring *keyring, const char *cookie_name,
                                struct token *token)
{
    uint8_t bytes[TOKEN_BYTES];
    if (!decode(bytes, text, length) || bytes[0] != VERSION)
        return TOKEN_MALFORMED;

    const uint8_t *key = keyring_cookie_key(keyring, bytes[KEY_ID_AT]);
    if (key == NULL)
        return TOKEN_UNKNOWN_KEY;

    uint8_t message[MESSAGE_BYTES_MAX];
    size_t message_length = token_message(message, cookie_name, bytes);
    if (crypto_auth_verify(bytes + MAC_AT, message, message_length, key) != 0)
        return TOKEN_FORGED;

    token->key_id = bytes[KEY_ID_AT];
    memcpy(token->rid, bytes + RID_AT, TOKEN_RID_BYTES);
    token->generation = 0;
    for (size_t i = 0; i < 4; i++)
        token->generation = token->generation << 8 | bytes[GENERATION_AT + i];
    return token->key_id == keyring_signing_id(keyring) ? TOKEN_VALID : TOKEN_VALID_OLD_KEY;
}
