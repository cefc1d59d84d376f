/* SPDX-License-Identifier: Apache-2.0
 *
 * The CA, for those who do not want to list keys: its certificates, the verification of a peer's certificate against
 * them, and the DNS names it proves. Each certificate of the file is trusted by itself, so an intermediate CA may stand
 * there without its root; nothing of the system's own CAs is. Loop thread only.
 */
#include "wire/tls_trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "wire/tls_file.h"
#include "wire/tls_identity.h"

#define INTERMEDIATES_MAX 4
#define NAME_BYTES 128

bool tls_proof_has_name(const struct tls_proof *proof, const char *dns_name)
{
	/* OpenSSL takes a name that begins with a dot for all below it, and an empty one for none at all. */
	return proof->is_from_ca && dns_name[0] != '\0' && dns_name[0] != '.' &&
		X509_check_host(proof->certificate, dns_name, 0,
			X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static X509_STORE *new_store(void)
{
	X509_STORE *store = X509_STORE_new();

	if (store == NULL || X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN) != 1 ||
	    X509_STORE_set_depth(store, INTERMEDIATES_MAX) != 1)
		log_abort("TLS: no memory for a CA");
	return store;
}

/* 0 when all certificates of the text are in the store. */
static int add_certificates(X509_STORE *store, const char *path, const char *text, char why[DETAIL_MAX + 1])
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate;
	unsigned count = 0;
	int rc = 0;

	if (bio == NULL)
		log_abort("TLS: no memory for a CA");
	ERR_clear_error();
	while (rc == 0 && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		count++;
		if (X509_check_ca(certificate) != 1) {
			snprintf(why, DETAIL_MAX + 1, "%s: certificate %u in it is not that of a CA", path, count);
			rc = -EINVAL;
		} else if (X509_STORE_add_cert(store, certificate) != 1) {
			snprintf(why, DETAIL_MAX + 1, "%s: certificate %u: %s", path, count, tls_library_error());
			rc = -EINVAL;
		}
		X509_free(certificate);
	}
	if (rc == 0 && (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)) {
		snprintf(why, DETAIL_MAX + 1, "%s: no usable certificate after %u: %s", path, count, tls_library_error());
		rc = -EINVAL;
	}
	ERR_clear_error();
	BIO_free(bio);
	return rc;
}

int tls_trust_load(const char *path, X509_STORE **out, char why[DETAIL_MAX + 1])
{
	char *text;
	int rc = tls_file_read(path, TLS_FILE_PUBLIC, &text, why);

	if (rc != 0)
		return rc;
	*out = new_store();
	rc = add_certificates(*out, path, text, why);
	if (rc != 0)
		X509_STORE_free(*out);
	free(text);
	return rc;
}

void tls_ca_warn_of_dates(const char *ca_path)
{
	char why[DETAIL_MAX + 1], name[NAME_BYTES], what[NAME_BYTES + 8];
	X509_STORE *store;
	STACK_OF(X509_OBJECT) *objects;

	if (tls_trust_load(ca_path, &store, why) != 0) {
		log_warning("%s", why);
		return;
	}
	objects = X509_STORE_get0_objects(store);
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof(name));
		snprintf(what, sizeof(what), "the CA %s", name);
		tls_certificate_warn_of_dates(certificate, ca_path, what);
	}
	X509_STORE_free(store);
}

bool tls_trust_verify(X509_STORE_CTX *store, int *verdict)
{
	bool ok = X509_verify_cert(store) == 1;

	*verdict = X509_STORE_CTX_get_error(store);
	if (!ok && *verdict == X509_V_OK)
		*verdict = X509_V_ERR_UNSPECIFIED;
	ERR_clear_error(); /* a peer known by its key may fail here */
	return ok && *verdict == X509_V_OK;
}

bool tls_trust_verify_again(X509_STORE *store, const SSL *session)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool ok;
	int verdict;

	if (context == NULL || X509_STORE_CTX_init(context, store, SSL_get0_peer_certificate(session),
		    SSL_get_peer_cert_chain(session)) != 1)
		log_abort("TLS: no memory for a verification");
	/* As the handshake does: what the certificate is for, and how strong it must be. */
	X509_STORE_CTX_set_default(context, SSL_is_server(session) ? "ssl_client" : "ssl_server");
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), SSL_get_security_level(session));
	ok = tls_trust_verify(context, &verdict);
	X509_STORE_CTX_free(context);
	return ok;
}

int tls_trust_alert(int verdict)
{
	switch (verdict) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		return verdict;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
	default:
		return X509_V_ERR_CERT_REJECTED;
	}
}
