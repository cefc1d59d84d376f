/* SPDX-License-Identifier: Apache-2.0
 *
 * Identities: the hash a peer is known by, computed here in another way, and PEM text that is not an identity.
 */
#include "wire/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "tests/support/pair.h"
#include "wire/tls_identity.h"

static struct tls_identity *first, *second;

static int set_up_group(void **state)
{
	(void)state;
	return tls_identity_generate(&first) | tls_identity_generate(&second);
}

static int tear_down_group(void **state)
{
	(void)state;
	tls_identity_free(first);
	tls_identity_free(second);
	return 0;
}

static void expect_refused_pem(const char *pem, const char *words)
{
	struct tls_identity *identity = NULL;
	int rc;
	char *log;

	capture_start();
	rc = tls_identity_from_pem(pem, &identity);
	log = capture_end();
	assert_int_equal(rc, -EINVAL);
	assert_null(identity);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, words));
	free(log);
}

static void pem_text_that_is_no_identity_is_refused(void **state)
{
	char *pem = tls_identity_to_pem(first), *other = tls_identity_to_pem(second);
	char *certificate = strstr(pem, "-----BEGIN CERTIFICATE"), *mixed;

	(void)state;
	expect_refused_pem("", "private key");
	expect_refused_pem("garbage", "private key");
	expect_refused_pem(certificate, "private key");
	mixed = xasprintf("%.*s%s", (int)(certificate - pem), pem, strstr(other, "-----BEGIN CERTIFICATE"));
	expect_refused_pem(mixed, "do not belong together");
	*certificate = '\0';
	expect_refused_pem(pem, "certificate");
	free(mixed);
	free(other);
	free(pem);
}

static void encrypted_key_is_refused_without_asking(void **state)
{
	BIO *text = BIO_new(BIO_s_mem());
	char *data, *pem;
	long bytes;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey(text, first->key, EVP_aes_128_cbc(),
		(const unsigned char *)"secret", 6, NULL, NULL), 1);
	bytes = BIO_get_mem_data(text, &data);
	pem = xasprintf("%.*s", (int)bytes, data);
	expect_refused_pem(pem, "private key");
	free(pem);
	BIO_free(text);
}

static void key_is_the_sha256_of_the_public_key_info(void **state)
{
	unsigned char *der = NULL, hash[32];
	char expected[PEER_KEY_CHARS + 1] = "sha256:", key[PEER_KEY_CHARS + 1];
	int bytes = i2d_PUBKEY(first->key, &der);

	(void)state;
	assert_true(bytes > 0);
	assert_int_equal(EVP_Digest(der, (size_t)bytes, hash, NULL, EVP_sha256(), NULL), 1);
	OPENSSL_free(der);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(expected + 7 + 2 * i, 3, "%02x", hash[i]);
	tls_identity_key(first, key);
	assert_string_equal(key, expected);
	assert_true(peer_key_is_valid(key));
	tls_identity_key(second, key);
	assert_string_not_equal(key, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pem_text_that_is_no_identity_is_refused),
		cmocka_unit_test(encrypted_key_is_refused_without_asking),
		cmocka_unit_test(key_is_the_sha256_of_the_public_key_info),
	};

	return cmocka_run_group_tests_name("tls_identity", tests, set_up_group, tear_down_group);
}
