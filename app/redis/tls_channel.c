/* TLS with one server. See tls.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/panic.h"
#include "redis/address.h"
#include "redis/socket.h"
#include "redis/tls_context.h"

struct redis_tls_channel {
    struct redis_tls *tls;
    char host[REDIS_HOST_LENGTH_MAX + 1];
    SSL *ssl;                    /* NULL: no connection */
    unsigned generation;         /* of the connection's context; channels share contexts, and any of them renews it */
    SSL_SESSION *session;        /* to be resumed, or NULL */
    unsigned session_generation; /* of the context that verified it */
    char reason[REDIS_REASON_SIZE];
};

/* -------------------- sessions -------------------- */

/* The server has given a ticket, with TLS 1.3 some time after the handshake. True: the reference is ours now. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct redis_tls_channel *channel = SSL_get_app_data(ssl);
    SSL_SESSION_free(channel->session);
    channel->session = session;
    channel->session_generation = channel->generation;
    return 1;
}

void redis_tls_keep_sessions(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
}

static void resume_session(struct redis_tls_channel *channel)
{
    bool is_of_context = channel->session_generation == channel->generation;
    if (channel->session != NULL && is_of_context && SSL_SESSION_is_resumable(channel->session) == 1)
        SSL_set_session(channel->ssl, channel->session);
}

/* -------------------- names -------------------- */

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static const char *expected_name(const struct redis_tls_channel *channel)
{
    return channel->tls->options.name != NULL ? channel->tls->options.name : channel->host;
}

/* An address is no server name (RFC 6066, 3), but certificates may have one. */
static void expect_name(struct redis_tls_channel *channel)
{
    const char *name = expected_name(channel);
    if (is_address(name)) {
        ENSURE(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(channel->ssl), name) == 1);
        return;
    }
    SSL_set_hostflags(channel->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ENSURE(SSL_set1_host(channel->ssl, name) == 1);
    ENSURE(SSL_set_tlsext_host_name(channel->ssl, name) == 1);
}

/* -------------------- failures -------------------- */

static void explain_verification(struct redis_tls_channel *channel, long result)
{
    const char *text = X509_verify_cert_error_string(result);
    char hint[REDIS_REASON_SIZE / 2] = "";
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        snprintf(hint, sizeof(hint), "; expected %.40s (setting redis-tls-name)", expected_name(channel));
    else if (result == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || result == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
             result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
             result == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE)
        snprintf(hint, sizeof(hint), " (setting redis-tls-ca)");
    snprintf(channel->reason, sizeof(channel->reason), "TLS: the certificate of Redis is not valid: %s%s", text, hint);
}

static void explain(struct redis_tls_channel *channel, int system_error)
{
    unsigned long error = ERR_get_error();
    long result = SSL_get_verify_result(channel->ssl);
    if (result != X509_V_OK && !channel->tls->options.is_unverified)
        explain_verification(channel, result);
    else if (ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER)
        snprintf(channel->reason, sizeof(channel->reason), "TLS: the server does not speak TLS (redis:// is without)");
    else if (error != 0)
        snprintf(channel->reason, sizeof(channel->reason), "TLS: %s", ERR_reason_error_string(error));
    else
        snprintf(channel->reason, sizeof(channel->reason), "%s", strerror(system_error));
}

/* After a call of OpenSSL that returned no success. */
static enum redis_tls_result result_of(struct redis_tls_channel *channel, int returned)
{
    int system_error = errno;
    switch (SSL_get_error(channel->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return REDIS_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return REDIS_TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return REDIS_TLS_CLOSED;
    default:
        explain(channel, system_error);
        ERR_clear_error();
        return REDIS_TLS_FAILED;
    }
}

const char *redis_tls_reason(const struct redis_tls_channel *channel)
{
    return channel->reason;
}

/* -------------------- a connection -------------------- */

void redis_tls_begin(struct redis_tls_channel *channel, int fd)
{
    ENSURE(channel->ssl == NULL);
    redis_tls_refresh(channel->tls);
    channel->generation = channel->tls->generation;
    channel->ssl = SSL_new(channel->tls->context);
    if (channel->ssl == NULL || SSL_set_fd(channel->ssl, fd) != 1)
        panic("out of memory for TLS");
    SSL_set_app_data(channel->ssl, channel);
    SSL_set_connect_state(channel->ssl);
    expect_name(channel);
    resume_session(channel);
}

/* Nothing is sent, as the descriptor is closed next; but OpenSSL resumes no session whose connection was not shut down.
 */
void redis_tls_end(struct redis_tls_channel *channel)
{
    if (channel->ssl == NULL)
        return;
    SSL_set_quiet_shutdown(channel->ssl, 1);
    SSL_shutdown(channel->ssl);
    SSL_free(channel->ssl);
    channel->ssl = NULL;
}

enum redis_tls_result redis_tls_handshake(struct redis_tls_channel *channel)
{
    ERR_clear_error();
    int returned = SSL_do_handshake(channel->ssl);
    return returned == 1 ? REDIS_TLS_DONE : result_of(channel, returned);
}

enum redis_tls_result redis_tls_read(struct redis_tls_channel *channel, void *bytes, size_t size, size_t *count)
{
    ERR_clear_error();
    int returned = SSL_read_ex(channel->ssl, bytes, size, count);
    return returned == 1 ? REDIS_TLS_DONE : result_of(channel, returned);
}

enum redis_tls_result redis_tls_write(struct redis_tls_channel *channel, const void *bytes, size_t size, size_t *count)
{
    ERR_clear_error();
    int returned = SSL_write_ex(channel->ssl, bytes, size, count);
    return returned == 1 ? REDIS_TLS_DONE : result_of(channel, returned);
}

bool redis_tls_has_more(const struct redis_tls_channel *channel)
{
    return SSL_has_pending(channel->ssl) == 1;
}

const char *redis_tls_version(const struct redis_tls_channel *channel)
{
    return channel->ssl != NULL ? SSL_get_version(channel->ssl) : "none";
}

bool redis_tls_is_resumed(const struct redis_tls_channel *channel)
{
    return channel->ssl != NULL && SSL_session_reused(channel->ssl) == 1;
}

/* -------------------- life -------------------- */

struct redis_tls_channel *redis_tls_channel_new(struct redis_tls *tls, const char *host)
{
    struct redis_tls_channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        panic("out of memory for TLS");
    channel->tls = tls;
    snprintf(channel->host, sizeof(channel->host), "%s", host);
    return channel;
}

void redis_tls_channel_expect(struct redis_tls_channel *channel, const char *host)
{
    if (strcmp(channel->host, host) == 0)
        return;
    snprintf(channel->host, sizeof(channel->host), "%s", host);
    SSL_SESSION_free(channel->session);
    channel->session = NULL;
}

void redis_tls_channel_free(struct redis_tls_channel *channel)
{
    if (channel == NULL)
        return;
    redis_tls_end(channel);
    SSL_SESSION_free(channel->session);
    free(channel);
}
