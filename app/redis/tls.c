/* TLS to Redis: what is trusted, and who we are. See tls.h; the connections are in tls_channel.c. */
#include "redis/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/log.h"
#include "base/panic.h"
#include "fiber/loop.h"
#include "redis/tls_context.h"

enum { TELL_AGAIN_MS = 60000 };

/* -------------------- reading the files -------------------- */

/* What OpenSSL says of a file is in its queue, the cause first. */
static const char *cause(void)
{
    unsigned long error = ERR_peek_error();
    if (ERR_GET_LIB(error) == ERR_LIB_SYS)
        return strerror(ERR_GET_REASON(error));
    const char *text = error != 0 ? ERR_reason_error_string(error) : NULL;
    return text != NULL ? text : "unknown error of OpenSSL";
}

static bool refuse_file(const char *path, const char *setting, const char *what, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "cannot read %s from %s (setting %s): %s", what, path, setting, cause());
    return false;
}

static bool load_ca(SSL_CTX *context, const char *path, char *reason, size_t reason_size)
{
    struct stat status;
    if (path == NULL) {
        ENSURE(SSL_CTX_set_default_verify_paths(context) == 1);
        return true;
    }
    if (stat(path, &status) != 0) {
        snprintf(reason, reason_size, "cannot read certificates from %s (setting redis-tls-ca): %s", path,
                 strerror(errno));
        return false;
    }
    int is_loaded =
        S_ISDIR(status.st_mode) ? SSL_CTX_load_verify_dir(context, path) : SSL_CTX_load_verify_file(context, path);
    return is_loaded == 1 || refuse_file(path, "redis-tls-ca", "certificates", reason, reason_size);
}

static bool is_key_private(const char *path, char *reason, size_t reason_size)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & (S_IROTH | S_IWOTH)) == 0)
        return true; /* what cannot be read is told by reading it */
    snprintf(reason, reason_size,
             "%s (setting redis-tls-key): others may read or write it (mode %04o); expected mode 0600 or 0640", path,
             (unsigned)(status.st_mode & 07777));
    return false;
}

static bool load_identity(SSL_CTX *context, const struct redis_tls_options *options, char *reason, size_t reason_size)
{
    if (options->certificate == NULL)
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1)
        return refuse_file(options->certificate, "redis-tls-certificate", "a certificate", reason, reason_size);
    if (!is_key_private(options->key, reason, reason_size))
        return false;
    /* OpenSSL compares it with the certificate, too. */
    return SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) == 1 ||
           refuse_file(options->key, "redis-tls-key", "the certificate's key (PEM, without a passphrase)", reason,
                       reason_size);
}

/* No question on the terminal: a key with a passphrase is refused. */
static int no_passphrase(char *text, int size, int is_writing, void *arg)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static SSL_CTX *load(const struct redis_tls_options *options, char *reason, size_t reason_size)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        panic("cannot begin with TLS: %s", cause());
    ENSURE(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* RESP says itself where an answer ends, so the end of the connection needs no proof. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(context, 1); /* one read() for a record, and not two */
    SSL_CTX_set_verify(context, options->is_unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    redis_tls_keep_sessions(context);
    if (load_ca(context, options->ca, reason, reason_size) && load_identity(context, options, reason, reason_size))
        return context;
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

/* -------------------- files that change -------------------- */

static struct file_mark mark_of(const char *path)
{
    struct stat status;
    if (path == NULL || stat(path, &status) != 0)
        return (struct file_mark){0};
    return (struct file_mark){status.st_ino, status.st_size, status.st_ctim};
}

static bool is_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->inode == b->inode && a->size == b->size && a->time.tv_sec == b->time.tv_sec &&
           a->time.tv_nsec == b->time.tv_nsec;
}

static void tell_refusal(struct redis_tls *tls, const char *reason)
{
    int64_t now_ms = loop_now_ms();
    if (tls->told_ms != 0 && now_ms - tls->told_ms < TELL_AGAIN_MS)
        return;
    tls->told_ms = now_ms;
    log_event(MID_WARN, "redis.tls", "reason=\"%s\"", reason);
}

/* A new set of files is rarely written in one step; while they do not fit together, the old ones serve. */
void redis_tls_refresh(struct redis_tls *tls)
{
    const char *const paths[TLS_FILES] = {tls->options.ca, tls->options.certificate, tls->options.key};
    bool is_changed = tls->is_outdated;
    for (size_t i = 0; i < TLS_FILES; i++) {
        struct file_mark mark = mark_of(paths[i]);
        is_changed = is_changed || !is_same(&mark, &tls->marks[i]);
        tls->marks[i] = mark;
    }
    if (!is_changed)
        return;
    char reason[512];
    SSL_CTX *context = load(&tls->options, reason, sizeof(reason));
    tls->is_outdated = context == NULL; /* tried again by the next connection */
    if (context == NULL) {
        tell_refusal(tls, reason);
        return;
    }
    tls->told_ms = 0;
    SSL_CTX_free(tls->context);
    tls->context = context;
    tls->generation++;
    log_event(MID_INFO, "redis.tls-renewed", "certificates=%s", tls->options.ca != NULL ? tls->options.ca : "-");
}

/* -------------------- life -------------------- */

struct redis_tls *redis_tls_new(const struct redis_tls_options *options, char *reason, size_t reason_size)
{
    const char *const paths[TLS_FILES] = {options->ca, options->certificate, options->key};
    ENSURE((options->certificate == NULL) == (options->key == NULL));
    struct redis_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        panic("out of memory for TLS");
    tls->options = *options;
    for (size_t i = 0; i < TLS_FILES; i++)
        tls->marks[i] = mark_of(paths[i]); /* before reading: what changes meanwhile is read again */
    tls->context = load(options, reason, reason_size);
    if (tls->context != NULL)
        return tls;
    free(tls);
    return NULL;
}

void redis_tls_free(struct redis_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}
