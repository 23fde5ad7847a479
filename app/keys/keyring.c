/*
 * The keys that sign session cookies. See keyring.h.
 *
 * Only what is derived from the keys stays, in memory that libsodium locks and guards and that is read-only once it is
 * filled. The file's text and the keys themselves are wiped as soon as they have been read.
 */
#include "keys/keyring.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#include "base/panic.h"
#include "keys/keyring_draft.h"

enum {
    HEX_LENGTH = 2 * KEYRING_KEY_BYTES,
    FIRST_ID = 1,
    ID_COUNT = 256,
    COOKIE_SUBKEY = 1, /* crypto_kdf's number of the subkey; the context already tells the purposes apart */
};

static const char cookie_context[] = "midcooki";

static_assert(sizeof(cookie_context) - 1 == crypto_kdf_CONTEXTBYTES, "the length that crypto_kdf asks for");
static_assert(crypto_kdf_KEYBYTES == KEYRING_KEY_BYTES, "a key of the file is a master key of crypto_kdf");

struct keyring {
    size_t count;
    uint8_t ids[KEYRING_KEYS_MAX]; /* in the order of the file: the first signs */
    uint8_t cookie_keys[KEYRING_KEYS_MAX][KEYRING_KEY_BYTES];
    crypto_auth_hmacsha512256_state
        cookie_states[KEYRING_KEYS_MAX]; /* crypto_auth under that key, before any message */
};

/* -------------------- text -------------------- */

/* A text being read, and where a complaint about it goes. */
struct parser {
    const char *name;
    size_t line;
    struct keyring *keyring;
    char *reason;
    size_t reason_size;
};

/* Writes `name:line: sentence` and returns false. The text itself is never quoted: it may be a key. */
MID_FORMAT(2, 3) static bool complain(const struct parser *parser, const char *format, ...)
{
    char sentence[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    snprintf(parser->reason, parser->reason_size, "%s:%zu: %s", parser->name, parser->line, sentence);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* Moves `at` behind the number; false when there is none, or one above 255. */
static bool take_id(const char **at, const char *end, uint8_t *id)
{
    unsigned value = 0;
    const char *digit = *at;
    for (; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
        value = value * 10 + (unsigned)(*digit - '0');
        if (value >= ID_COUNT)
            return false;
    }
    if (digit == *at)
        return false;
    *at = digit;
    *id = (uint8_t)value;
    return true;
}

static bool add_key(const struct parser *parser, uint8_t id, const char hex[static HEX_LENGTH])
{
    struct keyring *keyring = parser->keyring;
    if (keyring_cookie_key(keyring, id) != NULL)
        return complain(parser, "the id %u has been used in an earlier line", id);
    if (keyring->count == KEYRING_KEYS_MAX)
        return complain(parser, "there are more than %d keys", KEYRING_KEYS_MAX);

    uint8_t key[KEYRING_KEY_BYTES];
    size_t bytes = 0;
    bool is_hex = sodium_hex2bin(key, sizeof(key), hex, HEX_LENGTH, NULL, &bytes, NULL) == 0 && bytes == sizeof(key);
    if (is_hex) {
        crypto_kdf_derive_from_key(keyring->cookie_keys[keyring->count], KEYRING_KEY_BYTES, COOKIE_SUBKEY,
                                   cookie_context, key);
        crypto_auth_hmacsha512256_init(&keyring->cookie_states[keyring->count], keyring->cookie_keys[keyring->count],
                                       KEYRING_KEY_BYTES);
        keyring->ids[keyring->count++] = id;
    }
    sodium_memzero(key, sizeof(key));
    return is_hex || complain(parser, "the key of the id %u has a character that is no hexadecimal digit", id);
}

static bool parse_line(const struct parser *parser, const char *at, const char *end)
{
    const char *comment = memchr(at, '#', (size_t)(end - at));
    if (comment != NULL)
        end = comment;
    while (end > at && is_blank(end[-1]))
        end--;
    at = skip_blanks(at, end);
    if (at == end)
        return true;

    uint8_t id;
    if (!take_id(&at, end, &id))
        return complain(parser, "expected an id from 0 to 255, a blank, and %d hexadecimal digits", HEX_LENGTH);
    const char *hex = skip_blanks(at, end);
    if (hex == at || end - hex != HEX_LENGTH)
        return complain(parser, "expected a blank and %d hexadecimal digits behind the id %u", HEX_LENGTH, id);
    return add_key(parser, id, hex);
}

struct keyring *keyring_parse_draft(const char *name, const char *text, size_t length, char *reason, size_t reason_size)
{
    if (sodium_init() < 0) /* may be called again and again */
        panic("libsodium cannot be initialized");
    struct keyring *keyring = sodium_malloc(sizeof(*keyring));
    if (keyring == NULL) {
        snprintf(reason, reason_size, "%s: out of memory", name);
        return NULL;
    }
    memset(keyring, 0, sizeof(*keyring));

    struct parser parser = {.name = name, .keyring = keyring, .reason = reason, .reason_size = reason_size};
    for (const char *at = text, *end = text + length; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        parser.line++;
        if (!parse_line(&parser, at, line_end)) {
            keyring_free(keyring);
            return NULL;
        }
        at = line_end < end ? line_end + 1 : end;
    }
    return keyring;
}

struct keyring *keyring_parse(const char *name, const char *text, size_t length, char *reason, size_t reason_size)
{
    struct keyring *keyring = keyring_parse_draft(name, text, length, reason, reason_size);
    if (keyring == NULL)
        return NULL;
    if (keyring->count == 0) {
        snprintf(reason, reason_size, "%s: there is no key in it; expected a line `id hexkey`", name);
        keyring_free(keyring);
        return NULL;
    }
    if (sodium_mprotect_readonly(keyring) != 0)
        panic("the keys cannot be made read-only: %s", strerror(errno));
    return keyring;
}

void keyring_free(struct keyring *keyring)
{
    sodium_free(keyring);
}

void keyring_lock(const struct keyring *keyring)
{
    (void)mlock(keyring, sizeof(*keyring));
}

uint8_t keyring_signing_id(const struct keyring *keyring)
{
    return keyring->ids[0];
}

/* Its place in the keyring; `count` when there is none. */
static size_t find_key(const struct keyring *keyring, uint8_t id)
{
    size_t i = 0;
    while (i < keyring->count && keyring->ids[i] != id)
        i++;
    return i;
}

const uint8_t *keyring_cookie_key(const struct keyring *keyring, uint8_t id)
{
    size_t i = find_key(keyring, id);
    return i < keyring->count ? keyring->cookie_keys[i] : NULL;
}

bool keyring_cookie_mac(const struct keyring *keyring, uint8_t id, const void *message, size_t length,
                        uint8_t mac[static KEYRING_MAC_BYTES])
{
    size_t i = find_key(keyring, id);
    if (i == keyring->count)
        return false;
    crypto_auth_hmacsha512256_state state = keyring->cookie_states[i];
    crypto_auth_hmacsha512256_update(&state, message, length);
    crypto_auth_hmacsha512256_final(&state, mac);
    return true;
}

uint8_t keyring_unused_id(const struct keyring *keyring)
{
    uint8_t id = FIRST_ID;
    if (keyring->count > 0)
        id = (uint8_t)(keyring->ids[0] + 1);
    while (keyring_cookie_key(keyring, id) != NULL)
        id++; /* wraps; at most KEYRING_KEYS_MAX ids are taken */
    return id;
}

bool keyring_is_full(const struct keyring *keyring)
{
    return keyring->count == KEYRING_KEYS_MAX;
}
