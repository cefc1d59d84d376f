/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/tls*.c: what an identity is made of, and how a certificate becomes a key text.
 */
#ifndef RA_WIRE_TLS_IDENTITY_H
#define RA_WIRE_TLS_IDENTITY_H

#include <openssl/x509.h>

#include "wire/tls.h"

struct tls_identity {
	EVP_PKEY *key;
	X509 *certificate;
	STACK_OF(X509) *chain; /* what stands between the certificate and its CA; NULL: nothing */
};

/* tls_identity_from_pem with its words for the caller instead of the log. */
int tls_identity_parse(const char *pem, struct tls_identity **out, char why[DETAIL_MAX + 1]);

/* "sha256:" and the SHA-256 of the certificate's SubjectPublicKeyInfo; false when it cannot be encoded. */
bool tls_certificate_key(const X509 *certificate, char key[PEER_KEY_CHARS + 1]);
/* The oldest error of OpenSSL's queue as words, which is emptied. Valid for ever. */
const char *tls_library_error(void);

#endif
