/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl limit: the limits in force, those that are none too. One thread.
 */
#include "primary/ctl/show.h"

#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

static void add_limit(struct ctl_table *table, const char *scope, const char *name, const json_t *limit)
{
	double held_s = ctl_number_of(limit, "throttled_seconds");
	const char *words = ctl_limit_of(limit);

	ctl_table_add(table, "%s", scope);
	ctl_table_add(table, "%s", name);
	ctl_table_add(table, "%s", words[0] != '\0' ? words : "none");
	ctl_table_add(table, "%s", held_s > 0 ? ctl_age(held_s) : "");
}

void ctl_show_limit(const json_t *answer, FILE *out)
{
	static const char *const headings[] = { "OF", "NAME", "LIMIT", ">HELD BACK", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	const char *name;
	json_t *limit;
	size_t index;

	add_limit(table, "total", "", json_object_get(answer, "total"));
	json_object_foreach(json_object_get(answer, "devices"), name, limit)
		add_limit(table, "device", name, limit);
	json_object_foreach(json_object_get(answer, "peers"), name, limit)
		add_limit(table, "peer", name, limit);
	json_array_foreach(json_object_get(answer, "hosts"), index, limit)
		add_limit(table, "host", ctl_text_of(limit, "host"), limit);
	ctl_table_print(table, "", out);
	ctl_table_free(table);
}
