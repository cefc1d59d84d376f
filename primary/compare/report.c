/* SPDX-License-Identifier: Apache-2.0
 *
 * The findings of one pass. Ranges stand in one sorted array: streams finish out of order, but near each other, so
 * almost every insertion is at the end. Where the volumes have unequal sizes, the tail is a difference from the start;
 * the boundary track, whose first bytes both have, is counted then and only its ranges are added later.
 */
#include "primary/compare/report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plural.h"
#include "base/post.h"

struct report {
	struct report_figures figures;
	struct post *post;
	uint64_t smaller_bytes, larger_bytes;
	uint64_t tail_track; /* the first that is not wholly in both; total_tracks when the sizes are equal */
	uint64_t first_track, end_track;
	uint64_t exact_tracks_left;
	struct report_range *ranges;
	size_t ranges_room;
	bool is_finished;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

const char *report_state_name(enum report_state state)
{
	static const char *const names[REPORT_STATE_COUNT] = {
		[REPORT_IDENTICAL] = "identical",   [REPORT_DIFFERENT] = "different",
		[REPORT_UNSETTLED] = "unsettled",   [REPORT_INVALID] = "invalid",
		[REPORT_UNREADABLE] = "unreadable", [REPORT_NOT_COMPARED] = "not_compared",
	};

	return names[state];
}

/* Index of the first range that begins at or after offset. */
static size_t find_range(const struct report *report, uint64_t offset)
{
	size_t low = 0, high = report->figures.range_count;

	if (high > 0 && report->ranges[high - 1].offset_bytes < offset)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (report->ranges[middle].offset_bytes < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void open_gap(struct report *report, size_t index, size_t count)
{
	size_t needed = report->figures.range_count + count;

	while (report->ranges_room < needed) {
		report->ranges_room = report->ranges_room ? report->ranges_room * 2 : 64;
		report->ranges = xrealloc(report->ranges, report->ranges_room, sizeof(*report->ranges));
	}
	if (index < report->figures.range_count)
		memmove(&report->ranges[index + count], &report->ranges[index],
			(report->figures.range_count - index) * sizeof(*report->ranges));
	report->figures.range_count = needed;
}

static void remove_range(struct report *report, size_t index)
{
	report->figures.range_count--;
	memmove(&report->ranges[index], &report->ranges[index + 1],
		(report->figures.range_count - index) * sizeof(*report->ranges));
}

/* Makes one of the ranges before and at index when they touch and mean the same. */
static bool join_ranges(struct report *report, size_t index)
{
	struct report_range *before, *after;

	if (index == 0 || index >= report->figures.range_count)
		return false;
	before = &report->ranges[index - 1];
	after = &report->ranges[index];
	if (before->state != after->state || before->is_exact != after->is_exact ||
		before->offset_bytes + before->length_bytes != after->offset_bytes)
		return false;
	before->length_bytes += after->length_bytes;
	remove_range(report, index);
	return true;
}

static void add_range(struct report *report, enum report_state state, bool is_exact, uint64_t offset, uint64_t length)
{
	size_t index = find_range(report, offset);
	bool is_joined;

	if (length == 0)
		return;
	if (state == REPORT_DIFFERENT) {
		report->figures.different_bytes += length;
		report->figures.different_ranges_inexact += !is_exact;
	}
	open_gap(report, index, 1);
	report->ranges[index] = (struct report_range){ offset, length, state, is_exact };
	is_joined = join_ranges(report, index + 1);
	is_joined = join_ranges(report, index) || is_joined;
	if (!is_joined && report->figures.range_count > REPORT_RANGES_MAX) {
		remove_range(report, index);
		report->figures.ranges_omitted++;
	}
}

/* From *at on, the next stretch of unequal bytes; its start, with *at at its end. bytes when there is none. */
static uint32_t next_difference(const uint8_t *a, const uint8_t *b, uint32_t bytes, uint32_t *at)
{
	uint32_t start = *at;

	while (start < bytes && a[start] == b[start])
		start++;
	*at = start;
	while (*at < bytes && a[*at] != b[*at])
		(*at)++;
	return start;
}

/* A track may have half as many ranges as bytes, and later ranges may be there already: room is made once. */
static void add_exact_ranges(struct report *report, uint64_t offset, const uint8_t *a, const uint8_t *b, uint32_t bytes)
{
	struct report_figures *figures = &report->figures;
	size_t index = find_range(report, offset), found = 0, kept, i;
	uint32_t at = 0;

	while (next_difference(a, b, bytes, &at) < bytes)
		found++;
	kept = figures->range_count < REPORT_RANGES_MAX ? REPORT_RANGES_MAX - figures->range_count : 0;
	kept = (size_t)min_u64(kept, found);
	figures->ranges_omitted += found - kept;
	open_gap(report, index, kept);
	at = 0;
	for (i = 0; i < found; i++) {
		uint32_t start = next_difference(a, b, bytes, &at);

		figures->different_bytes += at - start;
		if (i < kept)
			report->ranges[index + i] =
				(struct report_range){ offset + start, at - start, REPORT_DIFFERENT, true };
	}
	if (kept > 0) {
		join_ranges(report, index + kept);
		join_ranges(report, index);
	}
}

/* Tracks of the tail were counted by begin_tail. */
static uint64_t count_tracks(struct report *report, enum report_state state, uint64_t first_track, uint64_t count)
{
	uint64_t counted = first_track < report->tail_track ? min_u64(count, report->tail_track - first_track) : 0;

	report->figures.tracks[state] += counted;
	return counted;
}

static uint64_t track_offset(const struct report *report, uint64_t track)
{
	return track * report->figures.setup.track_bytes;
}

/* A range of whole tracks, but never beyond what both volumes have. */
static void add_track_range(struct report *report, enum report_state state, uint64_t first_track, uint64_t count)
{
	uint64_t start = track_offset(report, first_track);
	uint64_t end = min_u64(track_offset(report, first_track + count), report->smaller_bytes);

	if (start < end)
		add_range(report, state, false, start, end - start);
}

static uint64_t tracks_of(uint64_t bytes, uint32_t track_bytes)
{
	return bytes / track_bytes + (bytes % track_bytes != 0);
}

/* asked_end: the first track after those asked for. */
static void begin_tail(struct report *report, uint64_t asked_first, uint64_t asked_end)
{
	struct report_figures *figures = &report->figures;
	uint64_t first = max_u64(asked_first, report->tail_track), start, end;

	if (first >= asked_end)
		return;
	figures->tracks[REPORT_DIFFERENT] += asked_end - first;
	start = max_u64(track_offset(report, first), report->smaller_bytes);
	end = min_u64(track_offset(report, asked_end), report->larger_bytes);
	add_range(report, REPORT_DIFFERENT, true, start, end - start);
}

static void begin_not_asked(struct report *report, uint64_t first_track, uint64_t end_track)
{
	struct report_figures *figures = &report->figures;
	uint64_t start = track_offset(report, first_track), end;

	if (first_track >= end_track)
		return;
	figures->tracks[REPORT_NOT_COMPARED] += end_track - first_track;
	figures->reasons[REASON_NOT_ASKED] += end_track - first_track;
	end = min_u64(track_offset(report, end_track), report->larger_bytes);
	add_range(report, REPORT_NOT_COMPARED, false, start, end - start);
}

struct report *report_new(const struct report_setup *setup)
{
	struct report *report = xcalloc(1, sizeof(*report));
	uint64_t asked_first = 0, asked_end;

	report->figures.setup = *setup;
	report->post = post_new();
	report->smaller_bytes = volume_info_common_bytes(&setup->local, &setup->remote);
	report->larger_bytes = volume_info_compared_bytes(&setup->local, &setup->remote, setup->is_common);
	report->figures.total_tracks = tracks_of(report->larger_bytes, setup->track_bytes);
	report->tail_track = report->figures.total_tracks;
	if (report->smaller_bytes != report->larger_bytes)
		report->tail_track = report->smaller_bytes / setup->track_bytes;
	report->exact_tracks_left = setup->exact_tracks;
	report->figures.is_only_tail = true;

	asked_end = report->figures.total_tracks;
	if (setup->has_tracks) {
		assert(setup->first_track <= setup->last_track && setup->last_track < asked_end);
		asked_first = setup->first_track;
		asked_end = setup->last_track + 1;
	}
	report->end_track = min_u64(asked_end, tracks_of(report->smaller_bytes, setup->track_bytes));
	report->first_track = min_u64(asked_first, report->end_track);
	begin_not_asked(report, 0, asked_first);
	begin_not_asked(report, asked_end, report->figures.total_tracks);
	begin_tail(report, asked_first, asked_end);
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	post_free(report->post);
	free(report->ranges);
	free(report);
}

const struct report_figures *report_figures(const struct report *report)
{
	return &report->figures;
}

struct report_link *report_link(struct report *report)
{
	return &report->figures.link;
}

struct post *report_post(const struct report *report)
{
	return report->post;
}

const struct report_range *report_range(const struct report *report, size_t index)
{
	assert(index < report->figures.range_count);
	return &report->ranges[index];
}

uint64_t report_first_track(const struct report *report)
{
	return report->first_track;
}

uint64_t report_end_track(const struct report *report)
{
	return report->end_track;
}

uint32_t report_common_bytes(const struct report *report, uint64_t track)
{
	uint64_t start = track_offset(report, track);

	assert(start < report->smaller_bytes);
	return (uint32_t)min_u64(report->figures.setup.track_bytes, report->smaller_bytes - start);
}

static void count_compared(struct report *report, uint64_t track, bool is_hole)
{
	uint32_t bytes = report_common_bytes(report, track);

	assert(track >= report->first_track && track < report->end_track);
	report->figures.compared_bytes += bytes;
	report->figures.hole_bytes += is_hole ? bytes : 0;
}

void report_identical(struct report *report, uint64_t track, bool is_hole)
{
	count_compared(report, track, is_hole);
	count_tracks(report, REPORT_IDENTICAL, track, 1);
}

void report_different(struct report *report, uint64_t track, bool is_hole, const uint8_t *local, const uint8_t *remote)
{
	count_compared(report, track, is_hole);
	count_tracks(report, REPORT_DIFFERENT, track, 1);
	report->figures.is_only_tail = false;
	if (report->exact_tracks_left > 0) {
		report->exact_tracks_left--;
		add_exact_ranges(report, track_offset(report, track), local, remote, report_common_bytes(report, track));
	} else {
		add_track_range(report, REPORT_DIFFERENT, track, 1);
	}
}

void report_unreadable(struct report *report, uint64_t track)
{
	count_tracks(report, REPORT_UNREADABLE, track, 1);
	add_track_range(report, REPORT_UNREADABLE, track, 1);
}

void report_not_compared(struct report *report, uint64_t first_track, uint64_t count, enum report_reason reason)
{
	report->figures.reasons[reason] += count_tracks(report, REPORT_NOT_COMPARED, first_track, count);
	add_track_range(report, REPORT_NOT_COMPARED, first_track, count);
}

struct volume_outside report_outside(const struct report_setup *setup, const struct volume_info *volume)
{
	return volume_info_outside(volume, volume_info_compared_bytes(&setup->local, &setup->remote, setup->is_common));
}

static void post_size_change(struct report *report, const char *name, uint64_t before, uint64_t after)
{
	const struct post_where where = { .peer = NULL };

	if (before != after)
		post_error(report->post, STATUS_VOLUME_ERROR, &where, "%.128s %s from %llu to %llu %s during the run%s",
			name, after > before ? "grew" : "shrank", (unsigned long long)before, (unsigned long long)after,
			plural(after, "byte", "bytes"), after > before ? ", the new part was not compared" : "");
}

void report_finish(struct report *report, const struct report_end *end)
{
	const struct report_setup *setup = &report->figures.setup;
	uint64_t sum = 0;

	assert(!report->is_finished);
	for (int state = 0; state < REPORT_STATE_COUNT; state++)
		sum += report->figures.tracks[state];
	assert(sum == report->figures.total_tracks);
	if (report->figures.tracks[REPORT_DIFFERENT] == 0)
		report->figures.is_only_tail = false;
	report->figures.end = *end;
	report->is_finished = true;
	if (!end->has_sizes)
		return;
	if (setup->is_common) {
		post_size_change(report, "the common part", report->smaller_bytes,
			min_u64(end->local_bytes, end->remote_bytes));
		return;
	}
	post_size_change(report, setup->name_local, setup->local.size_bytes, end->local_bytes);
	post_size_change(report, setup->name_remote, setup->remote.size_bytes, end->remote_bytes);
}

bool report_sizes_held(const struct report *report)
{
	const struct report_figures *figures = &report->figures;

	if (figures->setup.is_common)
		return figures->end.has_sizes &&
			min_u64(figures->end.local_bytes, figures->end.remote_bytes) == report->smaller_bytes;
	return figures->end.has_sizes && figures->end.local_bytes == figures->setup.local.size_bytes &&
		figures->end.remote_bytes == figures->setup.remote.size_bytes;
}

int report_exit_code(const struct report *report)
{
	const uint64_t *tracks = report->figures.tracks;

	assert(report->is_finished);
	if (tracks[REPORT_DIFFERENT] > 0)
		return 1;
	if (tracks[REPORT_UNREADABLE] > 0)
		return 5;
	if (report->figures.end.is_lost)
		return 4;
	if (tracks[REPORT_IDENTICAL] < report->figures.total_tracks || !report_sizes_held(report))
		return 3;
	return 0;
}

bool report_is_worse(const struct report *report, const struct report *than)
{
	static const int order[] = { [0] = 0, [1] = 4, [3] = 1, [4] = 2, [5] = 3 };

	return order[report_exit_code(report)] > order[report_exit_code(than)];
}
