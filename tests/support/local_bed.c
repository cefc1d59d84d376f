/* SPDX-License-Identifier: Apache-2.0
 *
 * The bed of local devices: see local_bed.h.
 */
#include "tests/support/local_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/shm.h"

void local_bed_on_info(void *arg, enum status status, const struct volume_info *info, const char *detail)
{
	struct local_bed_info *got = arg;
	got->count++;
	got->status = status;
	got->size_bytes = info ? info->size_bytes : 0;
	strcpy(got->detail, detail);
}

void local_bed_on_read(void *arg, const struct local_read_result *result)
{
	struct local_bed_outcome *got = arg;
	got->count++;
	got->result = *result;
	if (result->states)
		memcpy(got->states, result->states, result->track_count);
}

enum status local_bed_read_digests(struct local_bed *f, uint64_t first, uint32_t count, enum digest digest,
	uint64_t end_bytes, struct local_bed_outcome *outcome)
{
	struct local_read_spec spec = {
		.first_track = first,
		.track_count = count,
		.digest = digest,
		.end_bytes = end_bytes,
		.memory = shm_slot(f->shm, (uint32_t)first),
		.shm = f->shm,
	};
	return local_read(f->user, &spec, local_bed_on_read, outcome);
}

enum status local_bed_read(struct local_bed *f, uint64_t first, uint32_t count, struct local_bed_outcome *outcome)
{
	return local_bed_read_digests(f, first, count, DIGEST_NONE, 0, outcome);
}

void local_bed_open(struct local_bed *f)
{
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	assert_int_equal(f->info.count, 0); /* never from inside */
	assert_true(WORLD_UNTIL(f->world, f->info.count == 1));
}

static int set_up_with(void **state, unsigned queue_elements)
{
	struct local_bed *f = calloc(1, sizeof(*f));
	int fd;
	f->world = world_new(queue_elements);
	world_add_local(f->world, SIZE_BYTES);
	f->user = local_attach(f->world->local, &(struct local_attach_spec){ .owner = "a host" });
	assert_int_equal(shm_create(TRACKS, SLOT_BYTES, &f->shm, &fd), 0);
	close(fd);
	*state = f;
	return 0;
}

int local_bed_set_up(void **state)
{
	return set_up_with(state, 16);
}

int local_bed_set_up_small_queue(void **state)
{
	return set_up_with(state, 1);
}

int local_bed_tear_down(void **state)
{
	struct local_bed *f = *state;
	local_detach(f->user);
	world_free(f->world);
	shm_unref(f->shm);
	free(f);
	return 0;
}
