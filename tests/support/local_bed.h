/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of local devices: a world with one local device, one user of it, memory for its reads, and what the user
 * was told. Test thread only.
 */
#ifndef RA_TESTS_SUPPORT_LOCAL_BED_H
#define RA_TESTS_SUPPORT_LOCAL_BED_H

#include <stdint.h>

#include "primary/local.h"
#include "tests/support/world.h"

#define TRACKS 10u
#define SIZE_BYTES (TRACKS * WORLD_TRACK_BYTES - 1000) /* the last track is short */
#define SLOT_BYTES (4 * WORLD_TRACK_BYTES)

struct local_bed_info {
	unsigned count;
	enum status status;
	uint64_t size_bytes;
	char detail[DETAIL_MAX + 1];
};

struct local_bed_outcome {
	unsigned count;
	struct local_read_result result;
	uint8_t states[RUN_DIGESTS_MAX];
};

struct local_bed {
	struct world *world;
	struct local_user *user;
	struct shm *shm;
	struct local_bed_info info;
	struct local_bed_outcome outcome;
};

void local_bed_on_info(void *arg, enum status status, const struct volume_info *info, const char *detail);
void local_bed_on_read(void *arg, const struct local_read_result *result);
/* Into the slot with the number of the first track. */
enum status local_bed_read(struct local_bed *f, uint64_t first, uint32_t count, struct local_bed_outcome *outcome);
enum status local_bed_read_digests(struct local_bed *f, uint64_t first, uint32_t count, enum digest digest,
	uint64_t end_bytes, struct local_bed_outcome *outcome);
void local_bed_open(struct local_bed *f);

/* For cmocka: *state is a struct local_bed. */
int local_bed_set_up(void **state);
int local_bed_set_up_small_queue(void **state);
int local_bed_tear_down(void **state);

#endif
