/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl devices: one line per device; size and io of those that are open. One thread.
 */
#include "primary/ctl/show.h"

#include <inttypes.h>

#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

static void add_device(struct ctl_table *table, const json_t *device)
{
	const json_t *volume = json_object_get(device, "volume");
	bool hangs = json_is_false(json_object_get(device, "ready")) && ctl_integer_of(device, "users") > 0;

	ctl_table_add(table, "%s", ctl_text_of(device, "name"));
	ctl_table_add(table, "%s%s%s", ctl_text_of(device, "state"), hangs ? ", not ready" : "",
		json_is_true(json_object_get(device, "replaced")) ? ", to restart" : "");
	ctl_table_add(table, "%s", volume != NULL ? ctl_bytes(ctl_number_of(volume, "bytes")) : "");
	ctl_table_add(table, "%s", ctl_text_of(volume, "io"));
	ctl_table_add(table, "%" PRIu64, ctl_integer_of(device, "users"));
	ctl_table_add(table, "%" PRIu64, ctl_integer_of(device, "jobs"));
	ctl_table_add(table, "%s", ctl_text_of(device, "peer"));
	ctl_table_add(table, "%s", ctl_limit_of(json_object_get(device, "limit")));
	if (ctl_has(device, "yielded_seconds"))
		ctl_table_add(table, "%s", ctl_age(ctl_number_of(device, "yielded_seconds")));
	else
		ctl_table_add(table, "%s", "");
	if (ctl_has(device, "invalid_tracks"))
		ctl_table_add(table, "%" PRIu64, ctl_integer_of(device, "invalid_tracks"));
	else
		ctl_table_add(table, "%s", "");
	ctl_table_add(table, "%s%s", ctl_text_of(device, "reserved_by"),
		json_is_true(json_object_get(device, "exclusive")) ? " (exclusive)" : "");
	ctl_table_add(table, "%s", ctl_text_of(device, "path"));
}

void ctl_show_devices(const json_t *answer, FILE *out)
{
	static const char *const headings[] = { "DEVICE", "STATE", ">SIZE", "IO", ">USERS", ">JOBS", "PEER", "LIMIT",
		">YIELDED", ">INVALID", "RESERVED BY", "VOLUME", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	const json_t *device;
	size_t index;

	json_array_foreach(json_object_get(answer, "devices"), index, device)
		add_device(table, device);
	if (ctl_table_rows(table) == 0)
		fputs("No device is configured.\n", out);
	ctl_table_print(table, "", out);
	ctl_table_free(table);
}
