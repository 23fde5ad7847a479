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
static_assert(crypto_auth_BYTES == KEYRING_MAC_BYTES, "a MAC of the keyring is one of crypto_auth");
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
    ENSURE(keyring_cookie_mac(keyring, bytes[KEY_ID_AT], message, length, bytes + MAC_AT));
    sodium_bin2base64(text, TOKEN_TEXT_LENGTH + 1, bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* The value of a character of base64url (RFC 4648, section 5), or NOT_BASE64. No secret depends on the time this takes.
 */
enum { NOT_BASE64 = 64 };

static uint32_t sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '-' ? 62 : c == '_' ? 63 : NOT_BASE64;
}

/*
 * False unless the text is base64url of a token's length, which then has no spare bits and one spelling only.
 * libsodium 1.0.18's decoder is not used because it takes every byte above 127 for a '_'.
 */
static bool decode(uint8_t bytes[static TOKEN_BYTES], const char *text, size_t length)
{
    if (length != TOKEN_TEXT_LENGTH)
        return false;
    uint32_t seen = 0;
    for (const char *end = text + length; text < end; text += 4, bytes += 3) {
        uint32_t a = sextet(text[0]), b = sextet(text[1]), c = sextet(text[2]), d = sextet(text[3]);
        seen |= a | b | c | d;
        bytes[0] = (uint8_t)(a << 2 | b >> 4);
        bytes[1] = (uint8_t)(b << 4 | c >> 2);
        bytes[2] = (uint8_t)(c << 6 | d);
    }
    return (seen & NOT_BASE64) == 0;
}

enum token_verdict token_verify(const char *text, size_t length, const struct keyring *keyring, const char *cookie_name,
                                struct token *token)
{
    uint8_t bytes[TOKEN_BYTES];
    if (!decode(bytes, text, length) || bytes[0] != VERSION)
        return TOKEN_MALFORMED;

    uint8_t message[MESSAGE_BYTES_MAX];
    uint8_t mac[KEYRING_MAC_BYTES];
    size_t message_length = token_message(message, cookie_name, bytes);
    if (!keyring_cookie_mac(keyring, bytes[KEY_ID_AT], message, message_length, mac))
        return TOKEN_UNKNOWN_KEY;
    if (sodium_memcmp(mac, bytes + MAC_AT, sizeof(mac)) != 0)
        return TOKEN_FORGED;

    token->key_id = bytes[KEY_ID_AT];
    memcpy(token->rid, bytes + RID_AT, TOKEN_RID_BYTES);
    token->generation = 0;
    for (size_t i = 0; i < 4; i++)
        token->generation = token->generation << 8 | bytes[GENERATION_AT + i];
    return token->key_id == keyring_signing_id(keyring) ? TOKEN_VALID : TOKEN_VALID_OLD_KEY;
}
