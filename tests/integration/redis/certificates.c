/* Certificates of a test's own. See certificates.h. */
#include "certificates.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "server.h"

const char *certificate_path(const char *file)
{
    static char paths[64][128];
    static unsigned turn;
    char *path = paths[turn++ % 64];
    snprintf(path, sizeof(paths[0]), "%s/%s", server.directory, file);
    return path;
}

static FILE *open_file(const char *name, const char *suffix, const char *mode)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.%s", name, suffix);
    FILE *opened = fopen(certificate_path(file), mode);
    cr_assert_not_null(opened, "%s", certificate_path(file));
    return opened;
}

static X509 *read_certificate(const char *name)
{
    FILE *file = open_file(name, "pem", "re");
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    cr_assert_not_null(certificate);
    return certificate;
}

static EVP_PKEY *read_key(const char *name)
{
    FILE *file = open_file(name, "key", "re");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    cr_assert_not_null(key);
    return key;
}

/* Beside the old ones and in their place, as certbot does, so that nobody reads half a file. */
static void write_files(const char *name, X509 *certificate, EVP_PKEY *key)
{
    const mode_t before = umask(077);
    FILE *file = open_file(name, "key.new", "we");
    cr_assert(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0);
    file = open_file(name, "pem.new", "we");
    cr_assert(PEM_write_X509(file, certificate) == 1 && fclose(file) == 0);
    umask(before);
    static const char *const suffixes[] = {"key", "pem"};
    for (size_t i = 0; i < 2; i++) {
        char from[64], to[64];
        snprintf(from, sizeof(from), "%s.%s.new", name, suffixes[i]);
        snprintf(to, sizeof(to), "%s.%s", name, suffixes[i]);
        cr_assert_eq(rename(certificate_path(from), certificate_path(to)), 0);
    }
}

static void add_extension(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    cr_assert(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, "%s", value);
    X509_EXTENSION_free(extension);
}

static X509 *new_certificate(const char *name, EVP_PKEY *key, long life_s)
{
    X509 *certificate = X509_new();
    uint32_t serial;
    cr_assert_eq(RAND_bytes((unsigned char *)&serial, sizeof(serial)), 1);
    cr_assert(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(certificate), -CERTIFICATE_LIFE_S) != NULL &&
              X509_gmtime_adj(X509_getm_notAfter(certificate), life_s) != NULL &&
              X509_set_pubkey(certificate, key) == 1 &&
              X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                         (const unsigned char *)name, -1, -1, 0) == 1);
    return certificate;
}

void certificate_make(const char *name, const char *issuer, const char *names, long life_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    cr_assert_not_null(key);
    X509 *certificate = new_certificate(name, key, life_s);
    X509 *issued_by = issuer != NULL ? read_certificate(issuer) : certificate;
    EVP_PKEY *signed_by = issuer != NULL ? read_key(issuer) : key;
    cr_assert_eq(X509_set_issuer_name(certificate, X509_get_subject_name(issued_by)), 1);
    if (issuer == NULL)
        add_extension(certificate, issued_by, NID_basic_constraints, "critical,CA:TRUE");
    if (names != NULL)
        add_extension(certificate, issued_by, NID_subject_alt_name, names);
    cr_assert_gt(X509_sign(certificate, signed_by, EVP_sha256()), 0);
    write_files(name, certificate, key);
    if (issuer != NULL) {
        X509_free(issued_by);
        EVP_PKEY_free(signed_by);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}
