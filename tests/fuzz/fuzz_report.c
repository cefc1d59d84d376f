/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: a report that a host sends. What is refused says why; what is taken can be listed, shown and compared
 * with itself, in which nothing is new and nothing has healed.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "primary/ctl/report.h"
#include "primary/ctl/report_diff.h"
#include "primary/ctl/words.h"
#include "primary/report_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void look_at(json_t *report)
{
	json_t *kept = json_pack("{s:s, s:i, s:o}", "device", "web1", "number", 1, "report", report);
	json_t *summary = report_form_summary(report), *diff = ctl_report_diff("web1", kept, kept);
	json_t *lists = json_pack("{s:[{s:s, s:[o]}]}", "devices", "device", "web1", "reports", summary);
	char *text = NULL;
	size_t text_bytes;
	FILE *out = open_memstream(&text, &text_bytes);

	assert(out != NULL && kept != NULL && lists != NULL);
	ctl_show_reports(lists, out);
	ctl_show_report(kept, out);
	ctl_show_report_diff(diff, out);
	fclose(out);
	for (size_t i = 0; i < text_bytes; i++)
		assert(text[i] == '\n' || (unsigned char)text[i] >= ' ');
	assert(ctl_integer_of(diff, "new_tracks") == 0 && ctl_integer_of(diff, "healed_tracks") == 0);
	free(text);
	json_decref(diff);
	json_decref(lists);
	json_decref(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char why[DETAIL_MAX + 1] = "";
	json_t *report = report_form_read(data, bytes, "web1", why);

	if (report != NULL)
		look_at(report);
	else
		assert(why[0] != '\0');
	return 0;
}
