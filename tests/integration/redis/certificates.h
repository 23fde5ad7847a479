/*
 * Certificates of a test's own, made by libssl, in the server's directory.
 */
#ifndef INTEGRATION_REDIS_CERTIFICATES_H
#define INTEGRATION_REDIS_CERTIFICATES_H

enum { CERTIFICATE_LIFE_S = 3600 };

/*
 * Writes NAME.pem and NAME.key there, over older ones. `issuer` is the name of the certificate that signs it; NULL: it
 * is an authority, and signs itself. `names` is a list as openssl(1) has it ("DNS:localhost,IP:::1"); NULL: none. Valid
 * from an hour ago until `life_s` from now, which may be negative.
 */
void certificate_make(const char *name, const char *issuer, const char *names, long life_s);

/* The path of a file there, in memory that the next 63 calls leave alone. */
const char *certificate_path(const char *file);

#endif
