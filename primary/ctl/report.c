/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl report. One question per device and report; what is compared is compared here. One thread.
 */
#include "primary/ctl/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "local/show.h"
#include "primary/ctl/ask.h"
#include "primary/ctl/report_diff.h"
#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

#define RANGES_SHOWN 100u

static const char *const states[] = { "identical", "different", "unsettled", "invalid", "unreadable", "not_compared" };
#define STATES (sizeof(states) / sizeof(states[0]))

static enum ctl_exit ask(const struct ctl_options *options, enum control_verb verb, const char *device,
	uint64_t number, json_t **answer)
{
	struct msg_control request = { .verb = verb, .report = number };

	snprintf(request.name, sizeof(request.name), "%s", device);
	return ctl_ask(options, &request, NULL, 0, answer);
}

/* ---- list ---- */

static enum ctl_exit add_list(const struct ctl_options *options, const char *device, json_t *lists)
{
	json_t *answer;
	enum ctl_exit code = ask(options, VERB_REPORTS, device, 0, &answer);

	if (code == CTL_GOOD)
		json_array_append_new(lists, answer);
	return code;
}

static enum ctl_exit add_all_lists(const struct ctl_options *options, json_t *lists)
{
	json_t *answer, *device;
	enum ctl_exit code = ask(options, VERB_DEVICES, "", 0, &answer);
	size_t index;

	if (code != CTL_GOOD)
		return code;
	json_array_foreach(json_object_get(answer, "devices"), index, device)
		if (code == CTL_GOOD)
			code = add_list(options, ctl_text_of(device, "name"), lists);
	json_decref(answer);
	return code;
}

static void add_row(struct ctl_table *table, const char *device, const json_t *report)
{
	const json_t *tracks = json_object_get(report, "tracks");
	uint64_t proven = ctl_integer_of(tracks, "identical") + ctl_integer_of(tracks, "different");

	ctl_table_add(table, "%s", device);
	ctl_table_add(table, "%" PRIu64, ctl_integer_of(report, "number"));
	if (ctl_has(report, "error")) {
		for (int i = 0; i < 5; i++)
			ctl_table_add(table, "%s", i == 2 ? "unreadable" : "");
		ctl_table_add(table, "%s", ctl_text_of(report, "error"));
		return;
	}
	ctl_table_add(table, "%s", ctl_text_of(report, "ended"));
	ctl_table_add(table, "%s", ctl_age(ctl_number_of(report, "seconds")));
	ctl_table_add(table, "%s", ctl_text_of(report, "result"));
	ctl_table_add(table, "%" PRIu64, ctl_integer_of(tracks, "different"));
	ctl_table_add(table, "%" PRIu64, ctl_integer_of(tracks, "total") - proven);
	ctl_table_add(table, "%s", "");
}

void ctl_show_reports(const json_t *lists, FILE *out)
{
	static const char *const headings[] = { "DEVICE", ">REPORT", "ENDED (UTC)", ">TOOK", "RESULT", ">DIFFERENT",
		">NOT PROVEN", "WHY", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	const json_t *list, *report;
	size_t index, inner;

	json_array_foreach(json_object_get(lists, "devices"), index, list)
		json_array_foreach(json_object_get(list, "reports"), inner, report)
			add_row(table, ctl_text_of(list, "device"), report);
	if (ctl_table_rows(table) == 0)
		fputs("No report is kept.\n", out);
	ctl_table_print(table, "", out);
	ctl_table_free(table);
}

static enum ctl_exit list(const struct ctl_options *options)
{
	json_t *lists = json_array(), *json;
	enum ctl_exit code = options->name[0] != '\0' ? add_list(options, options->name, lists) :
		add_all_lists(options, lists);

	json = json_pack("{s:o}", "devices", lists);
	if (code == CTL_GOOD && options->json)
		ctl_print_json(json, stdout);
	else if (code == CTL_GOOD)
		ctl_show_reports(json, stdout);
	json_decref(json);
	return code;
}

/* ---- show ---- */

static void print_volume(const char *name, const json_t *volume, FILE *out)
{
	fprintf(out, "  %s ", name);
	show_clean(ctl_text_of(volume, "path"), out);
	fprintf(out, ", %s\n", ctl_bytes(ctl_number_of(volume, "size_bytes")));
}

static void print_tracks(const json_t *tracks, FILE *out)
{
	const char *separator = ": ";

	fprintf(out, "  %s", ctl_count(ctl_integer_of(tracks, "total"), "track", "tracks"));
	for (size_t i = 0; i < STATES; i++) {
		if (ctl_integer_of(tracks, states[i]) == 0)
			continue;
		fprintf(out, "%s%" PRIu64 " %s", separator, ctl_integer_of(tracks, states[i]), states[i]);
		separator = ", ";
	}
	fputc('\n', out);
}

static void print_ranges(const json_t *report, FILE *out)
{
	static const char *const headings[] = { "STATE", ">OFFSET", ">LENGTH", "SHAPE", "SEEN", NULL };
	const json_t *ranges = json_object_get(report, "ranges"), *range;
	uint64_t more = ctl_integer_of(report, "ranges_omitted");
	struct ctl_table *table = ctl_table_new(headings);
	size_t index;

	json_array_foreach(ranges, index, range) {
		if (index == RANGES_SHOWN)
			break;
		ctl_table_add(table, "%s", ctl_text_of(range, "state"));
		ctl_table_add(table, "%" PRIu64, ctl_integer_of(range, "offset"));
		ctl_table_add(table, "%" PRIu64, ctl_integer_of(range, "length"));
		ctl_table_add(table, "%s", ctl_text_of(range, "shape"));
		ctl_table_add(table, "%s", ctl_text_of(range, "seen"));
	}
	if (ctl_table_rows(table) > 0)
		ctl_table_print(table, "  ", out);
	more += json_array_size(ranges) - ctl_table_rows(table);
	if (more > 0)
		fprintf(out, "  and %" PRIu64 " more\n", more);
	ctl_table_free(table);
}

static void print_lines(const json_t *report, const char *key, const char *head, FILE *out)
{
	const json_t *line;
	size_t index;

	json_array_foreach(json_object_get(report, key), index, line) {
		fprintf(out, "  %s: ", head);
		show_clean(json_is_string(line) ? json_string_value(line) : ctl_text_of(line, "text"), out);
		fputc('\n', out);
	}
}

void ctl_show_report(const json_t *kept, FILE *out)
{
	const json_t *report = json_object_get(kept, "report");

	show_clean(ctl_text_of(kept, "device"), out);
	fprintf(out, ": report %" PRIu64 ": ", ctl_integer_of(kept, "number"));
	show_clean(ctl_text_of(report, "verdict"), out);
	fputs("\n  started ", out);
	show_clean(ctl_text_of(report, "started"), out);
	fputs(", ended ", out);
	show_clean(ctl_text_of(report, "ended"), out);
	fputc('\n', out);
	print_volume("local", json_object_get(report, "local"), out);
	print_volume("remote", json_object_get(report, "remote"), out);
	print_tracks(json_object_get(report, "tracks"), out);
	print_ranges(report, out);
	print_lines(report, "errors", "error", out);
	print_lines(report, "next", "next", out);
}

static enum ctl_exit show(const struct ctl_options *options)
{
	json_t *kept;
	enum ctl_exit code = ask(options, VERB_REPORT, options->name, options->reports[0], &kept);

	if (code != CTL_GOOD)
		return code;
	if (options->json)
		ctl_print_json(json_object_get(kept, "report"), stdout);
	else
		ctl_show_report(kept, stdout);
	json_decref(kept);
	return CTL_GOOD;
}

/* ---- diff ---- */

/* The one before the newest; 0: there is none, and it was told. */
static uint64_t number_before_newest(const json_t *list, const char *device)
{
	const json_t *reports = json_object_get(list, "reports");
	size_t count = json_array_size(reports);

	if (count >= 2)
		return ctl_integer_of(json_array_get(reports, count - 2), "number");
	log_error("%zu of the two reports of %s that are compared %s kept", count, device, count == 1 ? "is" : "are");
	return 0;
}

static enum ctl_exit find_old(const struct ctl_options *options, uint64_t *number)
{
	json_t *list;
	enum ctl_exit code;

	*number = options->reports[0];
	if (*number > 0)
		return CTL_GOOD;
	code = ask(options, VERB_REPORTS, options->name, 0, &list);
	if (code != CTL_GOOD)
		return code;
	*number = number_before_newest(list, options->name);
	json_decref(list);
	return *number > 0 ? CTL_GOOD : CTL_USAGE;
}

static enum ctl_exit diff(const struct ctl_options *options)
{
	json_t *old = NULL, *new = NULL, *json;
	uint64_t number;
	enum ctl_exit code = find_old(options, &number);

	if (code == CTL_GOOD)
		code = ask(options, VERB_REPORT, options->name, number, &old);
	if (code == CTL_GOOD)
		code = ask(options, VERB_REPORT, options->name, options->reports[1], &new);
	if (code == CTL_GOOD) {
		json = ctl_report_diff(options->name, old, new);
		if (options->json)
			ctl_print_json(json, stdout);
		else
			ctl_show_report_diff(json, stdout);
		json_decref(json);
	}
	json_decref(old);
	json_decref(new);
	return code;
}

enum ctl_exit ctl_run_report(const struct ctl_options *options)
{
	switch (options->report) {
	case CTL_REPORT_LIST:
		return list(options);
	case CTL_REPORT_SHOW:
		return show(options);
	case CTL_REPORT_DIFF:
		break;
	}
	return diff(options);
}
