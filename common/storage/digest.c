/* SPDX-License-Identifier: Apache-2.0
 *
 * The digests themselves are xxHash's and OpenSSL's. SHA-256 is looked up once per digester: EVP_sha256 would look it
 * up for each track.
 */
#include "storage/digest.h"

#include <assert.h>
#include <stdlib.h>

#include <openssl/evp.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>) /* only there with a library that has it */
#include <xxh_x86dispatch.h> /* XXH3_128bits is the one for the widest vectors of this CPU then */
#else
#include <xxhash.h>
#endif

#include "base/alloc.h"
#include "base/log.h"

#define PAGE_BYTES 4096u

struct digester {
	uint8_t *buffer;
	EVP_MD *sha256; /* NULL until it is first asked for */
	EVP_MD_CTX *context;
};

struct digester *digester_new(void)
{
	struct digester *digester = xcalloc(1, sizeof(*digester));

	digester->buffer = aligned_alloc(PAGE_BYTES, DIGESTER_BUFFER_BYTES);
	if (!digester->buffer)
		log_abort("no memory for the digests of a thread");
	return digester;
}

void digester_free(struct digester *digester)
{
	if (!digester)
		return;
	EVP_MD_CTX_free(digester->context);
	EVP_MD_free(digester->sha256);
	free(digester->buffer);
	free(digester);
}

uint8_t *digester_buffer(struct digester *digester)
{
	return digester->buffer;
}

static void compute_sha256(struct digester *digester, const void *data, size_t bytes, uint8_t *out)
{
	if (!digester->sha256) {
		digester->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		digester->context = EVP_MD_CTX_new();
	}
	if (!digester->sha256 || !digester->context || EVP_DigestInit_ex2(digester->context, digester->sha256, NULL) != 1 ||
		EVP_DigestUpdate(digester->context, data, bytes) != 1 ||
		EVP_DigestFinal_ex(digester->context, out, NULL) != 1)
		log_abort("OpenSSL does not compute SHA-256");
}

void digester_compute(struct digester *digester, enum digest digest, const void *data, size_t bytes,
	uint8_t out[DIGEST_BYTES_MAX])
{
	switch (digest) {
	case DIGEST_XXH3_128:
		XXH128_canonicalFromHash((XXH128_canonical_t *)out, XXH3_128bits(data, bytes));
		return;
	case DIGEST_SHA256:
		compute_sha256(digester, data, bytes, out);
		return;
	case DIGEST_NONE:
	case DIGEST_COUNT:
		break;
	}
	assert(!"a digest that there is");
}
