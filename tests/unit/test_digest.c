/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests against what xxh128sum and sha256sum say of the same bytes, and the buffer that threads read into.
 */
#include "storage/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct vector {
	size_t bytes;
	const char *xxh3, *sha256;
};

/* Of bytes that fill_pattern makes. */
static const struct vector vectors[] = {
	{ 1, "51025a4491835505e12ef9d2eb86ceeb", "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a" },
	{ 200, "91f8f631e6bb7d8fe5507d5f45f0f53e", "397276ea1f65a10cbd90e9d622ab533cf9fc4e14056fc9915feb8f4a52d47dc7" },
	{ 4096, "c124de997a575d69ccffac9444fe39ae", "67d5f26ea5bfe64fff39092f52a9afadb7bef89cab989d17a5d86fd3e5e1365a" },
	{ 65535, "0076ab33bb9397a1d2c290a222acc749", "2f8ce281527eab86202b0c45813cf4583b3f2f699b373573899785b283db74df" },
	{ 65536, "46cb65c2812601d01162285cabb93130", "4ac7e542d2d7a66cc6f1e4bc07d489804c1163ce47b6a60caad95c717e7f1ef8" },
};

static struct digester *digester;

static int set_up(void **state)
{
	(void)state;
	digester = digester_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	digester_free(digester);
	return 0;
}

static void fill_pattern(uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(i * 7 + i / 251 + 1);
}

static void assert_digest(enum digest digest, const void *data, size_t bytes, const char *hex)
{
	uint8_t out[DIGEST_BYTES_MAX];
	char text[2 * DIGEST_BYTES_MAX + 1];

	memset(out, 0x55, sizeof(out));
	digester_compute(digester, digest, data, bytes, out);
	for (uint32_t i = 0; i < digest_bytes(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", out[i]);
	assert_string_equal(text, hex);
	for (uint32_t i = digest_bytes(digest); i < DIGEST_BYTES_MAX; i++)
		assert_int_equal(out[i], 0x55);
}

static void xxh3_is_in_its_canonical_form(void **state)
{
	(void)state;
	assert_digest(DIGEST_XXH3_128, "abc", 3, "06b05ab6733a618578af5f94892f3950");
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		fill_pattern(digester_buffer(digester), vectors[i].bytes);
		assert_digest(DIGEST_XXH3_128, digester_buffer(digester), vectors[i].bytes, vectors[i].xxh3);
	}
}

static void sha256_is_what_it_is_elsewhere(void **state)
{
	(void)state;
	assert_digest(DIGEST_SHA256, "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		fill_pattern(digester_buffer(digester), vectors[i].bytes);
		assert_digest(DIGEST_SHA256, digester_buffer(digester), vectors[i].bytes, vectors[i].sha256);
	}
}

static void one_digester_computes_both_in_turn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_digest(DIGEST_SHA256, "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		assert_digest(DIGEST_XXH3_128, "abc", 3, "06b05ab6733a618578af5f94892f3950");
	}
}

static void the_buffer_is_page_aligned_and_all_there(void **state)
{
	struct digester *other = digester_new();

	(void)state;
	assert_int_equal((uintptr_t)digester_buffer(digester) % 4096, 0);
	memset(digester_buffer(digester), 1, DIGESTER_BUFFER_BYTES);
	memset(digester_buffer(other), 2, DIGESTER_BUFFER_BYTES);
	assert_int_equal(digester_buffer(digester)[0], 1);
	assert_int_equal(digester_buffer(digester)[DIGESTER_BUFFER_BYTES - 1], 1);
	digester_free(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(xxh3_is_in_its_canonical_form),
		TEST(sha256_is_what_it_is_elsewhere),
		TEST(one_digester_computes_both_in_turn),
		TEST(the_buffer_is_page_aligned_and_all_there),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
