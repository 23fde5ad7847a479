/*
 * The keys that sign session cookies. See keyring.h.
 *
 * Only what is derived from the keys stays, in memory that libsodium locks and guards and that is read-only once it is
 * filled. The file's text and the keys themselves are wiped as soon as they have been read.
 */
#include "session/keyring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/panic.h"

enum {
    HEX_LENGTH = 2 * KEYRING_KEY_BYTES,
    FILE_BYTES_MAX = 64 * 1024,
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

static void start_sodium(void)
{
    if (sodium_init() < 0) /* may be called again and again */
        panic("libsodium does not start");
}

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

/* Also accepts a text without keys. The keyring can still be written to. */
static struct keyring *parse_text(const char *name, const char *text, size_t length, char *reason, size_t reason_size)
{
    start_sodium();
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
    struct keyring *keyring = parse_text(name, text, length, reason, reason_size);
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

/* -------------------- file -------------------- */

struct key_file {
    char *text; /* sodium_malloc */
    size_t length;
    struct stat stat;
};

static bool check_key_file(const char *path, const struct stat *stat, char *reason, size_t reason_size)
{
    if (!S_ISREG(stat->st_mode)) {
        snprintf(reason, reason_size, "%s: expected a regular file", path);
        return false;
    }
    if (stat->st_mode & (S_IROTH | S_IWOTH)) {
        snprintf(reason, reason_size, "%s: others may read or write it (mode %04o); expected mode 0600 or 0640", path,
                 (unsigned)(stat->st_mode & 07777));
        return false;
    }
    if (stat->st_size > FILE_BYTES_MAX) {
        snprintf(reason, reason_size, "%s: expected at most %d bytes", path, FILE_BYTES_MAX);
        return false;
    }
    return true;
}

static bool read_all(int fd, char *text, size_t size, size_t *length)
{
    *length = 0;
    while (*length < size) {
        ssize_t got = read(fd, text + *length, size - *length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        *length += (size_t)got;
    }
    return true;
}

/* The descriptor stays the caller's. On success, file->text is the caller's to sodium_free(). */
static bool read_key_file(int fd, const char *path, struct key_file *file, char *reason, size_t reason_size)
{
    if (fstat(fd, &file->stat) != 0) {
        snprintf(reason, reason_size, "%s: %s", path, strerror(errno));
        return false;
    }
    if (!check_key_file(path, &file->stat, reason, reason_size))
        return false;

    size_t size = (size_t)file->stat.st_size;
    file->text = sodium_malloc(size + 1);
    if (file->text != NULL && read_all(fd, file->text, size, &file->length))
        return true;
    snprintf(reason, reason_size, "%s: %s", path, strerror(errno));
    sodium_free(file->text);
    return false;
}

/* Opening a FIFO would wait for its writer, so O_NONBLOCK; it is then refused as not a regular file. */
static int open_key_file(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

struct keyring *keyring_load(const char *path, char *reason, size_t reason_size)
{
    start_sodium();
    int fd = open_key_file(path);
    if (fd < 0) {
        snprintf(reason, reason_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct key_file file;
    struct keyring *keyring = NULL;
    if (read_key_file(fd, path, &file, reason, reason_size)) {
        keyring = keyring_parse(path, file.text, file.length, reason, reason_size);
        sodium_free(file.text);
    }
    close(fd);
    return keyring;
}

/* -------------------- a new key -------------------- */

static bool write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return true;
}

/* The next id behind the signing one, so that an id comes back only after all others. */
static uint8_t unused_id(const struct keyring *keyring)
{
    uint8_t id = FIRST_ID;
    if (keyring->count > 0)
        id = (uint8_t)(keyring->ids[0] + 1);
    while (keyring_cookie_key(keyring, id) != NULL)
        id++; /* wraps; at most KEYRING_KEYS_MAX ids are taken */
    return id;
}

static bool write_new_key(int fd, uint8_t id)
{
    uint8_t key[KEYRING_KEY_BYTES];
    char hex[HEX_LENGTH + 1], date[16], line[HEX_LENGTH + 48];
    time_t now = time(NULL);
    struct tm utc;

    crypto_kdf_keygen(key);
    sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &utc));
    int length = snprintf(line, sizeof(line), "%u %s # %s\n", id, hex, date);
    bool is_written = write_all(fd, line, (size_t)length);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(hex, sizeof(hex));
    sodium_memzero(line, sizeof(line));
    return is_written;
}

/*
 * Fills the new file: the new key, then the text of the old one, whose owner and mode it takes over, so that a service
 * that reads it through its group still can.
 */
static bool fill_new_file(int fd, uint8_t id, const struct key_file *old)
{
    if (old != NULL && fchown(fd, old->stat.st_uid, old->stat.st_gid) != 0)
        return false;
    if (fchmod(fd, old != NULL ? old->stat.st_mode & 07777 : 0600) != 0)
        return false;
    if (!write_new_key(fd, id))
        return false;
    if (old != NULL && !write_all(fd, old->text, old->length))
        return false;
    return fsync(fd) == 0;
}

static bool replace_file(const char *path, int directory, uint8_t id, const struct key_file *old)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        panic("out of memory");
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    bool is_replaced = false;
    if (fd >= 0) {
        bool is_filled = fill_new_file(fd, id, old);
        close(fd);
        is_replaced = is_filled && rename(temporary, path) == 0 && fsync(directory) == 0;
    }
    int error = errno;
    if (fd >= 0 && !is_replaced)
        unlink(temporary);
    free(temporary);
    errno = error;
    return is_replaced;
}

/* `old` is NULL when there is no file yet. */
static bool add_key_to_file(const char *path, int directory, const struct key_file *old, char *reason,
                            size_t reason_size)
{
    struct keyring *keyring =
        parse_text(path, old != NULL ? old->text : "", old != NULL ? old->length : 0, reason, reason_size);
    if (keyring == NULL)
        return false;

    bool has_room = keyring->count < KEYRING_KEYS_MAX;
    bool is_written = has_room && replace_file(path, directory, unused_id(keyring), old);
    if (!has_room)
        snprintf(reason, reason_size, "%s: it holds %d keys already; remove the last lines", path, KEYRING_KEYS_MAX);
    else if (!is_written)
        snprintf(reason, reason_size, "%s: cannot be written: %s", path, strerror(errno));
    keyring_free(keyring);
    return is_written;
}

static bool generate_locked(const char *path, int directory, char *reason, size_t reason_size)
{
    int fd = open_key_file(path);
    if (fd < 0 && errno == ENOENT)
        return add_key_to_file(path, directory, NULL, reason, reason_size);
    if (fd < 0) {
        snprintf(reason, reason_size, "%s: %s", path, strerror(errno));
        return false;
    }
    struct key_file old;
    bool is_done = false;
    if (read_key_file(fd, path, &old, reason, reason_size)) {
        is_done = add_key_to_file(path, directory, &old, reason, reason_size);
        sodium_free(old.text);
    }
    close(fd);
    return is_done;
}

/* The directory of a path, open and locked against another keygen; closing it unlocks. -1 with errno. */
static int open_locked_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (name == NULL)
        panic("out of memory");
    int directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(name);
    if (directory >= 0 && flock(directory, LOCK_EX) != 0) {
        int error = errno;
        close(directory);
        errno = error;
        return -1;
    }
    return directory;
}

bool keyring_generate(const char *path, char *reason, size_t reason_size)
{
    start_sodium();
    char *target = realpath(path, NULL); /* a symbolic link stays one: its target is replaced */
    if (target == NULL && (target = strdup(path)) == NULL)
        panic("out of memory");
    bool is_done = false;
    int directory = open_locked_directory(target);
    if (directory >= 0) {
        is_done = generate_locked(target, directory, reason, reason_size);
        close(directory);
    } else {
        snprintf(reason, reason_size, "the directory of %s: %s", path, strerror(errno));
    }
    free(target);
    return is_done;
}
