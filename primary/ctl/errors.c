/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl errors: posted errors, the newest last, where a terminal shows it. One thread.
 */
#include "primary/ctl/show.h"

#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

void ctl_show_errors(const json_t *answer, FILE *out)
{
	static const char *const headings[] = { "TIME (UTC)", "STATUS", "DEVICE", "TRACKS", "PEER", "WHAT", NULL };
	const json_t *errors = json_object_get(answer, "errors");
	struct ctl_table *table = ctl_table_new(headings);

	for (size_t i = json_array_size(errors); i > 0; i--) {
		const json_t *error = json_array_get(errors, i - 1);

		ctl_table_add(table, "%s", ctl_text_of(error, "time"));
		ctl_table_add(table, "%s", ctl_text_of(error, "status"));
		ctl_table_add(table, "%s", ctl_text_of(error, "device"));
		ctl_table_add(table, "%s", ctl_tracks(ctl_integer_of(error, "first_track"), ctl_integer_of(error, "tracks")));
		ctl_table_add(table, "%s", ctl_text_of(error, "peer"));
		ctl_table_add(table, "%s", ctl_text_of(error, "text"));
	}
	if (ctl_table_rows(table) == 0)
		fputs("No errors.\n", out);
	ctl_table_print(table, "", out);
	ctl_table_free(table);
}
