/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of a finished report. Reads figures only, decides nothing: the result comes from report_exit_code. Ranges are
 * printed one by one and not as jansson objects: 262144 of those would take 200 MB.
 */
#include "primary/compare/report_print.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/post.h"
#include "local/show.h"
#include "primary/compare/report.h"
#include "primary/compare/where.h"

#define RANGE_BYTES_MIN 64u

static json_t *json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *json_time(int64_t wall_s)
{
	char text[SHOW_UTC_CHARS];

	show_utc(wall_s, text);
	return json_string(text);
}

static json_t *json_volume(const struct report_setup *setup, const struct volume_info *volume, const char *name)
{
	const struct volume_outside outside = report_outside(setup, volume);

	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "path", show_text(setup->device ? volume->path : name),
		"size_bytes", json_count(volume->size_bytes), "kind", volume_kind_name(volume->kind), "io",
		io_mode_name(volume->io), "offset", json_count(volume->offset_bytes), "outside_before",
		json_count(outside.before_bytes), "outside_after", json_count(outside.after_bytes));
}

static json_t *json_tracks(const struct report_figures *figures)
{
	json_t *tracks = json_pack("{s:o}", "total", json_count(figures->total_tracks));

	for (enum report_state state = 0; state < REPORT_STATE_COUNT; state++)
		json_object_set_new(tracks, report_state_name(state), json_count(figures->tracks[state]));
	return tracks;
}

static json_t *json_link(const struct report_figures *figures)
{
	const struct report_link *link = &figures->link;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "delivery", delivery_name(figures->setup.delivery),
		"jobs", json_count(link->jobs), "reads", json_count(link->reads), "data_not_found",
		json_count(link->data_not_found), "disconnects", json_count(link->disconnects), "reconnects",
		json_count(link->reconnects), "timeouts", json_count(link->timeouts), "relinks",
		json_count(link->relinks));
}

static json_t *json_posted(const struct posted_error *error)
{
	json_t *json = json_pack("{s:s, s:o}", "status", status_name(error->status), "text", show_text(error->text));

	if (error->track_count > 0) {
		json_object_set_new(json, "first_track", json_count(error->first_track));
		json_object_set_new(json, "track_count", json_count(error->track_count));
	}
	return json;
}

static json_t *json_errors(const struct post *post)
{
	json_t *errors = json_array();

	for (unsigned back = POST_KEPT; back-- > 0;)
		if (post_recent(post, back))
			json_array_append_new(errors, json_posted(post_recent(post, back)));
	return errors;
}

const char *report_result_name(const struct report *report)
{
	switch (report_exit_code(report)) {
	case 0:
		return "identical";
	case 1:
		return "different";
	default:
		return "not-proven";
	}
}

/* The sentence of the text output, for those who want the reason in words. */
static json_t *json_verdict(const struct report *report, uint64_t passes)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	json_t *json;

	assert(out);
	report_print_sentence(report, passes, out);
	fclose(out);
	text[bytes - 1] = '\0'; /* the line feed */
	json = show_text(text);
	free(text);
	return json;
}

static json_t *json_cross_table(const struct report_figures *figures)
{
	return json_pack("{s:o, s:o, s:o}", "different_marked_valid",
		json_count(figures->tracks[REPORT_DIFFERENT] - figures->marked_different), "different_marked_invalid",
		json_count(figures->marked_different), "identical_marked_invalid", json_count(figures->marked_identical));
}

/* null: not asked for, or not so all the time. */
static json_t *json_reserved(const struct report_figures *figures)
{
	if (figures->setup.reserve == RESERVE_NONE || figures->end.was_unreserved)
		return json_null();
	return json_string(figures->setup.reserve == RESERVE_RA ? "ra" : "exclusive");
}

/* Of the ranges so many are printed. */
static void set_omitted(json_t *json, const struct report *report, size_t count)
{
	const struct report_figures *figures = report_figures(report);
	uint64_t omitted = figures->ranges_omitted + figures->range_count - count, from = figures->omitted_from_bytes;

	if (omitted == 0)
		return;
	if (count < figures->range_count &&
		(figures->ranges_omitted == 0 || report_range(report, count)->offset_bytes < from))
		from = report_range(report, count)->offset_bytes;
	json_object_set_new(json, "ranges_omitted", json_count(omitted));
	json_object_set_new(json, "ranges_omitted_from", json_count(from));
}

static json_t *json_figures(const struct report *report, uint64_t passes)
{
	const struct report_figures *figures = report_figures(report);
	const struct report_setup *setup = &figures->setup;
	bool is_complete = report_sizes_held(report) &&
		figures->tracks[REPORT_IDENTICAL] + figures->tracks[REPORT_DIFFERENT] == figures->total_tracks;
	const char *digest = setup->digest == DIGEST_NONE ? NULL : digest_name(setup->digest);
	json_t *json = json_pack("{s:s, s:s, s:b, s:s, s:o, s:o, s:s?, s:o, s:o, s:s, s:s?}", "format", "ra-compare/1",
		"result", report_result_name(report), "complete", is_complete, "as_of",
		report_is_of_moment(report) ? "moment" : "per-track", "started",
		json_time(setup->started_wall_s), "ended", json_time(figures->end.ended_wall_s), "device", setup->device,
		"local", json_volume(setup, &setup->local, setup->name_local), "remote",
		json_volume(setup, &setup->remote, setup->name_remote), "by", digest ? "digest" : "data", "digest", digest);

	assert(json);
	json_object_set_new(json, "verdict", json_verdict(report, passes));
	json_object_set_new(json, "track_size", json_count(setup->track_bytes));
	json_object_set_new(json, "bytes", json_count(figures->compared_bytes));
	json_object_set_new(json, "hole_bytes", json_count(figures->hole_bytes));
	json_object_set_new(json, "wire_bytes",
		figures->end.has_sizes ? json_count(figures->end.wire_bytes) : json_null());
	json_object_set_new(json, "seconds", json_real((double)figures->end.took_ms / 1000.0));
	json_object_set_new(json, "throttled_seconds", json_real((double)figures->link.throttled_ms / 1000.0));
	json_object_set_new(json, "pass", json_count(setup->pass));
	json_object_set_new(json, "passes", json_count(passes));
	json_object_set_new(json, "tracks", json_tracks(figures));
	json_object_set_new(json, "settled", json_count(figures->settled_tracks));
	json_object_set_new(json, "resumed_tracks", json_count(figures->resumed_tracks));
	json_object_set_new(json, "trimmed", json_count(figures->trimmed_tracks));
	if (setup->checks_invalid)
		json_object_set_new(json, "invalid", json_cross_table(figures));
	json_object_set_new(json, "settle", json_pack("{s:o, s:o}", "rounds", json_count(setup->settle_rounds),
		"max_lag_seconds", json_real((double)setup->max_lag_ms / 1000.0)));
	json_object_set_new(json, "reserved", json_reserved(figures));
	json_object_set_new(json, "link", json_link(figures));
	json_object_set_new(json, "errors", json_errors(report_post(report)));
	return json;
}

static void print_json_difference(const struct report_range *range, FILE *out)
{
	fprintf(out, ", \"shape\": \"%s\", \"confirmed\": %u, \"confirmed_ms\": %" PRIu32, shape_name(range->shape),
		range->confirm.times, range->confirm.over_ms);
	if (range->seen != SEEN_UNKNOWN)
		fprintf(out, ", \"seen\": \"%s\"", range->seen == SEEN_AGAIN ? "again" : "new");
	if (range->is_marked)
		fputs(", \"invalid\": true", out);
}

static void print_json_ranges(const struct report *report, const struct where *where, size_t count, FILE *out)
{
	struct where_place place;

	fputs(",\n \"ranges\": [", out);
	for (size_t i = 0; i < count; i++) {
		const struct report_range *range = report_range(report, i);

		fprintf(out, "%s\n  {\"state\": \"%s\", \"offset\": %" PRIu64 ", \"length\": %" PRIu64 ", \"exact\": %s",
			i > 0 ? "," : "", report_state_name(range->state), range->offset_bytes, range->length_bytes,
			range->is_exact ? "true" : "false");
		if (range->state == REPORT_DIFFERENT)
			print_json_difference(range, out);
		if (where && report_state_was_read(range->state) &&
			where_find(where, range->offset_bytes, range->length_bytes, &place))
			where_print_json(&place, out);
		fputc('}', out);
	}
	fputs(count > 0 ? "\n ]" : "]", out);
}

void report_print_json(const struct report *report, const struct where *where, uint64_t passes, size_t ranges_max,
	FILE *out)
{
	const struct report_figures *figures = report_figures(report);
	size_t count = figures->range_count < ranges_max ? figures->range_count : ranges_max;
	json_t *json = json_figures(report, passes);
	char *text;

	set_omitted(json, report, count);
	json_object_set_new(json, "next", where ? where_commands(where) : json_array());
	/* JSON_EMBED leaves out the braces, but not the line feeds inside them: the ranges follow on the last line. */
	text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(12) | JSON_EMBED);
	assert(text);
	fputc('{', out);
	fwrite(text, 1, strlen(text) - 1, out);
	print_json_ranges(report, where, count, out);
	fputs("\n}\n", out);
	free(text);
	json_decref(json);
}

char *report_dump_json(const struct report *report, const struct where *where, uint64_t passes, size_t bytes_max,
	size_t *bytes)
{
	size_t ranges_max = bytes_max / RANGE_BYTES_MIN;
	char *text = NULL;
	FILE *out;

	do {
		free(text);
		out = open_memstream(&text, bytes);
		assert(out);
		report_print_json(report, where, passes, ranges_max, out);
		fclose(out);
		if (*bytes <= bytes_max)
			return text;
		ranges_max /= 2;
	} while (ranges_max > 0);
	free(text);
	return NULL;
}

void report_print_json_error(const char *text, FILE *out)
{
	json_t *json = json_pack("{s:s, s:s, s:b, s:[{s:o}]}", "format", "ra-compare/1", "result", "error", "complete", 0,
		"errors", "text", show_text(text));

	assert(json);
	json_dumpf(json, out, JSON_INDENT(1));
	fputc('\n', out);
	json_decref(json);
}
