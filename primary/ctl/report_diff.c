/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of tracks of both reports, and what is left when one is taken from the other. What a report does not list,
 * because it had no room for all ranges, is left out of all of them. One thread.
 */
#include "primary/ctl/report_diff.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "base/track_set.h"
#include "local/show.h"
#include "primary/ctl/ranges.h"
#include "primary/ctl/words.h"

/* Of a report: what differs, and what is neither different nor identical. */
struct sides {
	struct track_set *different, *unknown;
};

static const struct {
	const char *name, *words;
} classes[] = {
	{ "new", "newly different" },
	{ "found", "different, not known before" },
	{ "same", "different in both" },
	{ "healed", "identical again" },
	{ "open", "different before, not known now" },
};
#define CLASSES (sizeof(classes) / sizeof(classes[0]))

static uint64_t track_bytes_of(const json_t *report)
{
	uint64_t bytes = ctl_integer_of(report, "track_size");

	return bytes > 0 ? bytes : TRACK_BYTES_DEFAULT;
}

static void add_bytes(struct track_set *set, uint64_t offset, uint64_t length, uint64_t track_bytes)
{
	uint64_t first = offset / track_bytes;

	if (length > 0 && length <= INT64_MAX && offset <= INT64_MAX - length)
		track_set_add(set, first, (offset + length + track_bytes - 1) / track_bytes - first);
}

static void add_range(const struct sides *sides, const json_t *range, uint64_t track_bytes)
{
	bool is_different = strcmp(ctl_text_of(range, "state"), "different") == 0;

	add_bytes(is_different ? sides->different : sides->unknown, ctl_integer_of(range, "offset"),
		ctl_integer_of(range, "length"), track_bytes);
}

/* Behind the end of the larger volume there is nothing to be known. */
static void add_end(const struct sides *sides, const json_t *report, uint64_t track_bytes)
{
	uint64_t local = ctl_integer_of(json_object_get(report, "local"), "size_bytes");
	uint64_t remote = ctl_integer_of(json_object_get(report, "remote"), "size_bytes");
	uint64_t first = ((local > remote ? local : remote) + track_bytes - 1) / track_bytes;

	if (first < TRACKS_END)
		track_set_add(sides->unknown, first, TRACKS_END - first);
}

/* Returns the track from which on the report does not list what it has. */
static uint64_t take_sides(const json_t *report, uint64_t track_bytes, struct sides *sides)
{
	const json_t *range;
	size_t index;

	*sides = (struct sides){ track_set_new(), track_set_new() };
	json_array_foreach(json_object_get(report, "ranges"), index, range)
		add_range(sides, range, track_bytes);
	add_end(sides, report, track_bytes);
	/* A track that differs in part does differ. */
	track_set_remove_all(sides->unknown, sides->different);
	return ctl_has(report, "ranges_omitted") ? ctl_integer_of(report, "ranges_omitted_from") / track_bytes : TRACKS_END;
}

static void free_sides(struct sides *sides)
{
	track_set_free(sides->different);
	track_set_free(sides->unknown);
}

/* In one, and in other or, with is_in false, not in it. */
static struct track_set *chosen(const struct track_set *one, const struct track_set *other, bool is_in)
{
	struct track_set *without = track_set_new(), *with;

	track_set_add_all(without, one);
	track_set_remove_all(without, other);
	if (!is_in)
		return without;
	with = track_set_new();
	track_set_add_all(with, one);
	track_set_remove_all(with, without);
	track_set_free(without);
	return with;
}

static void set_class(json_t *diff, size_t class, struct track_set *set, uint64_t end)
{
	json_t *ranges = json_array();
	char key[32];

	track_set_remove(set, end, UINT64_MAX - end);
	for (size_t i = 0; i < track_set_ranges(set); i++) {
		struct track_range range = track_set_range(set, i);

		json_array_append_new(ranges, json_pack("[I, I]", (json_int_t)range.first, (json_int_t)range.count));
	}
	snprintf(key, sizeof(key), "%s_tracks", classes[class].name);
	json_object_set_new(diff, key, json_integer((json_int_t)track_set_tracks(set)));
	snprintf(key, sizeof(key), "%s_ranges", classes[class].name);
	json_object_set_new(diff, key, ranges);
	track_set_free(set);
}

static void set_classes(json_t *diff, const struct sides *old, const struct sides *new, uint64_t end)
{
	struct track_set *come = chosen(new->different, old->different, false);
	struct track_set *gone = chosen(old->different, new->different, false);

	set_class(diff, 0, chosen(come, old->unknown, false), end);
	set_class(diff, 1, chosen(come, old->unknown, true), end);
	set_class(diff, 2, chosen(new->different, old->different, true), end);
	set_class(diff, 3, chosen(gone, new->unknown, false), end);
	set_class(diff, 4, chosen(gone, new->unknown, true), end);
	track_set_free(come);
	track_set_free(gone);
}

static json_t *describe(const json_t *kept)
{
	static const char *const keys[] = { "started", "ended", "result" };
	json_t *json = json_object();

	json_object_set(json, "number", json_object_get(kept, "number"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_set(json, keys[i], json_object_get(json_object_get(kept, "report"), keys[i]));
	return json;
}

json_t *ctl_report_diff(const char *device, const json_t *old, const json_t *new)
{
	const json_t *old_report = json_object_get(old, "report"), *new_report = json_object_get(new, "report");
	uint64_t old_bytes = track_bytes_of(old_report), new_bytes = track_bytes_of(new_report);
	uint64_t track_bytes = old_bytes > new_bytes ? old_bytes : new_bytes; /* powers of two both */
	struct sides old_sides, new_sides;
	uint64_t old_end = take_sides(old_report, track_bytes, &old_sides);
	uint64_t new_end = take_sides(new_report, track_bytes, &new_sides);
	uint64_t end = old_end < new_end ? old_end : new_end;
	json_t *diff = json_pack("{s:s, s:o, s:o, s:I}", "device", device, "old", describe(old), "new", describe(new),
		"track_bytes", (json_int_t)track_bytes);

	json_object_set_new(diff, "end_track", end < TRACKS_END ? json_integer((json_int_t)end) : json_null());
	set_classes(diff, &old_sides, &new_sides, end);
	free_sides(&old_sides);
	free_sides(&new_sides);
	return diff;
}

static void show_class(const json_t *diff, size_t class, FILE *out)
{
	struct track_set *set = track_set_new();
	const json_t *range;
	char key[32];
	size_t index;

	snprintf(key, sizeof(key), "%s_ranges", classes[class].name);
	json_array_foreach(json_object_get(diff, key), index, range)
		track_set_add(set, (uint64_t)json_integer_value(json_array_get(range, 0)),
			(uint64_t)json_integer_value(json_array_get(range, 1)));
	if (track_set_ranges(set) > 0) {
		fprintf(out, "%s: %s\n", classes[class].words, ctl_count(track_set_tracks(set), "track", "tracks"));
		ctl_ranges_print(set, "  ", out);
	}
	track_set_free(set);
}

static void show_run(const char *name, const json_t *run, FILE *out)
{
	fprintf(out, "%s: report %" PRIu64 ", ended ", name, ctl_integer_of(run, "number"));
	show_clean(ctl_text_of(run, "ended"), out);
	fputs(", ", out);
	show_clean(ctl_text_of(run, "result"), out);
	fputc('\n', out);
}

void ctl_show_report_diff(const json_t *diff, FILE *out)
{
	uint64_t tracks = 0;

	show_run("old", json_object_get(diff, "old"), out);
	show_run("new", json_object_get(diff, "new"), out);
	for (size_t i = 0; i < CLASSES; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s_tracks", classes[i].name);
		tracks += ctl_integer_of(diff, key);
		show_class(diff, i, out);
	}
	if (tracks == 0)
		fputs("no differences in either\n", out);
	if (ctl_has(diff, "end_track"))
		fprintf(out, "note: one of them does not list all its ranges: nothing is said from track %" PRIu64 " on\n",
			ctl_integer_of(diff, "end_track"));
	fprintf(out, "tracks of %s, counted from 0\n", ctl_bytes(ctl_number_of(diff, "track_bytes")));
}
