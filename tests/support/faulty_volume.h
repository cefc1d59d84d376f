/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume for tests: its content is computed from offset, seed and version, and it fails, hangs, shrinks and changes
 * when told to. Every function may be called on any thread.
 */
#ifndef RA_TESTS_FAULTY_VOLUME_H
#define RA_TESTS_FAULTY_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct faulty_volume;
struct volume;

struct faulty_counts {
	unsigned opens, closes, sizes, locks, unlocks;
	unsigned reads;          /* calls, hung ones included */
	unsigned reads_at_once;  /* the most ever inside at one time */
	unsigned stuck;          /* hung now: opens, sizes, reads and locks */
};

struct faulty_volume *faulty_volume_new(uint64_t size_bytes, uint32_t seed);
/* It must be closed and nothing may be inside (asserted). NULL is fine. */
void faulty_volume_free(struct faulty_volume *faulty);
/* A new struct volume on it: the caller frees it, before the faulty volume. */
struct volume *faulty_volume_volume(struct faulty_volume *faulty);

/* What a healthy read would bring now. */
void faulty_volume_expect(struct faulty_volume *faulty, void *data, size_t bytes, uint64_t offset);
/* Another version is other content everywhere but in zeros and holes. The first is 0. */
void faulty_volume_set_version(struct faulty_volume *faulty, uint32_t version);
/* One range each, end not included; the last call counts, begin == end is none. */
void faulty_volume_set_zeros(struct faulty_volume *faulty, uint64_t begin, uint64_t end);
/* The same byte throughout; takes the place of the zeros. */
void faulty_volume_set_bytes(struct faulty_volume *faulty, uint64_t begin, uint64_t end, char byte);
void faulty_volume_set_hole(struct faulty_volume *faulty, uint64_t begin, uint64_t end);
/* Reads that touch the range fail with -error. */
void faulty_volume_set_error(struct faulty_volume *faulty, uint64_t begin, uint64_t end, int error);
void faulty_volume_set_open_error(struct faulty_volume *faulty, int error); /* 0: none */
/* Of locks; EBUSY: "in use by faulty[7]". 0: none. */
void faulty_volume_set_lock_error(struct faulty_volume *faulty, int error);
/* Each read brings at most so many bytes; 0: no limit. */
void faulty_volume_set_read_bytes_max(struct faulty_volume *faulty, size_t bytes);
/* What each read takes, however many there are at once; 0: nothing. */
void faulty_volume_set_read_ms(struct faulty_volume *faulty, unsigned ms);
void faulty_volume_set_size(struct faulty_volume *faulty, uint64_t size_bytes);

/* While on, reads (opens and sizes; locks) do not return; off lets those that hang go on. */
void faulty_volume_hang_reads(struct faulty_volume *faulty, bool on);
/* Of the reads that hang, or will hang, so many more return, the oldest first. */
void faulty_volume_let_go(struct faulty_volume *faulty, unsigned reads);
void faulty_volume_hang_open(struct faulty_volume *faulty, bool on);
void faulty_volume_hang_locks(struct faulty_volume *faulty, bool on);
/* Waits until at least count calls hang; false after timeout_ms. */
bool faulty_volume_wait_stuck(struct faulty_volume *faulty, unsigned count, int timeout_ms);
struct faulty_counts faulty_volume_count(struct faulty_volume *faulty);

#endif
