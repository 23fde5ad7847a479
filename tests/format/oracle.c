/*
 * The project's own cookies and headers, for a program that has others (stranger.py): a question a line, an answer a
 * line. KEYS are `ID HEXKEY` once or more; the first signs.
 *
 *     sign NAME RID GENERATION KEYS    the cookie
 *     verify NAME TEXT KEYS            the verdict; for a valid one with key id, rid and generation
 *     header HEX                       its numbers, its commits, and its bytes when they are packed again; or none
 *     keyfile HEX                      the ids and cookie keys of a key file with this text; or none
 *     size NAME-BYTES VALUE-BYTES      what such a field counts
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "session/header.h"
#include "session/token.h"

enum { KEY_FILE_BYTES = 4096 };

static const char *word(char **rest)
{
    const char *found = strsep(rest, " \n");
    if (found == NULL)
        panic("a word is missing");
    return found;
}

static size_t bytes_of(const char *hex, uint8_t *bytes, size_t room)
{
    size_t length = 0;
    if (strcmp(hex, "-") != 0 && sodium_hex2bin(bytes, room, hex, strlen(hex), NULL, &length, NULL) != 0)
        panic("no hexadecimal digits: %s", hex);
    return length;
}

static void print_bytes(const uint8_t *bytes, size_t count)
{
    putchar(' ');
    for (size_t i = 0; i < count; i++)
        printf("%02x", bytes[i]);
}

/* The signing key, then the others by their ids: their order in the file is of no consequence, and not told. */
static void show_key_file(char *rest)
{
    uint8_t text[2 * KEY_FILE_BYTES];
    char reason[160];
    size_t length = bytes_of(word(&rest), text, sizeof(text));
    struct keyring *keyring = keyring_parse("keys", (const char *)text, length, reason, sizeof(reason));
    if (keyring == NULL) {
        puts("none");
        return;
    }
    unsigned signing = keyring_signing_id(keyring);
    printf("%u", signing);
    print_bytes(keyring_cookie_key(keyring, (uint8_t)signing), KEYRING_KEY_BYTES);
    for (unsigned id = 0; id < 256; id++) {
        const uint8_t *key = keyring_cookie_key(keyring, (uint8_t)id);
        if (key != NULL && id != signing) {
            printf(" %u", id);
            print_bytes(key, KEYRING_KEY_BYTES);
        }
    }
    putchar('\n');
    keyring_free(keyring);
}

/* What is left of the line, as a key file. */
static struct keyring *read_keys(char **rest)
{
    char text[KEY_FILE_BYTES];
    char reason[160];
    size_t length = 0;
    while (*rest != NULL && **rest != '\0') {
        const char *id = word(rest);
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %s\n", id, word(rest));
    }
    struct keyring *keyring = keyring_parse("keys", text, length, reason, sizeof(reason));
    if (keyring == NULL)
        panic("%s", reason);
    return keyring;
}

static void sign(char *rest)
{
    struct token token = {0};
    char text[TOKEN_TEXT_LENGTH + 1];
    const char *name = word(&rest);
    bytes_of(word(&rest), token.rid, sizeof(token.rid));
    token.generation = (uint32_t)strtoul(word(&rest), NULL, 10);
    struct keyring *keyring = read_keys(&rest);
    token_sign(&token, keyring, name, text);
    puts(text);
    keyring_free(keyring);
}

static void verify(char *rest)
{
    struct token token;
    const char *name = word(&rest);
    const char *text = word(&rest);
    struct keyring *keyring = read_keys(&rest);
    enum token_verdict verdict = token_verify(text, strlen(text), keyring, name, &token);
    printf("%s", token_verdict_name(verdict));
    if (verdict == TOKEN_VALID || verdict == TOKEN_VALID_OLD_KEY) {
        printf(" %u", token.key_id);
        print_bytes(token.rid, sizeof(token.rid));
        printf(" %" PRIu32, token.generation);
    }
    putchar('\n');
    keyring_free(keyring);
}

static void show_header(char *rest)
{
    uint8_t bytes[2 * HEADER_BYTES];
    uint8_t packed[HEADER_BYTES];
    struct header header;
    size_t length = bytes_of(word(&rest), bytes, sizeof(bytes));
    if (!header_parse(bytes, length, &header)) {
        puts("none");
        return;
    }
    printf("%u %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu32,
           header.flags, header.generation, header.login, header.revision, header.touched_ms, header.expires_ms,
           header.renewed_ms, header.fields, header.size);
    for (size_t i = 0; i < HEADER_COMMITS_KEPT; i++)
        print_bytes(header.commits[i], HEADER_COMMIT_BYTES);
    header_pack(&header, packed);
    print_bytes(packed, sizeof(packed));
    putchar('\n');
}

static void show_size(char *rest)
{
    size_t name_bytes = strtoul(word(&rest), NULL, 10);
    printf("%" PRIu32 "\n", header_field_size(name_bytes, strtoul(word(&rest), NULL, 10)));
}

int main(void)
{
    static const struct {
        const char *name;
        void (*answer)(char *rest);
    } questions[] = {
        {"sign", sign}, {"verify", verify}, {"header", show_header}, {"keyfile", show_key_file}, {"size", show_size}};
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        char *rest = line;
        const char *name = word(&rest);
        for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
            if (strcmp(name, questions[i].name) == 0)
                questions[i].answer(rest);
    }
    free(line);
    return 0;
}
