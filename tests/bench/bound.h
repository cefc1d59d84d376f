/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bounds share: bare programs of one thread and blocking calls that do the least a comparison can do. A bound
 * prints "identical" and exits 0, or says what differs and exits 1; whatever else happens ends it with 2.
 */
#ifndef RA_BENCH_BOUND_H
#define RA_BENCH_BOUND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BOUND_TRACK_BYTES (64u * 1024)

struct bound_volume {
	const char *path;
	int fd;
	uint64_t size_bytes;
};

/* Ends the program with 2, also the child's. */
_Noreturn void bound_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Both, of one size; then two processes share them. */
void bound_open(struct bound_volume volumes[2], char *const paths[2]);
/* How many bytes of the volume lie at offset, at most limit_bytes. */
size_t bound_piece(const struct bound_volume *volume, uint64_t offset, size_t limit_bytes);
void bound_pread(const struct bound_volume *volume, void *buffer, size_t bytes, uint64_t offset);
void *bound_buffer(size_t bytes);

/* Waits for the other process, and ends this one: different_at is UINT64_MAX when there is no difference. */
_Noreturn void bound_end(pid_t child, uint64_t different_at);

#endif
