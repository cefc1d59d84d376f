/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of invalid tracks for the test bed: see table_bed.h.
 */
#include "tests/support/table_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "secondary/device.h"
#include "secondary/ra.h"
#include "storage/invalid_table.h"
#include "tests/support/bed.h"

struct invalid_table *bed_add_table(struct bed *bed, uint32_t device)
{
	struct invalid_config config = { .clock = bed->clock, .da = bed->ra->da, .post = bed->post,
		.device = device_array_name(bed->ra->devices, device), .track_bytes = bed->ra->config.track_bytes };

	if (bed->state == NULL) {
		bed->state = xstrdup("/tmp/ra-bed.XXXXXX");
		assert_non_null(mkdtemp(bed->state));
	}
	config.state = bed->state;
	device_array_set_invalid(bed->ra->devices, device, invalid_table_new(&config));
	return device_array_invalid(bed->ra->devices, device);
}

static void on_marked(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	(void)set, (void)detail;
	assert_int_equal(status, STATUS_OK);
	*(bool *)arg = true;
}

void bed_mark(struct bed *bed, uint32_t device, uint64_t first_track, uint64_t count)
{
	struct track_set *set = track_set_new();
	bool is_marked = false;

	track_set_add(set, first_track, count);
	invalid_table_do(device_array_invalid(bed->ra->devices, device), INVALID_MARK, set, on_marked, &is_marked);
	BED_UNTIL(bed, is_marked);
}

void bed_remove_tables(struct bed *bed)
{
	static const char *const names[] = { "/invalid", "/invalid.lock", "" };

	for (uint32_t i = 0; bed->state != NULL && i < BED_DEVICES; i++)
		for (unsigned name = 0; name < 3; name++) {
			char *path = xasprintf("%s/d%u%s", bed->state, i, names[name]);

			remove(path);
			free(path);
		}
	if (bed->state != NULL)
		assert_int_equal(rmdir(bed->state), 0);
	free(bed->state);
	bed->state = NULL;
}

struct answer *primary_invalid(struct primary *primary, uint32_t tag, uint32_t device)
{
	const struct message message = { .type = MESSAGE_INVALID, .invalid = { .tag = tag, .device_number = device } };

	free(primary->answers[tag].payload);
	primary->answers[tag] = (struct answer){ 0 };
	primary_send(primary, &message);
	return primary_wait(primary, tag);
}
