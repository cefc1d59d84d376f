/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/tls*.c: what a CA proves about the peer's certificate.
 */
#ifndef RA_WIRE_TLS_TRUST_H
#define RA_WIRE_TLS_TRUST_H

#include <stdbool.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "wire/tls.h"

struct tls_proof {
	X509 *certificate;
	bool is_from_ca;
};

/* A store of the CA certificates in the file, with the rules of the verification. 0, or -errno with words in why. */
int tls_trust_load(const char *path, X509_STORE **out, char why[DETAIL_MAX + 1]);
/* The peer's certificate comes from such a CA and is in date; *verdict is the X509_V_ code. */
bool tls_trust_verify(X509_STORE_CTX *store, int *verdict);
/* The same of the peer of a session whose handshake is over. */
bool tls_trust_verify_again(X509_STORE *store, const SSL *session);
/* The X509_V_ code that makes OpenSSL send the alert for a peer that is not let in. */
int tls_trust_alert(int verdict);

#endif
