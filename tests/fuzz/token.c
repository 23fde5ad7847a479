/* Whatever is believed is exactly what this keyring would have written: a token has one spelling. */
#include "fuzz.h"

#include "session/token.h"

static const char name[] = "__Host-mid";

static struct keyring *make_keyring(void)
{
    static const char lines[] = "7 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    char reason[160];
    struct keyring *keyring = keyring_parse("fuzz", lines, strlen(lines), reason, sizeof(reason));
    CLAIM(keyring != NULL);
    return keyring;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keyring *keyring;
    if (keyring == NULL)
        keyring = make_keyring();

    char *text = fuzz_text(data, size);
    struct token token;
    enum token_verdict verdict = token_verify(text, size, keyring, name, &token);
    CLAIM(verdict < TOKEN_VERDICT_COUNT && verdict != TOKEN_VALID_OLD_KEY);
    if (verdict == TOKEN_VALID) {
        char again[TOKEN_TEXT_LENGTH + 1];
        token_sign(&token, keyring, name, again);
        CLAIM(size == TOKEN_TEXT_LENGTH && memcmp(text, again, size) == 0);
    }
    free(text);
    return 0;
}
