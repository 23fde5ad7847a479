/* The keys: bad lines are named, the order decides who signs, and a new key never loses the old ones. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/keyring.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "FFfeFDfcFBfaF9f8F7f6F5f4F3f2F1f0EFeeEDecEBeaE9e8E7e6E5e4E3e2E1e0"

static char reason[256];
static char directory[64];
static char path[96];

static struct keyring *parse(const char *text)
{
    reason[0] = '\0';
    return keyring_parse("keys", text, strlen(text), reason, sizeof(reason));
}

/* -------------------- text -------------------- */

struct row {
    const char *text;
    const char *reason; /* its beginning */
};

static const struct row bad[] = {
    {"", "keys: there is no key in it"},
    {"# only a comment\n\n", "keys: there is no key in it"},
    {KEY_A "\n", "keys:1: expected an id from 0 to 255"},
    {"x " KEY_A "\n", "keys:1: expected an id from 0 to 255"},
    {"-1 " KEY_A "\n", "keys:1: expected an id from 0 to 255"},
    {"256 " KEY_A "\n", "keys:1: expected an id from 0 to 255"},
    {"99999999999999999999 " KEY_A "\n", "keys:1: expected an id from 0 to 255"},
    {"1\n", "keys:1: expected a blank and 64 hexadecimal digits behind the id 1"},
    {"1 abcd\n", "keys:1: expected a blank and 64 hexadecimal digits behind the id 1"},
    {"1 " KEY_A "00\n", "keys:1: expected a blank and 64 hexadecimal digits behind the id 1"},
    {"1 " KEY_A " x\n", "keys:1: expected a blank and 64 hexadecimal digits behind the id 1"},
    {"1:" KEY_A "\n", "keys:1: expected a blank and 64 hexadecimal digits behind the id 1"},
    {"1 g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "keys:1: the key of the id 1 has"},
    {"# two\n\n7 " KEY_A "\n7 " KEY_B "\n", "keys:4: the id 7 has been used in an earlier line"},
    {"1 " KEY_A "\n\nnonsense\n", "keys:3: expected an id from 0 to 255"},
};

Test(keyring, a_bad_line_is_named_with_file_line_and_what_was_expected)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_null(parse(bad[i].text), "accepted: %s", bad[i].text);
        cr_expect(strncmp(reason, bad[i].reason, strlen(bad[i].reason)) == 0, "row %zu says: %s", i, reason);
        cr_expect_null(strstr(reason, "0a0b0c0d"), "the reason quotes a key");
    }
}

Test(keyring, a_nul_in_the_text_does_not_hide_what_is_behind_it)
{
    static const char text[] = "1 " KEY_A "\n\0\n";
    cr_assert_null(keyring_parse("keys", text, sizeof(text) - 1, reason, sizeof(reason)));
    cr_assert(strncmp(reason, "keys:2:", 7) == 0, "%s", reason);
}

Test(keyring, the_reason_is_cut_at_its_size)
{
    char small[8];
    cr_assert_null(keyring_parse("keys", "x", 1, small, sizeof(small)));
    cr_assert_str_eq(small, "keys:1:");
}

Test(keyring, the_first_key_signs_and_all_are_found)
{
    struct keyring *keyring = parse("# new\n 9\t" KEY_B "  # since today\r\n\n3 " KEY_A);
    cr_assert_not_null(keyring, "%s", reason);
    cr_expect_eq(keyring_signing_id(keyring), 9);
    cr_expect_not_null(keyring_cookie_key(keyring, 9));
    cr_expect_not_null(keyring_cookie_key(keyring, 3));
    cr_expect_null(keyring_cookie_key(keyring, 0));
    cr_expect_null(keyring_cookie_key(keyring, 255));
    keyring_free(keyring);
}

Test(keyring, the_cookie_key_is_derived_and_the_same_for_the_same_key)
{
    /* crypto_kdf_derive_from_key(subkey 1, "midcooki"), computed apart as keyed BLAKE2b with that salt and person. */
    static const uint8_t expected[KEYRING_KEY_BYTES] = {
        0x30, 0x75, 0x3d, 0x19, 0x3a, 0x23, 0x6e, 0x5f, 0x41, 0xb1, 0x11, 0x66, 0x7a, 0xaf, 0xeb, 0xbb,
        0x77, 0x85, 0x26, 0x44, 0x47, 0xf5, 0x0b, 0x98, 0x24, 0xce, 0xae, 0x01, 0xbc, 0xd3, 0x51, 0xfc,
    };
    struct keyring *keyring = parse("1 " KEY_A "\n2 " KEY_B "\n");
    cr_assert_not_null(keyring);
    cr_assert_arr_eq(keyring_cookie_key(keyring, 1), expected, sizeof(expected));
    cr_assert(memcmp(keyring_cookie_key(keyring, 1), keyring_cookie_key(keyring, 2), KEYRING_KEY_BYTES) != 0);
    keyring_free(keyring);
}

Test(keyring, sixteen_keys_are_the_most)
{
    char text[17 * 80] = "";
    for (int i = 0; i < KEYRING_KEYS_MAX; i++)
        sprintf(text + strlen(text), "%d " KEY_A "\n", i);
    struct keyring *keyring = parse(text);
    cr_assert_not_null(keyring, "%s", reason);
    keyring_free(keyring);

    strcat(text, "200 " KEY_A "\n");
    cr_assert_null(parse(text));
    cr_assert_str_eq(reason, "keys:17: there are more than 16 keys");
}

Test(keyring, freeing_nothing_is_fine)
{
    keyring_free(NULL);
}

/* -------------------- file -------------------- */

static void make_directory(void)
{
    umask(022);
    strcpy(directory, "/tmp/midstream-keyring-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/keys", directory);
}

static void remove_directory(void)
{
    char pattern[96];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/*", directory);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            remove(found.gl_pathv[i]);
        globfree(&found);
    }
    rmdir(directory);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

static size_t files_in_directory(void)
{
    char pattern[96];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/*", directory);
    size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    if (count > 0)
        globfree(&found);
    return count;
}

TestSuite(keyring_file, .init = make_directory, .fini = remove_directory);

Test(keyring_file, a_file_that_is_not_there_is_named)
{
    char expected[160];
    snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
    cr_assert_null(keyring_load(path, reason, sizeof(reason)));
    cr_assert_str_eq(reason, expected);
}

Test(keyring_file, a_file_that_others_may_read_or_write_is_refused)
{
    static const mode_t open_modes[] = {0644, 0604, 0602};
    for (size_t i = 0; i < 3; i++) {
        write_file("1 " KEY_A "\n", open_modes[i]);
        cr_expect_null(keyring_load(path, reason, sizeof(reason)));
        cr_expect_not_null(strstr(reason, "others may read or write it"), "%s", reason);
        cr_expect_not(keyring_generate(path, reason, sizeof(reason)));
        cr_expect_not_null(strstr(reason, "others may read or write it"), "%s", reason);
    }
}

Test(keyring_file, a_file_of_the_owner_or_the_group_is_read)
{
    static const mode_t private_modes[] = {0600, 0640, 0400};
    for (size_t i = 0; i < 3; i++) {
        write_file("1 " KEY_A "\n", private_modes[i]);
        struct keyring *keyring = keyring_load(path, reason, sizeof(reason));
        cr_expect_not_null(keyring, "%s", reason);
        keyring_free(keyring);
        unlink(path);
    }
}

Test(keyring_file, what_is_no_regular_file_is_refused_without_waiting)
{
    cr_assert_null(keyring_load(directory, reason, sizeof(reason)));
    cr_assert_not_null(strstr(reason, "expected a regular file"), "%s", reason);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_null(keyring_load(path, reason, sizeof(reason)));
    cr_assert_not_null(strstr(reason, "expected a regular file"), "%s", reason);
}

Test(keyring_file, a_bad_line_is_named_with_the_path)
{
    char expected[160];
    snprintf(expected, sizeof(expected), "%s:2: ", path);
    write_file("# comment\nnonsense\n", 0600);
    cr_assert_null(keyring_load(path, reason, sizeof(reason)));
    cr_assert(strncmp(reason, expected, strlen(expected)) == 0, "%s", reason);
}

Test(keyring_file, the_first_key_creates_a_private_file)
{
    umask(0);
    cr_assert(keyring_generate(path, reason, sizeof(reason)), "%s", reason);
    struct stat stat_of_file;
    cr_assert_eq(stat(path, &stat_of_file), 0);
    cr_assert_eq(stat_of_file.st_mode & 07777, 0600);
    cr_assert_eq(files_in_directory(), 1, "a temporary file was left behind");
    struct keyring *keyring = keyring_load(path, reason, sizeof(reason));
    cr_assert_not_null(keyring, "%s", reason);
    cr_assert_eq(keyring_signing_id(keyring), 1);
    keyring_free(keyring);
}

Test(keyring_file, a_new_key_signs_and_the_old_ones_still_verify)
{
    write_file("# my keys\n255 " KEY_A "\n0 " KEY_B "\n", 0640);
    cr_assert(keyring_generate(path, reason, sizeof(reason)), "%s", reason);
    struct keyring *keyring = keyring_load(path, reason, sizeof(reason));
    cr_assert_not_null(keyring, "%s", reason);
    cr_expect_eq(keyring_signing_id(keyring), 1, "behind 255 comes 0, which is taken");
    cr_expect_not_null(keyring_cookie_key(keyring, 255));
    cr_expect_not_null(keyring_cookie_key(keyring, 0));
    keyring_free(keyring);

    struct stat stat_of_file;
    stat(path, &stat_of_file);
    cr_expect_eq(stat_of_file.st_mode & 07777, 0640, "the group can no longer read its keys");
}

Test(keyring_file, every_generated_key_is_another_one)
{
    for (int i = 0; i < 3; i++)
        cr_assert(keyring_generate(path, reason, sizeof(reason)), "%s", reason);
    struct keyring *keyring = keyring_load(path, reason, sizeof(reason));
    cr_assert_not_null(keyring, "%s", reason);
    cr_assert_eq(keyring_signing_id(keyring), 3);
    const uint8_t *first = keyring_cookie_key(keyring, 1);
    const uint8_t *second = keyring_cookie_key(keyring, 2);
    cr_assert(memcmp(first, second, KEYRING_KEY_BYTES) != 0);
    keyring_free(keyring);
}

Test(keyring_file, a_full_or_broken_file_stays_as_it_is)
{
    char text[17 * 80] = "", after[17 * 80] = "";
    for (int i = 0; i < KEYRING_KEYS_MAX; i++)
        sprintf(text + strlen(text), "%d " KEY_A "\n", i);
    write_file(text, 0600);
    cr_assert_not(keyring_generate(path, reason, sizeof(reason)));
    cr_assert_not_null(strstr(reason, "16 keys already"), "%s", reason);

    write_file("nonsense\n", 0600);
    cr_assert_not(keyring_generate(path, reason, sizeof(reason)));
    cr_assert_not_null(strstr(reason, ":1: expected an id"), "%s", reason);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(fgets(after, sizeof(after), file));
    fclose(file);
    cr_assert_str_eq(after, "nonsense\n");
    cr_assert_eq(files_in_directory(), 1);
}

Test(keyring_file, a_symbolic_link_stays_one)
{
    char link_path[96];
    snprintf(link_path, sizeof(link_path), "%s/link", directory);
    write_file("5 " KEY_A "\n", 0600);
    cr_assert_eq(symlink("keys", link_path), 0);
    cr_assert(keyring_generate(link_path, reason, sizeof(reason)), "%s", reason);
    struct stat stat_of_link;
    cr_assert_eq(lstat(link_path, &stat_of_link), 0);
    cr_assert(S_ISLNK(stat_of_link.st_mode));
    struct keyring *keyring = keyring_load(path, reason, sizeof(reason));
    cr_assert_not_null(keyring, "%s", reason);
    cr_assert_eq(keyring_signing_id(keyring), 6);
    keyring_free(keyring);
}

Test(keyring_file, a_directory_that_is_not_there_is_named)
{
    char missing[128];
    snprintf(missing, sizeof(missing), "%s/none/keys", directory);
    cr_assert_not(keyring_generate(missing, reason, sizeof(reason)));
    cr_assert_not_null(strstr(reason, missing), "%s", reason);
}
