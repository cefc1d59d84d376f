/* SPDX-License-Identifier: Apache-2.0
 *
 * Identities: a private key, its certificate, their PEM text, and the hash a peer is known by. A certificate made
 * here is only a cover for the public key, so its name, serial number and dates mean nothing and are valid for ever;
 * one from a CA comes from outside. No session and no descriptor here. Loop thread only (OpenSSL's error queue is per
 * thread).
 */
#include "wire/tls_identity.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "base/log.h"

#define KEY_HASH_BYTES 32u

const char *tls_library_error(void)
{
	const char *words = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return words != NULL ? words : "unknown error";
}

bool tls_certificate_key(const X509 *certificate, char key[PEER_KEY_CHARS + 1])
{
	unsigned char *der = NULL;
	unsigned char hash[KEY_HASH_BYTES];
	int der_bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool ok = der_bytes > 0 && EVP_Digest(der, (size_t)der_bytes, hash, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	if (!ok)
		return false;
	strcpy(key, "sha256:");
	for (unsigned i = 0; i < KEY_HASH_BYTES; i++)
		snprintf(key + 7 + i * 2, 3, "%02x", hash[i]);
	return true;
}

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	uint64_t serial = 0;

	if (certificate == NULL || RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		goto fail;
	X509_NAME *name = X509_get_subject_name(certificate);
	if (X509_set_version(certificate, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) != 1 ||
	    ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19700101000000Z") != 1 ||
	    ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") != 1 ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ra", -1, -1, 0) != 1 ||
	    X509_set_issuer_name(certificate, name) != 1 || X509_set_pubkey(certificate, key) != 1 ||
	    X509_sign(certificate, key, EVP_sha256()) == 0)
		goto fail;
	return certificate;
fail:
	X509_free(certificate);
	return NULL;
}

int tls_identity_generate(struct tls_identity **out)
{
	struct tls_identity *identity = xcalloc(1, sizeof(*identity));

	ERR_clear_error();
	identity->key = EVP_EC_gen("P-256");
	if (identity->key != NULL)
		identity->certificate = self_signed(identity->key);
	if (identity->certificate == NULL) {
		log_error("cannot make a key: %s", tls_library_error());
		tls_identity_free(identity);
		return -EIO;
	}
	*out = identity;
	return 0;
}

/* An encrypted key is an error, not a question on the terminal. */
static int no_passphrase(char *buffer, int size, int is_writing, void *arg)
{
	(void)buffer, (void)size, (void)is_writing, (void)arg;
	return 0;
}

/* The first certificate is that of the key, the others lead from it to its CA. */
static bool read_certificates(BIO *text, struct tls_identity *identity)
{
	X509 *certificate;
	bool is_end;

	identity->certificate = PEM_read_bio_X509(text, NULL, no_passphrase, NULL);
	if (!identity->certificate)
		return false;
	while ((certificate = PEM_read_bio_X509(text, NULL, no_passphrase, NULL))) {
		if (!identity->chain)
			identity->chain = sk_X509_new_null();
		if (!identity->chain || sk_X509_push(identity->chain, certificate) == 0)
			log_abort("identity: no memory for its certificates");
	}
	is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (is_end)
		ERR_clear_error();
	return is_end;
}

int tls_identity_parse(const char *pem, struct tls_identity **out, char why[DETAIL_MAX + 1])
{
	struct tls_identity *identity = xcalloc(1, sizeof(*identity));
	char key[PEER_KEY_CHARS + 1];
	BIO *key_text = BIO_new_mem_buf(pem, -1), *certificate_text = BIO_new_mem_buf(pem, -1);
	int rc = -EINVAL;

	if (!key_text || !certificate_text)
		log_abort("identity: no memory for its text");
	ERR_clear_error();
	identity->key = PEM_read_bio_PrivateKey(key_text, NULL, no_passphrase, NULL);
	if (!identity->key) {
		snprintf(why, DETAIL_MAX + 1, strstr(pem, "ENCRYPTED") ?
			"the private key has a passphrase, and nobody is asked for it here" : "no usable private key: %s",
			tls_library_error());
	} else if (!read_certificates(certificate_text, identity) || !tls_certificate_key(identity->certificate, key)) {
		snprintf(why, DETAIL_MAX + 1, "no usable certificate: %s", tls_library_error());
	} else if (X509_check_private_key(identity->certificate, identity->key) != 1) {
		snprintf(why, DETAIL_MAX + 1, "the private key and the %scertificate do not belong together",
			identity->chain ? "first " : "");
	} else {
		*out = identity;
		identity = NULL;
		rc = 0;
	}
	ERR_clear_error();
	BIO_free(key_text);
	BIO_free(certificate_text);
	tls_identity_free(identity);
	return rc;
}

int tls_identity_from_pem(const char *pem, struct tls_identity **out)
{
	char why[DETAIL_MAX + 1];
	int rc = tls_identity_parse(pem, out, why);

	if (rc != 0)
		log_error("identity: %s", why);
	return rc;
}

char *tls_identity_to_pem(const struct tls_identity *identity)
{
	BIO *text = BIO_new(BIO_s_mem()); /* cleared when freed */
	char *pem = NULL, *data;
	long bytes;

	if (text == NULL || PEM_write_bio_PrivateKey(text, identity->key, NULL, NULL, 0, NULL, NULL) != 1 ||
	    PEM_write_bio_X509(text, identity->certificate) != 1)
		log_abort("cannot write an identity: %s", tls_library_error());
	bytes = BIO_get_mem_data(text, &data);
	assert(bytes > 0 && (size_t)bytes < IDENTITY_PEM_BYTES_MAX);
	pem = xcalloc((size_t)bytes + 1, 1);
	memcpy(pem, data, (size_t)bytes);
	BIO_free(text);
	return pem;
}

void tls_identity_key(const struct tls_identity *identity, char key[PEER_KEY_CHARS + 1])
{
	bool ok = tls_certificate_key(identity->certificate, key);

	assert(ok);
}

int64_t tls_identity_ends(const struct tls_identity *identity)
{
	const ASN1_TIME *end = X509_get0_notAfter(identity->certificate);
	struct tm tm;

	if (X509_self_signed(identity->certificate, 0) != 0 || ASN1_TIME_to_tm(end, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

void tls_identity_free(struct tls_identity *identity)
{
	if (identity == NULL)
		return;
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
	sk_X509_pop_free(identity->chain, X509_free);
	free(identity);
}
