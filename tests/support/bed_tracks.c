/* SPDX-License-Identifier: Apache-2.0
 *
 * The test bed: what an answer must have. Digests are computed here by the libraries themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/sha.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "tests/support/bed.h"

void assert_tracks(struct bed *bed, uint32_t device, const struct answer *answer, uint64_t first_track)
{
	uint8_t *expected = xcalloc(1, BED_TRACK_BYTES);
	uint32_t at = 0;

	assert_true(answer->status == STATUS_OK || answer->status == STATUS_RECONNECT);
	assert_true(answer->track_count >= 1);
	for (uint32_t i = 0; i < answer->track_count; i++) {
		if (answer->states[i] != TRACK_DATA)
			continue;
		faulty_volume_expect(bed->volumes[device], expected, BED_TRACK_BYTES, (first_track + i) * BED_TRACK_BYTES);
		assert_true(at + BED_TRACK_BYTES <= answer->payload_bytes);
		assert_memory_equal(answer->payload + at, expected, BED_TRACK_BYTES);
		at += BED_TRACK_BYTES;
	}
	assert_int_equal(at, answer->payload_bytes);
	free(expected);
}

void bed_digest(enum digest digest, const void *data, size_t bytes, uint8_t out[DIGEST_BYTES_MAX])
{
	XXH128_canonical_t canonical;

	if (digest == DIGEST_SHA256) {
		SHA256(data, bytes, out);
		return;
	}
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	memcpy(out, canonical.digest, sizeof(canonical.digest));
}

void assert_digests(struct bed *bed, const struct answer *answer, const struct msg_read *read)
{
	uint32_t track_bytes = bed->ra->config.track_bytes, digest_at = 0;
	uint8_t *bytes = xcalloc(1, track_bytes), expected[DIGEST_BYTES_MAX];

	assert_true(answer->status == STATUS_OK || answer->status == STATUS_RECONNECT);
	assert_in_range(answer->track_count, 1, read->track_count);
	for (uint32_t i = 0; i < answer->track_count; i++) {
		uint64_t begin = (read->first_track + i) * track_bytes, left = read->end_bytes - begin;
		size_t count = left < track_bytes ? left : track_bytes;

		if (answer->states[i] != TRACK_DATA)
			continue;
		faulty_volume_expect(bed->volumes[read->device_number], bytes, count, begin);
		bed_digest(read->digest, bytes, count, expected);
		assert_true(digest_at + digest_bytes(read->digest) <= answer->payload_bytes);
		assert_memory_equal(answer->payload + digest_at, expected, digest_bytes(read->digest));
		digest_at += digest_bytes(read->digest);
	}
	assert_int_equal(digest_at, answer->payload_bytes);
	free(bytes);
}
