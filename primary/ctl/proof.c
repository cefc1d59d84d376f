/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl proof: how old the proof of a device is, what was never proven, and how far a run is that was not finished.
 * One thread.
 */
#include "primary/ctl/show.h"

#include <inttypes.h>
#include <string.h>

#include "local/show.h"
#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

/* "1d": "less than a day ago". */
static const char *words_of(const char *age)
{
	static const char *const words[][2] = {
		{ "1d", "less than a day ago" },
		{ "7d", "less than 7 days ago" },
		{ "30d", "less than 30 days ago" },
		{ "90d", "less than 90 days ago" },
		{ "older", "longer ago" },
		{ "never", "never" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], age) == 0)
			return words[i][1];
	return age;
}

/* Neither nothing nor all is rounded up to. */
static void add_share(struct ctl_table *table, double part, double total)
{
	double share = part / total * 100;

	if (share < 0.1)
		ctl_table_add(table, "under 0.1 %%");
	else if (share > 99.9 && part < total)
		ctl_table_add(table, "over 99.9 %%");
	else
		ctl_table_add(table, "%.1f %%", share);
}

static void show_ages(const json_t *answer, FILE *out)
{
	static const char *const headings[] = { "PROVEN", ">TRACKS", ">SIZE", ">OF ALL", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	const json_t *age;
	size_t index;

	json_array_foreach(json_object_get(answer, "ages"), index, age) {
		if (ctl_integer_of(age, "tracks") == 0)
			continue;
		ctl_table_add(table, "%s", words_of(ctl_text_of(age, "age")));
		ctl_table_add(table, "%" PRIu64, ctl_integer_of(age, "tracks"));
		ctl_table_add(table, "%s", ctl_bytes(ctl_number_of(age, "bytes")));
		add_share(table, ctl_number_of(age, "tracks"), ctl_number_of(answer, "tracks"));
	}
	ctl_table_print(table, "  ", out);
	ctl_table_free(table);
}

static void show_run(const json_t *run, FILE *out)
{
	uint64_t different = ctl_integer_of(run, "different_tracks");

	fputs("  unfinished run, begun ", out);
	show_clean(ctl_text_of(run, "started"), out);
	fprintf(out, ": %s identical, %" PRIu64 " different so far, in %s\n",
		ctl_count(ctl_integer_of(run, "identical_tracks"), "track", "tracks"), different,
		ctl_age(ctl_number_of(run, "elapsed_seconds")));
}

void ctl_show_proof(const json_t *answer, FILE *out)
{
	const json_t *run = json_object_get(answer, "unfinished_run");

	show_clean(ctl_text_of(answer, "device"), out);
	if (!ctl_has(answer, "tracks")) {
		fputs(": nothing was compared yet\n", out);
		return;
	}
	if (ctl_has(answer, "oldest_proof"))
		fprintf(out, ": the oldest proof is of %s ago", ctl_age(ctl_number_of(answer, "oldest_proof_seconds")));
	else
		fputs(": nothing is proven", out);
	if (ctl_has(answer, "oldest_proof") && ctl_integer_of(answer, "never_proven_tracks") > 0)
		fprintf(out, "; %s never proven", ctl_count(ctl_integer_of(answer, "never_proven_tracks"), "track was",
			"tracks were"));
	fputc('\n', out);
	show_ages(answer, out);
	if (ctl_has(answer, "last_run_ended")) {
		fputs("  the last run that was finished ended ", out);
		show_clean(ctl_text_of(answer, "last_run_ended"), out);
		fputc('\n', out);
	}
	if (run != NULL)
		show_run(run, out);
}
