/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl jobs: of a secondary each device's ring, from the active job on; of a primary the streams of its hosts. One
 * thread.
 */
#include "primary/ctl/show.h"

#include <inttypes.h>
#include <string.h>

#include "local/show.h"
#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

/* The read of a primary's job; "none" is no news. */
static const char *read_of(const json_t *job)
{
	const char *read = ctl_text_of(job, "read");

	return strcmp(read, "none") == 0 ? "" : read;
}

static void add_job(struct ctl_table *table, const json_t *job)
{
	ctl_table_add(table, "%s", json_is_true(json_object_get(job, "active")) ? "*" : "");
	if (ctl_has(job, "index"))
		ctl_table_add(table, "%" PRIu64, ctl_integer_of(job, "index"));
	else
		ctl_table_add(table, "%s", "");
	ctl_table_add(table, "%s", ctl_text_of(job, "host"));
	ctl_table_add(table, "%s", ctl_text_of(job, "kind"));
	ctl_table_add(table, "%s", ctl_text_of(job, "state"));
	ctl_table_add(table, "%s", read_of(job));
	ctl_table_add(table, "%s", ctl_tracks(ctl_integer_of(job, "first_track"), ctl_integer_of(job, "tracks")));
	ctl_table_add(table, "%s", ctl_age(ctl_number_of(job, "age_seconds")));
	ctl_table_add(table, "%s", ctl_limit_of(json_object_get(job, "limit")));
	ctl_table_add(table, "%s", ctl_text_of(job, "peer"));
	ctl_table_add(table, "%s", ctl_text_of(job, "link_id"));
}

static bool show_device(const json_t *device, FILE *out)
{
	static const char *const headings[] = { "", ">JOB", "HOST", "KIND", "STATE", "READ", "TRACKS", ">AGE", "LIMIT",
		"PEER", "LINK ID", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	const json_t *job;
	size_t index;
	unsigned count;

	json_array_foreach(json_object_get(device, "jobs"), index, job)
		add_job(table, job);
	count = ctl_table_rows(table);
	if (count > 0) {
		show_clean(ctl_text_of(device, "name"), out);
		fprintf(out, ": %s\n", ctl_count(count + ctl_integer_of(device, "jobs_left_out"), "job", "jobs"));
		ctl_table_print(table, "  ", out);
	}
	ctl_table_free(table);
	return count > 0;
}

void ctl_show_jobs(const json_t *answer, FILE *out)
{
	const json_t *device;
	size_t index;
	bool has_jobs = false;

	json_array_foreach(json_object_get(answer, "devices"), index, device)
		has_jobs = show_device(device, out) || has_jobs;
	if (!has_jobs)
		fputs("No jobs.\n", out);
}
