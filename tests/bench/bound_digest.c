/* SPDX-License-Identifier: Apache-2.0
 *
 * bound_digest [--sha256] A B: the bound of a comparison by digest on one machine. Two processes read one volume each
 * and digest it track by track; one sends its digests through a pipe, the other compares. XXH3-128, or SHA-256.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> /* XXH3_128bits is then the one for this processor */
#endif

#include "tests/bench/bound.h"

#define DIGEST_BYTES_MAX 32
#define BATCH_TRACKS 64

struct digester {
	EVP_MD *sha256; /* NULL: XXH3-128 */
	EVP_MD_CTX *context;
	size_t digest_bytes;
};

static struct digester digester_new(bool is_sha256)
{
	struct digester digester = { .digest_bytes = sizeof(XXH128_hash_t) };

	if (is_sha256) {
		digester.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		digester.context = EVP_MD_CTX_new();
		digester.digest_bytes = 32;
		if (digester.sha256 == NULL || digester.context == NULL)
			bound_fail("no SHA-256");
	}
	return digester;
}

static void digest_track(const struct digester *digester, const void *track, size_t bytes, void *digest)
{
	if (digester->sha256 == NULL) {
		XXH128_hash_t hash = XXH3_128bits(track, bytes);

		memcpy(digest, &hash, sizeof(hash));
	} else if (EVP_DigestInit_ex(digester->context, digester->sha256, NULL) != 1 ||
		EVP_DigestUpdate(digester->context, track, bytes) != 1 ||
		EVP_DigestFinal_ex(digester->context, digest, NULL) != 1) {
		bound_fail("SHA-256 failed");
	}
}

/* The digests of the next tracks, at most a batch. Returns how many. */
static size_t digest_batch(const struct digester *digester, const struct bound_volume *volume, uint64_t offset,
	void *track, char *digests)
{
	size_t count = 0;

	while (count < BATCH_TRACKS && offset < volume->size_bytes) {
		size_t bytes = bound_piece(volume, offset, BOUND_TRACK_BYTES);

		bound_pread(volume, track, bytes, offset);
		digest_track(digester, track, bytes, digests + count++ * digester->digest_bytes);
		offset += bytes;
	}
	return count;
}

/* Batches are no larger than PIPE_BUF: a write is whole. */
static void send_digests(const struct digester *digester, const struct bound_volume *volume, int pipe_fd)
{
	char digests[BATCH_TRACKS * DIGEST_BYTES_MAX];
	void *track = bound_buffer(BOUND_TRACK_BYTES);
	size_t count;

	for (uint64_t offset = 0; offset < volume->size_bytes; offset += (uint64_t)count * BOUND_TRACK_BYTES) {
		count = digest_batch(digester, volume, offset, track, digests);
		if (write(pipe_fd, digests, count * digester->digest_bytes) != (ssize_t)(count * digester->digest_bytes))
			bound_fail("pipe: %s", strerror(errno));
	}
	_exit(0);
}

static void receive(int pipe_fd, char *digests, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t rc = read(pipe_fd, digests + done, bytes - done);

		if (rc <= 0)
			bound_fail("pipe: %s", rc == 0 ? "too short" : strerror(errno));
		done += (size_t)rc;
	}
}

static uint64_t compare_digests(const struct digester *digester, const struct bound_volume *volume, int pipe_fd)
{
	char own[BATCH_TRACKS * DIGEST_BYTES_MAX], other[BATCH_TRACKS * DIGEST_BYTES_MAX];
	void *track = bound_buffer(BOUND_TRACK_BYTES);
	uint64_t different_at = UINT64_MAX;
	size_t count;

	for (uint64_t offset = 0; offset < volume->size_bytes; offset += (uint64_t)count * BOUND_TRACK_BYTES) {
		count = digest_batch(digester, volume, offset, track, own);
		receive(pipe_fd, other, count * digester->digest_bytes);
		for (size_t i = 0; i < count && different_at == UINT64_MAX; i++) {
			size_t at = i * digester->digest_bytes;

			if (memcmp(own + at, other + at, digester->digest_bytes) != 0)
				different_at = offset + (uint64_t)i * BOUND_TRACK_BYTES;
		}
	}
	free(track);
	return different_at;
}

int main(int argc, char *argv[])
{
	bool is_sha256 = argc == 4 && strcmp(argv[1], "--sha256") == 0;
	struct bound_volume volumes[2];
	struct digester digester;
	uint64_t different_at;
	int ends[2];
	pid_t child;

	if (argc != 3 && !is_sha256)
		bound_fail("usage: bound_digest [--sha256] A B");
	bound_open(volumes, argv + argc - 2);
	digester = digester_new(is_sha256);
	if (pipe(ends) != 0 || (child = fork()) < 0)
		bound_fail("%s", strerror(errno));
	if (child == 0) {
		close(ends[0]);
		send_digests(&digester, &volumes[1], ends[1]);
	}
	close(ends[1]);
	different_at = compare_digests(&digester, &volumes[0], ends[0]);
	EVP_MD_free(digester.sha256);
	EVP_MD_CTX_free(digester.context);
	bound_end(child, different_at);
}
