/* SPDX-License-Identifier: Apache-2.0
 *
 * A throw-away certificate authority for tests: certificates with any dates, names, issuer and use, as identities.
 */
#ifndef RA_TESTS_SUPPORT_AUTHORITY_H
#define RA_TESTS_SUPPORT_AUTHORITY_H

#include <stdbool.h>

#include "wire/tls.h"
#include "wire/tls_identity.h"

#define AUTHORITY_DAY_S (24 * 60 * 60L)

/* What a certificate is made from. */
struct authority_wish {
	const struct tls_identity *issuer; /* NULL: signs itself */
	EVP_PKEY *key;                     /* NULL: a new one */
	bool is_ca;
	const char *names;      /* "DNS:a.example,DNS:b.example"; NULL: none */
	const char *common_name; /* NULL: "test" */
	const char *use;        /* extendedKeyUsage; NULL: any */
	long begin_s, end_s;    /* from now; both 0: yesterday to a year from now */
	bool is_sloppy;         /* without the key identifiers that X.509 asks for */
};

struct tls_identity *authority_make(const struct authority_wish *wish);
/* A CA that signed itself. */
struct tls_identity *authority_root(void);
/* Appends the certificate, and with_key its key, to the file (mode 0600). */
void authority_write(const char *path, const struct tls_identity *identity, bool with_key);

#endif
