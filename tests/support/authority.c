/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates by hand, each extension as the openssl command would write it. Names of CAs are numbered, because two
 * with one name and different keys confuse whoever looks for an issuer.
 */
#include "tests/support/authority.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert(extension != NULL);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static void name(X509 *certificate, const struct authority_wish *wish, unsigned number)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	char *text = wish->is_ca ? xasprintf("ca %u", number) : xstrdup(wish->common_name ? wish->common_name : "test");

	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0);
	X509_set_issuer_name(certificate, wish->issuer ? X509_get_subject_name(wish->issuer->certificate) : subject);
	free(text);
}

struct tls_identity *authority_make(const struct authority_wish *wish)
{
	static unsigned number;
	struct tls_identity *identity = xcalloc(1, sizeof(*identity));
	X509 *certificate = identity->certificate = X509_new();
	X509 *issuer = wish->issuer ? wish->issuer->certificate : certificate;
	bool has_dates = wish->begin_s != 0 || wish->end_s != 0;
	int rc;

	if (wish->key)
		EVP_PKEY_up_ref(wish->key);
	identity->key = wish->key ? wish->key : EVP_EC_gen("P-256");
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)++number);
	X509_gmtime_adj(X509_getm_notBefore(certificate), has_dates ? wish->begin_s : -AUTHORITY_DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(certificate), has_dates ? wish->end_s : 365 * AUTHORITY_DAY_S);
	name(certificate, wish, number);
	X509_set_pubkey(certificate, identity->key);
	if (wish->is_ca) {
		extend(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE");
		extend(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	}
	if (!wish->is_sloppy) {
		extend(certificate, issuer, NID_subject_key_identifier, "hash");
		if (wish->issuer)
			extend(certificate, issuer, NID_authority_key_identifier, "keyid:always");
	}
	if (wish->names)
		extend(certificate, issuer, NID_subject_alt_name, wish->names);
	if (wish->use)
		extend(certificate, issuer, NID_ext_key_usage, wish->use);
	rc = X509_sign(certificate, wish->issuer ? wish->issuer->key : identity->key, EVP_sha256());
	assert(rc > 0);
	return identity;
}

struct tls_identity *authority_root(void)
{
	return authority_make(&(struct authority_wish){ .is_ca = true });
}

void authority_write(const char *path, const struct tls_identity *identity, bool with_key)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	FILE *file = fdopen(fd, "a");
	int rc = 1;

	assert(file != NULL);
	if (with_key)
		rc = PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL);
	assert(rc == 1);
	rc = PEM_write_X509(file, identity->certificate);
	assert(rc == 1);
	rc = fclose(file);
	assert(rc == 0);
}
