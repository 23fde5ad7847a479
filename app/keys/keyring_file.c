/*
 * The file of keys: read with care, and replaced as a whole when a key is added. See keyring.h.
 */
#include "keys/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/panic.h"
#include "keys/keyring_draft.h"

enum { HEX_LENGTH = 2 * KEYRING_KEY_BYTES, FILE_BYTES_MAX = 64 * 1024 };

static void start_sodium(void)
{
    if (sodium_init() < 0) /* may be called again and again */
        panic("libsodium cannot be initialized");
}

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
        keyring_parse_draft(path, old != NULL ? old->text : "", old != NULL ? old->length : 0, reason, reason_size);
    if (keyring == NULL)
        return false;

    bool has_room = !keyring_is_full(keyring);
    bool is_written = has_room && replace_file(path, directory, keyring_unused_id(keyring), old);
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
