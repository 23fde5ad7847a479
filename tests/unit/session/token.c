/* The signed cookie: only what this keyring signed for this cookie's name is believed. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "session/token.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef"

static const char name[] = "__Host-mid";
static const struct token sample = {
    .rid = {0xde, 0xad, 0xbe, 0xef, 0xfb, 0xff, 0xfe, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .generation = 0x01020304,
};

static struct keyring *keyring;
static char text[TOKEN_TEXT_LENGTH + 1];

static struct keyring *keyring_of(const char *lines)
{
    char reason[160];
    struct keyring *parsed = keyring_parse("keys", lines, strlen(lines), reason, sizeof(reason));
    cr_assert_not_null(parsed, "%s", reason);
    return parsed;
}

static void set_up(void)
{
    keyring = keyring_of("7 " KEY_A "\n");
    token_sign(&sample, keyring, name, text);
}

static void tear_down(void)
{
    keyring_free(keyring);
}

/* The verdict on a text; checks that only a valid one writes the token. */
static enum token_verdict verify(const char *spelling, size_t length, const char *cookie_name)
{
    struct token token = {.generation = 0x55555555};
    enum token_verdict verdict = token_verify(spelling, length, keyring, cookie_name, &token);
    if (verdict != TOKEN_VALID && verdict != TOKEN_VALID_OLD_KEY)
        cr_assert_eq(token.generation, 0x55555555, "a refused token was written");
    return verdict;
}

TestSuite(token, .init = set_up, .fini = tear_down);

Test(token, what_was_signed_is_read_back)
{
    struct token token;
    cr_assert_eq(strlen(text), TOKEN_TEXT_LENGTH);
    cr_assert_eq(token_verify(text, strlen(text), keyring, name, &token), TOKEN_VALID);
    cr_assert_eq(token.key_id, 7);
    cr_assert_eq(token.generation, 0x01020304);
    cr_assert_arr_eq(token.rid, sample.rid, TOKEN_RID_BYTES);
}

Test(token, the_text_is_this_one_on_every_machine_and_in_every_release)
{
    /* Computed apart, with Python's hashlib and hmac, after the layout in token.h. */
    cr_assert_str_eq(text, "AQferb7v-__-BwgJCgsMDQ4PAQIDBJYMheO9bn7dz3WFhuIX1l5Y8Z0DGahBgSNbt_8kcxqB");
}

Test(token, a_changed_character_at_any_place_is_refused)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < TOKEN_TEXT_LENGTH; i++) {
        char changed[TOKEN_TEXT_LENGTH + 1];
        strcpy(changed, text);
        const char *letter = strchr(alphabet, changed[i]);
        for (unsigned bit = 1; bit < 64; bit <<= 1) {
            changed[i] = alphabet[(unsigned)(letter - alphabet) ^ bit];
            enum token_verdict verdict = verify(changed, TOKEN_TEXT_LENGTH, name);
            cr_assert(verdict != TOKEN_VALID && verdict != TOKEN_VALID_OLD_KEY, "character %zu, bit %u", i, bit);
        }
    }
}

Test(token, a_forged_mac_is_called_forged)
{
    text[TOKEN_TEXT_LENGTH - 1] = text[TOKEN_TEXT_LENGTH - 1] == 'A' ? 'B' : 'A';
    cr_assert_eq(verify(text, TOKEN_TEXT_LENGTH, name), TOKEN_FORGED);
}

Test(token, every_truncation_is_malformed)
{
    for (size_t length = 0; length < TOKEN_TEXT_LENGTH; length++)
        cr_assert_eq(verify(text, length, name), TOKEN_MALFORMED, "length %zu", length);
}

Test(token, a_longer_text_is_malformed)
{
    char longer[TOKEN_TEXT_LENGTH + 5];
    snprintf(longer, sizeof(longer), "%sAAAA", text);
    for (size_t extra = 1; extra <= 4; extra++)
        cr_assert_eq(verify(longer, TOKEN_TEXT_LENGTH + extra, name), TOKEN_MALFORMED);
}

/* 54 bytes fill 72 characters to the last bit, so other spellings can only come from another alphabet, or from
 * characters that a lenient decoder would skip. */
Test(token, another_spelling_of_the_same_bytes_is_malformed)
{
    char spelling[TOKEN_TEXT_LENGTH + 8];
    cr_assert_not_null(strpbrk(text, "-_"), "the sample has to hold a character that the alphabets differ in");
    strcpy(spelling, text);
    for (char *c = spelling; *c != '\0'; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    cr_expect_eq(verify(spelling, TOKEN_TEXT_LENGTH, name), TOKEN_MALFORMED, "the other base64 alphabet");

    strcpy(spelling, text);
    *strchr(spelling, '_') = (char)0xc3; /* which libsodium 1.0.18 decodes as '_' */
    cr_expect_eq(verify(spelling, TOKEN_TEXT_LENGTH, name), TOKEN_MALFORMED, "a byte above 127");

    static const char *const decorations[] = {"%s=", "%s==", "%s\n", " %s", "%s ", "\"%s\"", "%s%%3D"};
    for (size_t i = 0; i < sizeof(decorations) / sizeof(decorations[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(spelling, sizeof(spelling), decorations[i], text);
#pragma GCC diagnostic pop
        cr_expect_eq(verify(spelling, strlen(spelling), name), TOKEN_MALFORMED, "%s", decorations[i]);
    }
}

Test(token, characters_that_are_no_base64_are_malformed)
{
    static const char bad[] = {'=', ' ', '\n', '+', '/', '.', '\0', (char)0xc3};
    for (size_t i = 0; i < sizeof(bad); i++) {
        char changed[TOKEN_TEXT_LENGTH + 1];
        strcpy(changed, text);
        changed[40] = bad[i];
        cr_expect_eq(verify(changed, TOKEN_TEXT_LENGTH, name), TOKEN_MALFORMED, "byte %d", bad[i]);
    }
}

Test(token, another_version_is_malformed)
{
    text[0] = 'Q'; /* the first byte becomes 0x41 */
    cr_assert_eq(verify(text, TOKEN_TEXT_LENGTH, name), TOKEN_MALFORMED);
}

Test(token, a_value_signed_for_another_cookie_is_forged)
{
    static const char *const other_names[] = {"mid", "__Host-mi", "__Host-mid2", "__host-mid", ""};
    for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
        cr_expect_eq(verify(text, TOKEN_TEXT_LENGTH, other_names[i]), TOKEN_FORGED, "%s", other_names[i]);
}

Test(token, a_key_that_the_keyring_does_not_have_is_unknown)
{
    struct keyring *other = keyring_of("8 " KEY_A "\n");
    struct token token;
    cr_assert_eq(token_verify(text, TOKEN_TEXT_LENGTH, other, name, &token), TOKEN_UNKNOWN_KEY);
    keyring_free(other);
}

Test(token, another_key_of_the_same_id_makes_it_forged)
{
    struct keyring *other = keyring_of("7 " KEY_B "\n");
    struct token token;
    cr_assert_eq(token_verify(text, TOKEN_TEXT_LENGTH, other, name, &token), TOKEN_FORGED);
    keyring_free(other);
}

Test(token, after_a_rotation_old_tokens_are_valid_and_to_be_reissued)
{
    struct keyring *rotated = keyring_of("8 " KEY_B "\n7 " KEY_A "\n");
    struct token token;
    cr_assert_eq(token_verify(text, TOKEN_TEXT_LENGTH, rotated, name, &token), TOKEN_VALID_OLD_KEY);
    cr_assert_eq(token.key_id, 7);

    char reissued[TOKEN_TEXT_LENGTH + 1];
    token_sign(&token, rotated, name, reissued); /* with the new key, though the token says 7 */
    cr_assert_eq(token_verify(reissued, TOKEN_TEXT_LENGTH, rotated, name, &token), TOKEN_VALID);
    cr_assert_eq(token.key_id, 8);
    cr_assert_arr_eq(token.rid, sample.rid, TOKEN_RID_BYTES);
    keyring_free(rotated);
}

Test(token, the_extreme_generations_survive)
{
    static const uint32_t generations[] = {0, 1, 0x80000000u, UINT32_MAX};
    for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
        struct token token = sample;
        token.generation = generations[i];
        token_sign(&token, keyring, name, text);
        cr_assert_eq(token_verify(text, TOKEN_TEXT_LENGTH, keyring, name, &token), TOKEN_VALID);
        cr_assert_eq(token.generation, generations[i]);
    }
}

Test(token, new_rids_differ)
{
    uint8_t first[TOKEN_RID_BYTES], second[TOKEN_RID_BYTES];
    token_new_rid(first);
    token_new_rid(second);
    cr_assert(memcmp(first, second, sizeof(first)) != 0);
}

Test(token, every_verdict_has_a_name_for_the_metrics)
{
    for (int i = 0; i < TOKEN_VERDICT_COUNT; i++) {
        const char *verdict = token_verdict_name((enum token_verdict)i);
        cr_expect(verdict[0] != '\0' && strspn(verdict, "abcdefghijklmnopqrstuvwxyz_") == strlen(verdict));
    }
    cr_expect_str_eq(token_verdict_name(TOKEN_FORGED), "forged");
}
